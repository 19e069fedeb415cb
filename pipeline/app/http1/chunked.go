package http1

import (
	"bytes"
	"math"

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
func (c *Conn) chunkSize(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
	c.touch(s, at)
	held := len(s.part)
	line, rest := s.takeLine(b)
	c.tally.HTTP += int64(len(b) - len(rest))
	if line == nil {
		if len(s.part) > maxChunkLine {
			c.badChunk(d, s, at)
		}
		return nil
	}
	n, ok, clean := chunkNumber(line)
	if !clean && !s.probed && s.wire == 0 {
		// The head leaves no doubt, the first line does.
		c.tally.HTTP -= int64(len(b) - len(rest) + held)
		all := append(append(make([]byte, 0, len(line)+len(rest)), line...), rest...)
		s.state, s.probed = inProbe, true
		return all
	}
	s.probed = true
	if ok && n > 0 && !bytes.HasSuffix(line, crlfMark) && s.alt == nil && bytes.IndexByte(line, ';') >= 0 {
		c.otherLines(s, at.Offset-int64(held))
	}
	s.raw(line)
	c.noteChunkLine(s, line, n, clean)
	switch {
	case !ok && s.junked < maxJunkLines && len(line) <= maxJunkLine && !beginsWithHex(line): // passed over, as some readers do
		s.junked++
	case !ok:
		c.badChunk(d, s, at)
	case n == 0:
		if !clean {
			s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
		}
		s.state = inTrailer
	default:
		s.junked = 0
		s.state, s.remain = inChunk, n
		if !bytes.HasSuffix(line, crlfMark) {
			s.state, s.extended = inChunkPeek, bytes.IndexByte(line, ';') >= 0
		}
	}
	return rest
}

// noteChunkLine names what is odd about a chunk size line.
func (c *Conn) noteChunkLine(s *side, line []byte, n int64, clean bool) {
	a := &s.pair.Anomalies
	if !bytes.HasSuffix(line, crlfMark) {
		a.Add(exchange.AnomalyBareLFChunkExt)
	}
	if !clean {
		a.Add(exchange.AnomalyBadChunkLine)
		return
	}
	if bytes.IndexByte(line, ';') >= 0 {
		a.Add(exchange.AnomalyChunkExtension)
	} else if t := trimEOL(line); isBlank(t[len(t)-1]) {
		a.Add(exchange.AnomalyBadChunkLine) // blanks stand before extensions only
	}
	if line[0] == '0' && (n > 0 || len(line) > 1 && line[1] == '0') {
		a.Add(exchange.AnomalyChunkSizeZeros)
	}
}

// maxPeek bounds the chunk that is looked at to its end before it is taken, bytes.
const maxPeek = 64 << 10

// chunkPeek decides where a chunk begins whose size line ended in LF alone: behind it,
// or behind the line end that follows, which some readers take for the end of that line.
func (c *Conn) chunkPeek(s *side, b []byte, last bool) []byte {
	n := s.remain
	k := int64(1) // length of that line end
	if s.extended && len(b) > 0 && !isEOL(b[0]) {
		return c.extensionPeek(s, b, last)
	}
	switch {
	case len(b) == 0 || !isEOL(b[0]) || n > maxPeek:
		s.state = inChunk
		return b
	case !last && int64(len(b)) < n+4:
		s.part = b
		return nil
	case bytes.HasPrefix(b, crlfMark):
		k = 2
	}
	s.state = inChunk
	if int64(len(b)) <= n+k || !isEOL(b[n+k]) || isEOL(b[n]) && !s.skips && (k == 1 || !bytes.HasPrefix(b[n+k:], crlfMark) || bytes.HasPrefix(b[n:], crlfMark)) {
		return b
	}
	s.skips = true
	s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
	c.tally.HTTP += k
	s.raw(b[:k])
	return b[k:]
}

// maxLFExtension bounds what may follow a LF inside a chunk extension, bytes.
const maxLFExtension = 256

// extensionPeek decides where a chunk begins whose extension holds a LF without CR: behind
// it, as most readers have it, unless the data do not end there and do so behind the CRLF
// at which others find the end of the line, or did in a chunk before.
func (c *Conn) extensionPeek(s *side, b []byte, last bool) []byte {
	n, size := s.remain, int64(len(b))
	i := bytes.Index(b[:min(len(b), maxLFExtension)], crlfMark)
	k := int64(i + len(crlfMark))
	switch {
	case n > maxPeek, size > n && isEOL(b[n]) && !s.skips:
	case !last && (i < 0 && len(b) < maxLFExtension || i >= 0 && size <= n+k):
		s.part = b
		return nil
	case i >= 0 && size > n+k && isEOL(b[n+k]):
		s.state, s.skips = inChunk, true
		if s.alt != nil {
			s.alt.crlf = false // the other reading is the usual one
		}
		c.tally.HTTP += k
		s.raw(b[:k])
		return b[k:]
	}
	s.state = inChunk
	return b
}

func isEOL(c byte) bool { return c == '\r' || c == '\n' }

// badChunk ends a message whose chunks cannot be told apart any more.
func (c *Conn) badChunk(d exchange.Dir, s *side, at *packet.Pos) {
	s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
	c.done(d, s, at, true)
	c.outOfStep(d, s)
}

// chunkNumber reads the size that a chunk line begins with. It passes over what
// lenient readers do: white space and few bytes of junk in front, and 0x. Negative
// sizes are read as C programs do, modulo 2^32 or 2^64. clean is false where the line is
// not as the grammar has it.
func chunkNumber(line []byte) (n int64, ok, clean bool) {
	b := trimEOL(line)
	t := b
	for i := 0; i < 3 && len(t) > 0; i++ {
		if _, hex := unhex(t[0]); hex {
			break
		}
		blank := isBlank(t[0])
		if !blank && t[0] != 'x' && t[0] != ',' && t[0] != ';' && t[0] != '+' && t[0] != '-' {
			break
		}
		for t = t[1:]; blank && len(t) > 0 && isBlank(t[0]); {
			t = t[1:]
		}
	}
	clean = len(t) == len(b)
	if len(t) > 2 && t[0] == '0' && t[1]|0x20 == 'x' {
		if _, hex := unhex(t[2]); hex {
			t, clean = t[2:], false
		}
	}
	i := 0
	for i < len(t) {
		v, hex := unhex(t[i])
		if !hex {
			break
		}
		if n > 1<<56 && t[0] != 'f' {
			return 0, false, false
		}
		n = n<<4 | int64(v)
		i++
	}
	if i == 0 {
		return 0, false, false
	}
	if !clean && len(b) > len(t) && b[len(b)-len(t)-1] == '-' {
		n = -n
		if i <= 8 {
			n &= math.MaxUint32
		}
	}
	if n < 0 {
		return 0, false, false
	}
	// Only an extension may follow.
	if u := bytes.TrimLeft(t[i:], " \t"); len(u) > 0 && (u[0] != ';' || bytes.IndexByte(u, '\r') >= 0) {
		clean = false
	}
	return n, true, clean
}

// beginsWithHex reports whether the first visible byte of line is a hexadecimal digit.
func beginsWithHex(line []byte) bool {
	for _, c := range line {
		if !isBlank(c) {
			_, hex := unhex(c)
			return hex
		}
	}
	return false
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
func (c *Conn) chunkEnd(s *side, at *packet.Pos, b []byte) []byte {
	c.touch(s, at)
	switch {
	case b[0] == '\n':
		if len(s.part) == 0 {
			s.pair.Anomalies.Add(exchange.AnomalyBadChunkLine)
		}
	case b[0] == '\r' && len(s.part) == 0:
		s.part = append(s.part, '\r')
		c.tally.HTTP++
		s.raw(b[:1])
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
	s.raw(b[:1])
	return b[1:]
}

// trailer takes the trailer section up to its empty line (RFC 9112, section 7.1.2).
func (c *Conn) trailer(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
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
	s.raw(line)
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
	if !allToken(name) {
		s.pair.Anomalies.Add(exchange.AnomalyBadFinalChunk)
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
