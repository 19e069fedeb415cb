// Package decap peels a captured frame down to the innermost TCP segment: link
// layers, VLAN tags, MPLS, PPPoE, IP, fragments and tunnels, in any nesting up to
// a depth of MaxDepth.
package decap

import (
	"recap/pipeline/exchange"
)

// A Segment is the innermost TCP segment of a packet, or the UDP datagram that
// [Options].Datagram claims. TCP points into the packet's batch, or, for a datagram put
// together from fragments, into memory of its own.
type Segment struct {
	TCP     []byte // TCP or UDP header and payload, as far as captured; at least the header
	Key     exchange.FlowKey
	Number  int64 // packet.Packet.Number
	TimeNS  int64
	Clock   int64  // capture clock: never runs backwards, jumps are left out; nanoseconds
	Wire    uint32 // length of the packet on the wire, as the capture says
	Missing uint32 // payload bytes that the lengths inside promise and the capture lacks
	Seq     uint32
	Ack     uint32
	TSVal   uint32 // TCP timestamp option, where HasTS
	// Stack is the index of the tunnel stack as seen on this packet (with outer
	// addresses), for [Decoder.Stack]; Key.Stack is the canonical one.
	Stack     uint32
	VLANs     uint32 // index for [Decoder.VLANStack]; 0 for none
	Interface int32
	FileIndex int32
	Window    uint16
	IPID      uint16 // identification of the innermost IPv4 header
	HeaderLen uint8  // of TCP, bytes; 8 of UDP, where all that only TCP has means nothing
	TTL       uint8
	Flags     Flags
	Info      Info
	SrcMAC    [6]byte // innermost Ethernet addresses, where Info has HasMAC
	DstMAC    [6]byte
	outer     []byte // where Info has hasOptions: see Outer
}

// Outer returns the headers of the packet's GENEVE tunnels, outermost first, where
// one of them has options; else nil. They stand where TCP does, or in memory of their
// own. See [Decoder.Tunnels].
func (s *Segment) Outer() []byte {
	if s.Info&hasOptions == 0 {
		return nil
	}
	return s.outer
}

// IsUDP reports whether s is a UDP datagram.
func (s *Segment) IsUDP() bool { return s.HeaderLen == 8 }

// Payload returns the payload bytes present.
func (s *Segment) Payload() []byte { return s.TCP[s.HeaderLen:] }

// Flags are the TCP flags (RFC 9293, section 3.1).
type Flags uint8

// TCP flags.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Info tells more of a segment.
type Info uint16

// What Info may hold.
const (
	FromHi           Info = 1 << iota // sent by Key.Hi; without it, by Key.Lo
	HasMAC                            // SrcMAC and DstMAC are known
	HasTS                             // TSVal is known
	CutBySnaplen                      // Missing bytes were cut by the snap length
	CutByMirror                       // Missing bytes were cut before the capture (caplen equals len)
	Reassembled                       // put together from fragments, of IP or IEEE 802.11
	BadIPSum                          // a wrong IPv4 header checksum on the way
	NoIPID                            // innermost IP is IPv6 or an atomic IPv4 header with id 0
	FragmentConflict                  // Reassembled, and copies of some byte differed; the first is kept
	Further                           // of a packet that gave a segment before this one
	Opening                           // Options.Datagram found it to begin a connection
	hasOptions                        // Outer has something
)
