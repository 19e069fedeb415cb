package http1

import (
	"bytes"
	"crypto/sha256"
	"hash"

	"recap/pipeline/exchange"
)

// framedUnsaid stands for the reading of one who passes over what the head says about
// the body: a request then has none, and a response goes on to the end of the connection.
const framedUnsaid = ""

// alt follows the other reading of a message whose framing is ambiguous.
type alt struct {
	exchange.AltFraming
	want int64     // bytes that the body has in the other reading; -1 unknown
	seen int64     // of them
	sha  hash.Hash // of those seen; nil where the stored body will tell
}

// otherwise notes that another reader may frame the message being read in another way.
func (c *Conn) otherwise(d exchange.Dir, s *side, framing string, want int64) {
	a := &alt{want: want}
	a.Framing, a.BodySize, a.Next = framing, -1, -1
	switch {
	case framing == exchange.FramingLength && s.state == inChunkSize:
		a.sha = sha256.New()
	case framing == framedUnsaid && d == exchange.ToServer:
		a.Framing, a.want = exchange.FramingNone, 0
	case framing == framedUnsaid:
		a.Framing = exchange.FramingClose
	}
	s.alt = a
}

// raw hands on bytes of the body as they are on the wire, chunk framing included.
func (s *side) raw(b []byte) {
	a := s.alt
	if a == nil || a.sha == nil {
		return
	}
	n := min(int64(len(b)), a.want-a.seen)
	a.sha.Write(b[:n])
	a.seen += n
}

// endAlt writes what the other reading would have been into the message.
func (c *Conn) endAlt(s *side, bad bool) {
	a := s.alt
	if s.alt = nil; a == nil {
		return
	}
	stored := s.store.Data
	switch {
	case a.Framing == exchange.FramingChunked:
		if body, n, ok := dechunk(stored); ok && !bad {
			a.BodySize, a.BodySHA256, a.Hashed, a.want = int64(len(body)), sha256.Sum256(body), true, int64(n)
		}
	case a.Framing != exchange.FramingLength:
		if a.want == 0 {
			a.BodySize = 0
		}
	case a.sha != nil:
		if a.BodySize = a.want; a.seen == a.want {
			a.BodySHA256, a.Hashed = [32]byte(a.sha.Sum(nil)), true
		}
	default:
		if a.want == s.wire { // this one was taken in the end
			a.want = s.framing.otherLength(s.wire)
		}
		if a.BodySize = a.want; a.want >= 0 && a.want <= int64(len(stored)) && len(s.msg.Gaps) == 0 {
			a.BodySHA256, a.Hashed = sha256.Sum256(stored[:a.want]), true
		}
	}
	if a.want >= 0 && a.want < beyond && s.bodyAt >= 0 {
		a.Next = s.bodyAt + a.want
	}
	f := a.AltFraming
	s.msg.Alt = &f
}

// dechunk reads b as a chunked body, leniently. n is where it ends; ok is false where it does not.
func dechunk(b []byte) (body []byte, n int, ok bool) {
	for all := len(b); ; {
		line, rest := nextLine(b)
		size, isSize, _ := chunkNumber(line)
		switch {
		case !isSize || len(rest) == 0 && !bytes.HasSuffix(line, []byte("\n")):
			return nil, 0, false
		case size == 0:
			for len(rest) > 0 { // the trailer section
				line, rest = nextLine(rest)
				if len(trimEOL(line)) == 0 {
					break
				}
			}
			return body, all - len(rest), true
		case size > int64(len(rest)):
			return nil, 0, false
		}
		body = append(body, rest[:size]...)
		b = bytes.TrimPrefix(bytes.TrimPrefix(rest[size:], []byte("\r")), []byte("\n"))
	}
}
