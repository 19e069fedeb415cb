package blf

import (
	"encoding/binary"
	"fmt"

	"recap/reader/format"
	"recap/reader/packet"
)

// Types of objects.
const (
	typeContainer = 10
	typeEthernet  = 71
	typeWLAN      = 93
	typeRxError   = 102
	typeEthernet2 = 120 // with the frame as it was
	typeForwarded = 121
	typeError2    = 122
	typeError3    = 123
)

// tenMicroseconds is the flag of an object whose time counts units of 10 µs; others count
// nanoseconds.
const tenMicroseconds = 1

// leastLogHeader is what an object with a time has at least before its contents.
const leastLogHeader = 32

// layout says what stands before the bytes of a frame.
type layout struct {
	link      packet.LinkType
	header    int // bytes
	channelAt int
	lengthAt  int
	bad       bool // the frame was received with an error
}

// frames are the objects that hold one.
func frames(kind int) (l layout, ok bool) {
	switch kind {
	case typeEthernet:
		return layout{packet.LinkEthernet, 32, 6, 22, false}, true
	case typeWLAN:
		return layout{packet.LinkWiFi, 16, 0, 10, false}, true
	case typeRxError:
		return layout{packet.LinkEthernet, 20, 2, 12, true}, true
	case typeEthernet2, typeForwarded:
		return layout{packet.LinkEthernet, 32, 4, 22, false}, true
	case typeError2, typeError3:
		return layout{packet.LinkEthernet, 32, 4, 22, true}, true
	}
	return l, false
}

// take appends the packet that object b holds, if it holds one.
func (p *parser) take(b []byte, o object, offset int64, w *format.Window) {
	l, ok := frames(o.kind)
	if !ok {
		p.stepOver(o.kind)
		return
	}
	if o.header < leastLogHeader || len(b) < o.header+l.header {
		p.in.AddAnomaly("length_mismatch")
		format.StepOver(p.in, "blf frame shorter than its header")
		return
	}
	le := binary.LittleEndian
	at := o.header + l.header
	head := b[o.header:at]
	length := int(le.Uint16(head[l.lengthAt:]))
	have := min(length, len(b)-at)
	if have < length {
		p.in.AddAnomaly("length_mismatch")
	}
	data, more := b[at:at+have], 0
	if o.kind == typeEthernet {
		data, more = whole(b, o.header, at, have)
	}
	if l.bad {
		p.in.AddAnomaly("receive_error")
	}
	pk := packet.Packet{Data: data[:len(data):len(data)], Length: uint32(length + more), Link: l.link, FileIndex: p.file,
		Offset: offset, Number: p.n + 1, FileNum: p.n + 1}
	pk.Interface = p.iface(iface{l.link, le.Uint16(head[l.channelAt:])})
	pk.TimeNS, pk.RawTicks = p.timeOf(b)
	p.n++
	w.Batch.Packets = append(w.Batch.Packets, pk)
}

// whole puts the header of an Ethernet frame, of which the object at b has the fields one
// by one, before its payload in place. It returns the frame, and how much longer it is.
func whole(b []byte, header, at, have int) (frame []byte, more int) {
	le, be := binary.LittleEndian, binary.BigEndian
	h := b[header:at]
	var eth [18]byte
	copy(eth[0:], h[8:14])
	copy(eth[6:], h[0:6])
	n := 12
	if tpid, tci := le.Uint16(h[18:]), le.Uint16(h[20:]); tpid != 0 && tci != 0 {
		be.PutUint16(eth[12:], tpid)
		be.PutUint16(eth[14:], tci)
		n = 16
	}
	be.PutUint16(eth[n:], le.Uint16(h[16:]))
	n += 2
	copy(b[at-n:], eth[:n])
	return b[at-n : at+have], n
}

// stepOver counts an object that holds no frame.
func (p *parser) stepOver(kind int) {
	if kind < 0 || kind >= len(p.unknown) {
		format.StepOver(p.in, "blf object of a type beyond 255")
		return
	}
	if p.unknown[kind] == "" {
		p.unknown[kind] = fmt.Sprintf("blf object %d", kind)
	}
	format.StepOver(p.in, p.unknown[kind])
}

// iface is what packets are told apart by.
type iface struct {
	link    packet.LinkType
	channel uint16
}

// mostInterfaces bounds how many channels are told apart.
const mostInterfaces = 1000

func (p *parser) iface(key iface) int32 {
	if i, ok := p.ifaces[key]; ok {
		return i
	}
	name := fmt.Sprintf("channel %d", key.channel)
	if len(p.ifaces) >= mostInterfaces {
		key.channel, name = 0, ""
		if i, ok := p.ifaces[key]; ok {
			return i
		}
	}
	p.in.Interfaces = append(p.in.Interfaces, packet.Interface{Name: name, Link: key.link, Resolution: "10^-9", Received: -1, Drops: -1})
	i := int32(len(p.in.Interfaces) - 1)
	p.ifaces[key] = i
	return i
}
