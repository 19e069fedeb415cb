package http1

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"unicode/utf8"

	"recap/pipeline/app"
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
	kept []byte    // of what raw was given: the beginning
	most int64     // of kept
	lead []byte    // body before what raw was given, of chunks that all read alike
	crlf bool      // lines of chunks end in CRLF only

	meta *meta                // of the message, once it has ended
	out  *exchange.AltFraming // what the message has of it by then
	next int64                // stream offset behind seen
}

// otherwise notes that another reader may frame the message being read in another way.
func (c *Conn) otherwise(d exchange.Dir, s *side, framing string, want int64) {
	a := &alt{want: want, most: max(0, c.env.Limits.Body)}
	a.Framing, a.BodySize, a.Next = framing, -1, -1
	if s.state == inChunkSize {
		a.sha = sha256.New()
	}
	switch {
	case framing == framedUnsaid && d == exchange.ToServer:
		a.Framing, a.want = exchange.FramingNone, 0
	case framing == framedUnsaid:
		a.Framing = exchange.FramingClose
	}
	s.alt = a
}

// otherLines notes that another reader may cut the chunks from stream offset from on in
// another way: to it, lines end in CRLF only.
func (c *Conn) otherLines(s *side, from int64) {
	a := &alt{most: max(0, c.env.Limits.Body), crlf: true, sha: sha256.New(), lead: bytes.Clone(s.store.Data)}
	a.Framing, a.BodySize, a.Next = exchange.FramingChunked, -1, -1
	if s.bodyAt < 0 || !s.store.Whole() {
		return // what came before is not known
	}
	a.seen = from - s.bodyAt
	s.alt = a
}

// asks reports whether the body that has ended begins with a request, beyond reasonable
// doubt. The sender may have meant it for a server that reads no body there.
func (s *side) asks() bool {
	b := s.store.Data
	if b = trimEmptyLines(b[:min(len(b), maxStartLine)]); len(b) == 0 || !isAlpha(b[0]) || len(s.msg.Gaps) > 0 {
		return false
	}
	line, _ := nextLine(b)
	return line[len(line)-1] == '\n' && StrictStart(exchange.ToServer, line)
}

// memory is what a holds, bytes.
func (a *alt) memory() int64 {
	if a == nil {
		return 0
	}
	return app.Grown(len(a.kept) + len(a.lead))
}

// raw hands on bytes of the body as they are on the wire, chunk framing included.
func (s *side) raw(b []byte) {
	if a := s.alt; a != nil && a.sha != nil {
		a.take(b)
	}
}

// take hashes and keeps the next bytes.
func (a *alt) take(b []byte) {
	if room := a.most - int64(len(a.kept)); room > 0 && a.want >= 0 {
		a.kept = append(a.kept, b[:min(room, int64(len(b)))]...)
	}
	if n := min(int64(len(b)), a.want-a.seen); n > 0 {
		a.sha.Write(b[:n])
		a.seen += n
	}
}

// endAlt writes what the other reading would have been into the message.
func (c *Conn) endAlt(d exchange.Dir, s *side, bad bool) {
	a := s.alt
	if s.alt = nil; a == nil {
		return
	}
	whole := len(s.msg.Gaps) == 0
	bytesSeen := s.store.Data // the body on the wire, as far as it is stored
	if a.sha != nil {
		bytesSeen = a.kept
	}
	switch {
	case a.Framing == exchange.FramingChunked:
		a.want = -1
		if body, n, ok := dechunk(bytesSeen, a.crlf); ok && !bad {
			body = append(a.lead, body...)
			a.BodySize, a.BodySHA256, a.Hashed, a.want = int64(len(body)), sha256.Sum256(body), true, int64(n)
			a.Body = body
		}
	case a.want < 0: // to the end of the connection
	case a.sha != nil && a.Framing == exchange.FramingLength:
		if a.BodySize = a.want; whole {
			a.settle()
		}
	default:
		if a.want == s.wire && a.Framing == exchange.FramingLength { // this one was taken in the end
			a.want = s.framing.otherLength(s.wire)
		}
		a.begin(bytesSeen, s.store.Size, whole)
	}
	if n := a.want; n >= 0 && n < beyond && s.bodyAt >= 0 {
		if a.Next = s.bodyAt + n; a.Framing == exchange.FramingChunked {
			a.Next += a.seen // before what dechunk read
		}
		if whole && n < int64(len(bytesSeen)) {
			a.StartLines = startLines(d, bytesSeen[n:], s.pair)
		}
	}
	if a.Body != nil {
		a.Body = bytes.Clone(a.Body[:min(int64(len(a.Body)), a.most)])
		c.hold(s.meta, app.Grown(len(a.Body)))
	}
	f := a.AltFraming
	s.msg.Alt = &f
	c.goOn(d, s, a, bad)
}

// begin takes stored, the beginning of a body that another length ended, for what a has
// seen; size is how long that body was.
func (a *alt) begin(stored []byte, size int64, whole bool) {
	a.BodySize = a.want
	if !whole || a.want < 0 {
		return
	}
	n := min(a.want, int64(len(stored)))
	if a.want > n && size > n {
		a.Body = stored[:n] // more of it was seen, and not stored
		return
	}
	a.sha, a.kept = sha256.New(), nil
	a.take(stored[:n])
	a.settle()
}

// settle fills in the body as far as it was seen.
func (a *alt) settle() {
	a.Body = a.kept[:min(a.want, int64(len(a.kept)))]
	if a.seen == a.want {
		a.BodySHA256, a.Hashed = [32]byte(a.sha.Sum(nil)), true
	}
}

// goOn lets a go on behind the message that has ended, where its body does: until it is
// whole, or the pair is given out.
func (c *Conn) goOn(d exchange.Dir, s *side, a *alt, bad bool) {
	if d != exchange.ToServer || bad || s.after != nil || a.sha == nil || a.Framing != exchange.FramingLength ||
		a.seen >= a.want || s.bodyAt < 0 || len(s.msg.Gaps) > 0 {
		return
	}
	a.meta, a.out, a.next = s.meta, s.msg.Alt, s.bodyAt+a.seen
	s.after = a
}

// follow gives the bytes b from stream offset at on to the reading that goes on.
func (s *side) follow(at int64, b []byte) {
	a := s.after
	switch end := at + int64(len(b)); {
	case at > a.next: // bytes are missing
		s.after = nil
		return
	case end <= a.next:
		return
	}
	b = b[a.next-at:]
	b = b[:min(int64(len(b)), a.want-a.seen)]
	a.take(b)
	a.next += int64(len(b))
	a.settle()
	a.out.Body, a.out.BodySHA256, a.out.Hashed = a.Body, a.BodySHA256, a.Hashed
	if a.seen == a.want {
		s.after = nil
	}
}

const (
	maxStartLines = 16       // of the other reading
	maxStartLine  = 8 << 10  // bytes of each that are kept
	maxAltSearch  = 64 << 10 // bytes that are searched for them
)

// startLines returns the start lines of the messages that b begins with.
func startLines(d exchange.Dir, b []byte, p *exchange.Pair) (list []string) {
	detect := DetectRequest
	if d == exchange.ToClient {
		detect = DetectResponse
	}
	b = b[:min(len(b), maxAltSearch)]
	for len(list) < maxStartLines {
		b = bytes.TrimLeft(b, "\r\n")
		if detect(b) != Yes {
			break
		}
		line, rest := nextLine(b)
		line = trimEOL(line)
		line = line[:min(len(line), maxStartLine)]
		if utf8.Valid(line) {
			list = append(list, string(line))
		} else {
			p.Anomalies.Add(exchange.AnomalyEscapedBytes)
			list = append(list, app.Escape(line))
		}
		n, rest := skipHead(rest)
		if n > int64(len(rest)) {
			break
		}
		b = rest[n:]
	}
	return list
}

// skipHead returns what is behind the header lines that b begins with, and the length
// that they announce.
func skipHead(b []byte) (length int64, rest []byte) {
	for len(b) > 0 {
		line, next := nextLine(b)
		b = next
		if line = trimEOL(line); len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && same(bytes.TrimSpace(name), "content-length") {
			if n, ok := decimal(bytes.TrimSpace(value)); ok {
				length = n
			}
		}
	}
	return length, b
}

// chunkLine returns the chunk line that b begins with. Where crlf is set, it ends in CRLF
// only: a LF inside it belongs to an extension.
func chunkLine(b []byte, crlf bool) (line, rest []byte) {
	if i := bytes.Index(b, crlfMark); crlf && i >= 0 && bytes.IndexByte(b[:i], ';') >= 0 {
		return b[:i+2], b[i+2:]
	}
	return nextLine(b)
}

// dechunk reads b as a chunked body, leniently. n is where it ends; ok is false where it does not.
func dechunk(b []byte, crlf bool) (body []byte, n int, ok bool) {
	for all := len(b); ; {
		line, rest := chunkLine(b, crlf)
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
