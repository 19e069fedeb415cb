package websocket

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// said is what one side sends; gap bytes of it are missing where data is empty.
type said struct {
	d    exchange.Dir
	data string
	gap  int64
}

func c(data string) said { return said{d: exchange.ToServer, data: data} }
func s(data string) said { return said{d: exchange.ToClient, data: data} }
func cGap(n int64) said  { return said{d: exchange.ToServer, gap: n} }
func sGap(n int64) said  { return said{d: exchange.ToClient, gap: n} }

var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d} // of RFC 6455, section 5.7

// raw writes a frame with the first byte as given; key nil: not masked.
func raw(first byte, key *[4]byte, payload string) string {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n > 65535:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	case n > 125:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = byte(n)
	}
	p := []byte(payload)
	if key != nil {
		b[1] |= bitMasked
		b = append(b, key[:]...)
		for i := range p {
			p[i] ^= key[i&3]
		}
	}
	return string(append(b, p...))
}

func up(first byte, payload string) string   { return raw(first, &testKey, payload) }
func down(first byte, payload string) string { return raw(first, nil, payload) }

// deflater compresses messages as a sender under permessage-deflate does.
type deflater struct {
	buf bytes.Buffer
	w   *flate.Writer
}

func (d *deflater) message(text string) string {
	if d.w == nil {
		d.w, _ = flate.NewWriter(&d.buf, 6)
	}
	d.buf.Reset()
	d.w.Write([]byte(text))
	d.w.Flush()
	return strings.TrimSuffix(d.buf.String(), "\x00\x00\xff\xff")
}

// alone compresses a message without what came before.
func alone(text string) string { return new(deflater).message(text) }

type player struct {
	conn *Conn
	env  *app.Env
	list []*exchange.StreamMessage
	off  [2]int64
	n    int64
	fed  int64
	mem  int64
}

func newPlayer(opt Options) *player {
	p := &player{}
	p.env = &app.Env{
		Limits:  app.Limits{Body: 1 << 20, Decode: 4 << 20, DecodeLayers: 4, Hash: true, DecodeBodies: true},
		Message: func(m *exchange.StreamMessage) { p.list = append(p.list, m) }, Decoder: new(coding.Decoder), Buffers: new(coding.Buffers),
	}
	p.conn = New(p.env, &exchange.Conn{}, opt)
	return p
}

// play feeds what was said, in pieces of the given sizes in rotation (none: whole).
func (p *player) play(list []said, sizes ...byte) {
	k := 0
	for _, m := range list {
		if m.gap != 0 {
			p.n++
			p.conn.Gap(m.d, packet.Pos{Number: p.n, TimeNS: p.n * 1000, Offset: p.off[m.d]}, m.gap, exchange.GapLost)
			p.off[m.d] += max(0, m.gap)
			continue
		}
		for b := []byte(m.data); len(b) > 0; {
			n := len(b)
			if len(sizes) > 0 {
				n = min(n, 1+int(sizes[k%len(sizes)]))
				k++
			}
			p.n++
			piece := bytes.Clone(b[:n])
			p.conn.Data(m.d, packet.Pos{Number: p.n, TimeNS: p.n * 1000, Offset: p.off[m.d]}, piece)
			if !bytes.Equal(piece, b[:n]) {
				panic("Data changed bytes that are not its own")
			}
			p.off[m.d] += int64(n)
			p.fed += int64(n)
			b = b[n:]
			p.mem = max(p.mem, p.conn.Memory())
		}
	}
}

// end ends the connection and checks that every byte was accounted for.
func (p *player) end(t testing.TB, reason app.EndReason) {
	t.Helper()
	p.conn.End(reason, packet.Pos{Number: p.n + 1, TimeNS: (p.n + 1) * 1000})
	if a := p.conn.Tally(); a.HTTP+a.Other+a.Unparsed != p.fed || min(a.HTTP, a.Other, a.Unparsed) < 0 {
		t.Errorf("%d bytes were fed, %+v accounted for", p.fed, a)
	}
	for i, m := range p.list {
		if m.Ordinal != int64(i) {
			t.Errorf("message %d has ordinal %d", i, m.Ordinal)
		}
	}
}

// lines writes messages as `> text "payload"`, `<` for those of the server, with
// what is not as usual behind.
func (p *player) lines() string {
	var b strings.Builder
	for _, m := range p.list {
		text := fmt.Sprintf("%q", m.Payload)
		if len(m.Payload) > 100 {
			text = fmt.Sprintf("%d bytes", len(m.Payload))
		}
		fmt.Fprintf(&b, "%c %s %s", "><"[m.Dir], m.Type, text)
		if m.CloseCode != 0 {
			fmt.Fprintf(&b, " code=%d", m.CloseCode)
		}
		if m.Size != int64(len(m.Payload)) {
			fmt.Fprintf(&b, " size=%d", m.Size)
		}
		if m.Compressed {
			b.WriteString(" compressed")
		}
		if m.Partial {
			b.WriteString(" partial")
		}
		for _, a := range m.Anomalies.Append(nil) {
			fmt.Fprintf(&b, " !%s", a)
		}
		b.WriteByte('\n')
	}
	if t := p.conn.Tally(); t.Other+t.Unparsed > 0 {
		fmt.Fprintf(&b, "other=%d unparsed=%d\n", t.Other, t.Unparsed)
	}
	return b.String()
}

// want strips the indentation that makes a table readable.
func want(text string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}
