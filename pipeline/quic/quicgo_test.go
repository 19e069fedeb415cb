package quic_test

import (
	"slices"
	"strings"
	"testing"

	quicgo "github.com/quic-go/quic-go"

	"recap/pipeline"
	"recap/pipeline/exchange"
)

// Without secrets a connection is one row that says what its Initial packets tell.
func TestInitialPackets(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version quicgo.Version
	}{{"version 1", quicgo.Version1}, {"version 2", quicgo.Version2}} {
		t.Run(tt.name, func(t *testing.T) {
			rec := talk(t, 3, &quicgo.Config{Versions: []quicgo.Version{tt.version}})
			got := extract(t, capture(t, rec.list), "", pipeline.Options{})
			if len(got.pairs) != 0 || len(got.flows) != 3 {
				t.Fatalf("%d pairs and %d connections, want 0 and 3", len(got.pairs), len(got.flows))
			}
			for _, f := range got.flows {
				x := f.Conn.TLS
				if f.Protocol != "quic" || f.NoPairs != "quic_without_keys" || !f.Handshake || f.Conn.Server.Port != 443 || f.CloseReason != "end_of_capture" {
					t.Errorf("row is %+v", f)
				}
				if x.SNI != "shop.example" || x.Offered != "h3" || x.Version != "TLS 1.3" || !strings.HasPrefix(x.Cipher, "TLS_") || !strings.HasPrefix(x.JA4, "q13d") || len(x.JA3) != 32 || x.Decrypted {
					t.Errorf("TLS is %+v", x)
				}
			}
			var bytes int64
			for _, d := range rec.list {
				bytes += int64(len(d.b))
			}
			l := got.stats.Ledger
			if l.Packets[exchange.PacketQUICOpaque] != int64(len(rec.list)) || l.Payload[exchange.BytesQUIC] != bytes {
				t.Errorf("the ledger has %v and %v of %d packets and %d bytes", l.Packets, l.Payload, len(rec.list), bytes)
			}
		})
	}
}

// With secrets every exchange that the server saw is a pair.
func TestHTTP3OfQUICGo(t *testing.T) {
	rec := talk(t, 2, &quicgo.Config{})
	path := capture(t, rec.list)
	got := extract(t, path, rec.keys, pipeline.Options{})
	if !slices.Equal(got.pairs, rec.pairs) {
		t.Errorf("pairs:\n%s\nwant\n%s", strings.Join(got.pairs, "\n"), strings.Join(rec.pairs, "\n"))
	}
	for _, f := range got.flows {
		if f.Pairs != 12 || !f.Conn.TLS.Decrypted || f.Conn.TLS.ALPN != "h3" || f.Conn.TLS.CertSubject != "CN=shop.example" || f.CloseReason != "fin" || !f.Anomalies.Empty() {
			t.Errorf("row is %+v %+v", f, f.Conn.TLS)
		}
	}
	l := got.stats.Ledger
	if l.Packets[exchange.PacketQUICHTTP] != int64(len(rec.list)) || l.Payload[exchange.BytesHTTP] == 0 || l.Payload[exchange.BytesUnparsed] != 0 {
		t.Errorf("the ledger has %v and %v", l.Packets, l.Payload)
	}
	for _, row := range got.rows {
		if strings.Contains(row, "HTTP/3") && (!strings.Contains(row, "HTTP/3 complete []") || !strings.Contains(row, "{X-Sum ") && !strings.Contains(row, "{x-sum ")) {
			t.Errorf("pair is %s", row)
		}
	}
	if !strings.Contains(strings.Join(got.rows, "\n"), "[103 [") {
		t.Error("the interim response is missing")
	}
}

// Any number of workers gives the same.
func TestWorkers(t *testing.T) {
	rec := talk(t, 4, &quicgo.Config{})
	path := capture(t, rec.list)
	want := extract(t, path, rec.keys, pipeline.Options{Workers: 1})
	for _, n := range []int{2, 5, 16} {
		if got := extract(t, path, rec.keys, pipeline.Options{Workers: n}); !slices.Equal(got.rows, want.rows) {
			t.Errorf("%d workers give other rows than 1", n)
		}
	}
}

func BenchmarkHTTP3(b *testing.B) {
	rec := talk(b, 2, &quicgo.Config{})
	path := capture(b, rec.list)
	for _, tt := range []struct{ name, keys string }{{"with secrets", rec.keys}, {"without", ""}} {
		b.Run(tt.name, func(b *testing.B) {
			var n int64
			for _, d := range rec.list {
				n += int64(len(d.b))
			}
			b.SetBytes(n)
			b.ReportAllocs()
			for b.Loop() {
				extract(b, path, tt.keys, pipeline.Options{Workers: 1})
			}
		})
	}
}
