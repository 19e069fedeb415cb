package websocket

import (
	"strings"

	"recap/pipeline/exchange"
)

// Options of New, as the handshake settled them.
type Options struct {
	// PairID is the pair of the handshake.
	PairID exchange.ID
	// Deflate says that permessage-deflate is in use (RFC 7692).
	Deflate bool
	// Fresh says, by sender, that each message is compressed on its own
	// (client_no_context_takeover, server_no_context_takeover).
	Fresh [2]bool
	// Other says that extensions are in use that are not known, so that the reserved
	// bits may mean anything.
	Other bool
}

// Negotiated reads the extensions that a server has agreed to out of the fields of its
// response (RFC 6455, section 9.1; RFC 7692, section 7.1).
func Negotiated(fields []exchange.Header) (o Options) {
	for i := range fields {
		if strings.EqualFold(fields[i].Name, "sec-websocket-extensions") {
			for one := range strings.SplitSeq(fields[i].Value, ",") {
				o.extension(one)
			}
		}
	}
	return o
}

func (o *Options) extension(text string) {
	name, rest, _ := strings.Cut(text, ";")
	switch name = strings.TrimSpace(name); {
	case name == "":
		return
	case o.Deflate || !strings.EqualFold(name, "permessage-deflate"):
		o.Other = true
		return
	}
	o.Deflate = true
	for p := range strings.SplitSeq(rest, ";") {
		// The sizes of windows are not needed: who reads with the largest can read all.
		key, _, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "client_no_context_takeover":
			o.Fresh[exchange.ToServer] = true
		case "server_no_context_takeover":
			o.Fresh[exchange.ToClient] = true
		}
	}
}
