// Package bpf compiles capture filters in the language of tcpdump (pcap-filter(7))
// and applies them to packets.
//
// What an expression means is what it means to libpcap: it speaks of the outermost
// headers; vlan, mpls, pppoes, geneve and vxlan move what comes after them in the
// text one header further in; and and or bind equally, from left to right; a packet
// too short for a byte that is looked at does not match, whatever the expression is.
//
// Names of hosts and networks are not looked up. What a filter in a kernel knows
// beside the packet (ifname, …) is not there; inbound and outbound are where the link
// layer tells, that of Linux' "any" devices. Where libpcap refuses an
// expression for a link type, as with Ethernet addresses and raw IP, no packet of
// that link type has what is asked for.
package bpf

import (
	"recap/reader/packet"
)

// A Filter is a compiled expression. It may be used by several goroutines.
type Filter struct {
	root  node
	progs map[packet.LinkType]*program
	other *program // for link types that are not known
}

// Compile compiles an expression. The empty one matches every packet. An error is a
// [*Error].
func Compile(expr string) (*Filter, error) {
	root, err := parse(expr)
	if err != nil {
		return nil, err
	}
	f := &Filter{root: root, progs: make(map[packet.LinkType]*program)}
	for _, l := range links {
		if f.progs[l.link], err = compile(root, l); err != nil {
			return nil, &Error{expr, len(expr), err.Error()}
		}
	}
	if f.other, err = compile(root, layout{}); err != nil {
		return nil, &Error{expr, len(expr), err.Error()}
	}
	return f, nil
}

// String returns the expression in a form of its own, which compiles to an equal filter.
func (f *Filter) String() string {
	if f.root == nil {
		return ""
	}
	return f.root.String()
}

// Match reports whether a packet matches: the bytes captured of a frame that had
// wireLen bytes.
func (f *Filter) Match(link packet.LinkType, frame []byte, wireLen int) bool {
	p := f.other
	if q, ok := f.progs[link]; ok {
		p = q
	}
	return p.run(frame, uint32(wireLen))
}
