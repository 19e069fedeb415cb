package bpf

import (
	"fmt"
	"net/netip"
)

// A node is an expression that is true or false of a packet. Its text is that of an
// expression that compiles to it.
type node interface{ String() string }

// junction joins two conditions by and or or.
type junction struct {
	and  bool
	l, r node
}

type not struct{ x node }

// isProto is a word like tcp alone.
type isProto struct{ p proto }

// dir says which of source and destination an address or port is compared with.
type dir uint8

const (
	either dir = iota
	src
	dst
	both
)

var dirNames = [...]string{either: "", src: "src ", dst: "dst ", both: "src and dst "}

// host4 is an IPv4 address or network, host6 one of IPv6.
type host4 struct {
	p          proto // none, ip, arp or rarp
	d          dir
	addr, mask uint32
}

type host6 struct {
	d    dir
	addr netip.Prefix
}

type hostMAC struct {
	d   dir
	mac [6]byte
}

type portRange struct {
	p      proto // none, tcp, udp or sctp
	d      dir
	lo, hi uint32
}

// protoNumber is "proto 6" or "ether proto 0x800", or a protochain: the protocol behind
// whatever extension headers there are.
type protoNumber struct {
	p     proto // none, ip, ip6, iso or link; in a chain none, ip or ip6
	n     uint32
	chain bool
}

// llcKind is llc, perhaps with a kind of frame: what masked control bytes must be.
type llcKind struct {
	word    string
	mask, k uint32
}

// whence is inbound, outbound, or with a number ifindex.
type whence struct {
	word string
	n    uint32
}

// cast is broadcast or multicast of link, ip or ip6.
type cast struct {
	p         proto
	multicast bool
}

// inside is vlan, mpls, pppoes, geneve or vxlan, perhaps with an identifier.
type inside struct {
	what string
	id   uint32
	any  bool
}

// relation compares two numbers.
type relation struct {
	op   string
	l, r arith
}

// arith is a number that depends on the packet: one of the following.
type arith interface{ String() string }

type constant uint32

type length struct{}

type load struct {
	p    proto
	at   arith
	size uint32
}

type calc struct {
	op   string
	l, r arith
	sign bool // the minus before a number: l is 0
}

func (p proto) prefix() string {
	if p == none {
		return ""
	}
	return protos[p].name + " "
}

func (n *junction) String() string {
	if n.and {
		return "(" + n.l.String() + " and " + n.r.String() + ")"
	}
	return "(" + n.l.String() + " or " + n.r.String() + ")"
}

func (n *not) String() string     { return "not " + n.x.String() }
func (n *isProto) String() string { return protos[n.p].name }

func (n *host4) String() string {
	if n.mask == 1<<32-1 {
		return fmt.Sprintf("%s%shost %s", n.p.prefix(), dirNames[n.d], quad(n.addr))
	}
	return fmt.Sprintf("%s%snet %s mask %s", n.p.prefix(), dirNames[n.d], quad(n.addr), quad(n.mask))
}

func quad(a uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
}

func (n *host6) String() string { return fmt.Sprintf("ip6 %snet %s", dirNames[n.d], n.addr) }

func (n *hostMAC) String() string {
	m := n.mac
	return fmt.Sprintf("ether %shost %02x:%02x:%02x:%02x:%02x:%02x", dirNames[n.d], m[0], m[1], m[2], m[3], m[4], m[5])
}

func (n *portRange) String() string {
	if n.lo == n.hi {
		return fmt.Sprintf("%s%sport %d", n.p.prefix(), dirNames[n.d], n.lo)
	}
	return fmt.Sprintf("%s%sportrange %d-%d", n.p.prefix(), dirNames[n.d], n.lo, n.hi)
}

func (n *protoNumber) String() string {
	switch {
	case n.chain:
		return fmt.Sprintf("%sprotochain %d", n.p.prefix(), n.n)
	case n.p == iso:
		return isoNames[n.n]
	}
	return fmt.Sprintf("%sproto %d", n.p.prefix(), n.n)
}

func (n *llcKind) String() string {
	if n.word == "" {
		return "llc"
	}
	return "llc " + n.word
}

func (n *whence) String() string {
	if n.word == ifindex {
		return fmt.Sprintf("%s %d", n.word, n.n)
	}
	return n.word
}

func (n *cast) String() string {
	if n.multicast {
		return n.p.prefix() + "multicast"
	}
	return n.p.prefix() + "broadcast"
}

func (n *inside) String() string {
	if n.any {
		return n.what
	}
	return fmt.Sprintf("%s %d", n.what, n.id)
}

func (n *relation) String() string { return n.l.String() + " " + n.op + " " + n.r.String() }

func (a constant) String() string { return fmt.Sprint(uint32(a)) }
func (length) String() string     { return "len" }
func (a *load) String() string    { return fmt.Sprintf("%s[%s:%d]", protos[a.p].name, a.at, a.size) }

func (a *calc) String() string {
	if a.sign {
		return "(-" + a.r.String() + ")"
	}
	return "(" + a.l.String() + " " + a.op + " " + a.r.String() + ")"
}
