package pcap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcap"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
)

const talk = sourcetest.Talk

func TestConformance(t *testing.T) {
	sourcetest.TestAll(t, pcap.Format, map[string][]byte{
		"microseconds":      pcaptest.Build(t, talk),
		"nanoseconds":       pcaptest.Build(t, talk, pcaptest.Nano()),
		"big-endian":        pcaptest.Build(t, talk, pcaptest.BigEndian()),
		"modified":          modified(pcaptest.Build(t, talk)),
		"with zero padding": append(pcaptest.Build(t, talk), make([]byte, 500)...),
		"false snap length": pcaptest.Build(t, talk, pcaptest.SnapLen(1)),
	})
}

// modified puts the fields of Kuznetzov's patches into the record headers.
func modified(file []byte) []byte {
	le := binary.LittleEndian
	out := bytes.Clone(file[:24])
	le.PutUint32(out, 0xa1b2cd34)
	for b, n := file[24:], uint32(0); len(b) > 0; n++ {
		size := 16 + le.Uint32(b[8:])
		out = append(out, b[:16]...)
		out = le.AppendUint32(out, 3+n%2) // ifindex
		out = append(out, 0, 8, 0, 0)
		out = append(out, b[16:size]...)
		b = b[size:]
	}
	return out
}

func read(file []byte) sourcetest.Result {
	return sourcetest.Read(pcap.Format, bytes.NewReader(file), sourcetest.Options{})
}

// anomalies lists what came up, "name=count", sorted.
func anomalies(in packet.Input) string {
	var s []string
	for _, k := range slices.Sorted(maps.Keys(in.Anomalies)) {
		s = append(s, fmt.Sprintf("%s=%d", k, in.Anomalies[k]))
	}
	return strings.Join(s, " ")
}

// put changes 32 bits of a little-endian file.
func put(file []byte, at int, v uint32) []byte {
	file = bytes.Clone(file)
	binary.LittleEndian.PutUint32(file[at:], v)
	return file
}

// one is a file of one packet of 58 bytes at 2020-01-01T00:00:00.001Z.
func one(t *testing.T) []byte {
	return pcaptest.Build(t, `10.0.0.1:4000 > 10.0.0.2:80 "abcd"`)
}

func TestTime(t *testing.T) {
	for _, tt := range []struct {
		name      string
		sec, frac uint32
		nano      bool
		want      int64
	}{
		{"the epoch", 0, 0, false, 0},
		{"before 2038", 1<<31 - 1, 999999, false, (1<<31-1)*1e9 + 999999000},
		{"after 2038", 1 << 31, 0, false, (1 << 31) * 1e9},
		{"the last second", math.MaxUint32, 999999, false, math.MaxUint32*1e9 + 999999000},
		{"microseconds beyond a second", 10, 1500000, false, 11_500_000_000},
		{"most microseconds", 10, math.MaxUint32, false, 10e9 + math.MaxUint32*1000},
		{"nanoseconds", 10, 123456789, true, 10_123456789},
		{"most nanoseconds", math.MaxUint32, math.MaxUint32, true, math.MaxUint32*1e9 + math.MaxUint32},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := put(put(one(t), 24, tt.sec), 28, tt.frac)
			if tt.nano {
				file = put(file, 0, 0xa1b23c4d)
			}
			if got := read(file).Packets[0].TimeNS; got != tt.want {
				t.Errorf("second %d, fraction %d: time %d, want %d", tt.sec, tt.frac, got, tt.want)
			}
		})
	}
}

func TestHeaderOddities(t *testing.T) {
	for _, tt := range []struct {
		name      string
		file      []byte
		packets   int
		link      packet.LinkType
		fcs       uint8
		anomalies string
	}{
		{"none", one(t), 1, 1, 0, ""},
		{"snap length 0", put(one(t), 16, 0), 1, 1, 0, "snaplen_lie=1"},
		{"snap length too small", put(one(t), 16, 57), 1, 1, 0, "snaplen_lie=1"},
		{"largest snap length", put(one(t), 16, math.MaxUint32), 1, 1, 0, ""},
		{"length of the check sequence", put(one(t), 20, 2<<28|1<<26|1), 1, 1, 4, ""},
		{"reserved bits of the link type", put(one(t), 20, 1<<16|101), 1, 101, 0, "link_reserved_bits=1"},
		{"version 2.5", put(one(t), 4, 5<<16|2), 1, 1, 0, "odd_version=1"},
		{"version 2.2, lengths swapped", put(put(one(t), 4, 2<<16|2), 32, 100), 1, 1, 0, "odd_version=1"},
		{"version 2.3, lengths perhaps swapped", put(put(one(t), 4, 3<<16|2), 32, 100), 1, 1, 0, "odd_version=1"},
		{"time zone", put(one(t), 8, 3600), 1, 1, 0, "thiszone_set=1"},
		{"captured more than there was", put(one(t), 36, 1), 1, 1, 0, "caplen_exceeds_len=1"},
		{"a fraction of a second, less a microsecond", put(one(t), 28, 999_999), 1, 1, 0, ""},
		{"a fraction of a whole second", put(one(t), 28, 1_000_000), 1, 1, 0, "odd_fraction=1"},
		{"IXIA", ixia(one(t)), 1, 1, 0, ""},
		{"AIX, Ethernet", put(put(one(t), 4, 2<<16|2), 20, 6), 1, 1, 0, "odd_version=1"},
		{"AIX, loopback", put(put(one(t), 4, 2<<16|2), 20, 24), 1, 0, 0, "odd_version=1"},
		{"DG/UX, lengths swapped", put(put(one(t), 4, 543), 32, 100), 1, 1, 0, "odd_version=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := read(tt.file)
			sourcetest.Balance(t, res, len(tt.file))
			if len(res.Packets) != tt.packets {
				t.Fatalf("%d packets, want %d; damage: %v", len(res.Packets), tt.packets, res.Input.Damage)
			}
			p := res.Packets[0]
			if p.Link != tt.link || p.FCSLen != tt.fcs || len(p.Data) != 58 {
				t.Errorf("link %d, check sequence of %d, %d bytes; want %d, %d, 58", p.Link, p.FCSLen, len(p.Data), tt.link, tt.fcs)
			}
			if got := anomalies(res.Input); got != tt.anomalies {
				t.Errorf("anomalies %q, want %q", got, tt.anomalies)
			}
		})
	}
}

func TestByteOrderOfPackets(t *testing.T) {
	for _, big := range []bool{false, true} {
		var opts []pcaptest.Option
		if big {
			opts = append(opts, pcaptest.BigEndian())
		}
		for _, p := range read(pcaptest.Build(t, talk, opts...)).Packets {
			if p.BigEndian != big {
				t.Errorf("packet %d: big-endian is %t in a file where it is %t", p.Number, p.BigEndian, big)
			}
		}
	}
}

// TestVariants reads what editcap writes of each kind. The frames begin with zero
// bytes too, as those of a loopback interface do.
func TestVariants(t *testing.T) {
	for _, mac := range []string{"", " mac=00:00:00:00:00:00>00:00:00:00:00:00"} {
		file := pcaptest.Build(t, strings.ReplaceAll(talk, "\n\t10.", "\n\tdefault"+mac+"\n\t10."), pcaptest.Nano())
		want := read(file)
		for _, tt := range []struct {
			editcap, format string
			unit            int64
		}{
			{"nsecpcap", "pcap-ns", 1}, {"pcap", "pcap", 1000}, {"modpcap", "pcap-modified", 1000}, {"nokiapcap", "pcap-nokia", 1000},
			{"rh6_1pcap", "pcap-modified", 1000}, {"suse6_3pcap", "pcap-modified", 1000},
		} {
			t.Run(tt.editcap+mac, func(t *testing.T) {
				file := sourcetest.Editcap(t, file, tt.editcap)
				res := read(file)
				sourcetest.Same(t, res, want, tt.unit)
				if res.Input.Format != tt.format {
					t.Errorf("format %q, want %q", res.Input.Format, tt.format)
				}
				sourcetest.Balance(t, res, len(file))
				one := sourcetest.Read(pcap.Format, iotest.OneByteReader(bytes.NewReader(file)), sourcetest.Options{Slab: 20, Eager: true})
				sourcetest.Equal(t, "one byte a read", one, res)
			})
		}
	}
	// AIX counts nanoseconds.
	file := put(put(put(one(t), 4, 2<<16|2), 20, 6), 28, 999_999_999)
	if got := read(file); got.Packets[0].TimeNS%1e9 != 999_999_999 || got.Input.Format != "pcap-aix" {
		t.Errorf("AIX: time %d, format %q", got.Packets[0].TimeNS, got.Input.Format)
	}
}

func ixia(file []byte) []byte {
	head := put(file, 0, 0x1c0001ab)
	return slices.Concat(head[:24], []byte{1, 2, 3, 4}, file[24:])
}

func TestInterfacesOfModifiedFile(t *testing.T) {
	res := read(modified(pcaptest.Build(t, talk)))
	if n := len(res.Input.Interfaces); n != 2 {
		t.Fatalf("%d interfaces, want 2: %+v", n, res.Input.Interfaces)
	}
	if got := res.Input.Interfaces[1].Name; got != "ifindex 4" {
		t.Errorf("second interface is %q", got)
	}
	if a, b := res.Packets[0].Interface, res.Packets[1].Interface; a != 0 || b != 1 {
		t.Errorf("packets are of interfaces %d and %d, want 0 and 1", a, b)
	}
}

func TestCutTail(t *testing.T) {
	file := pcaptest.Build(t, `
		10.0.0.1:4000 > 10.0.0.2:80 "abcd"
		10.0.0.1:4000 > 10.0.0.2:80 fill=1460`, pcaptest.Cut(1460))
	in := read(file).Input
	if in.DamageCount != 1 || in.LostBytes != 70 || in.Packets != 1 {
		t.Fatalf("%d damages, %d bytes lost, %d packets; want 1, 70, 1", in.DamageCount, in.LostBytes, in.Packets)
	}
	want := "test: packet 2 at byte 98: file ends inside the record: 54 of 1514 bytes"
	if got := in.Damage[0].Error(); got != want {
		t.Errorf("damage %q, want %q", got, want)
	}
	if got := in.Damage[0].Saved; got != "1 packet was used" {
		t.Errorf("saved: %q", got)
	}
}

// five is a file of five packets of 58 bytes: records start at 24 + 74·n.
func five(t *testing.T) []byte {
	return pcaptest.Build(t, `
		10.0.0.1:4000 > 10.0.0.2:80 "aaaa"
		10.0.0.1:4000 > 10.0.0.2:80 "bbbb"
		10.0.0.1:4000 > 10.0.0.2:80 "cccc"
		10.0.0.1:4000 > 10.0.0.2:80 "dddd"
		10.0.0.1:4000 > 10.0.0.2:80 "eeee"`)
}

// payloads joins the last four bytes of every packet.
func payloads(ps []packet.Packet) string {
	var s []string
	for _, p := range ps {
		s = append(s, string(p.Data[max(0, len(p.Data)-4):]))
	}
	return strings.Join(s, " ")
}

func TestResync(t *testing.T) {
	file := five(t)
	second := 24 + 74
	third := second + 74
	hole := bytes.Clone(file)
	clear(hole[second : third+20])
	for _, tt := range []struct {
		name   string
		file   []byte
		want   string
		lost   int64
		damage string
	}{
		{"huge captured length", put(file, second+8, 1<<31), "aaaa bbbb cccc dddd eeee", 0,
			"packet 2 at byte 98: captured length 2147483648 of a packet of 58 bytes leads to no record; the next record follows after 58 bytes"},
		{"huge captured length of the first packet", put(file, 24+8, 1<<31), "aaaa bbbb cccc dddd eeee", 0,
			"packet 1 at byte 24: captured length 2147483648 of a packet of 58 bytes leads to no record; the next record follows after 58 bytes"},
		{"both lengths huge", put(put(file, second+8, 1<<20), second+12, 1<<20), "aaaa cccc dddd eeee", 74,
			"packet 2 at byte 98: captured length 1048576 exceeds the limit of 262144; 74 bytes were skipped"},
		{"captured length too large", put(file, second+8, 200), "aaaa bbbb cccc dddd eeee", 0,
			"packet 2 at byte 98: captured length 200 of a packet of 58 bytes leads to no record; the next record follows after 58 bytes"},
		{"captured length too small", put(file, second+8, 40), "aaaa bbbb cccc dddd eeee", 0,
			"packet 2 at byte 98: captured length 40 of a packet of 58 bytes leads to no record; the next record follows after 58 bytes"},
		{"captured length beyond the end", put(file, second+8, 20000), "aaaa bbbb cccc dddd eeee", 0,
			"packet 2 at byte 98: captured length 20000 of a packet of 58 bytes leads to no record; the next record follows after 58 bytes"},
		{"three bytes lost", slices.Concat(file[:second+5], file[second+8:]), "aaaa cccc dddd eeee", 71,
			"packet 2 at byte 98: captured length 14848 of a packet of 167772672 bytes leads to no record; 71 bytes were skipped"},
		{"hole of zero bytes", hole, "aaaa dddd eeee", 148,
			"packet 2 at byte 98: zero bytes where a record should be; 148 bytes were skipped"},
		{"nothing follows", put(file, second+8, 1<<31)[:third-1], "aaaa", 73,
			"packet 2 at byte 98: captured length 2147483648 exceeds the limit of 262144; 73 bytes were skipped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := read(tt.file)
			sourcetest.Balance(t, res, len(tt.file))
			if got := payloads(res.Packets); got != tt.want {
				t.Errorf("packets %q, want %q", got, tt.want)
			}
			if res.Input.LostBytes != tt.lost {
				t.Errorf("%d bytes lost, want %d", res.Input.LostBytes, tt.lost)
			}
			if len(res.Input.Damage) != 1 || res.Input.Damage[0].Error() != "test: "+tt.damage {
				t.Errorf("damage %v, want %q", res.Input.Damage, tt.damage)
			}
			one := sourcetest.Read(pcap.Format, iotest.OneByteReader(bytes.NewReader(tt.file)), sourcetest.Options{Slab: 20, Eager: true})
			sourcetest.Equal(t, "one byte a read", one, res)
		})
	}
}

func TestZeroPadding(t *testing.T) {
	for _, n := range []int{1, 7, 16, 17, 512, 3 << 20} {
		res := read(append(five(t), make([]byte, n)...))
		if in := res.Input; in.Packets != 5 || in.Padding != int64(n) || in.LostBytes != 0 || in.DamageCount != 0 || anomalies(in) != "zero_padding=1" {
			t.Errorf("%d zero bytes: %d packets, padding %d, lost %d, damage %v, anomalies %q",
				n, in.Packets, in.Padding, in.LostBytes, in.Damage, anomalies(in))
		}
	}
}

// A length in the file must not be paid for before its bytes are there.
func TestHugeLengthsCostNothing(t *testing.T) {
	file := put(put(five(t), 24+8, 1<<20), 24+12, 1<<20)
	opt := sourcetest.Options{Slab: 4096, Limits: format.Limits{MaxPacket: 1 << 30}}
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sourcetest.Read(pcap.Format, bytes.NewReader(file), opt)
		}
	}).AllocedBytesPerOp()
	if allocated > 1<<16 {
		t.Errorf("a length of 1 MiB in a file of %d bytes costs %d bytes of memory", len(file), allocated)
	}
}

func FuzzPcap(f *testing.F) {
	for _, opts := range [][]pcaptest.Option{nil, {pcaptest.Nano()}, {pcaptest.BigEndian()}, {pcaptest.SnapLen(0)}} {
		f.Add(pcaptest.Build(f, talk, opts...), uint16(100))
	}
	f.Add(modified(pcaptest.Build(f, talk)), uint16(1))
	f.Fuzz(func(t *testing.T, file []byte, slab uint16) {
		if !pcap.Format.Match(file) {
			return
		}
		lim := format.Limits{MaxPacket: 1000}
		want := sourcetest.Read(pcap.Format, bytes.NewReader(file), sourcetest.Options{Limits: lim})
		sourcetest.Balance(t, want, len(file))
		got := sourcetest.Read(pcap.Format, iotest.OneByteReader(bytes.NewReader(file)), sourcetest.Options{Slab: int(slab), Eager: true, Limits: lim})
		sourcetest.Equal(t, "one byte a read", got, want)
	})
}

// A clock that is set between the first two packets does not make the file one of
// another variant; the first bytes of these packets may be an interface index.
func TestClockSetAfterTheFirstPacket(t *testing.T) {
	for _, first := range []string{"0", "100", "4000000000"} {
		file := pcaptest.Build(t, `10.0.0.1:1 > 10.0.0.2:2 at=`+first+` "a"
			10.0.0.2:2 > 10.0.0.1:1 at=1700000000 "b"
			10.0.0.1:1 > 10.0.0.2:2 at=`+first+` "c"`)
		res := sourcetest.Read(pcap.Format, bytes.NewReader(file), sourcetest.Options{})
		if len(res.Packets) != 3 || res.Input.Format != "pcap" || res.Input.DamageCount > 0 {
			t.Errorf("first packet at %s s: %d packets as %s, %d places damaged; want 3 packets of pcap", first, len(res.Packets), res.Input.Format, res.Input.DamageCount)
		}
	}
}
