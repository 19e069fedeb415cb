package decap

import (
	"strconv"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// A Disposition says what a packet turned out to be. Every packet gets exactly
// one. It is an error too, so that a [Step] can end the decoding with it.
type Disposition uint32

// Dispositions without a fault. DispTCP and DispDatagram are those that come with a
// [Segment]; what their packets count as is known only to the protocol parsers.
const (
	DispTCP      Disposition = iota
	DispDatagram             // a datagram that Options.Datagram claims
	DispUDP
	DispOtherIP
	DispNonIP
	DispFragmentHeld

	dispIPv4Length        // total length smaller than the header
	dispTCPHeader         // data offset impossible
	dispTCPHeaderCut      // the capture ends inside the TCP header
	dispDepth             // more encapsulations than Options.MaxDepth
	dispTunnelTable       // more different tunnel stacks than Options.MaxStacks
	dispVLANTable         // the same for VLAN stacks
	dispFragmentOversize  // a fragment that reaches past 65,535 bytes (RFC 791, section 3.1)
	dispFragmentMalformed // a fragment that cannot be part of any datagram
	dispFragmentConflict  // a fragment that contradicts the datagram's known length
	dispIPVersion         // raw IP that is neither version 4 nor 6
	dispWiFiEncrypted     // an 802.11 frame with the protected bit
	dispMACsec            // a MACsec frame that is encrypted
	dispIPComp            // a compressed IP payload (RFC 3173) that could not be read
	dispMPacketFragment   // a part of a preempted Ethernet frame
	dispDOCSIS            // a frame on a cable that is encrypted
	dispMultilinkPart     // a part of a packet that several PPP links share

	// dispHeader+i: the header of encapsulation i is malformed or cut.
	dispHeader Disposition = 32
	// dispLink+n: link type n is not read.
	dispLink Disposition = 1 << 16
)

var reasons = [...]string{
	dispIPv4Length:        "ipv4_length",
	dispTCPHeader:         "tcp_header",
	dispTCPHeaderCut:      "tcp_header_cut",
	dispDepth:             "depth",
	dispTunnelTable:       "tunnel_table",
	dispVLANTable:         "vlan_table",
	dispFragmentOversize:  "fragment_oversize",
	dispFragmentMalformed: "fragment_malformed",
	dispFragmentConflict:  "fragment_conflict",
	dispIPVersion:         "ip_version",
	dispWiFiEncrypted:     "wifi_encrypted",
	dispMACsec:            "macsec_encrypted",
	dispIPComp:            "ipcomp",
	dispMPacketFragment:   "mpacket_fragment",
	dispDOCSIS:            "docsis_encrypted",
	dispMultilinkPart:     "ppp_multilink_part",
}

// Undecodable reports whether d stands for a packet that could not be read.
func (d Disposition) Undecodable() bool { return d > DispFragmentHeld }

// String returns the name of d in the ledger. Those of DispTCP and DispDatagram, "tcp"
// and "datagram", the ledger does not use.
func (d Disposition) String() string {
	switch d {
	case DispTCP:
		return "tcp"
	case DispDatagram:
		return "datagram"
	case DispUDP:
		return exchange.PacketUDP
	case DispOtherIP:
		return exchange.PacketOtherIP
	case DispNonIP:
		return exchange.PacketNonIP
	case DispFragmentHeld:
		return exchange.PacketFragmentHeld
	}
	return exchange.PacketUndecodable + d.reason()
}

func (d Disposition) reason() string {
	switch {
	case int(d) < len(reasons):
		return reasons[d]
	case d >= dispLink:
		return "link_type_" + strconv.Itoa(int(d-dispLink))
	}
	if l := list(); int(d-dispHeader) < len(l) {
		if e := l[d-dispHeader]; e.short != "" {
			return e.short
		} else {
			return e.name + "_header"
		}
	}
	return "unknown"
}

func (d Disposition) Error() string { return d.String() }

func linkDisposition(l packet.LinkType) Disposition { return dispLink + Disposition(l) }
