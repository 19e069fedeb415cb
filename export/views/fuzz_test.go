package views_test

import (
	"bytes"
	"strings"
	"testing"

	"recap/export"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

// FuzzLine: whatever stands in a request, each view makes one line of it, which is
// JSON without a name twice, and holds no more than a bounded multiple of it.
func FuzzLine(f *testing.F) {
	f.Add("h:80", "GET", "/a", "Basic YTpi", "1.1.1.1, ::1", "text/plain;x", "TLS 1.2")
	f.Add("[::1]:0", "\x00\"", "\xff\\", "basic Og==", "fe80::1%\"\\", ";", "TLS")
	f.Fuzz(func(t *testing.T, host, method, target, authorization, forwarded, contentType, tls string) {
		p := pair()
		p.Conn.TLS.Version = tls
		q := &p.Request
		q.Host, q.Method, q.Target, q.ContentType = host, method, target, contentType
		q.Headers = []exchange.Header{
			{Name: "Authorization", Value: authorization}, {Name: "X-Forwarded-For", Value: forwarded},
			{Name: "Host", Value: host}, {Name: target, Value: method},
		}
		size := len(host) + len(method) + len(target) + len(authorization) + len(forwarded) + len(contentType) + len(tls)
		for name, f := range forms() {
			var buf bytes.Buffer
			s := f(&buf, export.Options{})
			if err := s.Write(&exchange.Batch{Pairs: []*exchange.Pair{p}}); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := sinktest.Strict(buf.Bytes()); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, buf.Bytes())
			}
			if strings.Count(buf.String(), "\n") != 1 {
				t.Fatalf("%s: %q is not one line", name, buf.Bytes())
			}
			if buf.Len() > 4096+60*size {
				t.Fatalf("%s: %d bytes of %d", name, buf.Len(), size)
			}
		}
	})
}
