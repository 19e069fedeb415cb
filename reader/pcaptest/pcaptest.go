// Package pcaptest turns text into captures, so that the input of a test can be
// read in the test.
//
// One line is one event of one connection; sequence and acknowledgement numbers,
// checksums, lengths and times follow by themselves:
//
//	# comment
//	10.0.0.1:4000 > 10.0.0.2:80 handshake
//	10.0.0.1:4000 > 10.0.0.2:80 "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
//	10.0.0.2:80 > 10.0.0.1:4000 @20ms "HTTP/1.1 204 No Content\r\n\r\n"
//	10.0.0.1:4000 > 10.0.0.2:80 close
//
// IPv6 endpoints are written [2001:db8::1]:80. Strings are quoted as in Go
// (also with backquotes), several on a line are joined, and an indented line
// continues the one before. A line without string and without flag word is a
// pure acknowledgement. Without a handshake the connection is joined in the
// middle: the first sender starts at sequence number 1001, the other at 5001
// (initial sequence numbers 1000 and 5000).
//
// # Words on a packet line
//
// TCP:
//
//	handshake   SYN, SYN+ACK, ACK before this line's payload
//	close       FIN, FIN, ACK after this line's payload (this side first)
//	syn synack fin rst ack psh urg   add the flag (fin rides on the payload, if any)
//	flags=SA    exactly these flags (FSRPAUEC; "-" for none)
//	seq=+10 seq=-10 seq=1234   send at another place than the tracked one, or at an
//	            absolute number; the tracked place does not move
//	ack=+10 ack=-10 ack=1234   likewise for the acknowledgement
//	skip=10     move the tracked place first: a hole of 10 bytes (may be negative)
//	isn=7       this side's initial sequence number
//	mss=100     cut the payload into segments of at most 100 bytes
//	reverse     write this line's packets in reverse order
//	drop        count in the sequence space, but do not write
//	drop=2,3    of this line's packets, leave out the second and third
//	dup dup=3   write each packet twice, three more times
//	late=2      write after the next two packets that the lines below write
//	win=N urgptr=N wscale=N mssopt=N sackok ts=VAL:ECR   header fields and options
//	badsum nosum  wrong, or zero, TCP or UDP checksum
//	flow=NAME   share sequence numbers with all lines of that name (else they are
//	            per address pair and tunnel)
//
// Payload: "text" `text` hex=0d0a fill=N (N letters, a pattern) rep=N (the
// payload so far, N times).
//
// Other protocols: udp, and proto=N (IP protocol N, endpoints then need no port).
// A line `frame "…"` or `frame hex=…` is a whole frame as it is.
//
// IP: ttl=N ipid=N frag=N (fragments of N payload bytes, rounded down to
// eights) outerfrag=N (the same for the outermost IP header) df badipsum.
//
// Around it, outermost first: vlan=N svlan=N (802.1ad) mpls=LABEL pppoe=SESSION
// vxlan=VNI geneve=VNI gre gre=KEY gretap gretap=KEY erspan1=ID erspan=ID
// (type II) erspan3=ID ipip gtpu=TEID. outer=A>B (with or without ports) sets the addresses of
// the tunnels after it on the line; otherwise they are 192.0.2.1 and 192.0.2.2.
// mac=A>B sets the innermost Ethernet addresses, outermac=A>B those of the
// frame around a tunnel; otherwise they follow from the IP addresses.
//
// The record: @1.5ms (time since the packet before; else the step), at=SECONDS
// (absolute), cut=N (at most N bytes captured), mirror=N (innermost frame cut to N
// bytes before any tunnel, and the length says so too), origlen=N, pad=N (N zero
// bytes after the frame), if=N (interface), link=NAME, notime (pcapng simple
// packet block).
//
// # Lines that are no packets
//
//	handshake [off]    every new TCP connection below begins with a handshake
//	default WORDS      put before the words of every packet line below
//	start SECONDS      time of the next packet, seconds since the epoch
//	step DURATION      time between packets (1ms)
package pcaptest

import (
	"testing"

	"recap/reader/packet"
)

// A Packet is one record of a capture to be written.
type Packet struct {
	Data      []byte // the captured bytes
	TimeNS    int64  // nanoseconds since the epoch
	NoTime    bool   // write without a time where the format can
	Length    uint32 // length on the wire
	Link      packet.LinkType
	Interface int
	Line      int // line of the text, from 1
}

// Build returns the capture that the text describes. A mistake in the text fails
// the test; with a nil t it panics.
func Build(t testing.TB, text string, opts ...Option) []byte {
	if t != nil {
		t.Helper()
	}
	b, err := BuildErr(text, opts...)
	if err != nil {
		if t == nil {
			panic(err)
		}
		t.Fatal(err)
	}
	return b
}

// BuildErr is [Build] for callers that report mistakes in the text themselves.
func BuildErr(text string, opts ...Option) ([]byte, error) {
	pkts, err := Packets(text, opts...)
	if err != nil {
		return nil, err
	}
	return Write(pkts, opts...)
}

// Option chooses how a capture is built; see the functions that return one.
type Option func(*config)

type config struct {
	link      packet.LinkType
	ng        bool
	nano      bool
	bigEndian bool
	snapLen   uint32
	cut       int
	keyLog    string
}

func configure(opts []Option) config {
	c := config{link: packet.LinkEthernet, snapLen: 262144}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// Link sets the link type of packets that do not say link=NAME: Ethernet (the
// default), raw IP, SLL, SLL2, null, loop, PPP, IPv4 or IPv6.
func Link(l packet.LinkType) Option { return func(c *config) { c.link = l } }

// Pcapng writes pcapng with nanosecond times, one interface per if=N and link type.
func Pcapng() Option { return func(c *config) { c.ng = true } }

// Nano writes classic pcap with nanosecond times.
func Nano() Option { return func(c *config) { c.nano = true } }

// BigEndian writes the file's own fields in big-endian order.
func BigEndian() Option { return func(c *config) { c.bigEndian = true } }

// SnapLen sets what the file header claims; packets are not cut by it (262144).
func SnapLen(n uint32) Option { return func(c *config) { c.snapLen = n } }

// Cut drops the last n bytes of the file.
func Cut(n int) Option { return func(c *config) { c.cut = n } }

// KeyLog puts a TLS key log into a pcapng file, as a decryption secrets block
// before the first packet.
func KeyLog(text string) Option { return func(c *config) { c.keyLog = text } }
