package http1

import (
	"bytes"
	"crypto/sha256"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// firstStep is how much of a head is taken before its end is looked for in odd places,
// bytes; then whenever it has doubled.
const firstStep = 4 << 10

// head takes bytes of the start line and header block.
func (c *Conn) head(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
	c.touch(s, at)
	m := s.msg
	if len(m.Head) == 0 && !(d == exchange.ToServer && isOld(b)) {
		// Most heads lie in one segment: copy once, and read each line once.
		var scan headScan
		scan.run(b[:min(len(b), firstStep)])
		if end := scan.end; end >= 0 && int64(end) <= c.env.Limits.Head {
			m.Head = append(m.Head, b[:end]...)
			end = c.headDone(d, s, at, &scan)
			s.rest = nil
			return b[end:]
		}
		return c.headPart(d, s, at, b, 0)
	}
	return c.headPart(d, s, at, b, s.line)
}

// headPart appends b to a head that is not whole yet; line is where the line
// begins that the stored part ends in.
func (c *Conn) headPart(d exchange.Dir, s *side, at *packet.Pos, b []byte, line int) []byte {
	m := s.msg
	old := len(m.Head)
	all := b
	step := firstStep
	for step <= old {
		step *= 2
	}
	room := min(c.env.Limits.Head, int64(step)) - int64(old)
	if s.over > 0 || room <= 0 {
		return c.headOver(d, s, at, b)
	}
	b = b[:min(int64(len(b)), room)]
	m.Head = append(m.Head, b...)
	before := line
	end, line := c.headEnds(s, line)
	first := before == 0 && line > 0 // the start line has become whole
	if first {
		s.old = d == exchange.ToServer && isOld(m.Head)
	}
	if s.old {
		end = s.oldEnd(end)
	}
	if end < 0 || first && !s.checked && !startLine(d, m.Head[:bytes.IndexByte(m.Head, '\n')+1]) {
		c.tally.HTTP += int64(len(b))
		from := moved(at, at.Offset-int64(old))
		c.firstLine(d, s, &from)
		if s.state == inHead && s.msg == m && int64(len(b)) == room && looseEnd(m.Head, false) >= 0 {
			c.settleHead(d, s, &from)
		}
		return all[len(b):]
	}
	if end < old { // what was needed to tell the end lies behind it
		rest := bytes.Clone(m.Head[end:])
		from := s.from
		m.Head = m.Head[:end]
		c.headWhole(d, s, at, old)
		c.Data(d, moved(at, from+int64(end)), rest)
		return all[len(b):]
	}
	m.Head = m.Head[:end]
	c.headWhole(d, s, at, old)
	return all[end-old:]
}

// oldEnd returns where the head ends whose start line is one of HTTP/0.9: that line is
// all of it, unless fields follow, because the sender has left out the version alone. end
// is where the empty line has been found, -1 where none has.
func (s *side) oldEnd(end int) int {
	line := bytes.IndexByte(s.msg.Head, '\n') + 1
	if v := fieldLike(s.msg.Head[line:]); v == No {
		return line
	} else if v == Yes && end >= 0 {
		return end
	}
	s.pending = true
	return -1
}

// noteOld names fields behind a start line of HTTP/0.9, and notes the reading to which
// that line is all of the request.
func (s *side) noteOld() {
	line := int64(bytes.IndexByte(s.msg.Head, '\n') + 1)
	if line == int64(len(s.msg.Head)) {
		return
	}
	s.pair.Anomalies.Add(exchange.AnomalyBadVersion)
	s.msg.Alt = &exchange.AltFraming{Framing: exchange.FramingNone, BodySHA256: sha256.Sum256(nil), Hashed: true, Next: s.from + line}
}

// headWhole reads the head that is stored, of which counted bytes were counted before.
// What lies behind its end for a lenient reader is read again.
func (c *Conn) headWhole(d exchange.Dir, s *side, at *packet.Pos, counted int) {
	from := s.from
	if h := s.msg.Head; cap(h) > 2*len(h)+firstStep/16 { // no pair holds on to what was read ahead
		s.msg.Head = bytes.Clone(h)
	}
	c.tally.HTTP -= int64(counted)
	n := c.headDone(d, s, at, nil)
	if rest := s.rest; rest != nil {
		s.rest = nil
		c.Data(d, moved(at, from+int64(n)), rest)
	}
}

// settleHead ends a head that no empty line has ended, where a lenient reader would. It
// reports whether there is such a place.
func (c *Conn) settleHead(d exchange.Dir, s *side, at *packet.Pos) bool {
	s.pending = false
	h, from := s.msg.Head, s.from
	end := s.looseEnd()
	if s.over > 0 || end < 0 {
		return false
	}
	if !s.checked && !looseStart(d, h) {
		c.junkHead(d, s, at)
		return true
	}
	s.checked = true
	rest := bytes.Clone(h[end:])
	s.msg.Head = h[:end]
	c.headWhole(d, s, at, len(h))
	if len(rest) > 0 {
		c.Data(d, moved(at, from+int64(end)), rest)
	}
	return true
}

// looseEnd returns where the stored head ends for a lenient reader if no more of it comes;
// -1 where it does not.
func (s *side) looseEnd() int {
	h := s.msg.Head
	end := looseEnd(h, true)
	if !s.old {
		return end
	}
	if line := bytes.IndexByte(h, '\n') + 1; fieldLike(h[line:]) != Yes {
		return line
	} else if end < 0 {
		return len(h)
	}
	return end
}

// looseStart reports whether the first line of h, as a lenient reader cuts it, is the
// start line of a message.
func looseStart(d exchange.Dir, h []byte) bool {
	l := oddLines{b: h, whole: true}
	line, _ := l.next()
	return startLine(d, append(bytes.Clone(line), '\n'))
}

// headEnds looks for the end of the head in what is stored; -1 is none, yet. line is
// where a line begins; the second result, where the last one does. An empty line that
// ends in LF alone, below others that end in CRLF, may be a trick: the head goes on where
// another field follows.
func (c *Conn) headEnds(s *side, line int) (end, last int) {
	h := s.msg.Head
	s.pending = false
	for {
		end, last = headEnd(h, line, s.scanned)
		if end < 0 {
			s.line, s.scanned = last, len(h)
			return -1, last
		}
		if h[end-2] != '\n' || !bytes.Contains(h[:end], crlfMark) {
			return end, last
		}
		v, skip := looksOn(h[end:])
		switch v {
		case No:
			return end, last
		case More:
			s.pending = true
			s.line, s.scanned = last, end-1
			return -1, last
		}
		line, s.scanned = end+skip, end+skip
	}
}

// looksOn tells whether a header field follows at b, behind blanks and empty lines, and
// how many bytes those are.
func looksOn(b []byte) (v Verdict, skip int) {
	for skip < len(b) && (isBlank(b[skip]) || b[skip] == '\n') {
		skip++
	}
	return fieldLike(b[skip:]), skip
}

// firstLine looks at the start line of a head that came in pieces, once it is
// whole. If this is no message, the bytes so far, which begin at at, are junk.
func (c *Conn) firstLine(d exchange.Dir, s *side, at *packet.Pos) {
	if s.checked {
		return
	}
	head := s.msg.Head
	if d == exchange.ToClient && s.pair.Request.Version == "HTTP/0.9" && DetectResponse(head) == No {
		body := bytes.Clone(head)
		c.tally.HTTP -= int64(len(body))
		c.oldBody(s)
		c.Data(d, *at, body)
		return
	}
	eol := bytes.IndexByte(head, '\n')
	if eol < 0 && len(head) < maxLine {
		return
	}
	s.checked = true
	if eol >= 0 && startLine(d, head[:eol+1]) || eol < 0 && StrictStart(d, head) {
		return
	}
	c.junkHead(d, s, at)
}

// junkHead takes back the message begun on s, of which nothing but its head has come: it
// is none.
func (c *Conn) junkHead(d exchange.Dir, s *side, at *packet.Pos) {
	junk, from := bytes.Clone(s.msg.Head), s.from
	c.tally.HTTP -= int64(len(junk))
	c.abandon(d, s)
	s.state, s.gapped, s.anywhere = lost, false, true
	c.Data(d, moved(at, from), junk)
}

// headOver takes bytes of a head that is over the limit: they are looked at for
// its end, not stored.
func (c *Conn) headOver(d exchange.Dir, s *side, at *packet.Pos, b []byte) []byte {
	if s.over == 0 {
		h := s.msg.Head // no more of it will be stored to tell its end by
		if end := s.looseEnd(); end >= 0 && end < len(h) && c.settleHead(d, s, at) {
			return b
		}
		copy(s.tail[:], tailOf(s.msg.Head))
	}
	for i := 0; i < len(b); i++ {
		s.over++
		copy(s.tail[:], s.tail[1:])
		s.tail[3] = b[i]
		if b[i] == '\n' && (s.tail[2] == '\n' || s.tail[2] == '\r' && s.tail[1] == '\n') {
			i++
			c.tally.HTTP += int64(i) - int64(len(s.msg.Head))
			c.headDone(d, s, at, nil)
			return b[i:]
		}
	}
	c.tally.HTTP += int64(len(b))
	return nil
}

func tailOf(b []byte) []byte {
	var t [4]byte
	copy(t[max(0, 4-len(b)):], b[max(0, len(b)-4):])
	return t[:]
}

// headEnd returns the offset behind the empty line that ends the head in b, or -1,
// and where the last line begins. line is where a line begins, and no line end lies
// before from. Lines end in LF, with or without CR (RFC 9112, section 2.2).
func headEnd(b []byte, line, from int) (end, last int) {
	for {
		i := bytes.IndexByte(b[max(line, from):], '\n')
		if i < 0 {
			return -1, line
		}
		i += max(line, from)
		if n := i - line; line > 0 && (n == 0 || n == 1 && b[line] == '\r') {
			return i + 1, line
		}
		line = i + 1
	}
}

// headDone reads a whole head, decides where the body ends, and returns the head's length.
// scan is what is known of it, nil for nothing.
func (c *Conn) headDone(d exchange.Dir, s *side, at *packet.Pos, scan *headScan) int {
	if d == exchange.ToServer && string(s.msg.Head) == http2Head && c.env.Upgrade != nil && c.next == nil {
		if n := c.switchOver(s, at); n > 0 {
			return n
		}
	}
	n := c.parseHead(d, s, scan)
	s.bodyAt = s.from + int64(n)
	if s.over > 0 {
		s.bodyAt = s.from + int64(len(s.msg.Head)) + s.over
	}
	if n < len(s.msg.Head) {
		s.rest = bytes.Clone(s.msg.Head[n:])
	}
	s.msg.Head = s.msg.Head[:n]
	c.tally.HTTP += int64(n)
	if s.over > 0 {
		s.pair.Anomalies.Add(exchange.AnomalyHeadLimit)
	}
	if s.old {
		s.noteOld()
	}
	if d == exchange.ToServer {
		c.requestBody(s, at)
	} else {
		c.responseBody(s, at)
	}
	return n
}
