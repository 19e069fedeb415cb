package tcp

import (
	"strings"
	"testing"

	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func TestStreams(t *testing.T) {
	const fin, rst, syn, urg = decap.FIN, decap.RST, decap.SYN, decap.URG
	for _, tt := range []struct {
		name      string
		midstream bool // without the handshake
		packets   []ev
		want      string
		anomalies string
	}{
		{name: "in order", packets: []ev{
			{data: "abc"}, {side: server, ack: 3, data: "xyz"}, {off: 3, ack: 3, data: "def"},
		}, want: `c"abc" s"xyz" c"def"`},
		{name: "out of order", packets: []ev{
			{off: 3, data: "def"}, {off: 6, data: "ghi"}, {data: "abc"},
		}, want: `c"abcdefghi"`},
		{name: "in reverse", packets: []ev{
			{off: 6, data: "ghi"}, {off: 3, data: "def"}, {data: "abc"},
		}, want: `c"abcdefghi"`},
		{name: "a retransmission of the same bytes", packets: []ev{
			{data: "abc"}, {data: "abc"}, {off: 3, data: "def"},
		}, want: `c"abcdef"`},
		{name: "a retransmission cut otherwise", packets: []ev{
			{data: "abc"}, {off: 3, data: "def"}, {off: 1, data: "bcdefghi"},
		}, want: `c"abcdefghi"`},
		{name: "a retransmission of other bytes", packets: []ev{
			{data: "abc"}, {data: "aXc"}, {off: 3, data: "def"},
		}, want: `c"abcdef"`, anomalies: "overlap_conflict retransmission_differs"},
		{name: "other bytes over two waiting chunks", packets: []ev{
			{off: 3, data: "def"}, {off: 8, data: "ij"}, {off: 4, data: "EFGHIJKL"}, {data: "abc"},
		}, want: `c"abcdefGHijKL"`, anomalies: "overlap_conflict"},
		{name: "a hole that is never acknowledged waits for the end", packets: []ev{
			{data: "abc"}, {off: 6, data: "ghi"}, {off: 9, data: "jkl", wait: 100},
		}, want: `c"abc" c-3 c"ghijkl"`, anomalies: "lost_segment"},
		{name: "an acknowledged hole is given up after two seconds of capture", packets: []ev{
			{data: "abc"}, {off: 6, data: "ghi"}, {side: server, ack: 9}, {side: server, ack: 9, wait: 2.1}, {side: server, ack: 9, data: "x"},
		}, want: `c"abc" c-3 c"ghi" s"x"`, anomalies: "lost_segment"},
		{name: "an acknowledged hole is filled within two seconds", packets: []ev{
			{data: "abc"}, {off: 6, data: "ghi"}, {side: server, ack: 9}, {off: 3, data: "def", wait: 1.9},
		}, want: `c"abcdefghi"`},
		{name: "an acknowledged hole is not given up before two seconds", packets: []ev{
			{data: "abc"}, {off: 6, data: "ghi"}, {side: server, ack: 9}, {side: server, ack: 9, wait: 1.9}, {off: 3, data: "def", wait: 0.05},
		}, want: `c"abcdefghi"`},
		{name: "an acknowledgement of what cannot be gives nothing up", packets: []ev{
			{data: "abc"}, {off: 6, data: "ghi"}, {side: server, ack: 200 << 20}, {side: server, ack: 200 << 20, wait: 2.1}, {off: 3, data: "def"},
		}, want: `c"abcdefghi"`},
		{name: "a hole that was acknowledged later than another has two seconds of its own", packets: []ev{
			{off: 1, data: "b"}, {side: server, ack: 2}, {off: 3, data: "d", wait: 1.5}, {side: server, ack: 4}, {side: server, ack: 4, wait: 0.6},
			{off: 2, data: "c", wait: 0.1},
		}, want: `c-1 c"bcd"`, anomalies: "lost_segment"},
		{name: "a long stretch is lost, and the snap length cut what follows", packets: []ev{
			{data: "abc"}, {off: 200 << 20, data: "d", missing: 9}, {off: 200<<20 + 10, data: "e", missing: 9}, {off: 200<<20 + 20, data: "f", missing: 9},
			{off: 200<<20 + 30, data: "g", missing: 9},
		}, want: `c"abc" c-209715227 c"g" c-9snaplen`, anomalies: "lost_segment out_of_window snaplen_cut"},
		{name: "of a hole only what is acknowledged is given up", packets: []ev{
			{data: "abc"}, {off: 9, data: "jkl"}, {side: server, ack: 6}, {side: server, ack: 6, wait: 2.1}, {off: 6, data: "ghi"},
		}, want: `c"abc" c-3 c"ghijkl"`, anomalies: "lost_segment"},
		{name: "many acknowledged holes are given up together", packets: []ev{
			{off: 1, data: "b"}, {off: 3, data: "d"}, {off: 5, data: "f"}, {side: server, ack: 6}, {side: server, ack: 6, wait: 2.1},
			{side: server, ack: 6, data: "x"},
		}, want: `c-1 c"b" c-1 c"d" c-1 c"f" s"x"`, anomalies: "lost_segment"},
		{name: "bytes for a hole that was given up come late", packets: []ev{
			{off: 3, data: "def"}, {side: server, ack: 6}, {side: server, ack: 6, wait: 2.1}, {data: "abcdef"},
		}, want: `c-3 c"def"`, anomalies: "lost_segment"},
		{name: "a response captured before its request is held", packets: []ev{
			{side: server, ack: 3, data: "xyz"}, {data: "abc"},
		}, want: `c"abc" s"xyz"`},
		{name: "a response to a lost request goes on after two seconds", packets: []ev{
			{side: server, ack: 3, data: "xyz"}, {off: 3, ack: 3, wait: 2.1}, {off: 3, ack: 3, data: "def", wait: 2.1},
		}, want: `c-3 s"xyz" c"def"`, anomalies: "lost_segment"},
		{name: "the numbers of SYN and FIN are not waited for", packets: []ev{
			{data: "abc", flags: fin}, {side: server, ack: 4, data: "xyz", flags: fin}, {off: 4, ack: 4},
		}, want: `c"abc" c. s"xyz" s.`},
		{name: "data that acknowledges a FIN captured after it", packets: []ev{
			{side: server, ack: 4, data: "xyz"}, {data: "abc", flags: fin},
		}, want: `c"abc" c. s"xyz"`},
		{name: "a FIN captured long after it was acknowledged", packets: []ev{
			{data: "abc"}, {side: server, ack: 4, data: "xyz"}, {side: server, off: 3, ack: 4, wait: 2.1}, {side: server, off: 3, ack: 4, wait: 2.1}, {off: 3, flags: fin},
		}, want: `c"abc" c-1 s"xyz" c.`, anomalies: "lost_segment"},
		{name: "a FIN captured before the bytes in front of it", packets: []ev{
			{off: 6, flags: fin}, {off: 3, data: "def"}, {data: "abc"},
		}, want: `c"abcdef" c.`},
		{name: "a FIN behind a hole", packets: []ev{
			{data: "abc"}, {off: 6, flags: fin}, {side: server, ack: 7}, {side: server, ack: 7, wait: 2.1},
		}, want: `c"abc" c-3 c.`, anomalies: "lost_segment"},
		{name: "one side closes and the other goes on", packets: []ev{
			{data: "abc", flags: fin}, {side: server, ack: 4, data: "x"}, {side: server, off: 1, ack: 4, data: "yz", flags: fin},
		}, want: `c"abc" c. s"xyz" s.`},
		{name: "data behind a FIN is left out", packets: []ev{
			{data: "abc", flags: fin}, {off: 3, data: "def"}, {off: 1, data: "bcdef"},
		}, want: `c"abc" c.`, anomalies: "out_of_window"},
		{name: "a reset in the window", packets: []ev{
			{data: "abc"}, {side: server, ack: 3, flags: rst},
		}, want: `c"abc"`},
		{name: "a reset delivers nothing of its own", packets: []ev{
			{data: "abc"}, {side: server, ack: 3, flags: rst, data: "go away"},
		}, want: `c"abc"`},
		{name: "a reset far outside the window is ignored", packets: []ev{
			{data: "abc"}, {side: server, flags: rst, seq: num(serverISN + 1<<30)}, {off: 3, data: "def"},
		}, want: `c"abcdef"`, anomalies: "out_of_window"},
		{name: "data after a reset", packets: []ev{
			{side: server, flags: rst}, {data: "abc"},
		}, want: `c"abc"`},
		{name: "a keep-alive probe", packets: []ev{
			{data: "abc"}, {off: 2, data: "\x00"}, {side: server, ack: 3}, {off: 3, data: "def"},
		}, want: `c"abcdef"`, anomalies: "keepalive_probe"},
		{name: "a keep-alive probe without data", packets: []ev{
			{data: "abc"}, {off: 2}, {side: server, ack: 3}, {off: 3, data: "def"},
		}, want: `c"abcdef"`},
		{name: "a capture that begins with a keep-alive probe", midstream: true, packets: []ev{
			{off: 6, ack: 9}, {side: server, off: 9, ack: 7}, {off: 7, ack: 9, data: "abc"}, {side: server, off: 9, ack: 10, data: "xyz"},
		}, want: `c"abc" s"xyz"`, anomalies: "midstream"},
		{name: "a capture that begins inside the connection", midstream: true, packets: []ev{
			{side: server, off: 700, ack: 90, data: "xyz"}, {off: 90, ack: 703, data: "abc"},
		}, want: `s"xyz" c"abc"`, anomalies: "midstream"},
		{name: "older bytes than the first of a capture that begins inside", midstream: true, packets: []ev{
			{off: 90, data: "def"}, {off: 93, data: "ghi", wait: 0.1}, {off: 87, data: "abcdef"}, {off: 80, data: "0123456"}, {off: 96, data: "jkl"},
		}, want: `c"defghijkl"`, anomalies: "midstream"},
		{name: "older bytes soon after the first of a capture that begins inside", midstream: true, packets: []ev{
			{off: 90, data: "def"}, {off: 87, data: "abcdef"}, {off: 80, data: "0123456"}, {off: 93, data: "ghi"},
		}, want: `c"0123456abcdefghi"`, anomalies: "midstream"},
		{name: "one direction only", packets: []ev{
			{ack: 10, data: "abc"}, {off: 3, ack: 90, data: "def"},
		}, want: `c"abcdef"`, midstream: true, anomalies: "midstream"},
		{name: "a SYN that carries data", midstream: true, packets: []ev{
			{flags: syn, data: "abc"}, {side: server, flags: syn, ack: 3}, {off: 3, data: "def"},
		}, want: `c"abcdef"`},
		{name: "a SYN sent again with another number before anything was said", midstream: true, packets: []ev{
			{flags: syn, seq: num(77)}, {flags: syn}, {side: server, flags: syn}, {data: "abc"},
		}, want: `c"abc"`},
		{name: "two SYNs, and the first is the one that is answered", midstream: true, packets: []ev{
			{flags: syn}, {flags: syn, seq: num(77_000_000)}, {side: server, flags: syn}, {data: "abc"}, {side: server, ack: 3, data: "x"},
		}, want: `c"abc" s"x"`},
		{name: "a SYN on an open connection that nobody answers", packets: []ev{
			{data: "abc"}, {flags: syn, seq: num(77_000_000), data: "evil"}, {off: 3, data: "def"},
		}, want: `c"abcdef"`, anomalies: "out_of_window"},
		{name: "a SYN in the window of an open connection and a late acknowledgement of that number", packets: []ev{
			{data: "abcdef"}, {flags: syn, seq: num(clientISN + 1 + 2)}, {side: server, ack: 3}, {off: 6, data: "ghi"},
		}, want: `c"abcdefghi"`, anomalies: "out_of_window"},
		{name: "a SYN on an open connection that is answered begins a new one", packets: []ev{
			{data: "abc"}, {flags: syn, seq: num(77_000_000)}, {side: server, flags: syn, seq: num(88_000_000), ack: 76_999_000},
			{seq: num(77_000_001), data: "new", bare: true},
		}, want: `c"abc" new c"new"`},
		{name: "the ports are used again right after the close", packets: []ev{
			{data: "abc", flags: fin}, {side: server, ack: 4, flags: fin}, {off: 4, ack: 1},
			{flags: syn, seq: num(9000)}, {seq: num(9001), data: "new", bare: true},
		}, want: `c"abc" c. s. new c"new"`},
		{name: "a stray far outside the window", packets: []ev{
			{data: "abc"}, {seq: num(1 << 31), data: "stray"}, {off: 3, data: "def"},
		}, want: `c"abcdef"`, anomalies: "out_of_window"},
		{name: "four strays in a row are the stream, a long way on", packets: []ev{
			{data: "abc"}, {seq: num(1 << 30), data: "one"}, {seq: num(1<<30 + 3), data: "two"}, {seq: num(1<<30 + 6), data: "three"},
			{seq: num(1<<30 + 11), data: "four"}, {seq: num(1<<30 + 15), data: "five"},
		}, want: `c"abc" c-1073740831 c"fourfive"`, anomalies: "lost_segment out_of_window"},
		{name: "four strays in a row are the stream, where the numbers began anew", packets: []ev{
			{data: "abc"}, {seq: num(3 << 30), data: "one"}, {seq: num(3<<30 + 3), data: "two"}, {seq: num(3<<30 + 6), data: "three"},
			{seq: num(3<<30 + 11), data: "four"},
		}, want: `c"abc" c--1 c"four"`, anomalies: "lost_segment out_of_window"},
		{name: "a segment cut by the snap length", packets: []ev{
			{data: "abc", missing: 3}, {off: 6, data: "ghi"},
		}, want: `c"abc" c-3snaplen c"ghi"`, anomalies: "snaplen_cut"},
		{name: "a segment cut by the mirror", packets: []ev{
			{data: "abc", missing: 3, why: decap.CutByMirror}, {off: 6, data: "ghi"},
		}, want: `c"abc" c-3mirror_truncated c"ghi"`, anomalies: "mirror_truncated"},
		{name: "a cut segment of which nothing is left", packets: []ev{
			{missing: 3}, {off: 3, data: "def"},
		}, want: `c-3snaplen c"def"`, anomalies: "snaplen_cut"},
		{name: "a cut segment that a whole copy fills while it waits", packets: []ev{
			{off: 3, data: "d", missing: 5}, {off: 3, data: "defghi"}, {data: "abc"},
		}, want: `c"abcdefghi"`},
		{name: "a cut segment that is filled in the middle while it waits", packets: []ev{
			{off: 3, data: "d", missing: 5}, {off: 6, data: "gh"}, {data: "abc"}, {off: 9, data: "j"},
		}, want: `c"abcd" c-2snaplen c"gh" c-1snaplen c"j"`, anomalies: "snaplen_cut"},
		{name: "a cut copy of data that waits whole", packets: []ev{
			{off: 3, data: "defghi"}, {off: 3, data: "d", missing: 8}, {data: "abc"},
		}, want: `c"abcdefghi" c-3snaplen`, anomalies: "snaplen_cut"},
		{name: "urgent data stays in the stream", packets: []ev{
			{data: "abc", flags: urg},
		}, want: `c"abc"`, anomalies: "urgent_data"},
		{name: "an acknowledgement of what cannot have been sent is not believed", packets: []ev{
			{data: "abc"}, {side: server, ack: 1 << 30, data: "x"}, {off: 9, data: "jkl", wait: 3}, {off: 3, data: "defghi", wait: 3},
		}, want: `c"abc" s"x" c"defghijkl"`},
		{name: "both sides wait for each other", packets: []ev{
			{data: "abc", ack: 3}, {side: server, data: "xyz", ack: 3}, {side: server, off: 3, ack: 3, wait: 2.1}, {side: server, off: 3, ack: 3, wait: 2.1},
		}, want: `c"abc" s"xyz"`},
		{name: "both sides wait for each other at the end", packets: []ev{
			{data: "abc", ack: 3}, {side: server, data: "xyz", ack: 3},
		}, want: `c"abc" s"xyz"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			if !tt.midstream {
				p.play(handshake...)
			}
			p.play(tt.packets...)
			got := p.end()
			if got != tt.want {
				t.Errorf("handler got\n\t%s, want\n\t%s", got, tt.want)
			}
			if a := names(p.c.Anomalies); a != tt.anomalies {
				t.Errorf("anomalies are %q, want %q", a, tt.anomalies)
			}
		})
	}
}

func TestInOrderDataIsNotCopied(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	s := p.segment(ev{data: "abc"})
	var got []byte
	p.c.Segment(&p.e, s, client, packet.Pos{}, handlerFunc(func(b []byte) { got = b }))
	if len(got) != 3 || &got[0] != &s.TCP[20] {
		t.Errorf("Data got a copy")
	}
}

type handlerFunc func(b []byte)

func (handlerFunc) Conflict(int, int64, int64) bool { return false }
func (handlerFunc) Cut(int, uint32, int64) []byte   { return nil }
func (handlerFunc) Awaits(int64) bool               { return false }
func (handlerFunc) Missing(int) bool                { return false }

func (f handlerFunc) Data(_ int, _ packet.Pos, b []byte) { f(b) }
func (f handlerFunc) Gap(int, packet.Pos, int64, string) {}
func (f handlerFunc) Close(int, packet.Pos)              {}

func TestSequenceNumbersWrap(t *testing.T) {
	for _, isn := range []uint32{0xffff_ffff, 0xffff_fffe, 0xffff_fff0, 0} {
		p := newPlayer(t)
		p.isn = [2]uint32{isn, isn}
		p.play(handshake...)
		var want strings.Builder
		for i := int64(0); i < 40; i += 4 {
			p.play(ev{off: i + 2, data: "cd"}, ev{off: i, data: "ab"})
			want.WriteString("abcd")
		}
		p.play(ev{side: server, ack: 40, data: "ok"}, ev{off: 38, data: "cd"})
		if got, want := p.end(), `c"`+want.String()+`" s"ok"`; got != want {
			t.Errorf("ISN %#x: %s, want %s", isn, got, want)
		}
	}
}

func TestAStreamLongerThanTheSequenceSpace(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	const cut = 32 << 20
	var off int64
	for range 3 * (1 << 32) / cut {
		p.play(ev{off: off, data: "ab", missing: cut - 2})
		off += cut
	}
	p.play(ev{off: off, data: "end"}, ev{side: server, ack: off + 3, data: "ok"})
	p.end()
	if h := p.c.Halves[client]; h.Offset() != off+3 || h.GapBytes != off/cut*(cut-2) || string(p.r.data[client][len(p.r.data[client])-3:]) != "end" {
		t.Errorf("offset %d, gaps %d; want %d, %d", h.Offset(), h.GapBytes, off+3, off/cut*(cut-2))
	}
	if string(p.r.data[server]) != "ok" {
		t.Errorf("the answer is %q", p.r.data[server])
	}
}

func TestLateBytesAreNotCalledDuplicates(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	p.play(ev{off: 3, data: "def"}, ev{side: server, ack: 6}, ev{side: server, ack: 6, wait: 2.1}, ev{data: "abcdef"})
	p.end()
	if h := p.c.Halves[client]; h.Late != 3 || h.DuplicateBytes != 3 {
		t.Errorf("late %d, duplicates %d; want 3 and 3", h.Late, h.DuplicateBytes)
	}
}

func TestCopiesOfAPacket(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	p.play(ev{data: "abc", ipid: 7}, ev{data: "abc", ipid: 7}, ev{data: "abc", ipid: 8}, ev{off: 3, data: "def", ipid: 9, why: decap.NoIPID},
		ev{off: 3, data: "def", ipid: 9, why: decap.NoIPID})
	p.end()
	if p.copies != 1 || p.c.Halves[client].DuplicatePacket != 1 {
		t.Errorf("%d copies, want 1", p.copies)
	}
}

func TestOutOfOrderDataIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		count int
		size  int
		step  int64
	}{
		{"one missing byte and much behind it", 5000, 1000, 1000},
		{"every other byte is missing", 200_000, 1, 2},
		{"falling offsets", 100_000, 1, -2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlayer(t)
			p.e.MaxSpan = 1 << 20
			p.e.Hist.Horizon = 0
			p.r.quiet = true
			p.play(handshake...)
			data := strings.Repeat("x", tt.size)
			off := int64(1)
			if tt.step < 0 {
				off = -tt.step*int64(tt.count) + 1
			}
			var top int64
			for range tt.count {
				p.play(ev{off: off, data: data})
				top = max(top, p.c.Buffered())
				off += tt.step
			}
			if limit := p.e.MaxSpan + maxChunks*chunkOverhead + 64<<10; top > limit {
				t.Errorf("%d bytes were kept, limit %d", top, limit)
			}
			if !p.c.Anomalies.Has(exchange.AnomalyOutOfOrderLimit) && top > p.e.MaxSpan {
				t.Error("no out_of_order_limit")
			}
			p.end()
		})
	}
}

func TestDone(t *testing.T) {
	p := newPlayer(t)
	p.play(handshake...)
	p.play(ev{flags: decap.FIN})
	if p.c.Done() || !p.c.Halves[client].Closed() {
		t.Error("half a close is the whole")
	}
	p.play(ev{side: server, flags: decap.FIN, ack: 1})
	if !p.c.Done() || p.c.Reset {
		t.Error("two FINs do not end the connection")
	}
}
