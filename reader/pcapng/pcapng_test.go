package pcapng_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcapng"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

const talk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "cut" cut=50 if=1
	10.0.0.1:4000 > 10.0.0.2:80 "raw" link=raw
	10.0.0.1:4000 > 10.0.0.2:80 "no time" notime`

// rich is a file with a block of every kind, and two byte orders.
func rich(t testing.TB) []byte {
	return slices.Concat(
		pcaptest.Build(t, talk, pcaptest.Pcapng()),
		pcaptest.NGSection(be, pcaptest.NGOption(be, 2, []byte("a machine")), pcaptest.NGOption(be, 3, []byte("an OS")),
			pcaptest.NGOption(be, 4, []byte("a program")), pcaptest.NGOption(be, 1, []byte("of the section"))),
		pcaptest.NGInterface(be, packet.LinkRaw, 100, pcaptest.NGOption(be, 2, []byte("tap0")), pcaptest.NGOption(be, 3, []byte("first tap")),
			pcaptest.NGOption(be, 9, []byte{0x80 | 20}), pcaptest.NGOption(be, 11, []byte("\x00port 80")), pcaptest.NGOption(be, 12, []byte("IOS")),
			pcaptest.NGOption(be, 13, []byte{4}), pcaptest.NGOption(be, 14, be.AppendUint64(nil, 1000)), pcaptest.NGOption(be, 15, []byte("card"))),
		pcaptest.NGPacket(be, 0, 3<<19, 7, []byte("seven b"), pcaptest.NGOption(be, 1, []byte("of the packet")),
			pcaptest.NGOption(be, 2, be.AppendUint32(nil, 2<<5))),
		pcaptest.NGBlock(be, 2, slices.Concat([]byte{0, 0, 0, 9, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5}, []byte("old"))),
		pcaptest.NGBlock(be, 4, slices.Concat([]byte{0, 1, 0, 10, 10, 0, 0, 1}, []byte("one\x00i\x00"), []byte{0, 0},
			[]byte{0, 2, 0, 20}, bytes.Repeat([]byte{0xfe}, 16), []byte("six\x00"),
			[]byte{0, 3, 0, 8, 2, 0, 0, 0, 0, 1}, []byte("m\x00"), []byte{0, 0, 0, 0})),
		pcaptest.NGBlock(be, 5, slices.Concat(make([]byte, 12), pcaptest.NGOption(be, 4, be.AppendUint64(nil, 50)),
			pcaptest.NGOption(be, 5, be.AppendUint64(nil, 7)), make([]byte, 4))),
		pcaptest.NGBlock(be, 10, slices.Concat([]byte("TLSK\x00\x00\x00\x05"), []byte("key 1"))),
		pcaptest.NGBlock(be, 10, slices.Concat([]byte("WGKL\x00\x00\x00\x05"), []byte("key 2"))),
		pcaptest.NGBlock(be, 0xbad, be.AppendUint32(nil, 42)),
		pcaptest.NGBlock(be, 0x40000bad, be.AppendUint32(nil, 42)),
		pcaptest.NGBlock(be, 99, []byte("what is this")),
	)
}

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, pcapng.Format, map[string][]byte{
		"little-endian":       pcaptest.Build(t, talk, pcaptest.Pcapng()),
		"big-endian":          pcaptest.Build(t, talk, pcaptest.Pcapng(), pcaptest.BigEndian(), pcaptest.KeyLog("CLIENT_RANDOM 00 11\n")),
		"with zero padding":   append(pcaptest.Build(t, talk, pcaptest.Pcapng()), make([]byte, 500)...),
		"every kind of block": rich(t),
	})
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(pcapng.Format, bytes.NewReader(file), sourcetest.Options{})
}

// counts lists counters as "name=count", sorted.
func counts(m map[string]int64) string {
	var s []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		s = append(s, fmt.Sprintf("%s=%d", k, m[k]))
	}
	return strings.Join(s, " ")
}

func TestSnapLies(t *testing.T) {
	res := read(slices.Concat(pcaptest.NGSection(le), pcaptest.NGInterface(le, 1, 3), pkt("abc"), pkt("abcd"), pkt("abcde")))
	if got := counts(res.Input.Anomalies); len(res.Packets) != 3 || got != "snaplen_lie=2" {
		t.Errorf("%d packets, anomalies %q; want 3, two of them longer than the snap length", len(res.Packets), got)
	}
}

func TestEveryBlock(t *testing.T) {
	res := read(rich(t))
	in := res.Input
	if in.Sections != 2 || in.Hardware != "a machine" || in.OS != "an OS" || in.Application != "a program" {
		t.Errorf("%d sections, %q, %q, %q", in.Sections, in.Hardware, in.OS, in.Application)
	}
	want := packet.Interface{Name: "tap0", Description: "first tap", Hardware: "card", OS: "IOS", Filter: "port 80", Link: 101,
		SnapLen: 100, Section: 1, Resolution: "2^-20", OffsetSec: 1000, Packets: 2, Received: 50, Drops: 9} // the obsolete block tells of more drops than the statistics
	if got := in.Interfaces[len(in.Interfaces)-1]; got != want {
		t.Errorf("interface %+v, want %+v", got, want)
	}
	if got := fmt.Sprint(in.Comments); got != "[of the section of the packet]" {
		t.Errorf("comments %s", got)
	}
	if got := fmt.Sprint(in.Names); got != "[{10.0.0.1 one} {10.0.0.1 i} {fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe six} {02:00:00:00:00:01 m}]" {
		t.Errorf("names %s", got)
	}
	if got := fmt.Sprintf("%s", in.Secrets); got != "[key 1]" {
		t.Errorf("secrets %s", got)
	}
	if got := counts(in.Unknown); got != `block type 0x63=1 custom block of 42=2 secrets of type "WGKL"=1` {
		t.Errorf("unknown %s", got)
	}
	if in.DamageCount != 0 || len(in.Anomalies) != 0 {
		t.Errorf("damage %v, anomalies %v", in.Damage, in.Anomalies)
	}
	ps := res.Packets
	if p := ps[len(ps)-2]; string(p.Data) != "seven b" || p.TimeNS != 1001_500_000_000 || p.FCSLen != 2 || !p.BigEndian {
		t.Errorf("enhanced packet %q at %d, check sequence of %d, big-endian %t", p.Data, p.TimeNS, p.FCSLen, p.BigEndian)
	}
	if p := ps[len(ps)-1]; string(p.Data) != "old" || p.Length != 5 || p.TimeNS != 1001_000_000_000 {
		t.Errorf("old packet %q of %d at %d", p.Data, p.Length, p.TimeNS)
	}
}

// TestCheckSequenceLength: a length that no frame can have would eat whole packets.
func TestCheckSequenceLength(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		want        uint8
		anomalies   string
	}{
		{"of Ethernet", "\x04", 4, ""},
		{"the longest that flags can tell", "\x0f", 15, ""},
		{"longer than that", "\x10", 0, "bad_option=1"},
		{"as bits", "\x20", 0, "bad_option=1"},
		{"of two bytes", "\x04\x00", 0, "bad_option=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := read(slices.Concat(pcaptest.NGSection(le), pcaptest.NGInterface(le, 1, 0, pcaptest.NGOption(le, 13, []byte(tt.value))), pkt("aaa")))
			if len(res.Packets) != 1 || res.Packets[0].FCSLen != tt.want || counts(res.Input.Anomalies) != tt.anomalies {
				t.Errorf("packets %+v, anomalies %s; want a check sequence of %d bytes, %q", res.Packets, counts(res.Input.Anomalies), tt.want, tt.anomalies)
			}
		})
	}
}

// TestResolution compares every resolution with exact arithmetic.
func TestResolution(t *testing.T) {
	offsets := []int64{0, 1577836800, -1000, math.MaxInt64, math.MinInt64}
	ticks := []uint64{0, 1, 999_999_999_999, 1577836800_123456789, math.MaxInt64, math.MaxUint64}
	for v := range 256 {
		for _, offset := range offsets {
			file := slices.Concat(pcaptest.NGSection(le), pcaptest.NGInterface(le, 1, 0, pcaptest.NGOption(le, 9, []byte{byte(v)}),
				pcaptest.NGOption(le, 14, le.AppendUint64(nil, uint64(offset)))))
			for _, n := range ticks {
				file = append(file, pcaptest.NGPacket(le, 0, n, 1, []byte("x"))...)
			}
			res := read(file)
			if len(res.Packets) != len(ticks) {
				t.Fatalf("if_tsresol %d: %d packets", v, len(res.Packets))
			}
			for i, p := range res.Packets {
				want, raw := exactTime(byte(v), offset, ticks[i])
				if p.TimeNS != want || p.RawTicks != raw {
					t.Errorf("if_tsresol %d, if_tsoffset %d, %d ticks: time %d, raw %d; want %d, %d", v, offset, ticks[i], p.TimeNS, p.RawTicks, want, raw)
				}
			}
		}
	}
}

// exactTime computes a time with big numbers. Times whose seconds are within one
// of the bounds of int64 nanoseconds count as not fitting.
func exactTime(v byte, offset int64, ticks uint64) (ns int64, raw uint64) {
	base := int64(10)
	if v&0x80 != 0 {
		base = 2
	}
	perSec := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(v&0x7f)), nil)
	if !perSec.IsUint64() {
		return packet.NoTime, ticks
	}
	n := new(big.Int).SetUint64(ticks)
	n.Mul(n, big.NewInt(1e9)).Div(n, perSec)
	n.Add(n, new(big.Int).Mul(big.NewInt(offset), big.NewInt(1e9)))
	if !n.IsInt64() || n.Int64() < math.MinInt64+2e9 || n.Int64() > math.MaxInt64-2e9 && offset != 0 {
		return packet.NoTime, ticks
	}
	return n.Int64(), 0
}

// base is a section with one Ethernet interface and times in microseconds.
func base() []byte {
	return slices.Concat(pcaptest.NGSection(le), pcaptest.NGInterface(le, 1, 0))
}

func pkt(s string) []byte { return pcaptest.NGPacket(le, 0, 1, uint32(len(s)), []byte(s)) }

// with changes 32 bits of a block.
func with(b []byte, at int, v uint32) []byte {
	b = bytes.Clone(b)
	if at < 0 {
		at += len(b)
	}
	le.PutUint32(b[at:], v)
	return b
}

func payloads(ps []packet.Packet) string {
	var s []string
	for _, p := range ps {
		s = append(s, string(p.Data))
	}
	return strings.Join(s, " ")
}

func TestDamage(t *testing.T) {
	at := len(base()) + 36 // the second packet block
	for _, tt := range []struct {
		name      string
		block     []byte // between packets "aaa" and "ccc"
		want      string
		lost      int64
		damage    string
		anomalies string
	}{
		{"none", pkt("bbb"), "aaa bbb ccc", 0, "", ""},
		{"captured length larger than the block", with(pkt("bbb"), 20, 5), "aaa bbb ccc", 0,
			"captured length 5 exceeds the 4 bytes of its block; the length on the wire, 3, was used", ""},
		{"both lengths larger than the block", with(with(pkt("bbb"), 20, 1<<31), 24, 1<<31), "aaa ccc", 36,
			"captured length 2147483648 exceeds the 4 bytes of its block; the packet was dropped", ""},
		{"length in front 0", with(pkt("bbb"), 4, 0), "aaa bbb ccc", 0,
			"block length 0 is too short for block type 0x6; the length at its end, 36, was used", ""},
		{"length in front odd", with(pkt("bbb"), 4, 37), "aaa bbb ccc", 0,
			"block length 37 is no multiple of 4; the length at its end, 36, was used", ""},
		{"length in front huge", with(pkt("bbb"), 4, 1<<32-4), "aaa bbb ccc", 0,
			"block length 4294967292 exceeds the limit of 16777216; the length at its end, 36, was used", ""},
		{"length in front beyond the end", with(pkt("bbb"), 4, 1<<20), "aaa bbb ccc", 0,
			"block length 1048576 reaches beyond the end of the file; the length at its end, 36, was used", ""},
		{"length at the end wrong", with(pkt("bbb"), -4, 40), "aaa bbb ccc", 0, "", "trailer_mismatch=1"},
		{"both lengths wrong", with(with(pkt("bbb"), -4, 8), 4, 8), "aaa ccc", 36,
			"block length 8 is too short for block type 0x6; 36 bytes were skipped", ""},
		{"start cut off", pkt("bbb")[8:], "aaa ccc", 28,
			"block length 0; 28 bytes were skipped", ""},
		{"zero bytes", make([]byte, 100), "aaa ccc", 100, "zero bytes where a block should be; 100 bytes were skipped", ""},
		{"unpadded block", oddBlock("bbb"), "aaa bbb ccc", 0, "", "odd_block_length=1"},
		{"lengths that leave the padding out", with(with(pkt("bbb"), -4, 35), 4, 35), "aaa bbb ccc", 0, "", "odd_block_length=1"},
		{"captured more than there was", pcaptest.NGPacket(le, 0, 1, 2, []byte("bbb")), "aaa bbb ccc", 0, "", "caplen_exceeds_len=1"},
		{"interface not described", pcaptest.NGPacket(le, 7, 1, 3, []byte("bbb")), "aaa bbb ccc", 0,
			"interface 7 is not described in its section", "undefined_interface=1"},
		{"option beyond its block", pcaptest.NGPacket(le, 0, 1, 3, []byte("bbb"), []byte{1, 0, 99, 0}), "aaa bbb ccc", 0, "", "bad_option=1"},
		{"simple packet longer than its block", pcaptest.NGBlock(le, 3, append(le.AppendUint32(nil, 1<<31), "bbbb"...)), "aaa bbbb ccc", 0, "", ""},
		{"section without byte order", with(pcaptest.NGSection(le), 8, 7), "aaa ccc", 28,
			"section header without byte order; 28 bytes were skipped", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := slices.Concat(base(), pkt("aaa"), tt.block, pkt("ccc"))
			res := read(file)
			sourcetest.Balance(t, res, len(file))
			if got := payloads(res.Packets); got != tt.want {
				t.Errorf("packets %q, want %q", got, tt.want)
			}
			if res.Input.LostBytes != tt.lost {
				t.Errorf("%d bytes lost, want %d", res.Input.LostBytes, tt.lost)
			}
			damage := ""
			if len(res.Input.Damage) > 0 {
				damage = res.Input.Damage[0].Error()
				tt.damage = fmt.Sprintf("test: packet 2 at byte %d: %s", at, tt.damage)
			}
			if damage != tt.damage || len(res.Input.Damage) > 1 {
				t.Errorf("damage %v, want %q", res.Input.Damage, tt.damage)
			}
			if got := counts(res.Input.Anomalies); got != tt.anomalies {
				t.Errorf("anomalies %q, want %q", got, tt.anomalies)
			}
			one := sourcetest.Read(pcapng.Format, iotest.OneByteReader(bytes.NewReader(file)), sourcetest.Options{Slab: 20, Eager: true})
			sourcetest.Equal(t, "one byte a read", one, res)
		})
	}
}

// oddBlock is a packet block by a writer that forgot the padding.
func oddBlock(s string) []byte {
	b := pkt(s)
	n := uint32(32 + len(s))
	b = slices.Concat(b[:28+len(s)], le.AppendUint32(nil, n))
	le.PutUint32(b[4:], n)
	return b
}

// TestEveryLength gives every kind of block every kind of wrong length.
func TestEveryLength(t *testing.T) {
	for typ := range uint32(12) {
		for _, n := range []uint32{0, 1, 4, 8, 11, 12, 13, 16, 20, 28, 33, 64, 1 << 20, 1 << 31, 1<<32 - 4} {
			for _, end := range []uint32{n, 0, 64} {
				block := with(with(pcaptest.NGBlock(le, typ, make([]byte, 52)), 4, n), -4, end)
				file := slices.Concat(base(), pkt("aaa"), block, pkt("ccc"), pkt("ddd"))
				res := read(file)
				sourcetest.Balance(t, res, len(file))
				if got := payloads(res.Packets); !strings.HasPrefix(got, "aaa ") || !strings.HasSuffix(got, "ccc ddd") {
					t.Errorf("block type %d, lengths %d and %d: packets %q; damage %v", typ, n, end, got, res.Input.Damage)
				}
			}
		}
	}
}

func TestPacketLimit(t *testing.T) {
	file := slices.Concat(base(), pkt("aaaaaaaaaa"))
	res := sourcetest.Read(pcapng.Format, bytes.NewReader(file), sourcetest.Options{Limits: format.Limits{MaxPacket: 4}})
	sourcetest.Balance(t, res, len(file))
	if got := payloads(res.Packets); got != "aaaa" || res.Input.LostBytes != 6 || res.Packets[0].Length != 10 {
		t.Errorf("packet %q of %d, %d bytes lost", got, res.Packets[0].Length, res.Input.LostBytes)
	}
}

// TestCrowds checks that what is remembered does not grow with the file.
func TestCrowds(t *testing.T) {
	const n = 100_000
	for _, tt := range []struct {
		name  string
		block []byte
	}{
		{"interfaces", pcaptest.NGInterface(le, 1, 0, pcaptest.NGOption(le, 2, []byte("name")))},
		{"sections", base()},
		{"names", pcaptest.NGBlock(le, 4, append([]byte{1, 0, 8, 0, 10, 0, 0, 1}, "abc\x00\x00\x00\x00\x00"...))},
		{"comments", pcaptest.NGPacket(le, 0, 1, 1, []byte("x"), pcaptest.NGOption(le, 1, bytes.Repeat([]byte("c"), 100)))},
		{"secrets", pcaptest.NGBlock(le, 10, append(le.AppendUint32(le.AppendUint32(nil, 0x544c534b), 4), "keys"...))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := read(slices.Concat(base(), bytes.Repeat(tt.block, n), pkt("last")))
			in := res.Input
			if got := string(res.Packets[len(res.Packets)-1].Data); got != "last" {
				t.Errorf("last packet is %q", got)
			}
			if len(in.Interfaces) > 4100 || len(in.Names) > 1<<16 || len(in.Comments) > 4096 || len(in.Secrets) > 4096 {
				t.Errorf("%d interfaces, %d names, %d comments, %d secrets are kept", len(in.Interfaces), len(in.Names), len(in.Comments), len(in.Secrets))
			}
			if len(in.Anomalies) != 1 || in.DamageCount != 0 {
				t.Errorf("anomalies %v, damage %v; want one limit named", in.Anomalies, in.Damage)
			}
		})
	}
}

func FuzzPcapng(f *testing.F) {
	f.Add(pcaptest.Build(f, talk, pcaptest.Pcapng()), uint16(100))
	f.Add(pcaptest.Build(f, talk, pcaptest.Pcapng(), pcaptest.BigEndian()), uint16(0))
	f.Add(rich(f), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		if !pcapng.Format.Match(file) {
			return
		}
		lim := format.Limits{MaxPacket: 1000, MaxBlock: 4000}
		want := sourcetest.Read(pcapng.Format, bytes.NewReader(file), sourcetest.Options{Limits: lim})
		sourcetest.Balance(t, want, len(file))
		got := sourcetest.Read(pcapng.Format, iotest.OneByteReader(bytes.NewReader(file)), sourcetest.Options{Slab: int(slab), Eager: true, Limits: lim})
		sourcetest.Equal(t, "one byte a read", got, want)
	})
}

func TestDrops(t *testing.T) {
	number := func(code int, n uint64) []byte { return pcaptest.NGOption(le, uint16(code), le.AppendUint64(nil, n)) }
	stats := func(options ...[]byte) []byte {
		return pcaptest.NGBlock(le, 5, append(make([]byte, 12), slices.Concat(options...)...))
	}
	told := func(text string, n uint64) []byte {
		return pcaptest.NGPacket(le, 0, 1, uint32(len(text)), []byte(text), number(4, n))
	}
	for _, tt := range []struct {
		name   string
		blocks []byte
		drops  int64
		before string // what each packet says was dropped before it
	}{
		{"nothing said", pkt("a"), -1, "[0]"},
		{"none", slices.Concat(pkt("a"), stats(number(5, 0))), 0, "[0]"},
		{"by the interface and by the system", slices.Concat(pkt("a"), stats(number(5, 7), number(7, 3))), 10, "[0]"},
		{"by the system alone", slices.Concat(pkt("a"), stats(number(7, 3))), 3, "[0]"},
		{"statistics that go on", slices.Concat(stats(number(5, 1)), pkt("a"), stats(number(5, 7))), 7, "[0]"},
		{"told by packets", slices.Concat(pkt("a"), told("b", 2), pkt("c"), told("d", 3)), 5, "[0 2 0 3]"},
		{"told by both", slices.Concat(told("b", 2), stats(number(5, 7))), 7, "[2]"},
		{"more than can be", slices.Concat(told("b", 1<<63), told("c", 1<<63)), 1<<63 - 1, "[4294967295 4294967295]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := read(slices.Concat(pcaptest.NGSection(le), pcaptest.NGInterface(le, 1, 0), tt.blocks))
			var before []uint32
			for _, p := range res.Packets {
				before = append(before, p.Dropped)
			}
			if got := res.Input.Interfaces[0].Drops; got != tt.drops || fmt.Sprint(before) != tt.before {
				t.Errorf("%d drops, %v; want %d, %s", got, before, tt.drops, tt.before)
			}
		})
	}
}
