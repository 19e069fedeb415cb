package websocket

import (
	"errors"
	"io"
	"unicode/utf8"

	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
)

// maxWindow is how far back compressed data may refer, bytes (RFC 1951, section 2).
const maxWindow = 32 << 10

// window is what the sender of compressed messages may refer back to: the end of what
// was decompressed before (RFC 7692, section 7.2.3.2).
type window struct {
	fresh bool // each message stands on its own
	// gone says that there was more than buf. A message that can be decompressed with
	// what buf holds is right all the same: a reference beyond it is an error.
	gone bool
	buf  []byte // at most 2 * maxWindow
}

func (w *window) lose() {
	w.buf = w.buf[:0]
	w.gone = !w.fresh
}

// dict returns what the next message may refer to.
func (w *window) dict() []byte { return w.buf[max(0, len(w.buf)-maxWindow):] }

// keep adds b, which was just decompressed.
func (w *window) keep(b []byte) {
	b = b[max(0, len(b)-maxWindow):]
	if len(w.buf)+len(b) > 2*maxWindow {
		rest := maxWindow - len(b)
		w.buf = w.buf[:copy(w.buf, w.buf[len(w.buf)-rest:])]
	}
	if w.buf = append(w.buf, b...); len(w.buf) >= maxWindow {
		w.gone = false
	}
}

// inflate undoes the compression of a message (RFC 7692, section 7.2.2). Where that
// fails the message stays as it was sent.
func (s *Session) inflate(x *side, m *message, out *exchange.StreamMessage) *coding.Store {
	lim := &s.env.Limits
	w := &x.past
	if !lim.DecodeBodies {
		return &m.store
	}
	if w.fresh {
		w.buf = w.buf[:0]
	}
	if !m.store.Whole() {
		out.Anomalies.Add(exchange.AnomalyDecodeLimit)
		w.lose()
		return &m.store
	}
	plain := &coding.Store{Limit: max(0, lim.Body), Hash: lim.Hash}
	err := s.deflated(w, plain, m.store.Data, !out.Partial)
	switch {
	case err == nil && !out.Partial:
	case err == errLimit:
		out.Anomalies.Add(exchange.AnomalyDecodeLimit)
		w.lose()
		return &m.store
	case err == nil || err == io.ErrUnexpectedEOF && out.Partial:
		w.lose() // its end is missing
	case w.gone:
		out.Anomalies.Add(exchange.AnomalyWebSocketContextLost)
		w.lose()
		return &m.store
	default:
		out.Anomalies.Add(exchange.AnomalyDecodeError)
		out.Partial = true
		w.lose()
	}
	out.Size = plain.Size
	if m.opcode == opText && !out.Partial && plain.Whole() && !utf8.Valid(plain.Data) {
		out.Anomalies.Add(exchange.AnomalyWebSocketBadText)
	}
	return plain
}

var errLimit = errors.New("decompressed data is over the limit")

// ending is what the sender has left off behind a message, and a final block, so that
// decompression comes to an end.
const ending = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// deflated writes to out what b decompresses to; whole says that b is all of a message.
func (s *Session) deflated(w *window, out *coding.Store, b []byte, whole bool) error {
	if whole {
		b = append(b[:len(b):len(b)], ending...)
	}
	if s.buf == nil {
		s.buf = make([]byte, 8<<10)
	}
	s.src.Reset(b)
	for {
		r, err := s.env.Decoder.Inflate(&s.src, w.dict())
		for err == nil {
			var n int
			n, err = r.Read(s.buf)
			if out.Size+int64(n) > s.env.Limits.Decode {
				return errLimit
			}
			out.Write(s.buf[:n])
			w.keep(s.buf[:n])
		}
		// A sender may end a block for good and go on with another (RFC 7692, section 7.2.3.4).
		if err != io.EOF {
			return err
		}
		if s.src.Len() <= len(ending) {
			return nil
		}
	}
}
