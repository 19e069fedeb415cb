// Package grpc divides bodies of gRPC and gRPC-Web into length-prefixed messages
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and PROTOCOL-WEB.md).
package grpc

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Form is how a body holds messages.
type Form uint8

const (
	None    Form = iota // none
	Plain               // gRPC over HTTP/2
	Web                 // gRPC-Web: trailers come as a message
	WebText             // gRPC-Web in base64
)

// FormOf returns the form of a body by its Content-Type.
func FormOf(contentType string) Form {
	for _, f := range [...]struct {
		prefix string
		form   Form
	}{{"application/grpc-web-text", WebText}, {"application/grpc-web", Web}, {"application/grpc", Plain}} {
		if len(contentType) >= len(f.prefix) && strings.EqualFold(contentType[:len(f.prefix)], f.prefix) {
			return f.form
		}
	}
	return None
}

// Body is what a Reader has to know of the body.
type Body struct {
	Pair     *exchange.Pair
	Dir      exchange.Dir
	Form     Form
	Encoding string // grpc-encoding
	Count    *int64 // messages of the pair that were given out
}

// A Reader reads one body and gives its messages to the Env.
type Reader struct {
	env  *app.Env
	conn *exchange.Conn
	body Body

	text    [4]byte // of base64, not whole yet
	letters int     // in text

	head   [5]byte // of a message: flags, length
	n      int     // bytes of it
	remain int64
	size   int64
	store  coding.Store
	open   bool // in a message
	holed  bool // bytes of it are missing
	lost   bool // it is not known any more where a message begins
}

const (
	flagCompressed = 0x01
	flagTrailers   = 0x80 // of gRPC-Web
)

// NewReader returns a Reader for a body that begins.
func NewReader(env *app.Env, conn *exchange.Conn, body Body) *Reader {
	return &Reader{env: env, conn: conn, body: body}
}

// Memory returns what r holds, bytes.
func (r *Reader) Memory() int64 { return 250 + app.Grown(len(r.store.Data)) }

// Data takes the next bytes of the body.
func (r *Reader) Data(at packet.Pos, b []byte) {
	if r.body.Form != WebText {
		r.data(at, b)
		return
	}
	var out [768]byte
	n := 0
	for _, c := range b {
		if r.lost {
			return
		}
		r.text[r.letters] = c
		if r.letters++; r.letters < len(r.text) {
			continue
		}
		r.letters = 0
		// Pieces that were padded each for itself may follow each other.
		k, err := base64.StdEncoding.Strict().Decode(out[n:], r.text[:])
		if err != nil {
			r.fail()
			break
		}
		if n += k; n > len(out)-3 {
			r.data(at, out[:n])
			n = 0
		}
	}
	r.data(at, out[:n])
}

// fail notes that the body does not divide into messages.
func (r *Reader) fail() {
	r.body.Pair.Anomalies.Add(exchange.AnomalyBadGRPC)
	r.lost = true
}

// data takes the next bytes, base64 undone.
func (r *Reader) data(at packet.Pos, b []byte) {
	for !r.lost {
		if !r.open {
			k := copy(r.head[r.n:], b)
			b = b[k:]
			if r.n += k; r.n < len(r.head) || !r.begin() {
				return
			}
		}
		k := min(int64(len(b)), r.remain)
		if !r.holed {
			r.store.Write(b[:k])
		}
		b = b[k:]
		if r.remain -= k; r.remain > 0 {
			return
		}
		r.message(at, r.holed)
	}
}

// begin begins the message whose head is whole; it reports whether it can be one.
func (r *Reader) begin() bool {
	if f := r.head[0]; f&^(flagCompressed|flagTrailers) != 0 || f&flagTrailers != 0 && r.body.Form == Plain {
		r.fail()
		return false
	}
	r.n, r.open, r.holed = 0, true, false
	r.size = int64(binary.BigEndian.Uint32(r.head[1:]))
	r.remain = r.size
	r.store.Reset()
	r.store.Limit, r.store.Hash = max(0, r.env.Limits.Body), r.env.Limits.Hash
	if r.head[0]&flagCompressed != 0 {
		r.store.Limit, r.store.Hash = coding.CodedLimit(r.store.Limit), false
	}
	return true
}

// Gap notes that n bytes of the body are missing (n < 0: unknown how many).
func (r *Reader) Gap(n int64) {
	if r.body.Form != WebText && r.open && n > 0 && n <= r.remain {
		r.remain -= n
		r.holed = true
		return
	}
	r.holed = true
	r.lost = true // what is open is given out when the body ends
}

// End gives out the message that the end of the body has cut.
func (r *Reader) End(at packet.Pos) {
	switch {
	case r.open:
		r.message(at, true)
	case !r.lost && (r.n > 0 || r.letters > 0):
		r.body.Pair.Anomalies.Add(exchange.AnomalyBadGRPC)
	}
}

// message gives out the message that is open.
func (r *Reader) message(at packet.Pos, partial bool) {
	r.open = false
	m := &exchange.StreamMessage{
		PairID: r.body.Pair.ID, Conn: r.conn, Ordinal: *r.body.Count, Dir: r.body.Dir, Kind: "grpc", Type: "message",
		TimeNS: at.TimeNS, Packet: at.Number, Size: r.size, WireSize: r.size,
		Compressed: r.head[0]&flagCompressed != 0, Partial: partial,
	}
	*r.body.Count++
	if r.head[0]&flagTrailers != 0 {
		m.Type = "trailers"
	}
	s := &r.store
	if m.Compressed && !partial {
		s.Hash = r.env.Limits.Hash
		s = r.inflate(m, s)
	}
	if !partial && (s.Whole() || !m.Compressed) {
		m.SHA256, m.Hashed = s.Sum()
	}
	if n := min(int64(len(s.Data)), max(0, r.env.Limits.Body)); n > 0 {
		// Not cut out of a larger buffer, which it would keep from being freed.
		m.Payload = append(make([]byte, 0, n), s.Data[:n]...)
		if n < s.Size {
			m.Anomalies.Add(exchange.AnomalyBodyLimit)
		}
	}
	r.store.Reset()
	r.env.Message(m)
}

// inflate undoes the compression of a message; where that fails the message stays
// as it was sent.
func (r *Reader) inflate(m *exchange.StreamMessage, s *coding.Store) *coding.Store {
	lim := &r.env.Limits
	if !lim.DecodeBodies || s.Size == 0 {
		return s
	}
	if !s.Whole() {
		m.Anomalies.Add(exchange.AnomalyDecodeLimit)
		return s
	}
	if r.body.Encoding == "" || r.body.Encoding == "identity" {
		m.Anomalies.Add(exchange.AnomalyCEMismatch)
		return s
	}
	out := &coding.Store{Limit: max(0, lim.Body), Hash: lim.Hash}
	switch r.env.Decoder.Decode(out, r.body.Encoding, s.Data, lim.Coding()) {
	case coding.Decoded:
	case coding.BadTrailer:
		m.Anomalies.Add(exchange.AnomalyGzipBadTrailer)
	case coding.Broken:
		m.Anomalies.Add(exchange.AnomalyDecodeError)
	case coding.Limit:
		m.Anomalies.Add(exchange.AnomalyDecodeLimit)
		return s
	default:
		m.Anomalies.Add(exchange.AnomalyCEMismatch)
		return s
	}
	m.Size = out.Size
	return out
}
