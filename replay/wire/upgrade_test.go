package wire

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/targettest"
)

// halves are the two events of an upgrade on a connection of their own.
func halves(seq uint64, loop uint32, body string, fields []exchange.Header) (first, second replay.Event) {
	events := targettest.Events(2, 10)
	first, second = events[0], events[1]
	second.Pair.Conn = first.Pair.Conn
	second.Pair.Request.TimeNS, second.Pair.Request.EndTimeNS = first.Pair.Request.TimeNS, first.Pair.Request.EndTimeNS
	for i, e := range []*replay.Event{&first, &second} {
		e.Seq, e.Loop, e.At = seq+uint64(i), loop, 0
		q := &e.Pair.Request
		q.Method, q.Target, q.Version, q.Head, q.Body, q.BodySize, q.HasBody = "GET", "/up", "HTTP/1.1", nil, nil, 0, false
		q.Headers = []exchange.Header{{Name: "Host", Value: "h"}, {Name: "Upgrade", Value: "h2c"}}
	}
	r := &first.Pair.Response
	r.Status, r.Version, r.Head, r.Body, r.BodySize, r.HasBody = 101, "HTTP/1.1", nil, nil, 0, false
	r.Headers = []exchange.Header{{Name: "Upgrade", Value: "h2c"}}
	r = &second.Pair.Response
	r.Status, r.Version, r.Head = 200, "HTTP/2", nil
	r.Headers = append([]exchange.Header{{Name: ":status", Value: "200"}}, fields...)
	r.Body, r.BodySize, r.HasBody = []byte(body), int64(len(body)), true
	return first, second
}

func TestUpgradesAreLeftOutAlone(t *testing.T) {
	first, second := halves(0, 0, "x", nil)
	other := second
	other.Seq, other.Loop = 1, 1 // of the next loop: no part of this connection
	env := new(targettest.Env)
	target := NewTarget(env, &memPort{mtu: 1450}, Options{Upgrade: true})
	if err := target.Send(t.Context(), []replay.Event{first, other}); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := env.Left()[0]; len(got) != 1 || got[0] != "upgrade_to_http2" {
		t.Errorf("the 101 was left out because of %q", got)
	}
	if got := env.SentOrder(); len(got) != 1 || got[0] != 1 {
		t.Errorf("sent %v, want the exchange alone", got)
	}
}

// FuzzUpgrade makes frames of a response, which x/net/http2 must read as the same fields
// and body, with the marker where the message says it stands.
func FuzzUpgrade(f *testing.F) {
	f.Add("hello", "etag", "x", "", "")
	f.Add(strings.Repeat("b", 40_000), "content-length", "1", "grpc-status", "0")
	f.Add("", "a", strings.Repeat("v", 40_000), "t", "")
	f.Add("x", "set-cookie", strings.Repeat("v", 16384-90), "", "")
	f.Fuzz(func(t *testing.T, body, name, value, trailer, end string) {
		fields := []exchange.Header{{Name: name, Value: value}}
		_, e := halves(0, 0, body, fields)
		if trailer != "" {
			e.Pair.Response.Trailers = []exchange.Header{{Name: trailer, Value: end}}
		}
		marker := strings.Repeat("m", replay.MarkerSize)
		w := writer{marker: []byte(marker)}
		m := w.stream(e.Pair)
		if got := string(w.buf[m.mark:][:len(marker)]); got != marker || m.size != len(w.buf) {
			t.Fatalf("the marker is at %d, where %q stands; %d bytes of %d", m.mark, got, m.size, len(w.buf))
		}
		fr := http2.NewFramer(io.Discard, bytes.NewReader(w.buf))
		var block, data []byte
		var blocks [][]hpack.HeaderField
		ended := false
		for {
			frame, err := fr.ReadFrame()
			if err == io.EOF {
				break
			}
			if err != nil || ended && frame.Header().Type != http2.FrameContinuation {
				t.Fatalf("frame %v behind the end %t: %v", frame, ended, err)
			}
			done := false
			switch frame := frame.(type) {
			case *http2.HeadersFrame:
				block, done, ended = append(block, frame.HeaderBlockFragment()...), frame.HeadersEnded(), frame.StreamEnded()
			case *http2.ContinuationFrame:
				block, done = append(block, frame.HeaderBlockFragment()...), frame.HeadersEnded()
			case *http2.DataFrame:
				data, ended = append(data, frame.Data()...), frame.StreamEnded()
			}
			if done {
				list, err := hpack.NewDecoder(4096, nil).DecodeFull(block)
				if err != nil {
					t.Fatal(err)
				}
				blocks, block = append(blocks, list), nil
			}
		}
		if !ended || string(data) != body {
			t.Fatalf("ended %t with %d bytes, want %d", ended, len(data), len(body))
		}
		want := 1
		if trailer != "" {
			want = 2
		}
		if len(blocks) != want {
			t.Fatalf("%d field blocks, want %d", len(blocks), want)
		}
		if list := blocks[0]; list[0].Name != ":status" || list[0].Value != "200" || list[1].Value != marker {
			t.Fatalf("fields are %v", list)
		}
		switch skip := strings.HasPrefix(name, ":") || is(name, replay.MarkerHeader) || is(name, "content-encoding") || is(name, "content-length"); {
		case skip:
		case len(blocks[0]) != 3 || blocks[0][2].Name != strings.ToLower(name) || blocks[0][2].Value != value:
			t.Fatalf("fields are %v, want %q: %q", blocks[0], name, value)
		}
	})
}
