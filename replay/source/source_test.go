package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"strings"
	"testing"
	"testing/iotest"

	"recap/pipeline/exchange"
)

const gorText = "1 aaaaaaaaaaaaaaaaaaaaaaaa 1000000000 0\nPOST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody" + gorSeparator +
	"1 bbbbbbbbbbbbbbbbbbbbbbbb 1001000000 0\nGET /alone HTTP/1.1\r\nHost: x\r\n\r\n" + gorSeparator +
	"3 aaaaaaaaaaaaaaaaaaaaaaaa 1002000000 5\nHTTP/1.1 500 Replayed\r\n\r\n" + gorSeparator +
	"2 aaaaaaaaaaaaaaaaaaaaaaaa 1005000000 5000000\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + gorSeparator +
	"2 cccccccccccccccccccccccc 1006000000 1\nHTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\ncut" + gorSeparator

const harText = `{"log":{"version":"1.2","creator":{"name":"x","version":"1"},"pages":[{"id":"entries"}],"entries":[
{"startedDateTime":"2026-11-20T10:00:00.000Z","time":12,"connection":"7","serverIPAddress":"[2001:db8::1]",
 "request":{"method":"POST","url":"https://shop.test/a%20b?q=1","httpVersion":"h2","headers":[{"name":"Content-Type","value":"text/plain"}],"postData":{"mimeType":"text/plain","text":"hé"},"bodySize":3},
 "response":{"status":201,"statusText":"Created","httpVersion":"h2","headers":[{"name":"content-encoding","value":"gzip"}],"content":{"size":3,"mimeType":"x","text":"AAEC","encoding":"base64"}},
 "timings":{"blocked":1,"dns":-1,"connect":-1,"send":1,"wait":8,"receive":2}},
{"startedDateTime":"2026-11-20T10:00:01.000Z","request":{"method":"GET","url":"http://shop.test:8080/big","httpVersion":"HTTP/1.1","headers":[]},
 "response":{"status":200,"statusText":"OK","httpVersion":"HTTP/1.1","headers":[],"content":{"size":99}}},
{"startedDateTime":"2026-11-20T10:00:02.000Z","request":{"method":"GET","url":"http://shop.test/blocked","httpVersion":"","headers":[]},
 "response":{"status":0,"content":{}}}
]}}`

func line(p *exchange.Pair) string {
	q, s := &p.Request, &p.Response
	return fmt.Sprintf("%s %s %s %s body %q of %d; %s %d %s body %q of %d; conn %v:%d latency %d",
		p.State, p.Protocol, q.Method, q.URL, q.Body, q.BodySize, s.Version, s.Status, s.Reason, s.Body, s.BodySize, p.Conn.Server.IP, p.Conn.Server.Port, p.LatencyNS)
}

func lines(t testing.TB, seq iter.Seq2[*exchange.Pair, error]) (text string) {
	t.Helper()
	for p, err := range seq {
		if err != nil {
			return text + "error: " + err.Error() + "\n"
		}
		text += line(p) + "\n"
	}
	return text
}

func TestHAR(t *testing.T) {
	got := lines(t, HAR(t.Context(), strings.NewReader(harText)))
	want := `complete HTTP/2 POST https://shop.test/a%20b?q=1 body "hé" of 3; HTTP/2 201 Created body "\x00\x01\x02" of 3; conn 2001:db8::1:443 latency 8000000
complete HTTP/1.1 GET http://shop.test:8080/big body "" of 0; HTTP/1.1 200 OK body "" of 99; conn invalid IP:8080 latency 0
request_only HTTP/1.1 GET http://shop.test/blocked body "" of 0;  0  body "" of 0; conn invalid IP:80 latency -9223372036854775808
`
	if got != want {
		t.Errorf("HAR gives\n%s\nwant\n%s", got, want)
	}
	for p := range HAR(t.Context(), strings.NewReader(harText)) {
		q := p.Request
		if q.TimeNS != 1795168800_001_000_000 || q.EndTimeNS != q.TimeNS+1e6 || p.Response.TimeNS != q.TimeNS+9e6 || p.DurationNS != 11e6 || q.Target != "/a%20b?q=1" {
			t.Errorf("times %d %d %d, duration %d, target %s", q.TimeNS, q.EndTimeNS, p.Response.TimeNS, p.DurationNS, q.Target)
		}
		break
	}
}

func TestGor(t *testing.T) {
	got := lines(t, Gor(t.Context(), strings.NewReader(gorText)))
	want := `complete HTTP/1.1 POST http://x/a?b=c body "body" of 4; HTTP/1.1 200 OK body "abc" of 3; conn invalid IP:0 latency 5000000
partial HTTP/1.1   body "" of 0; HTTP/1.1 404 Not Found body "cut" of 3; conn invalid IP:0 latency -9223372036854775808
request_only HTTP/1.1 GET http://x/alone body "" of 0;  0  body "" of 0; conn invalid IP:0 latency -9223372036854775808
`
	if got != want {
		t.Errorf("Gor gives\n%s\nwant\n%s", got, want)
	}
}

// Of bytes behind the body nobody knows whose they are.
func TestGorWithMoreThanItsLength(t *testing.T) {
	file := "1 a 1 0\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nokGET /next" + gorSeparator
	for p, err := range Gor(t.Context(), strings.NewReader(file)) {
		if err != nil || p.State != exchange.Partial || string(p.Request.Body) != "ok" || p.Request.BodySize != 2 {
			t.Errorf("%v, %s", err, line(p))
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	for _, tt := range []struct {
		name string
		seq  iter.Seq2[*exchange.Pair, error]
		want string
		good int
	}{
		{"a HAR that is cut behind its second entry", HAR(t.Context(), strings.NewReader(harText[:strings.LastIndex(harText, `,`+"\n"+`{"started`)])), "unexpected EOF", 2},
		{"a HAR that is cut inside an entry", HAR(t.Context(), strings.NewReader(harText[:len(harText)-30])), "entry 3: unexpected EOF", 2},
		{"JSON that is no HAR", HAR(t.Context(), strings.NewReader(`{"a":1}`)), "no HAR: there is no log.entries", 0},
		{"a list", HAR(t.Context(), strings.NewReader(`[1]`)), "no HAR: [ where an object with log should be", 0},
		{"a .gor file that is cut", Gor(t.Context(), strings.NewReader(gorText[:len(gorText)-40])), "record 5: unexpected EOF", 2},
		{"a record without a time", Gor(t.Context(), strings.NewReader("1 a x 0\n"+gorSeparator)), "record 1: its time is no number", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			var last error
			for _, err := range tt.seq {
				if err != nil {
					last = err
					continue
				}
				n++
			}
			if last == nil || !strings.Contains(last.Error(), tt.want) || n != tt.good {
				t.Errorf("%d pairs, then %v; want %d, then %q", n, last, tt.good, tt.want)
			}
		})
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, seq := range []iter.Seq2[*exchange.Pair, error]{Gor(ctx, strings.NewReader(gorText)), HAR(ctx, strings.NewReader(harText))} {
		for p, err := range seq {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, %v", p, err)
			}
		}
	}
}

// fuzzed holds that the size of reads changes nothing, and that bodies stay in bounds.
// Where hashes are whole, none is of more than the body that is there.
func fuzzed(t *testing.T, file []byte, read func(context.Context, io.Reader) iter.Seq2[*exchange.Pair, error], whole bool) {
	for p, err := range read(t.Context(), bytes.NewReader(file)) {
		if err == nil && (p.Conn == nil || !p.Request.Present && !p.Response.Present) {
			t.Fatalf("an empty pair: %+v", p)
		}
		if err != nil {
			continue
		}
		for _, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
			if int64(len(m.Body)) > m.BodySize || whole && m.Hashed && int64(len(m.Body)) < m.BodySize {
				t.Fatalf("a size or a hash that is not the body's: %+v", p)
			}
		}
	}
	atOnce, bytewise := lines(t, read(t.Context(), bytes.NewReader(file))), lines(t, read(t.Context(), iotest.OneByteReader(bytes.NewReader(file))))
	if atOnce != bytewise {
		t.Fatalf("read size changed the result:\n%s\nand\n%s", atOnce, bytewise)
	}
}

// recapHAR is an entry as recap writes it, shortened.
const recapHAR = `{"log":{"version":"1.2","creator":{"name":"recap","version":"1"},"entries":[
{"startedDateTime":"2023-11-14T22:13:20.000000001Z","time":1,"request":{"method":"POST","url":"*","httpVersion":"HTTP/1.1","headers":[{"name":"A","value":"b"}],
"postData":{"mimeType":"x/y","text":"/w==","_encoding":"base64"},"bodySize":9,"_no_url":true,"_target":"*","_host":"h","_time_ns":1700000000000000001,"_end_time_ns":1700000000001000001,
"_trailers":[{"name":"T","value":"u"}],"_head":"AAE=","_body_size":2,"_gaps":[{"offset":1,"reason":"lost"}],"_packets":[7,8]},
"response":{"status":0,"statusText":"","content":{"size":-1,"mimeType":""},"bodySize":-1,"_absent":true},"connection":"0102030405060708090a0b0c",
"_id":"de0000000000000000000000","_state":"partial","_anomalies":["escaped_bytes"],"_protocol":"HTTP/1.1","_kind":"rest","_ordinal":3,
"_client":{"ip":"10.0.0.1","port":5,"mac":"02:00:00:00:00:01"},"_server":{"port":80},"_tunnels":[{"type":"mpls"},{"type":"vxlan","id":7,"src":"1.1.1.1","dst":"1.1.1.2"}],
"_capture":{"first_packet":7,"last_packet":8,"files":["a"]}}]}}`

func TestHAROfRecap(t *testing.T) {
	n := 0
	for p, err := range HAR(t.Context(), strings.NewReader(recapHAR)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		q := &p.Request
		if p.State != exchange.Partial || p.Response.Present || q.URL != "" || q.Target != "*" || q.TimeNS != 1700000000000000001 || string(q.Body) != "\xff" ||
			q.BodySize != 2 || q.Gaps[0].Length != -1 || p.Conn.Tunnels[1].ID != 7 || p.Conn.Tunnels[0].ID != -1 || p.Conn.Server.IP.IsValid() || !p.Anomalies.Has(exchange.AnomalyEscapedBytes) {
			t.Errorf("%+v\n%+v", p, p.Conn)
		}
	}
	if n != 1 {
		t.Errorf("%d pairs, want 1", n)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"an id that is none", `"_id":"de00`, `"_id":"de0`, "is no id"},
		{"a connection that is none", `"connection":"01`, `"connection":"x1`, "is no id"},
		{"a body that is longer than it can be", `"_body_size":2`, `"_body_size":0`, "a body of 1 bytes has a size of 0"},
		{"neither message", `"method":"POST"`, `"_absent":true`, "neither request nor response"},
		{"a hash that is none", `"_head"`, `"_body_sha256":"00","_head"`, "is no SHA-256"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := strings.Replace(recapHAR, tt.old, tt.new, 1)
			for _, err := range HAR(t.Context(), strings.NewReader(file)) {
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "entry 1") {
					t.Errorf("the error is %v, want one with %q", err, tt.want)
				}
			}
		})
	}
}

func FuzzHAR(f *testing.F) {
	f.Add([]byte(harText))
	f.Add([]byte(`{"log":{"entries":[]}}`))
	f.Add([]byte(recapHAR))
	f.Fuzz(func(t *testing.T, file []byte) { fuzzed(t, file, HAR, false) }) // recap has hashes of bodies that it did not keep
}

func FuzzGor(f *testing.F) {
	f.Add([]byte(gorText))
	f.Add([]byte("1 a 1 0\nGET / HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\nx" + gorSeparator))
	f.Fuzz(func(t *testing.T, file []byte) { fuzzed(t, file, Gor, true) })
}
