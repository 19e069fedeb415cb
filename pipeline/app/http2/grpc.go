package http2

import (
	"encoding/binary"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// grpc divides a body into length-prefixed messages
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
type grpc struct {
	head   [5]byte // of a message: flags, length
	n      int     // bytes of it
	remain int64
	size   int64
	store  coding.Store
	open   bool // in a message
	holed  bool // bytes of it are missing
	lost   bool // it is not known any more where a message begins
	web    bool // gRPC-Web: trailers come as a message
}

const (
	grpcCompressed = 0x01
	grpcTrailers   = 0x80 // of gRPC-Web
)

func (g *grpc) memory() int64 { return 200 + app.Grown(len(g.store.Data)) }

// messages takes the next bytes of a body that holds gRPC messages.
func (c *Conn) messages(d exchange.Dir, st *stream, at packet.Pos, b []byte) {
	g := st.half[d].grpc
	for !g.lost {
		if !g.open {
			k := copy(g.head[g.n:], b)
			b = b[k:]
			if g.n += k; g.n < len(g.head) {
				return
			}
			if f := g.head[0]; f&^(grpcCompressed|grpcTrailers) != 0 || f&grpcTrailers != 0 && !g.web {
				st.pair.Anomalies.Add(exchange.AnomalyBadGRPC)
				g.lost = true
				return
			}
			g.n, g.open, g.holed = 0, true, false
			g.size = int64(binary.BigEndian.Uint32(g.head[1:]))
			g.remain = g.size
			g.store.Reset()
			g.store.Limit, g.store.Hash = max(0, c.env.Limits.Body), c.env.Limits.Hash
			if g.head[0]&grpcCompressed != 0 {
				g.store.Limit, g.store.Hash = coding.CodedLimit(g.store.Limit), false
			}
		}
		k := min(int64(len(b)), g.remain)
		if !g.holed {
			g.store.Write(b[:k])
		}
		b = b[k:]
		if g.remain -= k; g.remain > 0 {
			return
		}
		c.message(d, st, at, g.holed)
	}
}

// messageGap notes that n bytes of the body are missing (n < 0: unknown how many).
func (c *Conn) messageGap(d exchange.Dir, st *stream, n int64) {
	g := st.half[d].grpc
	if g.open && n > 0 && n <= g.remain {
		g.remain -= n
		g.holed = true
		return
	}
	g.holed = true
	g.lost = true // what is open is given out when the stream ends
}

// endGRPC gives out the message that the end of the stream has cut.
func (c *Conn) endGRPC(d exchange.Dir, st *stream, at packet.Pos) {
	g := st.half[d].grpc
	if g == nil {
		return
	}
	if g.open {
		c.message(d, st, at, true)
	} else if g.n > 0 {
		st.pair.Anomalies.Add(exchange.AnomalyBadGRPC)
	}
	st.half[d].grpc = nil
}

// message gives out the message in g.
func (c *Conn) message(d exchange.Dir, st *stream, at packet.Pos, partial bool) {
	g := st.half[d].grpc
	g.open = false
	m := &exchange.StreamMessage{
		PairID: st.pair.ID, Conn: c.conn, Ordinal: st.counted, Dir: d, Kind: "grpc", Type: "message",
		TimeNS: at.TimeNS, Packet: at.Number, Size: g.size, WireSize: g.size,
		Compressed: g.head[0]&grpcCompressed != 0, Partial: partial,
	}
	st.counted++
	if g.head[0]&grpcTrailers != 0 {
		m.Type = "trailers"
	}
	s := &g.store
	if m.Compressed && !partial {
		s.Hash = c.env.Limits.Hash
		s = c.inflate(st.encoded[d], m, s)
	}
	if !partial && (s.Whole() || !m.Compressed) {
		m.SHA256, m.Hashed = s.Sum()
	}
	if n := min(int64(len(s.Data)), max(0, c.env.Limits.Body)); n > 0 {
		// Not cut out of a larger buffer, which it would keep from being freed.
		m.Payload = append(make([]byte, 0, n), s.Data[:n]...)
		if n < s.Size {
			m.Anomalies.Add(exchange.AnomalyBodyLimit)
		}
	}
	g.store.Reset()
	c.env.Message(m)
}

// inflate undoes the compression of a message; where that fails the message stays
// as it was sent.
func (c *Conn) inflate(value string, m *exchange.StreamMessage, s *coding.Store) *coding.Store {
	lim := &c.env.Limits
	if !lim.DecodeBodies || s.Size == 0 {
		return s
	}
	if !s.Whole() {
		m.Anomalies.Add(exchange.AnomalyDecodeLimit)
		return s
	}
	if value == "" || value == "identity" {
		m.Anomalies.Add(exchange.AnomalyCEMismatch)
		return s
	}
	out := &coding.Store{Limit: max(0, lim.Body), Hash: lim.Hash}
	switch c.env.Decoder.Decode(out, value, s.Data, c.env.Limits.Coding()) {
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
