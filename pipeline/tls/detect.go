package tls

import "recap/pipeline/exchange"

// Verdict of detection.
type Verdict uint8

// No: the bytes are something else. More: too few to tell. Yes: TLS records begin here.
const (
	No Verdict = iota
	More
	Yes
)

// oldHello returns the length of the ClientHello in the form of SSL 2.0 that begins
// at b, as clients sent it that could speak both (RFC 5246, appendix E.2); 0 if none does,
// as far as b goes.
func oldHello(b []byte) int {
	if len(b) < 5 || b[0]&0x80 == 0 || b[2] != msgClientHello || b[3] != 3 || b[4] > 3 {
		return 0
	}
	n := 2 + (int(b[0]&0x7f)<<8 | int(b[1]))
	if len(b) < 11 {
		return n
	}
	suites, session, challenge := int(b[5])<<8|int(b[6]), int(b[7])<<8|int(b[8]), int(b[9])<<8|int(b[10])
	if suites%3 != 0 || suites == 0 || session > 32 || challenge < 16 || challenge > 32 || n != 11+suites+session+challenge {
		return 0
	}
	return n
}

// Detect tells whether TLS records begin at b, and, where known says so, in which
// direction they go. strict wants the hello of a handshake: it is for places where
// another protocol has been before.
func Detect(b []byte, strict bool) (v Verdict, d exchange.Dir, known bool) {
	if n := oldHello(b); n > 0 {
		if len(b) < 11 {
			return More, 0, false
		}
		return Yes, exchange.ToServer, true
	}
	header := [6]byte{typeHandshake, 3, 0, 0, 1, msgClientHello}
	if len(b) < len(header) {
		// Filled up with what fits best, it must look like one.
		copy(header[:], b)
		if !plausible(header[:]) || strict && header[0] != typeHandshake {
			return No, 0, false
		}
		return More, 0, false
	}
	n := recordLen(b) - headerLen
	switch {
	case !plausible(b) || n == 0 || b[0] == typeHeartbeat:
		return No, 0, false
	case b[0] == typeHandshake && (b[5] == msgClientHello || b[5] == msgServerHello):
		if strict && n < 40 {
			return No, 0, false
		}
		if b[5] == msgClientHello {
			return Yes, exchange.ToServer, true
		}
		return Yes, exchange.ToClient, true
	case strict:
		return No, 0, false
	}
	return Yes, 0, false
}
