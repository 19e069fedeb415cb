package http1

import "bytes"

// oddLines cuts a head that is not as it should be into lines, as lenient readers do.
// A line ends in LF, with or without blanks before it, or in CR where what looks like a
// header follows. The head ends at an empty line; where senders play with line ends,
// at a line of blanks, or a run of CR, behind which nothing looks like a header.
type oddLines struct {
	b      []byte
	at     int  // behind what was given out
	whole  bool // nothing will follow b
	ended  bool // the head ends at at
	unsure bool // more bytes are needed to tell

	count   int // lines
	crlf    int // of them, those that end in CRLF
	bareLF  int // in LF alone
	bareCR  int // in CR alone
	other   int // in something else, such as CR NUL LF
	leadCR  int // that begin with the CR of a line end written LF CR
	crValue bool
	double  bool // the line end just cut holds an empty line, written with blanks
	blanks  int  // lines of nothing but blanks that did not end the head
}

// isBlank reports whether c is what lenient readers pass over around words.
func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == 0 || c == '\v' || c == '\f' || c == 0x7f
}

// next returns the next line without its end; ok is false where there is none, or the
// head has ended.
func (l *oddLines) next() (line []byte, ok bool) {
	for !l.ended && !l.unsure && l.at < len(l.b) {
		line, bare := l.cut()
		if l.double {
			l.double = false
			l.blank(blankLine, false)
		}
		if l.unsure {
			return nil, false
		}
		l.count++
		if l.ended { // by a run of CR
			return line, true
		}
		if l.count > 1 && len(line) > 0 && line[0] == '\r' && len(bytes.Trim(line, "\r")) > 0 {
			l.leadCR++
			line = line[1:]
		}
		if l.count == 1 || !allBlank(line) {
			return line, true
		}
		l.blank(line, bare)
	}
	return nil, false
}

// blank decides whether the head ends at a line of blanks, which has just been cut.
func (l *oddLines) blank(line []byte, bare bool) {
	rest := l.b[l.at:]
	switch {
	case len(line) == 0 && (!bare || l.crlf == 0):
		l.ended = true
		return
	case len(line) > 0 && (bytes.HasPrefix(rest, crlfMark) || bytes.HasPrefix(rest, crlfMark[1:])):
		l.blanks++ // the empty line is still to come
		return
	case len(line) > 0 && len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') && !allBlankLine(rest):
		l.blanks++
		return
	}
	switch v, skip := looksOn(rest); {
	case v == Yes:
		l.blanks++
		l.at += skip
	case v == More && !l.whole:
		l.unsure = true
	default:
		l.ended = true
	}
}

var (
	crlfMark  = []byte("\r\n")
	blankLine = []byte{' '}
)

// cut gives out the bytes up to the next line end. bare: that is LF alone.
func (l *oddLines) cut() (line []byte, bare bool) {
	b, start := l.b, l.at
	for i := start; i < len(b); i++ {
		switch b[i] {
		case '\n':
			l.at = i + 1
			if i > start && b[i-1] == '\r' {
				l.crlf++
				return b[start : i-1], false
			}
			l.bareLF++
			return b[start:i], true
		case '\r':
			if i+1 < len(b) && b[i+1] == '\n' || i == start && l.count > 0 && l.bareLF > 0 {
				continue
			}
			end, done := l.cutCR(start, i)
			if done {
				return b[start:i], false
			}
			if l.unsure {
				return nil, false
			}
			i = end - 1
		}
	}
	l.at = len(b)
	return b[start:], false
}

// cutCR looks at a CR without LF at i. done: a line ends there, and at is set behind its
// end. Otherwise the blanks up to end belong to the line.
func (l *oddLines) cutCR(start, i int) (end int, done bool) {
	b := l.b
	j, crs := i, 0
	for j < len(b) && isBlank(b[j]) {
		if b[j] == '\r' {
			crs++
		}
		j++
	}
	if j == len(b) && !l.whole {
		l.unsure = true
		return 0, false
	}
	if j < len(b) && b[j] == '\n' {
		if i > start || crs != j-i { // a line of CR alone is one of blanks
			l.at = j + 1
			l.other++
			l.double = crs > 1 && i > start && crs != j-i
			return 0, true
		}
		return j, false
	}
	v := No
	if j < len(b) {
		v = fieldLike(b[j:])
	}
	switch {
	case v == More && !l.whole:
		l.unsure = true
		return 0, false
	case v == Yes && (i > start || l.crlf == 0 || l.bareCR > 0): // else it is a field that begins with CR
		l.at = j
		l.bareCR++
		return 0, true
	case crs >= 2 && !l.valueGoesOn(j):
		if l.unsure {
			return 0, false
		}
		for l.at = i; l.at < len(b) && b[l.at] == '\r'; {
			l.at++
		}
		l.bareCR++
		l.ended = true
		return 0, true
	}
	l.crValue = l.crValue || i < len(b)-1 // else the head is cut inside a line end
	return j, false
}

// valueGoesOn reports whether the bytes at j, behind a run of CR, belong to the line that
// the run stands in, and not to the body: lines so far end in CRLF, this one does too, and
// the head goes on behind it or ends. What holds a start line is no value.
func (l *oddLines) valueGoesOn(j int) bool {
	if l.crlf == 0 || l.bareLF+l.bareCR > 0 {
		return false
	}
	b := l.b[j:min(len(l.b), j+firstStep)]
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		l.unsure = !l.whole && len(b) < firstStep
		return false
	}
	rest := l.b[j+i+1:]
	switch v := fieldLike(rest); {
	case i == 0 || b[i-1] != '\r' || bytes.Contains(b[:i], []byte("HTTP/1.")):
		return false
	case v == Yes, bytes.HasPrefix(rest, crlfMark):
		return true
	default:
		l.unsure = v == More && !l.whole
	}
	return false
}

// maxName bounds how far the colon of a header is looked for, bytes.
const maxName = 128

// fieldLike tells whether b begins with a header field: a name and a colon. NUL inside
// the name is passed over, because that is a way to hide one.
func fieldLike(b []byte) Verdict {
	n := 0
	for n < len(b) && n < maxName && (isToken(b[n]) || b[n] == 0) {
		n++
	}
	name := n
	for n < len(b) && n < maxName && isBlank(b[n]) {
		n++
	}
	switch {
	case n == len(b) && n < maxName:
		return More
	case name > 0 && n < maxName && b[n] == ':':
		return Yes
	}
	return No
}

func allBlank(b []byte) bool {
	for _, c := range b {
		if !isBlank(c) {
			return false
		}
	}
	return true
}

// allBlankLine reports whether the first line of b is blank.
func allBlankLine(b []byte) bool {
	line, _ := nextLine(b)
	return allBlank(bytes.TrimRight(line, "\n"))
}

// looseEnd returns where the head in b ends as a lenient reader would have it; -1 where
// it does not, or where that cannot be told yet.
func looseEnd(b []byte, whole bool) int {
	l := oddLines{b: b, whole: whole}
	for ok := true; ok; {
		_, ok = l.next()
	}
	if l.ended {
		return l.at
	}
	return -1
}
