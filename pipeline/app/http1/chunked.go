package http1

import (
	"bytes"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// maxChunkLine bounds a chunk size line with its extensions, bytes.
const maxChunkLine = 64 << 10

// takeLine returns the next line of b with its end, put together with what earlier
// segments held of it; nil when it is not whole yet.
func (s *side) takeLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		s.part = append(s.part, b...)
		return nil, nil
	}
	if len(s.part) == 0 {
		return b[:i+1], b[i+1:]
	}
	s.part = append(s.part, b[:i+1]...)
	line, s.part = s.part, s.part[:0]
	return line, b[i+1:]
}

// chunkSize reads a chunk size line (RFC 9112, section 7.1).
func (c *Conn) chunkSize(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	c.touch(s, at)
	line, rest := s.takeLine(b)
	c.tally.HTTP += int64(len(b) - len(rest))
	if line == nil {
		if len(s.part) > maxChunkLine {
			c.badChunk(d, s, at)
		}
		return nil
	}
	if n := len(line); n < 2 || line[n-2] != '\r' {
		s.pair.Anomalies.Add(exchange.AnomalyBareLFChunkExt)
	}
	n, ok, clean := chunkNumber(line)
	if !clean {
		s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
	}
	switch {
	case !ok && len(bytes.TrimSpace(line)) == 0: // an empty line before the size
	case !ok:
		c.badChunk(d, s, at)
	case n == 0:
		if !clean {
			s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
		}
		s.state = inTrailer
	default:
		s.state, s.remain = inChunk, n
	}
	return rest
}

// badChunk ends a message whose chunks cannot be told apart any more.
func (c *Conn) badChunk(d exchange.Dir, s *side, at packet.Pos) {
	s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
	c.done(d, s, at, true)
	c.outOfStep(d, s)
}

// chunkNumber reads the size that a chunk line begins with. It skips white space in
// front; clean is false where the line is not as the grammar has it.
func chunkNumber(line []byte) (n int64, ok, clean bool) {
	b := trimEOL(line)
	t := bytes.TrimLeft(b, " \t\r\v\f")
	clean = len(t) == len(b)
	i := 0
	for i < len(t) {
		v, hex := unhex(t[i])
		if !hex {
			break
		}
		if n > 1<<56 {
			return 0, false, false
		}
		n = n<<4 | int64(v)
		i++
	}
	if i == 0 {
		return 0, false, false
	}
	// Only an extension may follow.
	if u := bytes.TrimLeft(t[i:], " \t"); len(u) > 0 && u[0] != ';' {
		clean = false
	}
	return n, true, clean
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// chunkEnd takes the line end behind a chunk.
func (c *Conn) chunkEnd(s *side, at packet.Pos, b []byte) []byte {
	c.touch(s, at)
	switch {
	case b[0] == '\n':
		if len(s.part) == 0 {
			s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
		}
	case b[0] == '\r' && len(s.part) == 0:
		s.part = append(s.part, '\r')
		c.tally.HTTP++
		return b[1:]
	default:
		// No line end: the size may follow at once.
		s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
		s.part = s.part[:0]
		s.state = inChunkSize
		return b
	}
	s.part = s.part[:0]
	s.state = inChunkSize
	c.tally.HTTP++
	return b[1:]
}

// trailer takes the trailer section up to its empty line (RFC 9112, section 7.1.2).
func (c *Conn) trailer(d exchange.Dir, s *side, at packet.Pos, b []byte) []byte {
	c.touch(s, at)
	line, rest := s.takeLine(b)
	c.tally.HTTP += int64(len(b) - len(rest))
	if line == nil {
		if int64(len(s.part)) > c.env.Limits.Head {
			s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
			c.done(d, s, at, true)
			c.outOfStep(d, s)
		}
		return nil
	}
	body := trimEOL(line)
	if len(body) == 0 {
		c.done(d, s, at, false)
		return rest
	}
	name, value, ok := bytes.Cut(body, []byte(":"))
	if !ok || len(name) == 0 {
		s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
		return rest
	}
	if s.trailed += int64(len(line)); s.trailed > c.env.Limits.Head || len(s.msg.Trailers) >= c.env.Limits.Fields {
		s.pair.Anomalies.Add(exchange.AnomalyHeadLimit)
		return rest
	}
	// Trailers are rare: each gets memory of its own.
	p := headParser{c: c, s: s, text: false}
	s.msg.Trailers = append(s.msg.Trailers, exchange.Header{
		Name:  p.str(bytes.Clone(bytes.Trim(name, " \t"))),
		Value: p.str(bytes.Clone(bytes.Trim(value, " \t"))),
	})
	return rest
}
