package tls

import (
	"bytes"
	ctls "crypto/tls"
	"encoding/hex"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

// FuzzRecords plays streams that begin as a real connection did and go on as the
// input says, in pieces of any size, with holes: the size of the pieces changes
// nothing, and every byte is accounted for.
func FuzzRecords(f *testing.F) {
	var sessions []*session
	for _, s := range recorded(f) {
		sessions = append(sessions, s)
	}
	client, server := configs("rsa")
	client.MaxVersion = ctls.VersionTLS12
	sessions = append(sessions, talk(f, client, server, exchanges()[:1]))
	f.Add(byte(0), uint16(20), []byte("\x17\x03\x03\x00\x20................................"), byte(3))
	f.Add(byte(1), uint16(3), []byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), byte(200))
	f.Add(byte(2), uint16(8), []byte{0, 255, 3, 4, 20, 3, 3, 0, 1, 1}, byte(1))
	f.Add(byte(7), uint16(0), []byte("\x80\x2e\x01\x03\x01\x00\x03\x00\x00\x00\x20"), byte(16))
	f.Fuzz(func(t *testing.T, which byte, keep uint16, tail []byte, size byte) {
		s := sessions[int(which)%len(sessions)]
		chunks := append([]chunk(nil), s.chunks[:min(int(keep), len(s.chunks))]...)
		// The input changes what was said: bytes are put in, cut out, altered.
		for i := 0; i+3 < len(tail) && len(chunks) > 0; i += 4 {
			c := &chunks[int(tail[i])%len(chunks)]
			at := int(tail[i+1]) % (len(c.data) + 1)
			switch tail[i+2] % 4 {
			case 0:
				c.data = append(append(bytes.Clone(c.data[:at]), tail...), c.data[at:]...)
			case 1:
				c.data = append(bytes.Clone(c.data[:at]), c.data[min(len(c.data), at+int(tail[i+3])):]...)
			case 2:
				c.data = bytes.Clone(c.data)
				if at < len(c.data) {
					c.data[at] ^= tail[i+3]
				}
			}
		}
		chunks = append(chunks, chunk{exchange.Dir(which >> 7), tail})
		play := func(size int) (*player, int64) {
			view := viewOf(s.keys)
			p := newPlayer(view)
			var most int64
			for i, c := range chunks {
				if len(tail) > 0 && tail[i%len(tail)] == 0xee && i > 3 {
					p.gap(c.dir, len(c.data))
					continue
				}
				for _, c := range cut([]chunk{c}, size) {
					p.data(c.dir, c.data)
				}
				most = max(most, p.conn.Memory())
			}
			p.end()
			p.check(t)
			return p, most
		}
		a, most := play(1 << 20)
		b, _ := play(int(size) + 1)
		for d := range 2 {
			if !bytes.Equal(a.in.plain[d], b.in.plain[d]) {
				t.Fatalf("direction %d: %d bytes whole, %d bytes in pieces of %d", d, len(a.in.plain[d]), len(b.in.plain[d]), int(size)+1)
			}
		}
		if x, y := strings.Join(a.in.events, ", "), strings.Join(b.in.events, ", "); x != y {
			t.Fatalf("whole: %s\nin pieces: %s", x, y)
		}
		if a.conn.Tally() != b.conn.Tally() {
			t.Fatalf("whole: %+v\nin pieces: %+v", a.conn.Tally(), b.conn.Tally())
		}
		if x, y := *a.info.TLS, *b.info.TLS; x != y {
			t.Fatalf("whole: %+v\nin pieces: %+v", x, y)
		}
		if most > 1<<20 {
			t.Fatalf("%d bytes are held", most)
		}
	})
}

// FuzzKeys: any text, at any split, counts the same.
func FuzzKeys(f *testing.F) {
	f.Add([]byte("CLIENT_RANDOM "+strings.Repeat("ab", 32)+" "+strings.Repeat("cd", 48)), byte(3))
	f.Add([]byte("RSA Session-ID:00 Master-Key:"+hex.EncodeToString(make([]byte, 48))+"\n#"), byte(1))
	f.Fuzz(func(t *testing.T, text []byte, size byte) {
		one := new(Keys)
		one.Add(text)
		parts := new(Keys)
		for b := text; len(b) > 0; {
			n := min(int(size)+1, len(b))
			parts.Write(b[:n])
			b = b[n:]
		}
		parts.Flush()
		if one.Stats() != parts.Stats() {
			t.Fatalf("whole: %+v, in parts: %+v", one.Stats(), parts.Stats())
		}
	})
}
