package tls

import (
	"bytes"
	ctls "crypto/tls"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

// recorded returns one session of each kind of record protection.
func recorded(t testing.TB) map[string]*session {
	t.Helper()
	list := map[string]*session{}
	for _, tt := range []struct {
		name    string
		version uint16
		suite   uint16
	}{
		{"TLS 1.3", ctls.VersionTLS13, 0},
		{"TLS 1.2 GCM", ctls.VersionTLS12, ctls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256},
		{"TLS 1.2 ChaCha20", ctls.VersionTLS12, ctls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256},
		{"TLS 1.2 CBC", ctls.VersionTLS12, ctls.TLS_RSA_WITH_AES_128_CBC_SHA256},
		{"TLS 1.0 CBC", ctls.VersionTLS10, ctls.TLS_RSA_WITH_AES_256_CBC_SHA},
	} {
		client, server := configs("rsa")
		client.MaxVersion = tt.version
		if tt.suite != 0 {
			client.CipherSuites, server.CipherSuites = []uint16{tt.suite}, []uint16{tt.suite}
		}
		list[tt.name] = talk(t, client, server, exchanges())
	}
	return list
}

// Whatever single packet is missing, nothing is invented, what is behind the hole is
// read again, and a hole whose length is told has that length.
func TestOneLostPacket(t *testing.T) {
	for name, s := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			chunks := cut(s.chunks, 1460)
			read, all := 0, 0
			for lost := range chunks {
				p := newPlayer(viewOf(s.keys))
				for i, c := range chunks {
					if i == lost {
						p.gap(c.dir, len(c.data))
						continue
					}
					p.data(c.dir, c.data)
				}
				p.end()
				p.check(t)
				for d := range exchange.Dir(2) {
					got, want := p.in.plain[d], s.plain[d]
					if !wellHoled(p.in, d, want) {
						t.Errorf("packet %d of %d lost: direction %d: not what was said; %s", lost, len(chunks), d, strings.Join(p.in.events, ", "))
					}
					read, all = read+len(got), all+len(want)
				}
				if p.conn.sides[0].mode == blind && p.info.TLS.JA3 != "" && p.info.TLS.Version != "" {
					t.Errorf("packet %d of %d lost: gave up", lost, len(chunks))
				}
			}
			// One packet takes at most one record of 16 KiB with it, and a lost hello takes all.
			if float64(read) < 0.80*float64(all) {
				t.Errorf("%d of %d bytes were read over all losses", read, all)
			}
			t.Logf("%d packets; %.1f %% of the plaintext was read, with each lost in turn", len(chunks), 100*float64(read)/float64(all))
		})
	}
}

// wellHoled reports whether what in got is want with the holes that it was told of.
func wellHoled(in *inside, d exchange.Dir, want []byte) bool {
	got := in.plain[d]
	at := 0
	for _, e := range in.events {
		var dir, after, n int
		if k, _ := fmt.Sscanf(e, "gap %d at %d: %d", &dir, &after, &n); k != 3 || dir != int(d) {
			continue
		}
		part := got[:after-at]
		if !bytes.HasPrefix(want, part) {
			return false
		}
		got, want, at = got[len(part):], want[len(part):], after
		if n >= 0 {
			if n > len(want) {
				return false
			}
			want = want[n:]
			continue
		}
		// Unknown: what comes next must be found further on.
		rest := got[:min(64, len(got))]
		i := bytes.Index(want, rest)
		if i < 0 {
			return false
		}
		if len(rest) > 0 {
			want = want[i:]
		}
	}
	if at == 0 && len(got) > 0 && !bytes.HasPrefix(want, got) {
		// The inner parser began behind a hole.
		return bytes.HasSuffix(want, got)
	}
	return bytes.HasPrefix(want, got)
}

// A hole of many records, and one whose length is not known.
func TestLongHole(t *testing.T) {
	for name, s := range recorded(t) {
		t.Run(name, func(t *testing.T) {
			chunks := cut(s.chunks, 1460)
			from, to := len(chunks)/3, len(chunks)-8
			for _, unknown := range []bool{false, true} {
				p := newPlayer(viewOf(s.keys))
				var holed [2]bool
				for i, c := range chunks {
					if i < from || i >= to {
						p.data(c.dir, c.data)
						continue
					}
					if !unknown {
						p.gap(c.dir, len(c.data))
					} else if !holed[c.dir] {
						holed[c.dir] = true
						p.conn.Gap(c.dir, p.pos(c.dir), -1, exchange.GapLost)
					}
				}
				p.end()
				p.check(t)
				for d := range exchange.Dir(2) {
					if !wellHoled(p.in, d, s.plain[d]) || !bytes.HasSuffix(p.in.plain[d], s.plain[d][len(s.plain[d])-16:]) {
						t.Errorf("unknown %t: direction %d: %d bytes; %s", unknown, d, len(p.in.plain[d]), strings.Join(p.in.events, ", "))
					}
				}
			}
		})
	}
}

// Bytes that an attacker put in between do not shift the records.
func TestInjectedRecord(t *testing.T) {
	for name, s := range recorded(t) {
		if strings.HasPrefix(name, "TLS 1.0") {
			continue // there a record is needed to read the next
		}
		t.Run(name, func(t *testing.T) {
			p := newPlayer(viewOf(s.keys))
			for i, c := range s.chunks {
				if i == len(s.chunks)-4 {
					p.data(c.dir, append([]byte{typeData, 3, 3, 0, 40}, make([]byte, 40)...))
				}
				p.data(c.dir, c.data)
			}
			p.end()
			p.check(t)
			for d := range 2 {
				if !bytes.Equal(p.in.plain[d], s.plain[d]) {
					t.Errorf("direction %d: %d bytes of plaintext, want %d; %s", d, len(p.in.plain[d]), len(s.plain[d]), strings.Join(p.in.events, ", "))
				}
			}
			if y := p.conn.Tally(); y.TLS != 45 {
				t.Errorf("%d opaque bytes, want 45", y.TLS)
			}
		})
	}
}
