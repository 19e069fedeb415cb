package sse

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/app/coding"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// play reads a stream, given in pieces of the sizes in rotation (none: whole). A NUL
// NUL in it stands for missing bytes.
func play(text string, limit int64, sizes ...byte) (list []*exchange.StreamMessage, most int64) {
	env := &app.Env{Limits: app.Limits{Body: limit, Hash: true}, Buffers: new(coding.Buffers),
		Message: func(m *exchange.StreamMessage) { list = append(list, m) }}
	r := NewReader(env, &exchange.Conn{}, exchange.ID{})
	at, k := packet.Pos{}, 0
	for i, part := range strings.Split(text, "\x00\x00") {
		if i > 0 {
			r.Gap(at, exchange.GapLost)
		}
		for b := []byte(part); len(b) > 0; {
			n := len(b)
			if len(sizes) > 0 {
				n = min(n, 1+int(sizes[k%len(sizes)]))
				k++
			}
			at.Number++
			r.Data(at, bytes.Clone(b[:n]))
			b = b[n:]
			most = max(most, r.Memory())
		}
	}
	r.End(at)
	return list, most
}

// lines writes events as `type "data"`, and what is not as usual behind.
func lines(list []*exchange.StreamMessage) string {
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%s %q", m.Type, m.Payload)
		if m.ID != "" {
			fmt.Fprintf(&b, " id=%s", m.ID)
		}
		if m.HasRetry {
			fmt.Fprintf(&b, " retry=%d", m.RetryMS)
		}
		if m.Size != int64(len(m.Payload)) {
			fmt.Fprintf(&b, " size=%d", m.Size)
		}
		if m.Partial {
			b.WriteString(" partial")
		}
		for _, a := range m.Anomalies.Append(nil) {
			b.WriteString(" !" + a)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

var tests = []struct{ name, text, want string }{
	{"data of several lines", "data: YHOO\ndata: +2\ndata: 10\n\n", `message "YHOO\n+2\n10"`},
	{"the stream with ids of the standard", ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
		"message \"first event\" id=1\nmessage \"second event\"\nmessage \" third event\""},
	{"data without a value", "data\n\ndata\ndata\n\ndata:\n\n", "message \"\"\nmessage \"\\n\"\nmessage \"\""},
	{"with and without a space", "data:test\n\ndata: test\n\n", "message \"test\"\nmessage \"test\""},
	{"names of events, which last for one", "event: add\ndata: 1\n\ndata: 2\n\n", "add \"1\"\nmessage \"2\""},
	{"an event without data is none, but its id and its time stay", "event: x\nid: 7\nretry: 250\n\ndata: a\n\n", `message "a" id=7 retry=250`},
	{"line ends of all three sorts", "data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\rdata: e\n\n", "message \"a\\nb\\nc\"\nmessage \"d\"\nmessage \"e\""},
	{"a byte order mark", "\xef\xbb\xbfdata: a\n\n", `message "a"`},
	{"half a byte order mark", "\xef\xbbdata: a\n\ndata: b\n\n", `message "b"`},
	{"a byte order mark later is no mark", "\n\xef\xbb\xbfdata: a\n\ndata: b\n\n", `message "b"`},
	{"comments and fields that are not known", ":data: a\ndat: b\ndataa: c\nDATA: d\ndata: e\n: f\n\n", `message "e"`},
	{"retry that is no number", "retry: 1s\nretry:\nretry: -1\ndata: a\n\n", `message "a"`},
	{"an id with a NUL does not count", "id: 1\ndata: a\n\nid: 2\x00\ndata: b\n\n", "message \"a\" id=1\nmessage \"b\" id=1"},
	{"names that are not UTF-8", "event: \xff\ndata: \xff\n\n", `\xff "\xff" !escaped_bytes`},
	{"cut in a line", "data: a\n\ndata: b", "message \"a\"\nmessage \"b\" partial !message_cut"},
	{"cut before the empty line", "data: a\n", `message "a" partial !message_cut`},
	{"cut with nothing in hand", "data: a\n\nevent: b\n", `message "a"`},
	{"a hole in an event", "data: a\nda\x00\x00ta: b\ndata: c\n\ndata: d\n\n", "message \"a\" partial !lost_segment\nmessage \"c\" partial !lost_segment\nmessage \"d\""},
	{"a hole between events", "id: 5\ndata: a\n\n\x00\x00data: b\n\ndata: c\n\n", "message \"a\" id=5\nmessage \"c\""},
	{"a long name of an event", "event: " + strings.Repeat("x", maxValue+1) + "\ndata: a\n\n", strings.Repeat("x", maxValue) + ` "a" !event_field_limit`},
}

func TestReader(t *testing.T) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, sizes := range [][]byte{nil, {0}, {1}, {6, 0}} {
				list, _ := play(tt.text, 1<<20, sizes...)
				if got := lines(list); got != tt.want+"\n" {
					t.Errorf("in pieces of %v: got\n%swant\n%s", sizes, got, tt.want)
				}
			}
		})
	}
}

// TestLimit: exactly at the limit all is stored; size and hash are of the whole.
func TestLimit(t *testing.T) {
	for n := 8; n <= 11; n++ {
		all := "01234\n678901234"[:n]
		list, _ := play("data: "+strings.ReplaceAll(all, "\n", "\ndata: ")+"\n\n", 9, 2)
		m := list[0]
		if string(m.Payload) != all[:min(n, 9)] || m.Size != int64(n) || m.SHA256 != sha256.Sum256([]byte(all)) || m.Anomalies.Has(exchange.AnomalyBodyLimit) != (n > 9) {
			t.Errorf("%d bytes: %q of %d, anomalies %v", n, m.Payload, m.Size, m.Anomalies.Append(nil))
		}
	}
}

// TestLongLines: lines without end take no memory.
func TestLongLines(t *testing.T) {
	for _, start := range []string{"", ":", "data:", "event:", "id: "} {
		if _, most := play(start+strings.Repeat("x", 4<<20), 1000, 255); most > 8<<10 {
			t.Errorf("%q: %d bytes were held", start, most)
		}
	}
}

// FuzzReader: how the stream is cut makes no difference, and nothing grows beyond its limit.
func FuzzReader(f *testing.F) {
	for _, tt := range tests {
		f.Add(tt.text, []byte{0})
		f.Add(tt.text, []byte{3, 7})
	}
	f.Fuzz(func(t *testing.T, text string, sizes []byte) {
		if len(sizes) > 16 || len(text) > 8<<10 {
			return
		}
		a, _ := play(text, 100)
		b, most := play(text, 100, sizes...)
		var size int64
		for _, list := range [][]*exchange.StreamMessage{a, b} {
			for _, m := range list {
				if m.Packet = 0; len(m.Payload) > 100 || m.Size > m.WireSize || m.Partial && m.Hashed {
					t.Fatalf("%+v", m)
				}
				size += m.WireSize
			}
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("in pieces of %v\n%swhole\n%s", sizes, lines(b), lines(a))
		}
		if size > 2*int64(len(text)) || most > 16<<10 {
			t.Fatalf("%d bytes of events out of 2 times %d, %d held", size, len(text), most)
		}
	})
}
