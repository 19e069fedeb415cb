package textdump_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/sourcetest"
)

// describe writes a result as one line for each packet, and one for what else there is.
func describe(r sourcetest.Result) string {
	var b strings.Builder
	for _, p := range r.Packets {
		when := "no time"
		if p.TimeNS != packet.NoTime {
			when = at(p.TimeNS).Format("2006-01-02 15:04:05.000000")
		}
		fmt.Fprintf(&b, "%s link %d, %d of %d: %x\n", when, p.Link, len(p.Data), p.Length, p.Data)
	}
	for k, n := range r.Input.Unknown {
		if !strings.HasSuffix(k, "line of no packet") {
			fmt.Fprintf(&b, "%d %s\n", n, k)
		}
	}
	for _, d := range r.Input.Damage {
		fmt.Fprintf(&b, "%v\n", d)
	}
	return b.String()
}

const (
	netscreenADSL = `1.2: adsl1(i) len=20:00121ebbd132->ff0300210000/0800
              ff 03 00 21 45 00 00 12 1e bb d1 32 08 00 45 00     ...!E......2..E.
              00 54 93 6b                                         .T.k

2.5: adsl1(o) len=14:00121ebbd132->00600868d659/0800
              00 60 08 68 d6 59 00 12 1e bb d1 32 08 00           .` + "`" + `.h.Y.....2..
`
	cosineSession = `IPNOS: CONFIG VPN(200) VR(3.3.3.3)# 2000-2-1,18:19:46.8:  l2-tx (PPP:3/7/1:100), Length:16, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4000, 0x0]


2000-2-1,18:19:46.8:  l2-rx (PPP:3/7/1:100), Length:16, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4001, 0x30000]

ping 20.20.20.43 cou2000-2-1,18:20:17.12:  l2-tx (PPP:3/7/1:100), Length:16, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4000, 0x0]

        00 D0 D8 D2 FF 03 C0 21  09 29 00 08 6B 60 84 AA

l2-rx (HDLC:3/7/1:100), Length:40, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4001, 0x30000]
        00 D0 D8 D2 0F 00 08 00  45 00

2000-2-1,18:20:17.0:  l2-tx (HDLC:3/7/1:100), Length:8, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4001, 0x30000]
        00 D0 0F 00 08 00 45 00
ping #1 ok, RTT 0.000 seconds

2000-2-1,18:20:17.0:  l2-tx (TEST:3/7/1:100), Length:8, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4001, 0x30000]
        00 D0 0F 00 08 00 45 00

`
	toshibaSession = `tr600>[No.1] 00:00:09.14 B1:1 Tx 207.193.26.136->151.164.1.8 DNS  SPORT=1028 LEN=38 CHKSU
M=4FD4 ID=2390 Query RD QCNT=1 pow.zing.org?
OFFSET 0001-0203-0405-0607-0809-0A0B-0C0D-0E0F 0123456789ABCDEF LEN=19
0000 : FF03 003D C000 0008 2145 0000 3A12 6500 ...=....!E..:.e.
0010 : 0100 01                                 ...

[No.2] 00:00:09.25 D:0 Rx Q931
OFFSET 0001-0203-0405-0607-0809-0A0B-0C0D-0E0F 0123456789ABCDEF LEN=2
0000 : FC03                                    ..

[No.3] 00:00:09.26 B1:1 Rx noise
OFFSET 0001-0203-0405-0607-0809-0A0B-0C0D-0E0F 0123456789ABCDEF LEN=5
0000 : 0102 0304 05                            .....
`
	ascendTraces = `ETHER3ND RECV: (task "_sarTask" at 0x802c6eb0, time: 259848.03) 775 octets @ 0xa8fb2020
  [0000]: 00 d0 52 04 e7 1e 08 00  20 ae 51 b5 08 00 45 00    ..R..... .Q...E.
  [0010]: 02 f9 05 e6                                         ab cd ef 01
XMIT-Max7:20: (task "_brouterControlTask" at 0xb094ac20, time: 1481.51) 20 octets @ 0x8007f716
  [0000]: ff 03 00 3d c0 00 00 01  80 fd 01 01 00 0a 11 06    ...=.... ........
  [0010]: 00 01 01 03                                         ....
PRI-XMIT-27: (task "l1Task" at 0x10216fe0, time: 560194.01) 4 octets @ 0x1027c5b0
  [0000]: 00 01 01 a9                                         ....
RECV-187:(task: B0292CA0, time: 18042251.92) 16 octets @ 800018E8
  [0000]: FF 03 C0 21 09 01 00 0C DE 61 96 4B 00 30 94 92
`
	ascendDialout = `Date: 01/12/1990.  Time: 12:22:33
Cause an attempt to place call to 14082750382
WD_DIALOUT_DISP: chunk 2515EE type IP.
(task: 251790, time: 994953.28) 20 octets @ 2782B8
  [0000]: 00 C0 7B 71 45 6C 00 60 08 16 AA 51 08 00 45 00
  [0010]: 00 2C 66 1C
Date: 01/12/1990.  Time: 12:22:34
Cause an attempt to place call to 14082750382
WD_DIALOUT_DISP: chunk 2515EE type IP.
(task: 251790, time: 994954.29) 16 octets @ 2782B8
  [0000]: 00 C0 7B 71 45 6C 00 60 08 16 AA 51 08 00 45 00
`
	ucxTrace = `$ ucx$trace
   UCX INTERnet trace RCV packet seq # = 1 at 14-MAY-2003 11:32:10.93

   IP Version = 4,  IHL = 5,  TOS = 00,   Total Length = 30 = ^x001E
   IP Source Address      = 10.20.4.159

   UDP Header and Datagram Length = 563 = ^x0233,   Checksum = ^xB913

   9F04140A   70EC1180   0000702E   1E000045    0000    E..G.p.....p....
       0E11 | B9133302   8A008A00 | FF04140A    0010    .........3......
%TCPIPTRACE-W-BUFFERSFUL, TCPIPtrace could not save 3 packets

   IP Version = 4,  IHL = 5,  TOS = 00,   Total Length = 20 = ^x0014

   9F04140A   70EC1180   0000702E   14000045    0000    E..G.p.....p....
                                    FF04140A    0010    ....
`
	etherwatchSNAP = `ETHERWATCH  X5-008
From 00-D0-C0-D2-4D-60 [MF1] to AA-00-04-00-FC-94 [PSERVB]
Protocol AA-AA 03 00-00-00-08-00,    5 byte buffer at 10-OCT-2001 10:20:45.17
     0-[45 00 00 28 38]
From 00-D0-C0-D2-4D-60 [MF1] to AA-00-04-00-FC-94 [PSERVB]
Protocol 08-00 00 00-00-00-00-00,   18 byte buffer at 10-OCT-2001 10:20:45.18
  [E..(-[8......%..]-    0-[45 00 00 28 2D 5B 00 00 1D 06 D2 25 80 93 11 1A]
  [..              ]-   16-[80 93]
`
	dctSession = `Session Transcript
October 3, 2006     14:41:09.7452
ctx.1/ethernet/1/1/ s tm 1.3345  l $0200000900
ctx.2/ip/1,2/ r tm 86401.0001  l $45000014
ctx.2/ppp// s tm 2.5000  l $ff030021
ctx.2/fp_r5/1/ s tm 2.5000  $0123456789ab$00
/////info: tm 2.5 $5 paid
ctx.2/rrc_r5/1// s tm 2.5000  l $0011
ctx.1/ethernet/1/1/ s tm 3.0000  l 'text $00'
`
	k12Midnight = `+---------+---------------+----------+
23:59:59,999,999   ETHER
|0   |01|02|
|2   |03|

+---------+---------------+----------+
00:00:00,000,001   HDLC
|0   |0f|00|08|00|

+---------+---------------+----------+
00:00:01,000,001   MTP-L2
|0   |0f|00|08|00|

`
)

func TestKinds(t *testing.T) {
	t.Setenv("TZ", "UTC")
	for _, tt := range []struct {
		name, format, file, want string
		peer                     func(*testing.T, format.Format, []byte) // nil: tshark reads less
	}{
		{"PPP and Ethernet of an ADSL interface", "netscreen", netscreenADSL, `
1970-01-01 00:00:01.200000 link 9, 20 of 20: ff030021450000121ebbd132080045000054936b
1970-01-01 00:00:02.500000 link 1, 14 of 14: 00600868d65900121ebbd1320800
`, nil},
		{"prompts, headers alone, and interfaces of several kinds", "cosine", cosineSession, `
2000-02-01 18:20:17.120000 link 9, 12 of 12: ff03c021092900086b6084aa
no time link 104, 6 of 36: 0f0008004500
2000-02-01 18:20:17.000000 link 104, 6 of 6: 0f0008004500
2 cosine header without a packet
1 cosine frame of another kind of interface
`, nil},
		{"a broken header, and channels without IP", "toshiba", toshibaSession, `
1970-01-01 00:00:09.140000 link 9, 19 of 19: ff03003dc0000008214500003a126500010001
1 toshiba frame of a D channel
1 toshiba frame of a B channel that is not PPP
`, nil},
		{"Ethernet shown in part, sessions of two versions, and signalling", "ascend", ascendTraces, `
1970-01-04 00:10:48.030000 link 1, 20 of 775: 00d05204e71e080020ae51b50800450002f905e6
1970-01-01 00:24:41.510000 link 9, 20 of 20: ff03003dc000000180fd0101000a110600010103
1970-07-28 19:44:11.920000 link 9, 16 of 16: ff03c0210901000cde61964b00309492
1 ascend frame of ISDN signalling
`, nil},
		{"a date before the first packet", "ascend", ascendDialout, `
1990-01-12 12:22:33.280000 link 1, 20 of 20: 00c07b71456c00600816aa51080045 00002c661c
1990-01-12 12:22:34.290000 link 1, 16 of 16: 00c07b71456c00600816aa5108004500
`, sourcetest.Tshark},
		{"part of a group, and a fragment without a header", "tcpiptrace", ucxTrace, `
2003-05-14 11:32:10.930000 link 101, 30 of 30: 4500001e2e7000008011ec700a14049f0a1404ff008a008a023313b9110e
no time link 101, 20 of 20: 450000142e7000008011ec700a14049f0a1404ff
`, nil},
		{"a protocol identifier, and brackets among the characters", "etherwatch", etherwatchSNAP, `
2001-10-10 10:20:45.170000 link 1, 27 of 27: aa000400fc9400d0c0d24d60000daaaa030000000800 4500002838
2001-10-10 10:20:45.180000 link 1, 32 of 32: aa000400fc9400d0c0d24d60 0800 450000282d5b00001d06d2258093111a8093
`, sourcetest.Tshark},
		{"protocols with and without IP", "dct2000", dctSession, `
2006-10-03 14:41:11.079700 link 1, 5 of 5: 0200000900
2006-10-04 14:41:10.745300 link 101, 4 of 4: 45000014
2006-10-03 14:41:12.245200 link 9, 4 of 4: ff030021
2 dct2000 frame of another protocol
`, nil},
		{"rows, midnight and a protocol without IP", "k12text", k12Midnight, `
1970-01-01 23:59:59.999999 link 1, 3 of 3: 010203
1970-01-02 00:00:00.000001 link 104, 4 of 4: 0f000800
1 k12text frame of another protocol
`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := formatOf(t, tt.format)
			if !f.Match([]byte(tt.file)) {
				t.Error("not recognised")
			}
			got := describe(read(f, []byte(tt.file)))
			if sorted(got) != sorted(strings.ReplaceAll(spaceless(tt.want), "\n\n", "\n")) {
				t.Errorf("got:\n%s", got)
			}
			if tt.peer != nil {
				tt.peer(t, f, []byte(tt.file))
			}
		})
	}
}

// spaceless takes out the spaces behind the colon that precedes digits.
func spaceless(s string) string {
	lines := strings.Split(strings.TrimPrefix(s, "\n"), "\n")
	for i, line := range lines {
		if at := strings.LastIndex(line, ": "); at > 0 {
			lines[i] = line[:at+2] + strings.ReplaceAll(line[at+2:], " ", "")
		}
	}
	return strings.Join(lines, "\n")
}

// sorted leaves packets in their order, and orders what is counted, which stands behind them.
func sorted(s string) string {
	a, b, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if strings.Contains(a, " link ") {
		return a + "\n" + sorted(b)
	}
	if b == "" {
		return a
	}
	if c, d, _ := strings.Cut(b, "\n"); a > c {
		return c + "\n" + sorted(a+"\n"+d)
	}
	return a + "\n" + sorted(b)
}

// What is wrong costs its record, which is told with its place and reason.
func TestDamage(t *testing.T) {
	ns := writers[2].build(t)
	k12 := writers[0].build(t)
	first := bytes.Index(ns.file, []byte("\n\n")) + 2
	second := int64(first)
	for _, tt := range []struct {
		name   string
		format string
		file   []byte
		lost   int // packets
		want   string
	}{
		{"a digit that is none", "netscreen", replace(ns.file, "08 00 45 00", "08 00 45 0g"), 1, "test: packet 1 at byte 0: line 1: hex dump is not valid"},
		{"the only row without a space", "cosine", []byte(strings.Replace(cosineSession, "D8 D2 FF 03 C0 21", "D8 D2 FF 03 C0.21", 1)), 10, "test: packet 1 at byte 249: line 6: hex dump is not valid"},
		{"a length less than the bytes", "netscreen", replace(ns.file, "len=54", "len=53"), 1, "test: packet 1 at byte 0: line 1: more bytes than the length of the packet"},
		{"a length beyond the limit", "netscreen", replace(ns.file, "len=54", "len=999999999"), 1, "test: packet 1 at byte 0: line 1: packet length exceeds the limit"},
		{"no header", "netscreen", replace(ns.file, "trust(o) len=", "trust(o) nel="), 1, "test: packet 1 at byte 156: line 4: bytes without a header"},
		{"a line beyond the limit", "netscreen", append(bytes.Repeat([]byte("x"), 1<<20), append([]byte("\n"), ns.file...)...), 0, "test: packet 1 at byte 0: line 1: line of more than 4096 bytes"},
		{"zero bytes between packets", "netscreen", insert(ns.file, first, make([]byte, 100)), 0, fmt.Sprintf("test: packet 2 at byte %d: 100 zero bytes within the text", second)},
		{"cut within the second packet", "netscreen", ns.file[:first+200], len(ns.want) - 1, fmt.Sprintf("test: packet 2 at byte %d: line 9: file ends inside the record, after 10 bytes of the packet", second)},
		{"a row that is missing", "k12text", replace(k12.file, "|0   |", "|10  |"), 1, "test: packet 1 at byte 0: line 1: hex dump is not valid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(formatOf(t, tt.format), tt.file)
			all := len(ns.want)
			if tt.format == "k12text" {
				all = len(k12.want)
			}
			if len(got.Packets) != all-tt.lost || got.Input.DamageCount != 1 || got.Input.Damage[0].Error() != tt.want {
				t.Errorf("%d of %d packets, damage %v, want %q", len(got.Packets), all, got.Input.Damage, tt.want)
			}
			sourcetest.Balance(t, got, len(tt.file))
		})
	}
}

func replace(b []byte, old, by string) []byte { return bytes.Replace(b, []byte(old), []byte(by), 1) }

func insert(b []byte, at int, what []byte) []byte {
	return append(append(bytes.Clone(b[:at]), what...), b[at:]...)
}

// A line, or a packet, without an end takes no more memory than the limits allow.
func TestBounded(t *testing.T) {
	endless := bytes.Repeat([]byte("|02"), 3<<20)
	file := append([]byte("+---------+---------------+----------+\n00:00:00,000,001   ETHER\n|0   "), endless...)
	got := sourcetest.Read(formatOf(t, "k12text"), bytes.NewReader(file), sourcetest.Options{Limits: format.Limits{MaxPacket: 1000}})
	if len(got.Packets) != 0 || got.Input.LostBytes != int64(len(file)) {
		t.Errorf("%d packets, %d of %d bytes lost", len(got.Packets), got.Input.LostBytes, len(file))
	}
	var rows bytes.Buffer
	rows.WriteString("+---------+---------------+----------+\n00:00:00,000,001   ETHER\n")
	for i := range 2000 {
		fmt.Fprintf(&rows, "|%-4X|02|03|\n", 2*i)
	}
	got = sourcetest.Read(formatOf(t, "k12text"), &rows, sourcetest.Options{Limits: format.Limits{MaxPacket: 1000}})
	if len(got.Packets) != 0 || got.Input.DamageCount != 1 || !strings.Contains(got.Input.Damage[0].Error(), "limit") {
		t.Errorf("%d packets, damage %v", len(got.Packets), got.Input.Damage)
	}
}

// Reading takes no memory for each packet.
func TestAllocs(t *testing.T) {
	for _, w := range writers {
		s := w.build(t)
		head := len(w.head)
		few, many := bytes.Repeat(s.file[head:], 10), bytes.Repeat(s.file[head:], 100)
		count := func(body []byte) float64 {
			file := append([]byte(w.head), body...)
			return testing.AllocsPerRun(1, func() { drain(s.format, file) })
		}
		if a, b := count(few), count(many); b > a+40 {
			t.Errorf("%s: %.0f allocations for %d packets, %.0f for ten times as many", s.name, a, 10*len(s.want), b)
		}
	}
}

// drain reads a file without keeping anything.
func drain(f format.Format, file []byte) {
	in := &packet.Input{Name: "test"}
	src := format.NewSource(bytes.NewReader(file), f.New(in, 0, format.Limits{}), in, format.SourceOptions{})
	defer src.Close()
	for {
		b, err := src.Next()
		if err != nil {
			return
		}
		b.Release()
	}
}

// A wrong character changes at most the byte whose digit it is: no packet comes out shifted,
// or short, because of it.
func TestNothingInvented(t *testing.T) {
	for _, w := range writers {
		s := w.build(t)
		s.file = s.file[:read(s.format, s.file).Packets[3].Offset]
		for at := range s.file {
			for _, c := range []byte{s.file[at] ^ 1, s.file[at] ^ 0x10, ' ', '\n', '|'} {
				bad := bytes.Clone(s.file)
				bad[at] = c
				for i, p := range read(s.format, bad).Packets {
					if !alike(p.Data, s.want) {
						t.Fatalf("%s: byte %d as %q: packet %d is new: %x", s.name, at, c, i+1, p.Data)
					}
				}
			}
		}
	}
}

// alike says whether one of the packets has the bytes of data, but for one of them.
func alike(data []byte, ps []packet.Packet) bool {
	for _, p := range ps {
		differ := 0
		// Etherwatch shows no frame header; one of another kind may come out of it.
		a, b := data[min(len(data), ipHeader):], p.Data[ipHeader:]
		if len(data) != len(p.Data) {
			a = data[max(0, len(data)-len(b)):]
		}
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				differ++
			}
		}
		if len(a) == len(b) && differ <= 1 && (len(data) == len(p.Data) || len(data) > len(p.Data)) {
			return true
		}
	}
	return false
}

const iseriesPages = ` COMMUNICATIONS TRACE       Title: OS400 - OS400 trace               10/28/05  11:44:50                           Page:       1
   Object protocol  . . . . . . :   ETHERNET
   Start date/Time  . . . . . . :   10/28/05  23:59:00.341
     Beginning bytes  . . . . . :   *MAX         Value, *CALC, *MAX
      8   S       30  23:59:59.02956   NAME        0006299C14AE  0006299C14FE   ETHV2   Type: 0800
                      IP Header  :  4500001E388B40004011CC860A1490960A149097
                      UDP Header :  00890089000A0000
 COMMUNICATIONS TRACE       Title: OS400 - OS400 trace               10/28/05  11:44:50                           Page:      12
 Record       Data    Record           Controller  Destination   Source        Frame
         Data . . . . . :  4142                                                                    *AB*
 COMMUNICATIONS TRACE       Title: OS400 - OS400 trace               10/28/05  11:44:50                           Page:      13
      9 * R       42  00:00:01.5                  0006299C14AE  0006299C14FE   ETHV2   Type: 86DD
                      IPv6 Header:  6000000000021140FD000000000020F20000000000000122FD000000000020A0
                                    0000000000000155
         Data . . . . . :  4344                                                                    *CD*
     10   R       40  00:00:02.5                  0006299C14AE  0006299C14FE   ETHV2   Type: 0800
                      IP Header  :  46000028388B40004006CC860A1490960A149097
                      IP Options :  ROUTE
                      TCP Header :  17768A269EEF1D2B7FAE93CF50187F885B560000
     11   R        4  00:00:03.5                  0006299C14AE  0006299C14FE   802.3   Command
         Data . . . . . :  AAAA0300                                                                *....*
`

// A trace of the first bytes of packets only.
const iseriesCut = `   Object protocol  . . . . . . :   ETHERNET
     Beginning bytes  . . . . . :   48           Value, *CALC, *MAX
      8   S      145  11:43:59.82956               0006299C14AE  0006299C14FE   ETHV2   Type: 0800
         Data . . . . . :  45000091388B4000 4006CC860A149096  0A14909717768A26 9EEF1D2B7FAE93CF  *................................*
                           8018                                                                    *..*
      9   S       20  11:43:59.9                   0006299C14AE  0006299C14FE   ETHV2   Type: 0800
         Data . . . . . :  45000014388B4000 4006CC860A149096  0A149097                            *....................*
`

func TestISeries(t *testing.T) {
	f := formatOf(t, "iseries")
	for _, tt := range []struct{ name, file, want string }{
		{"pages, midnight, options that are not shown, and another kind of frame", iseriesPages, `
2005-10-28 23:59:59.029560 link 1, 44 of 44: 0006299c14ae0006299c14fe08004500001e388b40004011cc860a1490960a14909700890089000a00004142
2005-10-29 00:00:01.500000 link 1, 56 of 56: 0006299c14ae0006299c14fe86dd6000000000021140fd000000000020f20000000000000122fd000000000020a000000000000001554344
1 iseries frame that is not of Ethernet II
test: packet 3 at byte 1330: line 16: options of the IP header are not shown
`},
		{"packets in part, without a date", iseriesCut, `
1970-01-01 11:43:59.829560 link 1, 48 of 159: 0006299c14ae0006299c14fe080045000091388b40004006cc860a1490960a14909717768a269eef1d2b7fae93cf8018
1970-01-01 11:43:59.900000 link 1, 34 of 34: 0006299c14ae0006299c14fe080045000014388b40004006cc860a1490960a149097
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !f.Match([]byte(tt.file)) {
				t.Error("not recognised")
			}
			if got := describe(read(f, []byte(tt.file))); got != strings.TrimPrefix(tt.want, "\n") {
				t.Errorf("got:\n%s", got)
			}
		})
	}
}
