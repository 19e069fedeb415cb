package websocket

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"recap/pipeline/app"
	"recap/pipeline/exchange"
)

var deflate = Options{Deflate: true}

// row is n text frames of the server, each told by its number.
func row(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(down(0x81, fmt.Sprint("message ", i)))
	}
	return b.String()
}

// rowText is what the messages from to to of a row are shown as.
func rowText(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "< text \"message %d\"\n", i)
	}
	return b.String()
}

func TestSession(t *testing.T) {
	var both deflater
	first, second := both.message("once upon a time, a message"), both.message("once upon a time, another message")
	tests := []struct {
		name string
		opt  Options
		said []said
		end  app.EndReason
		want string
	}{
		{"the examples of RFC 6455, section 5.7", Options{}, []said{
			s("\x81\x05\x48\x65\x6c\x6c\x6f"), c("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), s("\x01\x03\x48\x65\x6c" + "\x80\x02\x6c\x6f"),
			s("\x89\x05\x48\x65\x6c\x6c\x6f"), c("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")}, app.EndFIN,
			`< text "Hello"
			> text "Hello"
			< text "Hello"
			< ping "Hello"
			> pong "Hello"`},
		{"the examples of RFC 7692, section 7.2.3", deflate, []said{
			s("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), s("\x41\x03\xf2\x48\xcd" + "\x80\x04\xc9\xc9\x07\x00"), s("\xc1\x05\xf2\x00\x11\x00\x00"),
			s("\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), s("\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"),
			s("\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")}, app.EndFIN,
			strings.Repeat("< text \"Hello\" compressed\n", 6)},
		{"lengths in all three forms", Options{}, []said{s(down(0x82, "") + down(0x82, strings.Repeat("a", 125)) + down(0x82, strings.Repeat("a", 126))), c(up(0x82, strings.Repeat("b", 65535)) + up(0x82, strings.Repeat("b", 65536)))}, app.EndFIN,
			`< binary ""
			< binary 125 bytes
			< binary 126 bytes
			> binary 65535 bytes
			> binary 65536 bytes`},
		{"control frames between fragments", Options{}, []said{c(up(0x01, "one, ") + up(0x89, "?") + up(0x00, "two, ") + up(0x8a, "") + up(0x80, "three"))}, app.EndFIN,
			`> ping "?"
			> pong ""
			> text "one, two, three"`},
		{"a close frame with status and reason", Options{}, []said{s(down(0x88, "\x03\xe8bye"))}, app.EndFIN, `< close "bye" code=1000`},
		{"close frames that break the rules", Options{}, []said{s(down(0x88, "\x03")), c(up(0x88, "\x03\xeddo not send") + up(0x88, "\x03\xe9\xff"))}, app.EndFIN,
			`< close "\x03" !websocket_bad_close
			> close "do not send" code=1005 !websocket_bad_close
			> close "\xff" code=1001 !websocket_bad_close !websocket_bad_sequence`},
		{"data behind a close frame", Options{}, []said{s(down(0x88, "\x03\xe8") + down(0x81, "more"))}, app.EndFIN,
			`< close "" code=1000
			< text "more" !websocket_bad_sequence`},
		{"masked the wrong way round", Options{}, []said{c(down(0x81, "bare")), s(up(0x81, "masked"))}, app.EndFIN,
			`> text "bare" !websocket_bad_mask
			< text "masked" !websocket_bad_mask`},
		{"reserved bits that nobody agreed on", Options{}, []said{s(down(0x81, "a") + down(0xc1, "b") + down(0x91, "c"))}, app.EndFIN,
			`< text "a"
			< text "b" !websocket_reserved_bits
			< text "c" !websocket_reserved_bits`},
		{"reserved bits on control frames and continuations", deflate, []said{s(down(0x01, "a") + down(0xc9, "p") + down(0xc0, "b"))}, app.EndFIN,
			`< ping "p" !websocket_reserved_bits
			< text "ab" !websocket_reserved_bits`},
		{"reserved bits under an extension that is not known", Options{Other: true}, []said{s(down(0xf1, "a"))}, app.EndFIN, `< text "a"`},
		{"reserved opcodes", Options{}, []said{s(down(0x81, "a") + down(0x83, "b") + down(0x8b, "c"))}, app.EndFIN,
			`< text "a"
			< opcode_3 "b" !websocket_bad_opcode
			< opcode_11 "c" !websocket_bad_opcode`},
		{"a control frame that is fragmented or too long", Options{}, []said{s(down(0x81, "a") + down(0x09, "b") + down(0x8a, strings.Repeat("c", 126)))}, app.EndFIN,
			`< text "a"
			< ping "b" !websocket_bad_control
			< pong 126 bytes !websocket_bad_control`},
		{"a continuation of nothing", Options{}, []said{s(down(0x80, "a") + down(0x00, "b") + down(0x80, "c"))}, app.EndFIN,
			`< continuation "a" !websocket_bad_sequence
			< continuation "bc" !websocket_bad_sequence`},
		{"a message inside a fragmented one", Options{}, []said{s(down(0x01, "a") + down(0x81, "b"))}, app.EndFIN,
			`< text "a" partial !websocket_bad_sequence
			< text "b"`},
		{"lengths that are longer than need be", Options{}, []said{s("\x81\x7e\x00\x01a" + "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02bc")}, app.EndFIN,
			`< text "a" !websocket_bad_length
			< text "bc" !websocket_bad_length`},
		{"a length of more than 63 bits", Options{}, []said{s("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff" + "abc")}, app.EndCapture,
			`< binary "abc" partial !message_cut !websocket_bad_length`},
		{"text that is not UTF-8, split inside a character", Options{}, []said{s(down(0x01, "\xc3") + down(0x80, "\xa9") + down(0x81, "\xc3"))}, app.EndFIN,
			`< text "é"
			< text "\xc3" !websocket_bad_text`},
		{"cut in the payload by the end of the capture", Options{}, []said{c(up(0x81, "whole") + up(0x82, "0123456789")[:10])}, app.EndCapture,
			`> text "whole"
			> binary "0123" partial !message_cut`},
		{"cut in a header", Options{}, []said{c(up(0x81, "whole") + up(0x82, "0123456789")[:5])}, app.EndCapture,
			`> text "whole"
			other=0 unparsed=5`},
		{"cut between fragments by a reset", Options{}, []said{c(up(0x01, "first, "))}, app.EndRST, `> text "first, " partial !rst`},
		{"cut by an eviction", Options{}, []said{s(down(0x02, "first, "))}, app.EndEvicted, `< binary "first, " partial !evicted`},
		{"a hole in a payload", Options{}, []said{c(up(0x81, "0123456789")[:10]), cGap(3), c(up(0x81, "0123456789")[13:] + up(0x81, "next"))}, app.EndFIN,
			`> text "0123" size=10 partial !lost_segment
			> text "next"`},
		{"a hole that ends a payload", Options{}, []said{s(down(0x81, "0123456789")[:6]), sGap(6), s(down(0x81, "next"))}, app.EndFIN,
			`< text "0123" size=10 partial !lost_segment
			< text "next"`},
		{"a hole between frames, and few frames behind", Options{}, []said{s(row(2)), sGap(50), s(row(7))}, app.EndFIN,
			`< text "message 0"
			< text "message 1"
			other=0 unparsed=77`},
		{"a hole between frames, and a row of frames behind", Options{}, []said{s(row(1)), sGap(-1), s("ssage -1" + row(9))}, app.EndFIN,
			`< text "message 0"
			< text "message 0" !lost_segment !resynchronized
			` + rowText(1, 9) + `other=0 unparsed=8`},
		{"a hole, and a row of frames that ends the connection", Options{}, []said{sGap(20), s(row(2) + down(0x88, "\x03\xe8"))}, app.EndFIN,
			`< text "message 0" !lost_segment !resynchronized
			< text "message 1"
			< close "" code=1000`},
		{"a hole beyond the frame", Options{}, []said{s(down(0x81, "0123456789")[:6]), sGap(7), s("whatever")}, app.EndFIN,
			`< text "0123" partial !lost_segment
			other=0 unparsed=8`},
		{"no frames at all", Options{}, []said{s("SSH-2.0-x\r\n"), c(up(0x81, "a"))}, app.EndFIN,
			`> text "a"
			other=11 unparsed=0`},
		{"no frames any more", Options{}, []said{s(row(1) + "SSH-2.0-x\r\n")}, app.EndFIN,
			`< text "message 0"
			other=0 unparsed=11`},
		{"context takeover", deflate, []said{c(up(0xc1, first) + up(0xc1, second))}, app.EndFIN,
			`> text "once upon a time, a message" compressed
			> text "once upon a time, another message" compressed`},
		{"no context takeover", Options{Deflate: true, Fresh: [2]bool{true, true}}, []said{c(up(0xc1, alone("abcabc")) + up(0xc1, second))}, app.EndFIN,
			`> text "abcabc" compressed
			> text "" compressed partial !decode_error`},
		{"a message under permessage-deflate that is not compressed", deflate, []said{c(up(0xc1, first) + up(0x81, "plain") + up(0xc1, second))}, app.EndFIN,
			`> text "once upon a time, a message" compressed
			> text "plain"
			> text "once upon a time, another message" compressed`},
		{"context takeover behind a hole in the context", deflate, []said{c(up(0xc1, first)[:10]), cGap(2), c(up(0xc1, first)[12:] + up(0xc1, second) + up(0xc1, alone("again and again")) + up(0xc1, alone("again")))}, app.EndFIN,
			fmt.Sprintf(`> text "onc" compressed partial !lost_segment
			> text %q compressed !websocket_context_lost
			> text "again and again" compressed
			> text "again" compressed`, second)},
		{"compressed data that is none", deflate, []said{s(down(0xc1, "\xff\xff\xff")), s(down(0xc1, alone("good")))}, app.EndFIN,
			`< text "" compressed partial !decode_error
			< text "good" compressed`},
		{"compressed text that is not UTF-8", deflate, []said{s(down(0xc1, alone("\xff")))}, app.EndFIN, `< text "\xff" compressed !websocket_bad_text`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, sizes := range [][]byte{nil, {0}, {1, 2}, {6}} {
				p := newPlayer(tt.opt)
				p.play(tt.said, sizes...)
				p.end(t, tt.end)
				if got := p.lines(); got != want(tt.want) {
					t.Errorf("in pieces of %v: got\n%swant\n%s", sizes, got, want(tt.want))
				}
				if p.conn.session.Memory() > 20<<10 && len(tt.said[0].data) < 1000 {
					t.Errorf("%d bytes are held at the end", p.conn.session.Memory())
				}
			}
		})
	}
}

// TestLimits: exactly at a limit all is stored, one byte beyond it not; size and hash
// are of the whole.
func TestLimits(t *testing.T) {
	all := strings.Repeat("0123456789", 10)
	for n := 95; n <= 100; n++ {
		for _, opt := range []Options{{}, deflate} {
			p := newPlayer(opt)
			p.env.Limits.Body = 98
			if opt.Deflate {
				p.play([]said{c(up(0xc1, alone(all[:n])))}, 30)
			} else {
				p.play([]said{c(up(0x01, all[:40]) + up(0x80, all[40:n]))}, 30)
			}
			p.end(t, app.EndFIN)
			m := p.list[0]
			if string(m.Payload) != all[:min(n, 98)] || m.Size != int64(n) || !m.Hashed || m.SHA256 != sha256.Sum256([]byte(all[:n])) ||
				m.Anomalies.Has(exchange.AnomalyBodyLimit) != (n > 98) {
				t.Errorf("%d bytes, deflate %t: %q of %d, anomalies %v", n, opt.Deflate, m.Payload, m.Size, m.Anomalies.Append(nil))
			}
		}
	}
}

// TestLimitsOfWhatDoesNotCompress: the limit is that of the message, though compression
// has made it longer.
func TestLimitsOfWhatDoesNotCompress(t *testing.T) {
	const limit = 2 << 20
	random := make([]byte, limit+2)
	rand.NewChaCha8([32]byte{}).Read(random)
	for n := limit - 1; n <= limit+2; n++ {
		p := newPlayer(deflate)
		p.env.Limits.Body, p.env.Limits.Decode = limit, 2*limit
		p.play([]said{s(down(0xc2, alone(string(random[:n]))))}, 255)
		p.end(t, app.EndFIN)
		m := p.list[0]
		if m.WireSize <= int64(n) {
			t.Fatalf("%d bytes of %d were sent", m.WireSize, n)
		}
		if string(m.Payload) != string(random[:min(n, limit)]) || m.Size != int64(n) || !m.Hashed || m.SHA256 != sha256.Sum256(random[:n]) ||
			m.Anomalies.Has(exchange.AnomalyDecodeLimit) || m.Anomalies.Has(exchange.AnomalyBodyLimit) != (n > limit) {
			t.Errorf("%d bytes: %d of %d are stored, hashed %t, anomalies %v", n, len(m.Payload), m.Size, m.Hashed, m.Anomalies.Append(nil))
		}
	}
}

// TestBombs: what a message decompresses to is bounded, the original stays, and
// messages behind it that stand alone are read.
func TestBombs(t *testing.T) {
	p := newPlayer(deflate)
	bomb := alone(strings.Repeat("\x00", 8<<20))
	p.play([]said{s(down(0xc2, bomb) + down(0xc1, alone("behind")))})
	p.end(t, app.EndFIN)
	if m := p.list[0]; !m.Anomalies.Has(exchange.AnomalyDecodeLimit) || string(m.Payload) != bomb || m.Size != int64(len(bomb)) || !m.Hashed {
		t.Errorf("bomb: %d of %d bytes, %v", len(m.Payload), m.Size, m.Anomalies.Append(nil))
	}
	if m := p.list[1]; string(m.Payload) != "behind" {
		t.Errorf("behind the bomb: %q, %v", m.Payload, m.Anomalies.Append(nil))
	}
	if p.mem > 1<<20 {
		t.Errorf("%d bytes were held", p.mem)
	}

	p = newPlayer(deflate)
	random := make([]byte, 9<<17+10)
	rand.NewChaCha8([32]byte{}).Read(random)
	p.env.Limits.Body = 1 << 20
	p.play([]said{s(down(0xc2, string(random)))}, 255)
	p.end(t, app.EndFIN)
	if m := p.list[0]; !m.Anomalies.Has(exchange.AnomalyDecodeLimit) || !m.Anomalies.Has(exchange.AnomalyBodyLimit) || len(m.Payload) != 1<<20 {
		t.Errorf("compressed message over the limit: %d of %d bytes, %v", len(m.Payload), m.Size, m.Anomalies.Append(nil))
	}
}

// TestManyFragments: fragments cost nothing but their bytes.
func TestManyFragments(t *testing.T) {
	p := newPlayer(Options{})
	p.play([]said{c(up(0x01, "")), c(strings.Repeat(up(0x00, ""), 1e5) + up(0x00, "x") + up(0x89, "") + up(0x80, "y"))}, 255)
	p.end(t, app.EndFIN)
	if got := p.lines(); got != want("> ping \"\"\n> text \"xy\"") || p.mem > 20<<10 {
		t.Errorf("%d bytes were held; got\n%s", p.mem, got)
	}
}

// TestSearchIsLinear: bytes without frames are let go of.
func TestSearchIsLinear(t *testing.T) {
	for name, junk := range map[string]string{
		"random": func() string {
			b := make([]byte, 4<<20)
			rand.NewChaCha8([32]byte{1}).Read(b)
			return string(b)
		}(),
		"beginnings": strings.Repeat("\x82\x7e\x3f\xff", 1<<20),
		"rows":       strings.Repeat(row(6)+"\xff", 20000),
	} {
		p := newPlayer(Options{})
		p.play([]said{sGap(10), s(junk)}, 255)
		p.end(t, app.EndFIN)
		if len(p.list) > 0 && name != "random" || p.mem > 1<<20 {
			t.Errorf("%s: %d messages, %d bytes were held", name, len(p.list), p.mem)
		}
	}
}

func TestNegotiated(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  Options
	}{
		{"", Options{}},
		{"permessage-deflate", Options{Deflate: true}},
		{"Permessage-Deflate; server_no_context_takeover; server_max_window_bits=10", Options{Deflate: true, Fresh: [2]bool{false, true}}},
		{`permessage-deflate;client_no_context_takeover; client_max_window_bits="12"`, Options{Deflate: true, Fresh: [2]bool{true, false}}},
		{"x-other, permessage-deflate", Options{Deflate: true, Other: true}},
		{"x-webkit-deflate-frame", Options{Other: true}},
	} {
		got := Negotiated([]exchange.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "sec-websocket-extensions", Value: tt.value}})
		if got != tt.want {
			t.Errorf("Negotiated(%q) = %+v, want %+v", tt.value, got, tt.want)
		}
	}
}

func TestUnmask(t *testing.T) {
	for n := range 40 {
		for at := range int64(9) {
			b, w := bytes.Repeat([]byte{1}, n), make([]byte, n)
			for i := range w {
				w[i] = 1 ^ testKey[(at+int64(i))%4]
			}
			if unmask(b, testKey, at); !bytes.Equal(b, w) {
				t.Fatalf("unmask of %d bytes from %d on is %x, want %x", n, at, b, w)
			}
		}
	}
}

// FuzzSession: how the bytes are cut makes no difference, every byte is accounted for,
// output and memory are bounded.
func FuzzSession(f *testing.F) {
	var d deflater
	f.Add([]byte(up(0x01, "a")+up(0x89, "b")+up(0x80, "c")), []byte(row(9)), uint8(0), uint16(0), []byte{0})
	f.Add([]byte(up(0xc1, d.message("one, two"))+up(0xc1, d.message("one, two, three"))), []byte(down(0x88, "\x03\xe8bye")), uint8(1), uint16(3), []byte{3, 1})
	f.Add([]byte(up(0xc1, alone("alone"))), []byte("\x82\x7f\xff"+row(20)), uint8(3), uint16(30), []byte{2})
	f.Fuzz(func(t *testing.T, up, down []byte, flags uint8, hole uint16, sizes []byte) {
		if len(sizes) > 16 || len(up)+len(down) > 8<<10 {
			return
		}
		opt := Options{Deflate: flags&1 != 0, Fresh: [2]bool{flags&2 != 0, flags&4 != 0}, Other: flags&8 != 0}
		read := func(sizes []byte) *player {
			p := newPlayer(opt)
			p.env.Limits.Body, p.env.Limits.Decode = 200, 10<<10
			h := min(int(hole&1023), len(down))
			p.play([]said{c(string(up)), s(string(down[:h]))}, sizes...)
			if flags&16 != 0 {
				p.play([]said{sGap(int64(hole >> 10))})
			} else if flags&32 != 0 {
				p.play([]said{sGap(-1)})
			}
			p.play([]said{s(string(down[h:]))}, sizes...)
			p.end(t, app.EndFIN)
			for _, m := range p.list {
				if len(m.Payload) > 200 || m.Size < int64(len(m.Payload)) || m.Compressed && m.Size > max(10<<10, m.WireSize) {
					t.Fatalf("payload of %d bytes, size %d, %d as sent", len(m.Payload), m.Size, m.WireSize)
				}
				m.TimeNS, m.Packet = 0, 0
			}
			if p.mem > 300<<10 {
				t.Fatalf("%d bytes were held", p.mem)
			}
			return p
		}
		a, b := read(nil), read(sizes)
		if !reflect.DeepEqual(a.list, b.list) || a.conn.Tally() != b.conn.Tally() {
			t.Fatalf("in pieces of %v\n%swhole\n%s", sizes, b.lines(), a.lines())
		}
	})
}
