// Package exchange is the vocabulary between the pipeline and everything that
// consumes its results: pairs, messages, connections, anomalies and the ledger.
//
// It is a leaf: it imports nothing of recap.
package exchange

import (
	"encoding/hex"
	"net/netip"
	"unsafe"
)

// Dir is a direction of a connection.
type Dir uint8

// ToServer carries requests, ToClient responses.
const (
	ToServer Dir = 0
	ToClient Dir = 1
)

// Reverse returns the other direction.
func (d Dir) Reverse() Dir { return d ^ 1 }

// ID is a stable name of a connection or of a pair in one capture.
type ID [12]byte

// String returns the ID in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// State says how whole a pair is.
type State uint8

// A pair is Partial when a gap, a cut or a parse failure lies inside one of its messages.
const (
	Complete State = iota
	RequestOnly
	ResponseOnly
	Partial
)

var stateNames = [...]string{"complete", "request_only", "response_only", "partial"}

func (s State) String() string { return stateNames[s] }

// NoTime is a time that is unknown; see packet.NoTime.
const NoTime = -1 << 63

// Endpoint is one side of a connection, innermost addresses.
type Endpoint struct {
	IP   netip.Addr
	Port uint16
	MAC  [6]byte
	// HasMAC tells a MAC of zeros from a link layer without addresses.
	HasMAC bool
}

// Tunnel is one encapsulation around a connection.
type Tunnel struct {
	Type string     // "vxlan", "geneve", "gre", "erspan", "mpls", "pppoe", "ipip", "6in4", …
	ID   int64      // VNI, key, session, label; -1 where the tunnel has none
	Src  netip.Addr // outer addresses of the first packet; invalid below IP (mpls, pppoe)
	Dst  netip.Addr
	// Options of the header on the connection's first packet (geneve).
	Options []TunnelOption
}

// TLS tells what is known of a connection's TLS layer.
type TLS struct {
	Version, Cipher, SNI, ALPN, JA3, JA4 string
	Decrypted                            bool

	Offered string // protocols that the client offered, joined by commas
	// CertSubject, CertIssuer and CertSHA256 (hex) are those of the server's own
	// certificate, where it could be read.
	CertSubject, CertIssuer, CertSHA256 string
}

// Conn is what the pairs of one connection share. It does not change once a pair refers to it.
type Conn struct {
	ID          ID
	CommunityID string
	Client      Endpoint
	Server      Endpoint
	Tunnels     []Tunnel // outermost first
	VLANs       []int32  // outermost first
	TLS         *TLS
	Interface   string // name of the capturing interface, or its number
}

// Vantage is a further place in the capture where the same conversation was seen.
type Vantage struct {
	Tunnels   []Tunnel
	VLANs     []int32
	Interface string
	DelayNS   int64 // of this copy after the one that the pair was read from
}

// Header is one header or trailer field as sent: order, case and duplicates are
// kept by the list it stands in. Name and Value are valid UTF-8: bytes that are
// not are written \xNN and the pair carries AnomalyEscapedBytes.
type Header struct{ Name, Value string }

// Gap is a hole in a body.
type Gap struct {
	Offset int64 // in the decoded body where it was not content-coded, else in the body as sent
	Length int64 // -1 where unknown
	Reason string
}

// Reasons of a Gap.
const (
	GapLost            = "lost"
	GapSnaplen         = "snaplen"
	GapMirrorTruncated = "mirror_truncated"
	GapOverlapConflict = "overlap_conflict"
	GapLimit           = "limit"
)

// Interim is one 1xx response.
type Interim struct {
	Status  int32
	TimeNS  int64
	Headers []Header
}

// Message is one side of a pair. Present is false where the capture does not hold it.
type Message struct {
	Present   bool
	TimeNS    int64 // capture time of its first byte
	EndTimeNS int64 // of its last byte
	Clock     int64 // capture clock of its first byte: jumps of time are left out
	Begin     int64 // of HTTP/1 and HTTP/2: where its head begins in the stream, from 1; 0 where that is not known
	Version   string
	Headers   []Header
	Trailers  []Header
	// Head is the start line and header block as on the wire.
	Head []byte
	// HeadEscaped: a string of this message had to be escaped, so that only Head holds the truth.
	HeadEscaped     bool
	ContentType     string
	ContentEncoding string
	// Body is the stored part of the body after de-chunking and content
	// decoding. HasBody tells an empty body from none.
	Body         []byte
	HasBody      bool
	Shared       bool     // Body is memory that never changes: a body that came before
	BodySize     int64    // decoded, whole
	BodyWireSize int64    // as sent, with chunk framing removed, before content decoding
	BodySHA256   [32]byte // of the whole decoded body, stored or not
	Hashed       bool     // BodySHA256 is set; never for a body that is not whole
	Gaps         []Gap
	// Alt is what another reader would make of the same bytes, where the head is
	// ambiguous about the body; nil where it is not.
	Alt     *AltFraming
	Packets []int64 // packet numbers that carried it, rising
}

// AltFraming is another reading of where a body ends. Readers that differ about it can be
// played off against each other (request smuggling).
type AltFraming struct {
	Framing    string
	BodySize   int64 // bytes, before content decoding; -1 where the capture does not tell
	BodySHA256 [32]byte
	Hashed     bool   // BodySHA256 is set
	Body       []byte // the stored beginning of it
	Next       int64  // stream offset where the next message would begin; -1 unknown
	// StartLines are those of messages that only this reading finds, behind its body.
	StartLines []string
}

// Framings of a body.
const (
	FramingChunked = "chunked"
	FramingLength  = "content_length"
	FramingClose   = "close" // to the end of the connection
	FramingNone    = "none"  // no body
)

// Request is the client's side.
type Request struct {
	Message
	Method string
	Target string // exactly as sent (escaped as Header says)
	Scheme string // the rest is derived
	Host   string
	Path   string
	Query  string
	URL    string
}

// Forget empties the fields that are read from the start line and the head.
func (r *Request) Forget() {
	r.Version, r.Method, r.Target, r.Scheme, r.Host, r.Path, r.Query, r.URL = "", "", "", "", "", "", "", ""
}

// Response is the server's side.
type Response struct {
	Message
	Status  int32
	Reason  string
	Interim []Interim
}

// Call is what an exchange of a kind with named operations calls.
type Call struct {
	Operation string // GraphQL operation names, SOAP action, gRPC service/method
	Type      string // GraphQL: query, mutation, subscription
	Version   string // SOAP: 1.1, 1.2
	Batch     int32  // operations; 0 where they cannot be told
}

// A Pair is one HTTP exchange. Everything in it, strings included, may point into
// memory that the pipeline uses again after the batch that carries it is
// released: whoever keeps a pair longer clones what it keeps.
type Pair struct {
	ID        ID
	State     State
	Anomalies Anomalies
	Protocol  string
	Kind      string
	Call      *Call // nil where the kind has no calls
	Conn      *Conn
	Ordinal   int32
	Request   Request
	Response  Response
	LatencyNS int64 // end of request to first byte of response; NoTime if unknown
	// DurationNS is first byte to last byte; NoTime if unknown.
	DurationNS  int64
	Vantages    []Vantage
	FirstPacket int64
	LastPacket  int64
	Files       []string // names of the inputs it was read from, in order

	// Scratch holds strings of the pair that do not stand in the capture as they are.
	Scratch []byte

	// Completed is the number of the packet that completed the pair: rows are
	// ordered by it, then by connection, then by Ordinal.
	Completed int64
}

// Reset makes p an empty pair again. Memory of its lists is kept, that of bodies is not.
func (p *Pair) Reset() {
	q, s, files, scratch := p.Request.Message, p.Response.Message, p.Files[:0], p.Scratch[:0]
	interim := p.Response.Interim[:0]
	*p = Pair{Files: files, Scratch: scratch, LatencyNS: NoTime, DurationNS: NoTime}
	p.Request.Message.keep(&q)
	p.Response.Message.keep(&s)
	p.Response.Interim = interim
}

// Conclude fills in what follows from both messages once they are over: state, times and
// packets. Damaged says that one of them is not whole.
func (p *Pair) Conclude(damaged bool) {
	req, resp := &p.Request.Message, &p.Response.Message
	switch {
	case damaged:
		p.State = Partial
	case !resp.Present:
		p.State = RequestOnly
	case !req.Present:
		p.State = ResponseOnly
	}
	if req.Present && resp.Present && req.EndTimeNS != NoTime && resp.TimeNS != NoTime {
		p.LatencyNS = resp.TimeNS - req.EndTimeNS
	}
	first, last := req, resp
	if !req.Present {
		first = last
	} else if !resp.Present {
		last = first
	}
	if first.TimeNS != NoTime && last.EndTimeNS != NoTime {
		p.DurationNS = max(first.EndTimeNS, last.EndTimeNS) - min(first.TimeNS, last.TimeNS)
	}
	p.FirstPacket, p.LastPacket = span(req.Packets, resp.Packets)
}

// span returns the first and the last of two rising lists of packets, 0 for none.
func span(a, b []int64) (first, last int64) {
	for _, l := range [2][]int64{a, b} {
		if n := len(l); n > 0 {
			if first == 0 || l[0] < first {
				first = l[0]
			}
			last = max(last, l[n-1])
		}
	}
	return first, last
}

// maxKept bounds what a reused message keeps of each of its buffers, bytes.
const maxKept = 16 << 10

func (m *Message) keep(old *Message) {
	m.TimeNS, m.EndTimeNS = NoTime, NoTime
	m.Headers = kept(old.Headers)
	m.Trailers = kept(old.Trailers)
	m.Head = kept(old.Head)
	m.Gaps = kept(old.Gaps)
	m.Packets = kept(old.Packets)
}

func kept[T any](s []T) []T {
	var one T
	if cap(s)*int(unsafe.Sizeof(one)) > maxKept {
		return nil
	}
	return s[:0]
}
