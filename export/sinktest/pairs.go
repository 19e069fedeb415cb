package sinktest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"recap/pipeline/exchange"
)

// Realistic returns n pairs like those of a JSON API behind a mirror: bearer tokens
// and cookies of 200 users, request ids, bodies of 200 bytes to 64 KiB, a hundred
// requests to a connection. The same n and seed give the same pairs.
func Realistic(n int, seed uint64) []*exchange.Pair {
	r := rand.New(rand.NewPCG(seed, 1))
	docs := documents(r)
	type user struct{ auth, cookie, agent string }
	var users [200]user
	for i := range users {
		users[i] = user{
			"Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + token(r, 150+r.IntN(270)) + "." + token(r, 86),
			"sid=" + token(r, 32) + "; theme=dark; cart=" + token(r, 10+r.IntN(110)),
			agents[r.IntN(len(agents))],
		}
	}
	pairs := make([]*exchange.Pair, n)
	now, packet := int64(1_700_000_000_123_456_789), int64(1)
	var conn *exchange.Conn
	for i := range pairs {
		if i%100 == 0 {
			conn = connection(i / 100)
		}
		u, doc := users[r.IntN(len(users))], pick(r, docs)
		p := &exchange.Pair{Protocol: "HTTP/1.1", Kind: "rest", Conn: conn, Ordinal: int32(i % 100), Files: files}
		p.ID = exchange.ID(fmt.Appendf(nil, "%012x", r.Uint64()&0xffffffffffff)[:12])
		frames := int64(2 + len(doc)/1448)
		now += 50_000 + r.Int64N(100_000)
		p.FirstPacket, p.LastPacket, p.Completed = packet, packet+frames-1, packet+frames-1
		p.LatencyNS, p.DurationNS = 20_000+r.Int64N(30_000), 60_000+r.Int64N(90_000)
		q := &p.Request
		q.Present, q.TimeNS, q.EndTimeNS, q.Version = true, now, now, "HTTP/1.1"
		q.Method, q.Scheme, q.Host = "GET", "http", "api.example.com"
		q.Path = fmt.Sprintf("/api/v1/users/%d/orders/%d", r.IntN(100000), r.IntN(1000000))
		q.Target = q.Path
		if i%3 == 0 {
			q.Query = fmt.Sprintf("page=%d&sort=created", r.IntN(90))
			q.Target += "?" + q.Query
		}
		q.URL = "http://" + q.Host + q.Target
		q.Packets = []int64{packet}
		q.Headers = []exchange.Header{
			{Name: "Host", Value: q.Host}, {Name: "User-Agent", Value: u.agent}, {Name: "Accept", Value: "application/json"},
			{Name: "Authorization", Value: u.auth}, {Name: "Cookie", Value: u.cookie},
			{Name: "X-Request-Id", Value: uuid(r)}, {Name: "X-Forwarded-For", Value: fmt.Sprintf("203.0.113.%d", r.IntN(254))},
		}
		q.Head = head("GET "+q.Target+" HTTP/1.1", q.Headers)
		if i%4 == 1 {
			q.Method, q.ContentType = "POST", "application/json"
			body(&q.Message, doc[:min(len(doc), 700)])
		}
		s := &p.Response
		s.Present, s.TimeNS, s.EndTimeNS, s.Version = true, now+p.LatencyNS, now+p.DurationNS, "HTTP/1.1"
		s.Status, s.Reason, s.ContentType = 200, "OK", "application/json"
		s.Headers = []exchange.Header{
			{Name: "Server", Value: "nginx/1.22.1"}, {Name: "Date", Value: "Tue, 14 Nov 2023 22:13:20 GMT"},
			{Name: "Content-Type", Value: "application/json"}, {Name: "Content-Length", Value: fmt.Sprint(len(doc))},
			{Name: "Connection", Value: "keep-alive"}, {Name: "X-Request-Id", Value: uuid(r)},
			{Name: "Set-Cookie", Value: "sid=" + token(r, 32) + "; Path=/; HttpOnly; SameSite=Lax"},
			{Name: "Cache-Control", Value: "private, max-age=0"},
		}
		s.Head = head("HTTP/1.1 200 OK", s.Headers)
		body(&s.Message, doc)
		for k := int64(1); k < frames; k++ {
			s.Packets = append(s.Packets, packet+k)
		}
		packet += frames
		pairs[i] = p
	}
	return pairs
}

var files = []string{"http-1g.pcap"}

var agents = []string{
	"okhttp/4.12.0", "python-requests/2.31.0", "Go-http-client/1.1", "axios/1.6.7",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Safari/537.36",
}

func connection(i int) *exchange.Conn {
	c := &exchange.Conn{
		Client:    exchange.Endpoint{IP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Port: uint16(32768 + i%28000), MAC: [6]byte{2, 0, 0, 0, 0, 1}, HasMAC: true},
		Server:    exchange.Endpoint{IP: netip.AddrFrom4([4]byte{10, 0, 255, 2}), Port: 80, MAC: [6]byte{2, 0, 0, 0, 0, 2}, HasMAC: true},
		Interface: "0", CommunityID: fmt.Sprintf("1:%s=", base64.RawStdEncoding.EncodeToString(fmt.Appendf(nil, "%020d", i))),
	}
	c.ID = exchange.ID(fmt.Appendf(nil, "conn%08d", i))
	return c
}

func documents(r *rand.Rand) map[int][]string {
	states := []string{"pending", "paid", "shipped", "returned", "cancelled", "refunded"}
	names := []string{"ada", "grace", "alan", "edsger", "barbara", "donald", "leslie", "tim"}
	docs := map[int][]string{}
	for _, n := range sizes {
		for range 4 {
			var b strings.Builder
			fmt.Fprintf(&b, `{"object":"list","page":%d,"data":[`, r.IntN(90))
			for i := 0; b.Len() < n-170 || i == 0; i++ {
				if i > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"id":%d,"ref":"%08x%08x","customer":{"name":"%s","email":"%s.%d@example.com"},"state":"%s","total":%.2f,"currency":"EUR"}`,
					r.IntN(9e8), r.Uint32(), r.Uint32(), names[r.IntN(8)], names[r.IntN(8)], r.IntN(1e5), states[r.IntN(6)], r.Float64()*1000)
			}
			b.WriteString(`],"has_more":false}`)
			docs[n] = append(docs[n], b.String())
		}
	}
	return docs
}

var sizes = []int{200, 450, 900, 1800, 3600, 7200, 14400, 30000, 64000}

// weights are per cent, small documents oftenest.
var weights = []int{14, 16, 18, 16, 13, 10, 7, 4, 2}

func pick(r *rand.Rand, docs map[int][]string) string {
	at, i := r.IntN(100), 0
	for at >= weights[i] {
		at -= weights[i]
		i++
	}
	return docs[sizes[i]][r.IntN(4)]
}

func body(m *exchange.Message, s string) {
	m.Body, m.HasBody = []byte(s), true
	m.BodySize, m.BodyWireSize, m.BodySHA256 = int64(len(s)), int64(len(s)), sha256.Sum256(m.Body)
	m.Hashed = true
}

func head(line string, hs []exchange.Header) []byte {
	b := append([]byte(line), "\r\n"...)
	for _, h := range hs {
		b = append(append(append(append(b, h.Name...), ": "...), h.Value...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}

func token(r *rand.Rand, n int) string {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	b := make([]byte, n)
	for i := range b {
		b[i] = set[r.IntN(len(set))]
	}
	return string(b)
}

func uuid(r *rand.Rand) string {
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", r.Uint32(), r.Uint32()>>16, r.Uint32()>>20, r.Uint32()>>16, r.Uint64()&0xffffffffffff)
}

// Raw returns how many bytes of strings, bytes and integers the pairs hold: what
// the speed of a sink is measured against.
func Raw(pairs []*exchange.Pair) (n int64) {
	for _, p := range pairs {
		n += 400 // some forty integers, ids and hashes
		n += int64(len(p.Request.URL) + len(p.Request.Target) + len(p.Request.Path) + len(p.Request.Query) + len(p.Request.Host))
		for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
			n += int64(len(m.Body) + len(m.Head) + 8*len(m.Packets))
			for _, h := range m.Headers {
				n += int64(len(h.Name) + len(h.Value))
			}
		}
	}
	return n
}
