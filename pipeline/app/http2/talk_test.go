package http2

import (
	"bytes"
	"fmt"
	"sort"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// talk is a connection written for a test: what was sent, in order.
type talk struct {
	said []said
	ends [2]*end
}

type said struct {
	d exchange.Dir
	b []byte
}

// end writes the frames of one side.
type end struct {
	*xhttp2.Framer
	t   *talk
	d   exchange.Dir
	buf bytes.Buffer
	enc *hpack.Encoder
	hb  bytes.Buffer
}

func newTalk() *talk {
	t := new(talk)
	for d := range t.ends {
		e := &end{t: t, d: exchange.Dir(d)}
		e.Framer = xhttp2.NewFramer(&e.buf, nil)
		e.AllowIllegalWrites = true
		e.enc = hpack.NewEncoder(&e.hb)
		t.ends[d] = e
	}
	return t
}

// start returns a connection that has begun.
func start() (*talk, *end, *end) {
	t := newTalk()
	c, s := t.ends[0], t.ends[1]
	c.raw([]byte(Preface))
	c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20})
	c.WriteWindowUpdate(0, 1<<20)
	c.flush()
	s.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 100})
	s.WriteSettingsAck()
	s.flush()
	c.WriteSettingsAck()
	c.flush()
	return t, c, s
}

func (e *end) raw(b []byte) { e.buf.Write(b) }

// flush sends what was written, in one piece.
func (e *end) flush() {
	if e.buf.Len() > 0 {
		e.t.said = append(e.t.said, said{e.d, bytes.Clone(e.buf.Bytes())})
		e.buf.Reset()
	}
}

// block codes fields: name, value, name, value.
func (e *end) block(fields ...string) []byte {
	e.hb.Reset()
	for i := 0; i < len(fields); i += 2 {
		e.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(e.hb.Bytes())
}

func (e *end) headers(id uint32, last bool, fields ...string) {
	e.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: e.block(fields...), EndStream: last, EndHeaders: true})
}

func (e *end) get(id uint32, path string, more ...string) {
	e.headers(id, true, append([]string{":method", "GET", ":scheme", "https", ":authority", "shop.example", ":path", path}, more...)...)
}

func (e *end) ok(id uint32, body string, more ...string) {
	e.headers(id, body == "", append([]string{":status", "200"}, more...)...)
	if body != "" {
		e.WriteData(id, true, []byte(body))
	}
}

// heard is what the parser made of a connection.
type heard struct {
	pairs    []*exchange.Pair
	messages []*exchange.StreamMessage
	tally    app.Tally
	conn     *Conn
	peak     int64
}

func testEnv(h *heard) *app.Env {
	return &app.Env{
		Limits: app.Limits{Body: 16 << 20, Head: 1 << 20, Fields: 10000, OpenExchanges: 10000, Decode: 64 << 20, DecodeLayers: 4,
			ZstdWindow: 8 << 20, Hash: true, DecodeBodies: true},
		NewPair:  func() *exchange.Pair { p := new(exchange.Pair); p.Reset(); return p },
		Emit:     func(_ *exchange.Conn, p *exchange.Pair) { h.pairs = append(h.pairs, p) },
		Message:  func(m *exchange.StreamMessage) { h.messages = append(h.messages, m) },
		Copy:     bytes.Clone,
		Buffers:  new(coding.Buffers),
		Memo:     new(coding.Memo),
		Decoder:  new(coding.Decoder),
		FileName: func(int32) string { return "x.pcap" },
	}
}

// feed gives a connection to a fresh parser, in pieces of at most piece bytes (0: as
// it was sent). Every piece is a packet.
func feed(t testing.TB, said []said, opt Options, piece int) *heard {
	t.Helper()
	return feedEnv(t, said, opt, piece, nil)
}

func feedEnv(t testing.TB, said []said, opt Options, piece int, change func(*app.Env)) *heard {
	t.Helper()
	h := new(heard)
	env := testEnv(h)
	if change != nil {
		change(env)
	}
	c := New(env, &exchange.Conn{}, opt)
	h.conn = c
	var offset [2]int64
	at := packet.Pos{}
	var fed int64
	for _, s := range said {
		for b := s.b; len(b) > 0; {
			n := len(b)
			if piece > 0 {
				n = min(n, piece)
			}
			at.Number++
			at.TimeNS += 1000
			at.Offset, at.Acked = offset[s.d], offset[s.d.Reverse()]
			c.Data(s.d, at, bytes.Clone(b[:n]))
			offset[s.d] += int64(n)
			fed += int64(n)
			b = b[n:]
			h.peak = max(h.peak, c.Memory())
		}
	}
	c.End(app.EndFIN, at)
	h.tally = c.Tally()
	if got := h.tally.HTTP + h.tally.Other + h.tally.Unparsed; got != fed {
		t.Errorf("tally %+v has %d bytes, fed were %d", h.tally, got, fed)
	}
	if c.held != 0 || len(c.streams) != 0 {
		t.Errorf("after the end %d streams hold %d bytes", len(c.streams), c.held)
	}
	return h
}

func fieldsText(l []exchange.Header) string {
	var b strings.Builder
	for i, f := range l {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s=%s", f.Name, f.Value)
	}
	return b.String()
}

func messageText(m *exchange.Message) string {
	if !m.Present {
		return "-"
	}
	s := fmt.Sprintf("{%s}", fieldsText(m.Headers))
	if m.HasBody {
		body := string(m.Body)
		if len(body) > 60 {
			body = fmt.Sprintf("%s… %d", body[:20], len(body))
		}
		s += fmt.Sprintf(" %q size=%d wire=%d", body, m.BodySize, m.BodyWireSize)
		if !m.Hashed {
			s += " unhashed"
		}
	}
	for _, g := range m.Gaps {
		s += fmt.Sprintf(" gap=%d+%d:%s", g.Offset, g.Length, g.Reason)
	}
	if len(m.Trailers) > 0 {
		s += fmt.Sprintf(" trailers{%s}", fieldsText(m.Trailers))
	}
	return s
}

// pairText is a pair but for what depends on packets.
func pairText(p *exchange.Pair) string {
	s := fmt.Sprintf("%s %s %s %s %s", p.State, p.Kind, p.Request.Method, p.Request.Host, p.Request.Target)
	s += "\n > " + messageText(&p.Request.Message)
	for _, i := range p.Response.Interim {
		s += fmt.Sprintf("\n < %d {%s}", i.Status, fieldsText(i.Headers))
	}
	s += fmt.Sprintf("\n < %d %s", p.Response.Status, messageText(&p.Response.Message))
	if a := p.Anomalies.Append(nil); len(a) > 0 {
		s += "\n ! " + strings.Join(a, " ")
	}
	return s + "\n"
}

func (h *heard) text() string {
	sort.SliceStable(h.pairs, func(i, j int) bool { return h.pairs[i].Ordinal < h.pairs[j].Ordinal })
	var b strings.Builder
	for _, p := range h.pairs {
		b.WriteString(pairText(p))
	}
	for _, m := range h.messages {
		fmt.Fprintf(&b, "message %d dir=%d %s %q size=%d wire=%d compressed=%t partial=%t\n", m.Ordinal, m.Dir, m.Type, m.Payload, m.Size, m.WireSize, m.Compressed, m.Partial)
	}
	return b.String()
}

// expect compares what was heard with lines, which may be indented.
func (h *heard) expect(t *testing.T, want string) {
	t.Helper()
	var lines []string
	for _, l := range strings.Split(strings.Trim(want, "\n"), "\n") {
		l = strings.TrimLeft(l, "\t")
		lines = append(lines, l)
	}
	w := strings.TrimRight(strings.Join(lines, "\n"), "\n ") + "\n"
	if got := h.text(); got != w {
		t.Errorf("got\n%s\nwant\n%s", got, w)
	}
}

// expectSaid has a connection said in pieces of all sizes, and compares what was heard.
func expectSaid(t *testing.T, say func(c, s *end), want string) {
	t.Helper()
	for _, piece := range splits {
		k, c, s := start()
		say(c, s)
		c.flush()
		s.flush()
		feed(t, k.said, Options{}, piece).expect(t, want)
		if t.Failed() {
			t.Fatalf("in pieces of %d", piece)
		}
	}
}
