package quic

import (
	"bytes"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// FuzzDatagram feeds datagrams to a connection, cut out of b at lengths that b itself
// gives. What parseLong accepts lies within the datagram; every byte has a place; what is
// held is bounded; and the same bytes read the same way.
func FuzzDatagram(f *testing.F) {
	first := clientInitial()
	f.Add(first)
	f.Add(append([]byte{4, 176, 0xc3, 0, 0, 0, 1}, first...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := parseLong(b); ok && (h.number > h.end || h.end > len(b) || len(h.dst) > maxID || len(h.src) > maxID) {
			t.Fatalf("header %+v of %d bytes", h, len(b))
		}
		read := func() (exchange.TLS, Tally) {
			info := new(exchange.Conn)
			c := New(info, new(tls.View), 1<<20, nil)
			c.Datagram(exchange.ToServer, packet.Pos{Number: 1}, b)
			sent := int64(len(b))
			for rest, n := b, int64(2); len(rest) > 2; n++ {
				k := min(int(rest[0])<<8|int(rest[1]), len(rest)-2)
				c.Datagram(exchange.Dir(n&1), packet.Pos{Number: n}, rest[2:2+k])
				sent += int64(k)
				rest = rest[2+k:]
			}
			if m := c.Memory(); m > 8<<10+3*sent+maxPendingBytes {
				t.Fatalf("%d bytes are held of %d", m, sent)
			}
			c.End(app.EndCapture, packet.Pos{})
			y := c.Tally()
			if got := y.HTTP + y.Other + y.Unparsed + y.TLS + y.TLSOverhead + y.Duplicate + y.Late; got != sent {
				t.Fatalf("%d bytes have a place of %d: %+v", got, sent, y)
			}
			return *info.TLS, y
		}
		one, a := read()
		two, b2 := read()
		if one != two || a != b2 {
			t.Fatalf("the same bytes give %+v %+v, then %+v %+v", one, a, two, b2)
		}
	})
}

// clientInitial is the packet of RFC 9001, appendix A.2.
func clientInitial() []byte {
	hello := bytes.Repeat([]byte{0}, 1162)
	copy(hello, unhex("060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"))
	return seal(unhex("c300000001088394c8f03e5157080000449e00000002"), 18, 2, hello, unhex("8394c8f03e515708"))
}

// FuzzFrames: what a frame holds lies in the packet, and no byte belongs to two.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x0f, 4, 1, 2, 'h', 'i', 6, 0, 1, 'x', 2, 0, 0, 1, 0, 3, 4, 0x1c, 0, 0, 1, 'e'})
	f.Add([]byte{0x08, 0, 'r', 'e', 's', 't'})
	f.Add([]byte{0x18, 1, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x31, 1, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		n, at := 0, 0
		whole := frames(b, func(f *frame) {
			n += len(f.data)
			if f.off < 0 {
				t.Fatalf("frame %+v", f)
			}
			if len(f.data) == 0 {
				return
			}
			i := cap(b) - cap(f.data)
			if i < at || i+len(f.data) > len(b) || !bytes.Equal(b[i:i+len(f.data)], f.data) {
				t.Fatalf("data at %d, %d long, behind %d", i, len(f.data), at)
			}
			at = i + len(f.data)
		})
		if n > len(b) {
			t.Fatalf("%d bytes of data in %d", n, len(b))
		}
		if again := frames(b[:len(b):len(b)], func(*frame) {}); again != whole {
			t.Fatal("the same bytes read another way")
		}
	})
}

// FuzzReassembly: pieces in any order and number give the stream, each byte once.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte("hello, world"), []byte{5, 3, 0, 5, 8, 9, 0, 12})
	f.Fuzz(func(t *testing.T, want, cuts []byte) {
		r := newReassembly()
		var got []byte
		var sent, again int64
		out := func(_ packet.Pos, b []byte) { got = append(got, b...) }
		push := func(off, n int) {
			off = min(off, len(want))
			n = min(n, len(want)-off)
			sent += int64(n)
			again += r.push(int64(off), want[off:off+n], packet.Pos{}, out)
		}
		for ; len(cuts) >= 2; cuts = cuts[2:] {
			push(int(cuts[0]), int(cuts[1]))
			if !bytes.HasPrefix(want, got) || sent-again-r.held != int64(len(got)) {
				t.Fatalf("%q of %q; %d sent, %d again, %d held", got, want, sent, again, r.held)
			}
		}
		push(0, len(want))
		if !bytes.Equal(got, want) || len(r.chunks) != 0 || r.held != 0 {
			t.Fatalf("%q, want %q; %d chunks", got, want, len(r.chunks))
		}
	})
}

// FuzzRanges: a set remembers what was put in.
func FuzzRanges(f *testing.F) {
	f.Add([]byte{1, 2, 4, 3, 3, 0, 200, 7})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r ranges
		in := make(map[int64]bool)
		for _, c := range b {
			if n := int64(c); r.add(n) == in[n] {
				t.Fatalf("add(%d) is wrong in %v", n, r.runs)
			} else {
				in[n] = true
			}
		}
		for n := range int64(256) {
			if r.has(n) != in[n] {
				t.Fatalf("has(%d) is wrong in %v", n, r.runs)
			}
		}
	})
}
