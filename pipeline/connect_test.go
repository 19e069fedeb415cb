package pipeline

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"recap/pipeline/exchange"
	rtls "recap/pipeline/tls"
	"recap/reader/pcaptest"
)

// talk is what two sides say, in order, as lines of a capture.
type talk struct {
	mu  sync.Mutex
	out strings.Builder
}

const (
	fromClient = "10.0.0.1:4000 > 10.0.0.2:3128"
	fromServer = "10.0.0.2:3128 > 10.0.0.1:4000"
)

func (k *talk) say(line string, b []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fmt.Fprintf(&k.out, "%s hex=%x\n", line, b)
}

// heard notes what is written to it.
type heard struct {
	net.Conn
	talk *talk
	line string
}

func (h heard) Write(b []byte) (int, error) {
	h.talk.say(h.line, b)
	return h.Conn.Write(b)
}

// tunnelledTLS is a CONNECT exchange with a request and its response under TLS inside, and the key log.
func tunnelledTLS(t *testing.T) (capture []byte, keyLog string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"in.example"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	k := new(talk)
	k.say(fromClient+" handshake", []byte("CONNECT in.example:443 HTTP/1.1\r\nHost: in.example:443\r\n\r\n"))
	k.say(fromServer, []byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	var keys bytes.Buffer
	a, b := net.Pipe()
	client := tls.Client(heard{a, k, fromClient}, &tls.Config{InsecureSkipVerify: true, ServerName: "in.example", KeyLogWriter: &keys})
	server := tls.Server(heard{b, k, fromServer}, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, SessionTicketsDisabled: true})
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1000)
		if _, err := server.Read(buf); err != nil {
			t.Error(err)
		}
		io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
	})
	io.WriteString(client, "GET /inside HTTP/1.1\r\nHost: in.example\r\n\r\n")
	buf := make([]byte, 1000)
	if _, err := client.Read(buf); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	return pcaptest.Build(t, k.out.String()+fromClient+" close\n"), keys.String()
}

// TestTLSInsideCONNECT: what a tunnel carries is read by its content.
func TestTLSInsideCONNECT(t *testing.T) {
	capture, keyLog := tunnelledTLS(t)
	opt := full
	sealed := extract(t, capture, opt, 0)
	if len(sealed.pairs) != 1 || sealed.stats.Ledger.Payload[exchange.BytesTLS] == 0 {
		t.Errorf("without keys there are %d pairs:\n%s", len(sealed.pairs), sealed)
	}
	if f := sealed.flows[0]; f.Conn.TLS == nil || f.Conn.TLS.SNI != "in.example" || f.Conn.TLS.JA4 == "" || f.Protocol != "http/1" || sealed.pairs[0].Conn.TLS != nil {
		t.Errorf("the connection's row has %+v", f.Conn)
	}
	opt.Keys = new(rtls.Keys)
	opt.Keys.Add([]byte(keyLog))
	open := extract(t, capture, opt, 0)
	if len(open.pairs) != 2 {
		t.Fatalf("with keys there are %d pairs:\n%s", len(open.pairs), open)
	}
	outer, inner := open.pairs[0], open.pairs[1]
	if outer.Request.Method != "CONNECT" || outer.Conn.TLS != nil || string(inner.Response.Body) != "secret" || inner.State != exchange.Complete ||
		inner.Conn.TLS == nil || inner.Conn.TLS.SNI != "in.example" || inner.ID == outer.ID || inner.Ordinal != 1 || inner.Request.Scheme != "https" {
		t.Errorf("pairs are\n%+v\n%+v", outer, inner)
	}
}
