package tcp

import (
	"testing"

	"recap/pipeline/decap"
)

// The two directions of a connection may come over ways of their own, and packets of
// one may change places: the order of the capture is then not the order of what was said.
func TestBeginningsOutOfOrder(t *testing.T) {
	const syn, fin = decap.SYN, decap.FIN
	for _, tt := range []struct {
		name      string
		packets   []ev
		want      string
		anomalies string
	}{
		{name: "all of the answers are captured before the requests", packets: []ev{
			{side: server, flags: syn}, {side: server, ack: 3, data: "xyz"}, {side: server, off: 3, ack: 6, data: "uvw"},
			{flags: syn}, {data: "abc"}, {off: 3, ack: 3, data: "def"},
		}, want: `c"abc" s"xyz" c"def" s"uvw"`},
		{name: "all of the answers are captured before the requests, of which the SYN is lost", packets: []ev{
			{side: server, flags: syn}, {side: server, ack: 3, data: "xyz"}, {data: "abc"},
		}, want: `c"abc" s"xyz"`},
		{name: "a side that never comes is waited for once", packets: []ev{
			{side: server, flags: syn}, {side: server, ack: 3, data: "xyz"}, {side: server, off: 3, ack: 3, data: "uvw", wait: 2.1},
			{side: server, off: 6, ack: 6, data: "rst", wait: 0.1},
		}, want: `s"xyzuvwrst"`},
		{name: "a SYN behind the data that follows it", packets: []ev{
			{data: "abc"}, {flags: syn}, {side: server, flags: syn}, {off: 3, data: "def"},
		}, want: `c"abcdef"`, anomalies: "midstream"},
		{name: "a SYN and SYN/ACK behind the second segment", packets: []ev{
			{off: 3, data: "def"}, {side: server, flags: syn}, {flags: syn}, {data: "abc"}, {side: server, ack: 6, data: "xyz"},
		}, want: `c"abcdef" s"xyz"`, anomalies: "midstream"},
		{name: "answers before the SYN/ACK, in reverse", packets: []ev{
			{flags: syn}, {side: server, off: 3, ack: 3, data: "uvw"}, {side: server, ack: 3, data: "xyz"}, {data: "abc"}, {side: server, flags: syn},
		}, want: `c"abc" s"xyzuvw"`, anomalies: "midstream"},
		{name: "an acknowledgement before all that it acknowledges", packets: []ev{
			{side: server, ack: 6}, {off: 3, data: "def"}, {data: "abc"}, {side: server, flags: syn}, {flags: syn}, {side: server, ack: 6, data: "xyz"},
		}, want: `c"abcdef" s"xyz"`, anomalies: "midstream"},
		{name: "a SYN behind data of a connection that is open for long", packets: []ev{
			{data: "abc"}, {side: server, ack: 3, wait: 1}, {off: 3, data: "def", wait: 1}, {flags: syn}, {side: server, flags: syn}, {off: 6, data: "ghi"},
		}, want: `c"abcdefghi"`, anomalies: "midstream"},
		{name: "a SYN behind data that ends the stream", packets: []ev{
			{off: 3, data: "def", flags: fin}, {flags: syn}, {data: "abcd"},
		}, want: `c"abcdef" c.`, anomalies: "midstream"},
		{name: "what was acknowledged of a hole before the SYN came", packets: []ev{
			{off: 3, data: "def"}, {side: server, ack: 4}, {flags: syn}, {off: 6, data: "ghi", wait: 0.1}, {off: 9, data: "jkl", wait: 2.1},
		}, want: `c-3 c"defghijkl"`, anomalies: "lost_segment midstream"},
		{name: "the end of a side that is alone", packets: []ev{
			{side: server, flags: syn}, {side: server, ack: 3, data: "xyz", flags: fin},
		}, want: `s"xyz" s.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			p.play(tt.packets...)
			if got := p.end(); got != tt.want {
				t.Errorf("handler got\n\t%s, want\n\t%s", got, tt.want)
			}
			if a := names(p.c.Anomalies); a != tt.anomalies {
				t.Errorf("anomalies are %q, want %q", a, tt.anomalies)
			}
			if p.reuses > 0 {
				t.Errorf("taken for %d connections", p.reuses+1)
			}
		})
	}
}

// TestAnswersBeforeTheBeginning: what a waiting answer had heard counts from the beginning
// that is found afterwards.
func TestAnswersBeforeTheBeginning(t *testing.T) {
	p := newPlayer(t)
	p.play(ev{off: 4, data: "efg"}, ev{side: server, ack: 7, data: "xy"}, ev{flags: decap.SYN},
		ev{data: "abc", wait: 0.1}, ev{off: 3, data: "d"})
	if got, want := p.end(), `c"abcdefg" s"xy"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := p.r.acked[server]; got != 7 {
		t.Errorf("the answer had heard %d bytes, want 7", got)
	}
}

// TestFromStart: a SYN that comes behind the first data of its side is a beginning too.
func TestFromStart(t *testing.T) {
	p := newPlayer(t)
	p.play(ev{data: "abc"}, ev{side: server, ack: 3, wait: 1}, ev{off: 3, data: "def", wait: 1}, ev{flags: decap.SYN})
	if p.c.FromStart() {
		t.Error("the server's SYN is not there")
	}
	if p.play(ev{side: server, flags: decap.SYN}); !p.c.FromStart() {
		t.Error("both SYNs are there")
	}
}

func TestDataOfTheNextConnection(t *testing.T) {
	const fin = decap.FIN
	ended := append(handshake[:len(handshake):len(handshake)],
		ev{data: "abc"}, ev{side: server, ack: 3, data: "xyz", flags: fin}, ev{off: 3, ack: 4, flags: fin}, ev{side: server, off: 4, ack: 4})
	far := uint32(clientISN + 1 + 2<<20)
	for _, tt := range []struct {
		name   string
		packet ev
		reuses int
	}{
		{"its numbers are far from those of the last", ev{seq: &far, data: "GET"}, 1},
		{"its numbers are those of the last, and it acknowledges something else", ev{ack: 1 << 30, data: "GET"}, 1},
		{"a retransmission", ev{ack: 3, data: "abc"}, 0},
		{"a retransmission with an older acknowledgement", ev{data: "abc"}, 0},
		{"data behind the end", ev{off: 3, ack: 4, data: "abc"}, 0},
		{"an empty segment far away", ev{seq: &far}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			p.play(ended...)
			p.play(tt.packet)
			if p.reuses != tt.reuses {
				t.Errorf("%d new connections, want %d", p.reuses, tt.reuses)
			}
		})
	}
}
