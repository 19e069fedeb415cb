package http

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/targettest"
)

const nginxConfig = `
worker_processes 1;
daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	default_type text/plain;
	server {
		listen %[2]s;
		root %[1]s/www;
		location /small { return 200 "%[3]s"; }
		location /moved { return 302 http://192.0.2.1/; }
		location /gone { return 410; }
		location /few { keepalive_requests 1; return 200 "few"; }
	}
}
`

// small is what nginx answers to /small.
var small = strings.Repeat("0123456789abcdef", 16)

// nginx starts a real nginx and returns its URL.
func nginx(tb testing.TB) string {
	tb.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		if program = "/usr/sbin/nginx"; !exists(program) {
			tb.Skip("SKIPPED: no nginx here; `apt-get install nginx` to run this test")
		}
	}
	dir := tb.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "www"), 0o755); err != nil {
		tb.Fatal(err)
	}
	address := targettest.FreeAddress(tb)
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, address, small), 0o644); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(program, "-p", dir, "-c", config)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "http://" + address
		}
		time.Sleep(20 * time.Millisecond)
	}
	tb.Fatal("nginx does not listen")
	return ""
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// BenchmarkNginx sends GETs over 64 connections, as `wrk -c 64 -t 1 URL/small` does.
func BenchmarkNginx(b *testing.B) {
	base := os.Getenv("REPLAY_HTTP_URL")
	if base == "" {
		base = nginx(b)
	}
	const conns = 64
	var list [conns]*exchange.Conn
	for i := range list {
		list[i] = &exchange.Conn{ID: exchange.ID{1, byte(i)}}
	}
	pairs := make([]*exchange.Pair, conns)
	for i := range pairs {
		p := &exchange.Pair{Protocol: "HTTP/1.1", Conn: list[i]}
		p.Request = exchange.Request{Method: "GET", Target: "/small"}
		p.Request.Present = true
		p.Request.Headers = []exchange.Header{{Name: "Host", Value: "example.test"}, {Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "bench/1.0"}}
		p.Response = exchange.Response{Status: 200}
		p.Response.Present = true
		p.Response.Headers = []exchange.Header{{Name: "Server", Value: "nginx/1.22.1"}, {Name: "Content-Type", Value: "text/plain"}}
		p.Response.Body, p.Response.HasBody, p.Response.BodySize = []byte(small), true, int64(len(small))
		pairs[i] = p
	}
	u, err := url.Parse(base)
	if err != nil {
		b.Fatal(err)
	}
	env := &targettest.FreeEnv{Began: time.Now()}
	t, err := Open(b.Context(), u, Options{}, env)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	events := make([]replay.Event, 0, 256)
	for i := range b.N {
		events = append(events, replay.Event{Pair: pairs[i%conns], Seq: uint64(i)})
		if len(events) == cap(events) || i == b.N-1 {
			if err := t.Send(b.Context(), events); err != nil {
				b.Fatal(err)
			}
			events = events[:0]
		}
	}
	if err := t.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if env.Accepted.Load() != int64(b.N) {
		b.Fatalf("%d of %d sent, %d failed: %+v", env.Accepted.Load(), b.N, env.Refused.Load(), t.(*Target).stats.findings())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	if f := t.(*Target).stats.findings(); f.Compared.Different > 0 {
		b.Errorf("differences: %v %v", f.Differences, f.Examples)
	}
}
