package quic_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	ctls "crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	quicgo "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader"
)

// datagram is one that passed the relay.
type datagram struct {
	up   bool // from the client
	port int  // of the client
	b    []byte
}

// relay passes datagrams between clients and a server, and keeps them.
type relay struct {
	conn   *net.UDPConn
	server *net.UDPAddr
	mu     sync.Mutex
	all    []datagram
	ports  map[int]*net.UDPConn
	wg     sync.WaitGroup
}

func newRelay(t testing.TB, server net.Addr) *relay {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{conn: c, server: server.(*net.UDPAddr), ports: make(map[int]*net.UDPConn)}
	r.wg.Go(r.run)
	t.Cleanup(r.close)
	return r
}

func (r *relay) close() {
	r.conn.Close()
	r.mu.Lock()
	for _, c := range r.ports {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *relay) keep(up bool, port int, b []byte) {
	r.mu.Lock()
	r.all = append(r.all, datagram{up, port, slices.Clone(b)})
	r.mu.Unlock()
}

func (r *relay) run() {
	b := make([]byte, 65536)
	for {
		n, from, err := r.conn.ReadFromUDP(b)
		if err != nil {
			return
		}
		r.keep(true, from.Port, b[:n])
		r.mu.Lock()
		to := r.ports[from.Port]
		r.mu.Unlock()
		if to == nil {
			if to, err = net.DialUDP("udp4", nil, r.server); err != nil {
				return
			}
			r.mu.Lock()
			r.ports[from.Port] = to
			r.mu.Unlock()
			r.wg.Go(func() {
				b := make([]byte, 65536)
				for {
					n, err := to.Read(b)
					if err != nil {
						return
					}
					r.keep(false, from.Port, b[:n])
					r.conn.WriteToUDP(b[:n], from)
				}
			})
		}
		to.Write(b[:n])
	}
}

// capture writes datagrams as a file of packets, one a millisecond.
func capture(t testing.TB, list []datagram) string {
	t.Helper()
	o, n := binary.LittleEndian, binary.BigEndian
	b := o.AppendUint32(nil, 0xa1b2c3d4)
	b = o.AppendUint32(b, 2|4<<16)
	b = o.AppendUint64(b, 0)
	b = o.AppendUint32(o.AppendUint32(b, 262144), 101)
	for i, d := range list {
		p := []byte{0x45, 0}
		p = n.AppendUint16(p, uint16(28+len(d.b)))
		p = append(p, 0, byte(i), 0x40, 0, 64, 17, 0, 0)
		client, server := []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}
		sport, dport := d.port, 443
		if !d.up {
			client, server, sport, dport = server, client, dport, sport
		}
		p = append(append(p, client...), server...)
		p = n.AppendUint16(n.AppendUint16(p, uint16(sport)), uint16(dport))
		p = append(n.AppendUint16(p, uint16(8+len(d.b))), 0, 0)
		p = append(p, d.b...)
		b = o.AppendUint32(o.AppendUint32(b, uint32(1+i/1000)), uint32(i%1000)*1000)
		b = o.AppendUint32(o.AppendUint32(b, uint32(len(p))), uint32(len(p)))
		b = append(b, p...)
	}
	path := filepath.Join(t.TempDir(), "in.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// recording is what a session left.
type recording struct {
	list  []datagram
	keys  string
	pairs []string // as the server saw them, sorted
}

// identity makes a certificate for shop.example.
func identity(t testing.TB) ctls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example"}, DNSNames: []string{"shop.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return ctls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// talk has n clients ask a server of quic-go, each a few requests of which some are large.
func talk(t testing.TB, clients int, config *quicgo.Config) *recording {
	t.Helper()
	var rec recording
	var mu sync.Mutex
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		n := len(q.URL.Path) * len(q.URL.Path) * 40
		if q.URL.Path == "/early" {
			w.WriteHeader(103)
		}
		w.Header().Set("X-Echo", q.Header.Get("X-Word"))
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(200 + len(body)%3)
		w.Write(bytes.Repeat([]byte("abcdefghij"), n/10))
		w.Header().Set("X-Sum", fmt.Sprint(n))
		mu.Lock()
		rec.pairs = append(rec.pairs, fmt.Sprintf("%s %s %s %d %d %d", q.Method, q.URL.RequestURI(), q.Host, len(body), 200+len(body)%3, n/10*10))
		mu.Unlock()
	})
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server := &http3.Server{Handler: handler, QUICConfig: config.Clone(), TLSConfig: &ctls.Config{Certificates: []ctls.Certificate{identity(t)}, NextProtos: []string{"h3"}}}
	go server.Serve(udp)
	defer udp.Close()
	defer server.Close()
	r := newRelay(t, udp.LocalAddr())
	var keys lockedBuffer
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			tr := &http3.Transport{
				TLSClientConfig: &ctls.Config{InsecureSkipVerify: true, ServerName: "shop.example", KeyLogWriter: &keys, NextProtos: []string{"h3"}},
				QUICConfig:      config.Clone(),
			}
			defer tr.Close()
			client := &http.Client{Transport: tr, Timeout: 20 * time.Second}
			var asks sync.WaitGroup
			for j := range 12 {
				asks.Go(func() {
					var body io.Reader
					method := "GET"
					if j%3 == 1 {
						method, body = "POST", strings.NewReader(strings.Repeat("x", j*3000))
					}
					path := fmt.Sprintf("/%d/%s?c=%d", j, strings.Repeat("p", j*5), i)
					if j == 2 {
						path = "/early"
					}
					q, _ := http.NewRequest(method, "https://"+r.conn.LocalAddr().String()+path, body)
					q.Host = "shop.example"
					q.Header.Set("X-Word", fmt.Sprintf("word %d", j))
					resp, err := client.Do(q)
					if err != nil {
						t.Error(err)
						return
					}
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				})
			}
			asks.Wait()
		})
	}
	group.Wait()
	time.Sleep(50 * time.Millisecond) // the last packets are on their way
	r.mu.Lock()
	rec.list = r.all
	r.mu.Unlock()
	rec.keys = keys.String()
	mu.Lock() // the handlers have ended, but only the network says so
	defer mu.Unlock()
	slices.Sort(rec.pairs)
	return &rec
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// told is what a reading of a capture says.
type told struct {
	pairs []string // sorted; as a recording has them
	rows  []string // everything, in order
	flows []*exchange.Flow
	// vantages is how many each pair has.
	vantages []int
	stats    *pipeline.Stats
}

// extract reads a capture, with the secrets of a key log.
func extract(t testing.TB, path, keys string, opt pipeline.Options) (out told) {
	t.Helper()
	src, err := reader.Open(context.Background(), []string{path}, reader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	opt.HashBodies, opt.DecodeBodies = true, true
	if keys != "" {
		opt.Keys = new(tls.Keys)
		opt.Keys.Add([]byte(keys))
	}
	out.stats, err = pipeline.Run(context.Background(), src, opt, func(b *exchange.Batch) error {
		defer b.Release()
		for _, p := range b.Pairs {
			out.pairs = append(out.pairs, strings.Clone(fmt.Sprintf("%s %s %s %d %d %d", p.Request.Method, p.Request.Target, p.Request.Host, p.Request.BodySize, p.Response.Status, p.Response.BodySize)))
			out.vantages = append(out.vantages, len(p.Vantages))
			var interim []string
			for _, i := range p.Response.Interim {
				interim = append(interim, fmt.Sprint(i.Status, i.Headers))
			}
			out.rows = append(out.rows, fmt.Sprintf("%v %s %s %v %v %v %v %v %v %x %x %v %v %v", p.ID, p.Protocol, p.State, p.Anomalies.Append(nil), p.Request.Headers, p.Response.Headers,
				p.Response.Trailers, interim, p.Request.URL, p.Request.BodySHA256, p.Response.BodySHA256, p.Request.Packets, p.Response.Packets, p.Ordinal))
		}
		for _, f := range b.Flows {
			out.flows = append(out.flows, f)
			out.rows = append(out.rows, fmt.Sprintf("%v %+v %s %q %s %v %+v %d", f.Conn.ID, *f.Conn.TLS, f.Protocol, f.NoPairs, f.CloseReason, f.Anomalies.Append(nil), f.Sides, f.Pairs))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, b := out.stats.Ledger.Balance(); p != 0 || b != 0 {
		t.Errorf("the ledger is off by %d packets and %d bytes: %+v", p, b, out.stats.Ledger)
	}
	slices.Sort(out.pairs)
	return out
}
