package textdump_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"recap/reader/format"
	"recap/reader/packet"
	"recap/reader/pcaptest"
	"recap/reader/sourcetest"
	"recap/reader/textdump"
)

// wholeTalk is [sourcetest.Talk] without packets cut by a snap length.
const wholeTalk = `
	10.0.0.1:4000 > 10.0.0.2:80 handshake "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" fill=100 mss=60
	10.0.0.1:4000 > 10.0.0.2:80 "later" @1h
	10.0.0.1:4000 > 10.0.0.2:80 close`

// ipHeader is where the IP header begins in the packets of talks.
const ipHeader = 14

// A sample is a file of one of the formats, and the packets in it.
type sample struct {
	name   string
	format format.Format
	file   []byte
	want   []packet.Packet
}

// A writer writes packets as one of the formats does.
type writer struct {
	name  string
	talk  string
	link  packet.LinkType
	strip int    // bytes of the packets of the talk that are left out
	front string // and what stands in their place
	unit  int64  // of times, nanoseconds
	epoch int64  // what times count from, nanoseconds
	head  string
	write func(b *bytes.Buffer, p packet.Packet)
}

// day is the midnight before the packets of talks.
func day(ns int64) int64 { return ns / 86400e9 * 86400e9 }

var writers = []writer{
	{"k12text", wholeTalk, packet.LinkEthernet, 0, "", 1000, 1, "", writeK12},
	{"dct2000", wholeTalk, packet.LinkEthernet, 0, "", 100_000, 0, dctHead, writeDCT},
	{"netscreen", sourcetest.Talk, packet.LinkEthernet, 0, "", 1e8, 1, "", writeNetScreen},
	{"cosine", sourcetest.Talk, packet.LinkEthernet, 0, "", 1e7, 0, "IPNOS: CONFIG# diags\n", writeCosine},
	{"toshiba", wholeTalk, packet.LinkEthernet, 0, "", 1e7, 1, toshibaHead, writeToshiba},
	{"ascend", sourcetest.Talk, packet.LinkPPP, ipHeader, "\xff\x03\x00\x21", 1e7, 1, "", writeAscend},
	{"tcpiptrace", wholeTalk, packet.LinkRaw, ipHeader, "", 1e7, 0, "$ tcpiptrace 10.0.0.1\n", writeTCPIPtrace},
	{"etherwatch", wholeTalk, packet.LinkEthernet, 0, "", 1e7, 0, "ETHERWATCH  X5-008\n42 names and addresses were loaded\n", writeEtherwatch},
	{"iseries", wholeTalk, packet.LinkEthernet, 0, "", 1e9, 0, iseriesHead, writeISeries},
}

// build writes the talk.
func (w writer) build(t testing.TB) sample {
	pkts, err := pcaptest.Packets(w.talk)
	if err != nil {
		t.Fatal(err)
	}
	s := sample{name: w.name, format: formatOf(t, w.name)}
	b := bytes.NewBufferString(w.head)
	for _, q := range pkts {
		p := packet.Packet{Data: append([]byte(w.front), q.Data[w.strip:]...), Length: q.Length - uint32(w.strip) + uint32(len(w.front)), Link: w.link, TimeNS: q.TimeNS / w.unit * w.unit}
		if w.epoch > 0 {
			p.TimeNS -= day(pkts[0].TimeNS)
		}
		w.write(b, p)
		s.want = append(s.want, p)
	}
	s.file = b.Bytes()
	return s
}

func formatOf(t testing.TB, name string) format.Format {
	for _, f := range textdump.Formats() {
		if f.Name == name {
			return f
		}
	}
	t.Fatalf("no format %q", name)
	panic("unreachable")
}

func at(ns int64) time.Time { return time.Unix(0, ns).UTC() }

func writeK12(b *bytes.Buffer, p packet.Packet) {
	fmt.Fprintf(b, "+---------+---------------+----------+\r\n%s,%03d,%03d   ETHER\r\n|0   |", at(p.TimeNS).Format("15:04:05"),
		p.TimeNS%1e9/1e6, p.TimeNS%1e6/1e3)
	for _, c := range p.Data {
		fmt.Fprintf(b, "%02x|", c)
	}
	b.WriteString("\r\n\r\n")
}

const dctHead = "Session Transcript\nJanuary 1, 2020     00:00:00.0000\n"

var dctStart = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

func writeDCT(b *bytes.Buffer, p packet.Packet) {
	since := p.TimeNS - dctStart
	fmt.Fprintf(b, "eth_1.1/ethernet/1/1/ s tm %d.%04d  l $%x\n", since/1e9, since%1e9/1e5, p.Data)
}

func writeNetScreen(b *bytes.Buffer, p packet.Packet) {
	fmt.Fprintf(b, "%d.%d: trust(o) len=%d:%x->%x/%x\n", p.TimeNS/1e9, p.TimeNS%1e9/1e8, p.Length, p.Data[6:12], p.Data[:6], p.Data[12:14])
	b.WriteString("              10.0.0.1 -> 10.0.0.2/6\n              vhl=45, tos=00, id=37739, frag=0000, ttl=64 tlen=84\n")
	for i := 0; i < len(p.Data); i += 16 {
		row := p.Data[i:min(i+16, len(p.Data))]
		fmt.Fprintf(b, "              %-47s     %s\n", fmt.Sprintf("% x", row), dots(row))
	}
	b.WriteString("\n")
}

func dots(b []byte) string {
	s := bytes.Clone(b)
	for i, c := range s {
		if c < ' ' || c > '~' {
			s[i] = '.'
		}
	}
	return string(s)
}

func writeCosine(b *bytes.Buffer, p packet.Packet) {
	t := at(p.TimeNS)
	fmt.Fprintf(b, "%d-%d-%d,%d:%d:%d.%d:  l2-tx (ETH:3/7/1:100), Length:%d, Pro:0, Off:0, Pri:0, RM:0, Err:0 [0x4000, 0x0]\n",
		t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), p.TimeNS%1e9/1e7, p.Length)
	for i := 0; i < len(p.Data); i += 16 {
		row := p.Data[i:min(i+16, len(p.Data))]
		fmt.Fprintf(b, "        % X  % X\n", row[:min(8, len(row))], row[min(8, len(row)):])
	}
	b.WriteString("\n")
}

const toshibaHead = `Script started on Thu Sep  9 21:48:49 1999
*--------------------------------------------------------*
|             T O S H I B A    T R - 6 0 0               |
*--------------------------------------------------------*

tr600>`

func writeToshiba(b *bytes.Buffer, p packet.Packet) {
	fmt.Fprintf(b, "[No.1] %s.%02d LAN:1 Tx 10.0.0.1->10.0.0.2 TCP  SPORT=4000\n", at(p.TimeNS).Format("15:04:05"), p.TimeNS%1e9/1e7)
	fmt.Fprintf(b, "OFFSET 0001-0203-0405-0607-0809-0A0B-0C0D-0E0F 0123456789ABCDEF LEN=%d\n", p.Length)
	for i := 0; i < len(p.Data); i += 16 {
		row := p.Data[i:min(i+16, len(p.Data))]
		var hex strings.Builder
		for j, c := range row {
			if j > 0 && j%2 == 0 {
				hex.WriteByte(' ')
			}
			fmt.Fprintf(&hex, "%02X", c)
		}
		fmt.Fprintf(b, "%04X : %-39s %s\n", i, hex.String(), dots(row))
	}
	b.WriteString("\n")
}

func writeAscend(b *bytes.Buffer, p packet.Packet) {
	fmt.Fprintf(b, "RECV-iguana:241:(task: B02614C0, time: %d.%02d) %d octets @ 8003BD94\n", p.TimeNS/1e9, p.TimeNS%1e9/1e7, p.Length)
	for i := 0; i < len(p.Data); i += 16 {
		fmt.Fprintf(b, "  [%04X]: % X \n", i, p.Data[i:min(i+16, len(p.Data))])
	}
}

func writeTCPIPtrace(b *bytes.Buffer, p packet.Packet) {
	fmt.Fprintf(b, "   TCPIPtrace full display RCV packet 8 at %s.%02d\n\n", strings.ToUpper(at(p.TimeNS).Format("2-Jan-2006 15:04:05")), p.TimeNS%1e9/1e7)
	fmt.Fprintf(b, "   IP Version = 4,  IHL = 5,  TOS = 00,   Total Length = %d = ^x%04X\n", p.Length, p.Length)
	b.WriteString("   IP Identifier  = ^x178F,  Flags (0=0,DF=0,MF=0),\n\n   UDP Source Port = 731,   UDP Destination Port = 111\n\n")
	for i := 0; i < len(p.Data); i += 16 {
		words := []string{"        ", "        ", "        ", "        "}
		row := p.Data[i:min(i+16, len(p.Data))]
		for j := 0; j < len(row); j += 4 {
			word := ""
			for _, c := range row[j:min(j+4, len(row))] {
				word = fmt.Sprintf("%02X", c) + word
			}
			words[3-j/4] = fmt.Sprintf("%8s", word)
		}
		fmt.Fprintf(b, "   %s    %04X    %s\n", strings.Join(words, "   "), i, dots(row))
	}
	b.WriteString("\n")
}

func dashed(b []byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", b), " ", "-") }

func writeEtherwatch(b *bytes.Buffer, p packet.Packet) {
	body := p.Data[ipHeader:]
	fmt.Fprintf(b, "------------------------------------------------------------------------------\nFrom %s [MF1] to %s [PSERVB]\nProtocol %s 00 00-00-00-00-00, %4d byte buffer at %s.%02d\n",
		dashed(p.Data[6:12]), dashed(p.Data[:6]), dashed(p.Data[12:14]), len(body), strings.ToUpper(at(p.TimeNS).Format("2-Jan-2006 15:04:05")), p.TimeNS%1e9/1e7)
	for i := 0; i < len(body); i += 16 {
		row := body[i:min(i+16, len(body))]
		fmt.Fprintf(b, "  [%-16s]-%5d-[% X]\n", dots(row), i, row)
	}
}

const iseriesHead = ` COMMUNICATIONS TRACE       Title: OS400 - OS400 trace               01/01/20  11:44:50                           Page:       1
   Trace Description  . . . . . :   OS400 - OS400 trace
   Object protocol  . . . . . . :   ETHERNET
   Start date/Time  . . . . . . :   01/01/20  00:00:00.341
   Number of bytes to trace
     Beginning bytes  . . . . . :   *MAX         Value, *CALC, *MAX
 Record       Data    Record           Controller  Destination   Source        Frame
 Number  S/R  Length  Timer            Name        MAC Address   MAC Address   Format
 ------  ---  ------  ---------------  ----------  ------------  ------------  ------
`

// writeISeries writes every other packet with its headers.
func writeISeries(b *bytes.Buffer, p packet.Packet) {
	fmt.Fprintf(b, " %6d   S   %6d  %s.%05d               %X  %X   ETHV2   Type: %X\n", 8, p.Length-ipHeader, at(p.TimeNS).Format("15:04:05"),
		p.TimeNS%1e9/1e4, p.Data[:6], p.Data[6:12], p.Data[12:14])
	rest := p.Data[ipHeader:]
	if len(rest)%2 == 0 {
		tcp := 20 + int(rest[32]>>4)*4
		fmt.Fprintf(b, "%22sFrame Type :  IP          DSCP: 0   ECN: 00-NECT  Length:   145   Protocol: TCP\n", "")
		fmt.Fprintf(b, "%22sIP Header  :  %X\n%22sIP Options :  NONE\n", "", rest[:20], "")
		fmt.Fprintf(b, "%22sTCP Header :  %X\n", "", rest[20:min(tcp, 52)])
		if tcp > 52 {
			fmt.Fprintf(b, "%36s%X\n", "", rest[52:tcp])
		}
		rest = rest[tcp:]
	}
	name := "Data . . . . . :  "
	for i := 0; i < len(rest); i += 32 {
		row := rest[i:min(i+32, len(rest))]
		fmt.Fprintf(b, "%9s%-18s", "", name)
		name = ""
		hex := ""
		for j := 0; j < len(row); j += 8 {
			hex += fmt.Sprintf("%X ", row[j:min(j+8, len(row))])
			if j == 8 {
				hex += " "
			}
		}
		fmt.Fprintf(b, "%-70s*%s*\n", hex, dots(row))
	}
}
