// Package http1test makes HTTP/1 conversations as those write them who do not want to be
// read: for each way to break the rules there is a kind, and each kind has its cases.
// Every case hides the same text, which a lenient reader, such as a browser, recovers.
package http1test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"

	"github.com/ulikunitz/xz/lzma"
)

// Hidden is the text that the body of each case holds.
const Hidden = "<p>the hidden text: look, it is here</p>\nname: value\n\nlast line, 0123456789abcdef\n"

// junk is what stands behind the body in cases that hide more there.
var junk = strings.Repeat("X", len(Hidden))

// A Case is one conversation.
type Case struct {
	Kind int    // from 1
	Name string // a sentence about the bytes
	// Request and Response are what the two sides send; the server closes behind it.
	Request  string
	Response string
	// Want is the body of the response.
	Want string
	// Alt: Want may be the body of the other reading, because nothing tells which of the
	// two the sender meant.
	Alt bool
	// Anomalies are names of which one must be there; none: nothing may be.
	Anomalies []string
	// Uncommon: the message keeps the rules, if in a rare way, so that no anomaly is needed.
	Uncommon bool
	// Targets are those of all requests, in order, where they are not the usual one.
	Targets []string
}

const request = "GET /a HTTP/1.1\r\nHost: evader.example\r\n\r\n"

// list collects cases of one kind.
type list struct {
	kind  int
	cases []Case
}

func (l *list) add(name, response string, anomalies ...string) *Case {
	l.cases = append(l.cases, Case{Kind: l.kind, Name: name, Request: request, Response: response, Want: Hidden, Anomalies: anomalies})
	return &l.cases[len(l.cases)-1]
}

const ok = "HTTP/1.1 200 ok\r\n"

// head writes a head: start line, the given lines, and what servers add.
func head(lines ...string) string {
	return ok + block(lines...)
}

func block(lines ...string) string {
	return "Content-Type: text/html\r\n" + strings.Join(lines, "") + "Connection: close\r\n\r\n"
}

const te = "Transfer-Encoding: chunked\r\n"

func cl(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }

// size is how many bytes the chunks of a case have.
const size = 9

// chunked writes b in chunks; line makes the size line, end follows the data, last is all of the last chunk.
func chunked(b string, line func(n int) string, end, last string) string {
	var s strings.Builder
	for len(b) > 0 {
		n := min(size, len(b))
		s.WriteString(line(n) + b[:n] + end)
		b = b[n:]
	}
	return s.String() + last
}

func sized(n int) string { return fmt.Sprintf("%x\r\n", n) }

// chunks writes b in well-formed chunks.
func chunks(b string) string { return chunked(b, sized, "\r\n", "0\r\n\r\n") }

// pack applies a coding.
func pack(coding, b string) string {
	var out bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "deflate", "zlib":
		w = zlib.NewWriter(&out)
	case "raw":
		w, _ = flate.NewWriter(&out, 6)
	case "lzma":
		w, _ = lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(&out)
	}
	io.WriteString(w, b)
	w.Close()
	return out.String()
}

// flushed applies a coding with a flush in the middle.
func flushed(coding, b string) string {
	var out bytes.Buffer
	var w interface {
		io.WriteCloser
		Flush() error
	}
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	default:
		w, _ = flate.NewWriter(&out, 6)
	}
	io.WriteString(w, b[:len(b)/2])
	w.Flush()
	io.WriteString(w, b[len(b)/2:])
	w.Close()
	return out.String()
}

// plain is a response with a Content-Length, in a coding that the lines of the head name.
func plain(body string, lines ...string) string {
	return head(append(lines, cl(len(body)))...) + body
}

// show writes a few bytes so that they can be read in a name.
func show(s string) string { return fmt.Sprintf("%q", s) }

// both adds a case twice: claimed chunked and sent so, and claimed and not sent so.
func (l *list) both(name string, mk func(body string, length string) string, anomalies ...string) {
	l.add(name+", sent in chunks", mk(chunks(Hidden), ""), anomalies...)
	l.add(name+", not sent in chunks", mk(Hidden, cl(len(Hidden))), anomalies...)
}

// Cases returns all cases, in the order of their kinds.
func Cases() []Case {
	var all []Case
	for i, f := range kinds {
		l := list{kind: i + 1}
		f(&l)
		all = append(all, l.cases...)
	}
	return append(all, controls()...)
}

// Kinds is how many kinds there are.
func Kinds() int { return len(kinds) }

// controls are well-formed: nothing about them is odd. Their kind is 0.
func controls() []Case {
	var l list
	l.add("chunked", head(te)+chunks(Hidden))
	l.add("a Content-Length", plain(Hidden))
	l.add("a body that ends with the connection", head()+Hidden)
	l.add("gzip", plain(pack("gzip", Hidden), "Content-Encoding: gzip\r\n"))
	l.add("deflate in the zlib format", plain(pack("zlib", Hidden), "Content-Encoding: deflate\r\n"))
	l.add("gzip in chunks", head(te, "Content-Encoding: gzip\r\n")+chunks(pack("gzip", Hidden)))
	l.add("HTTP/1.0", "HTTP/1.0 200 ok\r\n"+block(cl(len(Hidden)))+Hidden)
	return l.cases
}
