package tls

import (
	"bytes"
	ctls "crypto/tls"
	"fmt"
	"strings"
	"testing"

	"recap/pipeline/exchange"
)

// wantSession plays s in pieces of each size and wants what the peers said.
func wantSession(t *testing.T, s *session, sizes ...int) *exchange.TLS {
	t.Helper()
	var info *exchange.TLS
	for _, size := range sizes {
		p := newPlayer(viewOf(s.keys))
		for _, c := range cut(s.chunks, size) {
			p.data(c.dir, c.data)
		}
		p.end()
		p.check(t)
		for d := range 2 {
			if !bytes.Equal(p.in.plain[d], s.plain[d]) {
				t.Errorf("pieces of %d: direction %d: %d bytes of plaintext, want %d", size, d, len(p.in.plain[d]), len(s.plain[d]))
			}
		}
		if got := strings.Join(p.in.events, ", "); strings.Contains(got, "gap") || !strings.HasSuffix(got, "end") {
			t.Errorf("pieces of %d: events %s", size, got)
		}
		info = p.info.TLS
		if !info.Decrypted || p.in.protocol != HTTP1 {
			t.Errorf("pieces of %d: decrypted %t, protocol %q", size, info.Decrypted, p.in.protocol)
		}
		if y := p.conn.Tally(); y.TLS != 0 {
			t.Errorf("pieces of %d: %d opaque bytes", size, y.TLS)
		}
	}
	return info
}

func allSuites() (list []uint16) {
	for _, s := range append(ctls.CipherSuites(), ctls.InsecureCipherSuites()...) {
		if s.ID>>8 != 0x13 {
			list = append(list, s.ID)
		}
	}
	return list
}

func configs(kind string) (client, server *ctls.Config) {
	client = &ctls.Config{ServerName: "shop.example", NextProtos: []string{"http/1.1"}, MinVersion: ctls.VersionTLS10}
	server = &ctls.Config{Certificates: []ctls.Certificate{identities()[kind]}, NextProtos: []string{"http/1.1"}, MinVersion: ctls.VersionTLS10}
	return client, server
}

func TestEverySuiteOfGo(t *testing.T) {
	for _, id := range allSuites() {
		for _, version := range []uint16{ctls.VersionTLS10, ctls.VersionTLS11, ctls.VersionTLS12} {
			name := suiteName(id)
			if version < ctls.VersionTLS12 && (strings.HasSuffix(name, "SHA256") || strings.HasSuffix(name, "SHA384")) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", versionNames[version], name), func(t *testing.T) {
				kind := "rsa"
				if strings.Contains(name, "_ECDSA_") {
					kind = "ecdsa"
				}
				client, server := configs(kind)
				client.CipherSuites, server.CipherSuites = []uint16{id}, []uint16{id}
				client.MaxVersion = version
				s := talk(t, client, server, exchanges())
				info := wantSession(t, s, 1460, 7, 1<<20)
				if info.Cipher != name || info.Cipher != ctls.CipherSuiteName(id) && !strings.Contains(name, "CHACHA") {
					t.Errorf("cipher %q, want %q", info.Cipher, ctls.CipherSuiteName(id))
				}
				if info.Version != versionNames[version] || info.SNI != "shop.example" || info.ALPN != "http/1.1" {
					t.Errorf("got %+v", info)
				}
				if info.CertSubject != "CN=shop.example,O=Example" || info.CertIssuer != info.CertSubject || len(info.CertSHA256) != 64 {
					t.Errorf("certificate: %+v", info)
				}
			})
		}
	}
}

func TestTLS13(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(client, server *ctls.Config)
	}{
		{"plain", func(client, server *ctls.Config) {}},
		{"without ALPN", func(client, server *ctls.Config) { client.NextProtos, server.NextProtos = nil, nil }},
		{"HelloRetryRequest", func(client, server *ctls.Config) {
			client.CurvePreferences = []ctls.CurveID{ctls.X25519, ctls.CurveP384}
			server.CurvePreferences = []ctls.CurveID{ctls.CurveP384}
		}},
		{"client certificate", func(client, server *ctls.Config) {
			client.Certificates = []ctls.Certificate{identities()["rsa"]}
			server.ClientAuth = ctls.RequireAnyClientCert
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, server := configs("ecdsa")
			tt.set(client, server)
			s := talk(t, client, server, exchanges())
			info := wantSession(t, s, 1460, 7, 1, 1<<20)
			if info.Version != "TLS 1.3" || info.Cipher != ctls.CipherSuiteName(s.state.CipherSuite) || info.ALPN != s.state.NegotiatedProtocol {
				t.Errorf("got %+v", info)
			}
			if info.CertSHA256 == "" {
				t.Error("no certificate")
			}
		})
	}
}

func TestResumption(t *testing.T) {
	for _, version := range []uint16{ctls.VersionTLS12, ctls.VersionTLS13} {
		t.Run(versionNames[version], func(t *testing.T) {
			client, server := configs("ecdsa")
			client.MaxVersion = version
			client.ClientSessionCache = ctls.NewLRUClientSessionCache(1)
			first := talk(t, client, server, exchanges())
			s := talk(t, client, server, exchanges())
			s.keys = first.keys + s.keys // Go writes no line of its own when it resumes TLS 1.2
			if !s.state.DidResume {
				t.Fatal("the session was not resumed")
			}
			wantSession(t, s, 1460, 7)
		})
	}
}

// Without keys everything is opaque, and the handshake tells the same.
func TestNoKeys(t *testing.T) {
	client, server := configs("rsa")
	client.MaxVersion = ctls.VersionTLS12
	s := talk(t, client, server, exchanges())
	for _, keys := range []*View{nil, new(View), viewOf("CLIENT_RANDOM " + strings.Repeat("00", 32) + " " + strings.Repeat("00", 48))} {
		p := newPlayer(keys)
		for _, c := range s.chunks {
			p.data(c.dir, c.data)
		}
		p.end()
		p.check(t)
		if y := p.conn.Tally(); y.TLS != p.fed {
			t.Errorf("Tally() = %+v, want all %d opaque", y, p.fed)
		}
		if info := p.info.TLS; info.Decrypted || info.SNI != "shop.example" || info.Version != "TLS 1.2" || info.CertSHA256 == "" || len(info.JA3) != 32 || len(info.JA4) != 36 {
			t.Errorf("got %+v", info)
		}
	}
}

// A wrong secret under the right random opens nothing and invents nothing.
func TestWrongKeys(t *testing.T) {
	client, server := configs("rsa")
	s := talk(t, client, server, exchanges())
	wrong := ""
	for line := range strings.Lines(s.keys) {
		f := strings.Fields(line)
		wrong += f[0] + " " + f[1] + " " + strings.Repeat("5a", len(f[2])/2) + "\n"
	}
	p := newPlayer(viewOf(wrong))
	for _, c := range s.chunks {
		p.data(c.dir, c.data)
	}
	p.end()
	p.check(t)
	if p.info.TLS.Decrypted || p.in.bytes > 0 {
		t.Errorf("%d bytes came out", p.in.bytes)
	}
}

// Only the traffic secrets are known, as some tools log them.
func TestTrafficSecretsOnly(t *testing.T) {
	client, server := configs("rsa")
	s := talk(t, client, server, exchanges())
	only := ""
	for line := range strings.Lines(s.keys) {
		if strings.Contains(line, "_TRAFFIC_SECRET_0 ") {
			only += line
		}
	}
	p := newPlayer(viewOf(only))
	for _, c := range s.chunks {
		p.data(c.dir, c.data)
	}
	p.end()
	p.check(t)
	if !bytes.Equal(p.in.plain[0], s.plain[0]) || !bytes.Equal(p.in.plain[1], s.plain[1]) {
		t.Errorf("%d and %d bytes came out, want %d and %d", len(p.in.plain[0]), len(p.in.plain[1]), len(s.plain[0]), len(s.plain[1]))
	}
	if got := strings.Join(p.in.events, ", "); strings.Contains(got, "gap") {
		t.Error(got)
	}
}

// The secrets stand behind the start of the connection: reading begins there.
func TestLateKeys(t *testing.T) {
	for _, version := range []uint16{ctls.VersionTLS12, ctls.VersionTLS13} {
		t.Run(versionNames[version], func(t *testing.T) {
			client, server := configs("rsa")
			client.MaxVersion = version
			s := talk(t, client, server, exchanges())
			view := new(View)
			p := newPlayer(view)
			chunks := cut(s.chunks, 1460)
			for i, c := range chunks {
				if i == len(chunks)/2 {
					*view = *viewOf(s.keys)
				}
				p.data(c.dir, c.data)
			}
			p.end()
			p.check(t)
			for d := range 2 {
				if got := p.in.plain[d]; len(got) == 0 || !bytes.HasSuffix(s.plain[d], got) {
					t.Errorf("direction %d: %d bytes that are not the end of what was said", d, len(got))
				}
			}
		})
	}
}
