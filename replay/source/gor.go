package source

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"recap/pipeline/exchange"
)

// gorSeparator stands behind each record of a .gor file: three monkeys on a line.
const gorSeparator = "\n\U0001f435\U0001f648\U0001f649\n"

// Bounds of .gor files.
const (
	maxGorRecord  = 64 << 20 // bytes
	maxGorWaiting = 10_000   // requests that wait for their response
	maxDecoded    = 64 << 20 // bytes of one body
)

// Gor gives the pairs of a GoReplay file, each when its response is read. A record is a
// line of kind (1 request, 2 response), id, time and latency in ns, then the message as
// it was on the wire. Responses to replayed requests (kind 3) are left out: they are no
// part of what was recorded.
func Gor(ctx context.Context, r io.Reader) iter.Seq2[*exchange.Pair, error] {
	return func(yield func(*exchange.Pair, error) bool) {
		g := gor{r: bufio.NewReaderSize(r, 64<<10), open: map[string]*exchange.Pair{}}
		for ctx.Err() == nil {
			kind, id, at, message, err := g.record()
			if err == io.EOF {
				g.flush(0, yield)
				return
			}
			if err != nil {
				if g.flush(0, yield) {
					yield(nil, fmt.Errorf("record %d: %w", g.n, err))
				}
				return
			}
			if p := g.take(kind, id, at, message); p != nil && !yield(p, nil) || !g.flush(maxGorWaiting, yield) {
				return
			}
		}
		yield(nil, context.Cause(ctx))
	}
}

type gor struct {
	r    *bufio.Reader
	n    int64 // records
	open map[string]*exchange.Pair
	wait []string // ids of open, oldest first; some are answered already
	buf  []byte
}

// record reads the next record. message is valid until the next call.
func (g *gor) record() (kind byte, id string, at int64, message []byte, err error) {
	g.buf = g.buf[:0]
	for {
		line, err := g.r.ReadSlice('\n')
		g.buf = append(g.buf, line...)
		if len(g.buf) > maxGorRecord {
			return 0, "", 0, nil, fmt.Errorf("longer than %d bytes", maxGorRecord)
		}
		if bytes.HasSuffix(g.buf, []byte(gorSeparator)) {
			break
		}
		if err == io.EOF && len(bytes.TrimSpace(g.buf)) == 0 {
			return 0, "", 0, nil, io.EOF
		}
		if err != nil && err != bufio.ErrBufferFull {
			g.n++
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, "", 0, nil, err
		}
	}
	g.n++
	head, message, found := bytes.Cut(g.buf[:len(g.buf)-len(gorSeparator)], []byte("\n"))
	words := strings.Fields(string(head))
	if !found || len(words) < 3 || len(words[0]) != 1 {
		return 0, "", 0, nil, errors.New("it does not begin with kind, id and time")
	}
	if at, err = strconv.ParseInt(words[2], 10, 64); err != nil {
		return 0, "", 0, nil, errors.New("its time is no number")
	}
	return words[0][0], words[1], at, message, nil
}

// take notes a record and returns a pair that it completes, or nil.
func (g *gor) take(kind byte, id string, at int64, message []byte) *exchange.Pair {
	switch kind {
	case '1':
		p := g.request(id, at, message)
		before := g.open[id]
		g.open[id] = p
		if before != nil {
			return before // its id is used again: no response can be told to be its own
		}
		g.wait = append(g.wait, id)
	case '2':
		p := g.open[id]
		if p == nil {
			p = &exchange.Pair{ID: idOf("gor pair", id, strconv.FormatInt(g.n, 10)), State: exchange.ResponseOnly, Protocol: "HTTP/1.1",
				LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime, Conn: &exchange.Conn{ID: idOf("gor connection", id)}}
		}
		delete(g.open, id)
		g.response(p, at, message)
		return p
	}
	return nil
}

// flush gives out the oldest requests without response until at most so many wait.
func (g *gor) flush(most int, yield func(*exchange.Pair, error) bool) bool {
	for len(g.open) > most || len(g.wait) > 2*maxGorWaiting || most == 0 && len(g.wait) > 0 {
		id := g.wait[0]
		g.wait = g.wait[1:]
		if p := g.open[id]; p != nil {
			delete(g.open, id)
			if !yield(p, nil) {
				return false
			}
		}
	}
	return true
}

func (g *gor) request(id string, at int64, message []byte) *exchange.Pair {
	p := &exchange.Pair{
		ID: idOf("gor pair", id, strconv.FormatInt(g.n, 10)), State: exchange.RequestOnly, Kind: "other", LatencyNS: exchange.NoTime, DurationNS: exchange.NoTime,
		Conn: &exchange.Conn{ID: idOf("gor connection", id)}, FirstPacket: g.n, LastPacket: g.n, Completed: g.n,
	}
	q := &p.Request
	line := parseMessage(&q.Message, message, at, p)
	q.Method, q.Target, _ = strings.Cut(line, " ")
	q.Target, q.Version, _ = strings.Cut(q.Target, " ")
	q.Version = version(q.Version)
	p.Protocol = q.Version
	q.Host, q.Scheme = field(&q.Message, "Host"), "http"
	if u, err := url.ParseRequestURI(q.Target); err == nil {
		q.Path, q.Query = u.EscapedPath(), u.RawQuery
		if u.Host != "" {
			q.Host = u.Host
		}
	}
	q.URL = "http://" + q.Host + q.Path
	if q.Query != "" {
		q.URL += "?" + q.Query
	}
	return p
}

func (g *gor) response(p *exchange.Pair, at int64, message []byte) {
	s := &p.Response
	if p.State == exchange.RequestOnly {
		p.State = exchange.Complete
	}
	line := parseMessage(&s.Message, message, at, p)
	var code string
	s.Version, code, _ = strings.Cut(line, " ")
	code, s.Reason, _ = strings.Cut(code, " ")
	s.Version = version(s.Version)
	n, err := strconv.ParseInt(code, 10, 32)
	if s.Status = int32(n); err != nil {
		p.State = exchange.Partial
	}
	p.LastPacket, p.Completed = g.n, g.n
	if p.Request.Present && at >= p.Request.TimeNS {
		p.LatencyNS, p.DurationNS = at-p.Request.TimeNS, at-p.Request.TimeNS
	}
}

// parseMessage fills m from the bytes on the wire and returns the start line. What
// cannot be read makes the pair partial.
func parseMessage(m *exchange.Message, b []byte, at int64, p *exchange.Pair) string {
	m.Present, m.TimeNS, m.EndTimeNS = true, at, at
	head, body, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found {
		p.State = exchange.Partial
	}
	m.Head = append(append([]byte(nil), head...), "\r\n\r\n"...)
	lines := strings.Split(strings.ToValidUTF8(string(head), "\ufffd"), "\r\n")
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			p.State = exchange.Partial
			continue
		}
		m.Headers = append(m.Headers, exchange.Header{Name: name, Value: strings.Trim(value, " \t")})
	}
	body = bytes.Clone(body)
	var err error
	if strings.EqualFold(field(m, "Transfer-Encoding"), "chunked") {
		body, err = readAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	} else if n, perr := strconv.ParseUint(field(m, "Content-Length"), 10, 63); perr == nil && !bodiless(p, lines[0]) {
		if n > uint64(len(body)) {
			err = io.ErrUnexpectedEOF
		} else if n < uint64(len(body)) {
			body, p.State = body[:n], exchange.Partial // whose the rest is nobody knows
		}
	}
	wire := int64(len(body))
	if err == nil {
		body, err = decode(field(m, "Content-Encoding"), body)
	}
	setBody(m, body, int64(len(body)))
	m.BodyWireSize = wire
	if err != nil {
		p.State, m.Hashed = exchange.Partial, false
		m.Gaps = []exchange.Gap{{Offset: int64(len(body)), Length: -1, Reason: exchange.GapLost}}
	}
	return lines[0]
}

// bodiless reports whether a message of this start line may announce a body and have
// none: an answer to HEAD, or 304.
func bodiless(p *exchange.Pair, line string) bool {
	return strings.HasPrefix(line, "HTTP/") && (p.Request.Method == "HEAD" || strings.Contains(line, " 304"))
}

// decode undoes a content coding.
func decode(coding string, body []byte) ([]byte, error) {
	in := bytes.NewReader(body)
	var r io.Reader
	var err error
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		r, err = gzip.NewReader(in)
	case "deflate":
		r = flate.NewReader(in)
		if len(body) > 2 && body[0]&0x0f == 8 && (int(body[0])<<8|int(body[1]))%31 == 0 { // zlib, as RFC 9110 has it
			in.Reset(body[2:])
			r = flate.NewReader(in)
		}
	case "br":
		r = brotli.NewReader(in)
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20)); err == nil {
			defer d.Close()
			r = d
		}
	default:
		return body, fmt.Errorf("content coding %q is not known", coding)
	}
	if len(body) == 0 {
		return body, nil
	}
	if err != nil {
		return body, err
	}
	return readAll(r)
}

func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxDecoded+1))
	if err == nil && len(b) > maxDecoded {
		return b[:maxDecoded], fmt.Errorf("more than %d bytes", maxDecoded)
	}
	return b, err
}
