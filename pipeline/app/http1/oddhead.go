package http1

import (
	"bytes"

	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
)

// oddHead reads a head in which something is not as it should be, as a lenient reader
// does, names what is odd, and returns the head's length.
func (p *headParser) oddHead(d exchange.Dir, h []byte) int {
	p.loose = true
	l := oddLines{b: h, whole: true}
	line, _ := l.next()
	if d == exchange.ToServer {
		if p.requestLine(line); isOld(h[:l.at]) && fieldLike(h[l.at:]) != Yes {
			return l.at
		}
	} else {
		p.statusLine(line)
	}
	for {
		line, ok := l.next()
		if !ok {
			break
		}
		p.oddField(line)
	}
	p.flush()
	p.eols(&l)
	if hasControls(h[:l.at]) {
		p.add(exchange.AnomalyBadHeaderLine)
	}
	p.hidden(h[:l.at])
	return l.at
}

// oddField reads one line. A name may stand on one line and its colon on the next.
func (p *headParser) oddField(line []byte) {
	folded := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
	if folded && p.half != nil {
		p.add(exchange.AnomalyObsFold)
		line = append(append(append(make([]byte, 0, len(p.half)+len(line)), p.half...), ' '), bytes.TrimLeft(line, " \t")...)
		if bytes.IndexByte(line, ':') < 0 {
			p.half = line
			return
		}
		folded = false
	}
	p.half = nil
	if i := bytes.IndexByte(line, ':'); !folded && i > 0 && !allToken(bytes.TrimRight(line[:i], " \t")) {
		p.add(exchange.AnomalyBadHeaderLine)
	}
	if !folded && bytes.IndexByte(line, ':') < 0 {
		p.half = line
	}
	p.field(line)
}

// eols names the line ends of a head.
func (p *headParser) eols(l *oddLines) {
	if l.bareLF > 0 {
		p.add(exchange.AnomalyBareLFEOL)
	}
	if l.bareCR > 0 {
		p.add(exchange.AnomalyBareCREOL)
	}
	nonstd := l.other > 0 || l.leadCR > 0 && l.leadCR >= l.count-2 || l.bareCR > 0 && l.crlf+l.bareLF == 0
	if nonstd {
		p.add(exchange.AnomalyNonstdEOL)
	}
	if l.leadCR > 0 && l.leadCR >= l.count-2 {
		p.s.eatCR = true // the CR of the last line end stands behind the head
	}
	if l.crValue {
		p.add(exchange.AnomalyBareCRValue)
	}
	if l.blanks > 0 || l.ended && !nonstd && !p.plainEnd(l) {
		p.add(exchange.AnomalyBadHeadEnd)
	}
}

// plainEnd reports whether the head ends in an empty line, with CRLF or LF throughout.
func (p *headParser) plainEnd(l *oddLines) bool {
	h := l.b[:l.at]
	return bytes.HasSuffix(h, []byte("\r\n\r\n")) || bytes.HasSuffix(h, []byte("\n\n")) && l.crlf == 0
}

// hasControls reports whether a head holds bytes that it may not: controls other than
// the tab, CR and LF (RFC 9110, section 5.5).
func hasControls(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f {
			return true
		}
	}
	return false
}

// hidden looks for fields that other readers may find in an odd head where this one did
// not: what says how the body is framed and coded.
func (p *headParser) hidden(h []byte) {
	f := &p.s.framing
	if f.chunked && p.s.msg.ContentEncoding != "" {
		return
	}
	t := squeezed(h)
	if !f.chunked && (bytes.Contains(t, []byte("transfer-encoding")) || bytes.Contains(t, []byte("chunked"))) {
		f.hidden = true
	}
	if i := bytes.Index(t, []byte("content-encoding")); i >= 0 && p.s.msg.ContentEncoding == "" {
		f.claims = coding.Claims(string(t[i:min(len(t), i+64)]))
	}
}

// squeezed returns the letters of b in lower case, its hyphens and colons, and nothing else.
func squeezed(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if isAlpha(c) {
			out = append(out, c|0x20)
		} else if c == '-' || c == ':' {
			out = append(out, c)
		}
	}
	return out
}

// visible returns v without the bytes that a lenient reader does not see. v is returned
// as it is where it has none.
func visible(v []byte) []byte {
	for i, c := range v {
		if c <= ' ' || c >= 0x7f {
			out := append(make([]byte, 0, len(v)), v[:i]...)
			for _, c := range v[i:] {
				if c > ' ' && c < 0x7f {
					out = append(out, c)
				}
			}
			return out
		}
	}
	return v
}
