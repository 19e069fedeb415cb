package tls

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recap/pipeline/exchange"
)

// These tests record what OpenSSL's own client and server say to each other: suites,
// extensions and messages that Go does not speak.

// openssl runs the command; the test is skipped where there is none.
func openssl(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIPPED: openssl is not installed, so nothing is checked against it (apt-get install openssl)")
	}
	return path
}

// accepting returns the address that s_server says it listens at, and reads on.
func accepting(t *testing.T, out io.Reader) string {
	t.Helper()
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		if addr, ok := strings.CutPrefix(sc.Text(), "ACCEPT "); ok {
			go io.Copy(io.Discard, out)
			return addr
		}
	}
	t.Fatal("s_server does not listen")
	return ""
}

// A say is something written to a program after a while.
type say struct {
	after time.Duration
	text  string
}

func speak(w io.WriteCloser, list []say) {
	for _, s := range list {
		time.Sleep(s.after)
		io.WriteString(w, s.text)
	}
	w.Close()
}

// sslTalk records one connection of s_client to s_server.
func sslTalk(t *testing.T, dir string, serverArgs, clientArgs []string, client, server []say) *session {
	t.Helper()
	path := openssl(t)
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	if _, err := os.Stat(key); err != nil {
		id := identities()["rsa"]
		der, err := x509.MarshalPKCS8PrivateKey(id.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate[0]}), 0o600)
	}
	keylog := filepath.Join(dir, fmt.Sprintf("keys%d", time.Now().UnixNano()))
	srv := exec.Command(path, append([]string{"s_server", "-accept", "127.0.0.1:0", "-key", key, "-cert", cert, "-naccept", "1"}, serverArgs...)...)
	in, _ := srv.StdinPipe()
	out, _ := srv.StdoutPipe()
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer srv.Wait()
	defer srv.Process.Kill()
	go speak(in, server)

	// The one connection that the server accepts is the recorded one.
	up, err := net.Dial("tcp", accepting(t, out))
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cl := exec.Command(path, append([]string{"s_client", "-connect", l.Addr().String(), "-servername", "shop.example", "-keylogfile", keylog}, clientArgs...)...)
	var said bytes.Buffer
	cl.Stdout, cl.Stderr = &said, &said
	stdin, _ := cl.StdinPipe()
	if err := cl.Start(); err != nil {
		t.Fatal(err)
	}
	defer cl.Process.Kill()
	go speak(stdin, client)
	l.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second))
	down, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer down.Close()
	tp := &tape{}
	timer := time.AfterFunc(10*time.Second, func() { down.Close(); up.Close() })
	defer timer.Stop()
	tp.relay(down, up).Wait()
	cl.Wait()
	keys, _ := os.ReadFile(keylog)
	if testing.Verbose() && len(keys) == 0 {
		t.Log(said.String())
	}
	return &session{chunks: tp.chunks, keys: string(keys)}
}

const sslRequest = "GET /a HTTP/1.0\r\nHost: shop.example\r\n\r\n"

func playSession(t *testing.T, s *session, size int) *player {
	t.Helper()
	p := newPlayer(viewOf(s.keys))
	for _, c := range cut(s.chunks, size) {
		p.data(c.dir, c.data)
	}
	p.end()
	p.check(t)
	return p
}

func wantHTTP(t *testing.T, s *session, request string) {
	t.Helper()
	for _, size := range []int{1 << 20, 100, 1} {
		p := playSession(t, s, size)
		if got := string(p.in.plain[0]); got != request {
			t.Errorf("pieces of %d: the request is %q, want %q", size, got, request)
		}
		if got := string(p.in.plain[1]); !strings.HasPrefix(got, "HTTP/1.") || len(got) < 40 {
			t.Errorf("pieces of %d: the response is %.200q", size, got)
		}
		if y := p.conn.Tally(); y.TLS > 0 {
			t.Errorf("pieces of %d: %d opaque bytes", size, y.TLS)
		}
		if e := strings.Join(p.in.events, ", "); strings.Contains(e, "gap") {
			t.Error(e)
		}
	}
}

func TestOpenSSL(t *testing.T) {
	openssl(t)
	ask := []say{{200 * time.Millisecond, sslRequest}, {time.Second, ""}}
	for _, tt := range []struct {
		name           string
		server, client []string
		cipher         string
	}{
		{"CBC SHA-1, encrypt-then-MAC", nil, []string{"-tls1_2", "-cipher", "AES128-SHA"}, "TLS_RSA_WITH_AES_128_CBC_SHA"},
		{"CBC SHA-256, encrypt-then-MAC", nil, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"}, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"},
		{"CBC SHA-384, encrypt-then-MAC", nil, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"}, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
		{"CBC SHA-384, MAC-then-encrypt", []string{"-no_etm"}, []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384"}, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"},
		{"DHE", nil, []string{"-tls1_2", "-cipher", "DHE-RSA-AES256-GCM-SHA384"}, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"},
		{"TLS 1.0 CBC, encrypt-then-MAC", []string{"-cipher", "ALL:@SECLEVEL=0"}, []string{"-tls1", "-cipher", "AES256-SHA:@SECLEVEL=0"}, "TLS_RSA_WITH_AES_256_CBC_SHA"},
		{"TLS 1.1 CBC, encrypt-then-MAC", []string{"-cipher", "ALL:@SECLEVEL=0"}, []string{"-tls1_1", "-cipher", "AES128-SHA:@SECLEVEL=0"}, "TLS_RSA_WITH_AES_128_CBC_SHA"},
		{"TLS 1.2 CCM", nil, []string{"-tls1_2", "-cipher", "AES128-CCM"}, "TLS_RSA_WITH_AES_128_CCM"},
		{"TLS 1.2 CCM with a short tag", []string{"-cipher", "ALL:@SECLEVEL=0"}, []string{"-tls1_2", "-cipher", "AES256-CCM8:@SECLEVEL=0"}, "TLS_RSA_WITH_AES_256_CCM_8"},
		{"TLS 1.3 CCM", nil, []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256"}, "TLS_AES_128_CCM_SHA256"},
		{"TLS 1.3 CCM with a short tag", []string{"-cipher", "ALL:@SECLEVEL=0"}, []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_8_SHA256", "-cipher", "ALL:@SECLEVEL=0"}, "TLS_AES_128_CCM_8_SHA256"},
		{"TLS 1.3 AES-256", nil, []string{"-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"}, "TLS_AES_256_GCM_SHA384"},
		{"TLS 1.3 ChaCha20", nil, []string{"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, "TLS_CHACHA20_POLY1305_SHA256"},
		{"TLS 1.3 AES-128, padded records", []string{"-record_padding", "512"}, []string{"-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"}, "TLS_AES_128_GCM_SHA256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := append([]string{"-www", "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"}, tt.server...)
			if tt.server == nil {
				server = append(server, "-cipher", "ALL")
			}
			s := sslTalk(t, t.TempDir(), server, append([]string{"-quiet"}, tt.client...), ask, nil)
			wantHTTP(t, s, sslRequest)
			if p := playSession(t, s, 1<<20); p.info.TLS.Cipher != tt.cipher {
				t.Errorf("cipher %q, want %q", p.info.TLS.Cipher, tt.cipher)
			}
		})
	}
}

// The client changes its keys, and asks the server to.
func TestKeyUpdate(t *testing.T) {
	openssl(t)
	s := sslTalk(t, t.TempDir(), []string{"-www"}, []string{"-tls1_3"}, []say{
		{300 * time.Millisecond, "K\n"}, {200 * time.Millisecond, "k\n"}, {200 * time.Millisecond, sslRequest}, {time.Second, ""}}, nil)
	wantHTTP(t, s, sslRequest)
	updates := 0
	p := newPlayer(viewOf(s.keys))
	for _, c := range s.chunks {
		before := p.conn.sides[c.dir].open
		p.data(c.dir, c.data)
		if after := p.conn.sides[c.dir].open; before != nil && after != nil && after != before && p.conn.sides[c.dir].epoch == application {
			updates++
		}
	}
	if updates < 2 {
		t.Errorf("%d key updates were seen, want at least 2", updates)
	}
	// One that is lost is found out.
	for lost := range s.chunks {
		p := newPlayer(viewOf(s.keys))
		for i, c := range s.chunks {
			if i == lost {
				p.gap(c.dir, len(c.data))
				continue
			}
			p.data(c.dir, c.data)
		}
		p.end()
		p.check(t)
		if p.info.TLS.Version != "" && s.chunks[lost].dir == exchange.ToServer && len(s.chunks[lost].data) < 60 && string(p.in.plain[0]) != sslRequest {
			t.Errorf("packet %d of %d bytes lost: the request is %q; %s", lost, len(s.chunks[lost].data), p.in.plain[0], strings.Join(p.in.events, ", "))
			for i, c := range s.chunks {
				t.Logf("%d: %d %d %.10x", i, c.dir, len(c.data), c.data)
			}
		}
	}
}

// A request in early data, and its answer.
func TestEarlyData(t *testing.T) {
	openssl(t)
	dir := t.TempDir()
	session, early := filepath.Join(dir, "session"), filepath.Join(dir, "early")
	if err := os.WriteFile(early, []byte(sslRequest), 0o600); err != nil {
		t.Fatal(err)
	}
	const answer = "HTTP/1.0 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789"
	// Both connections must come to one server: only it can read its tickets.
	server := []string{"-early_data", "-naccept", "2", "-max_early_data", "1000", "-no_anti_replay"}
	for _, tt := range []struct {
		name   string
		server []string
	}{{"accepted", server}, {"refused", []string{"-naccept", "2"}}} {
		t.Run(tt.name, func(t *testing.T) {
			make := []string{"-tls1_3", "-sess_out", session}
			if tt.name == "refused" {
				make = make[:1] // the ticket of the server before, which this one cannot read
			}
			first, second := sslTwice(t, dir, tt.server, make, []string{"-tls1_3", "-sess_in", session, "-early_data", early}, answer)
			if len(first.keys) == 0 || !strings.Contains(second.keys, "CLIENT_EARLY_TRAFFIC_SECRET") {
				t.Skipf("SKIPPED: this openssl sent no early data: %d lines of keys", strings.Count(second.keys, "\n"))
			}
			for _, size := range []int{1 << 20, 100, 1} {
				p := playSession(t, second, size)
				want := sslRequest
				if tt.name == "refused" {
					want = ""
				}
				if got := string(p.in.plain[0]); got != want {
					t.Errorf("pieces of %d: the request is %q, want %q", size, got, want)
				}
				if got := string(p.in.plain[1]); want != "" && !strings.HasPrefix(got, "HTTP/1.0 200") {
					t.Errorf("pieces of %d: the response is %q", size, got)
				}
			}
		})
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("SKIPPED, no loopback network: ", err)
	}
	defer l.Close()
	return l.Addr().String()
}

// sslTwice records two connections to one server, the second after the first.
func sslTwice(t *testing.T, dir string, serverArgs, firstArgs, secondArgs []string, answer string) (first, second *session) {
	t.Helper()
	path := openssl(t)
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	id := identities()["rsa"]
	der, err := x509.MarshalPKCS8PrivateKey(id.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: id.Certificate[0]}), 0o600)
	addr := freePort(t)
	srv := exec.Command(path, append([]string{"s_server", "-accept", addr, "-key", key, "-cert", cert, "-quiet"}, serverArgs...)...)
	in, _ := srv.StdinPipe()
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer srv.Wait()
	defer srv.Process.Kill()
	time.Sleep(300 * time.Millisecond)
	one := func(args []string, reply string) *session {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		keylog := filepath.Join(dir, fmt.Sprintf("keys%d", time.Now().UnixNano()))
		cl := exec.Command(path, append([]string{"s_client", "-connect", l.Addr().String(), "-keylogfile", keylog}, args...)...)
		stdin, _ := cl.StdinPipe()
		if err := cl.Start(); err != nil {
			t.Fatal(err)
		}
		defer cl.Process.Kill()
		l.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Second))
		down, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		up, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		tp := &tape{}
		group := tp.relay(down, up)
		time.Sleep(400 * time.Millisecond)
		if reply != "" {
			io.WriteString(in, reply+"\n")
			time.Sleep(400 * time.Millisecond)
		}
		stdin.Close()
		timer := time.AfterFunc(2*time.Second, func() { down.Close(); up.Close() })
		group.Wait()
		timer.Stop()
		cl.Wait()
		keys, _ := os.ReadFile(keylog)
		return &session{chunks: tp.chunks, keys: string(keys)}
	}
	first = one(firstArgs, "")
	second = one(secondArgs, answer)
	in.Close()
	return first, second
}
