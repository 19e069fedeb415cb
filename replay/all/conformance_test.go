package all

import (
	"context"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"

	"recap/replay"
	"recap/replay/targettest"
)

// Every target that can be had without a broker keeps the promises of all targets.
func TestConformance(t *testing.T) {
	answer := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer answer.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	dir, n := t.TempDir(), 0
	host := answer.Listener.Addr().String()
	for _, to := range []string{"http://" + host, "akto+http://" + host, "metlo+http://" + host, "vxlan://" + udp.LocalAddr().String(), "file:"} {
		t.Run(to, func(t *testing.T) {
			refused := "127.0.0.1"
			if to == "file:" {
				refused = ""
			}
			targettest.Run(t, refused, func(ctx context.Context, env replay.Env) (replay.Target, error) {
				text := to
				if to == "file:" {
					n++
					text += filepath.Join(dir, fmt.Sprintf("%d.pcap", n))
				}
				u, err := url.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				k, err := Find(u)
				if err != nil {
					t.Fatal(err)
				}
				var o Options
				o.HTTP.AllowUnsafe = true
				return k.Open(ctx, u, &o, env)
			})
		})
	}
}
