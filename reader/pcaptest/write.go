package pcaptest

import (
	"encoding/binary"
	"fmt"

	"recap/reader/packet"
)

// Write returns the packets as a capture file.
func Write(pkts []Packet, opts ...Option) ([]byte, error) {
	c := configure(opts)
	var b []byte
	var err error
	if c.ng {
		b = writeNG(pkts, c)
	} else {
		b, err = writePcap(pkts, c)
	}
	if err != nil {
		return nil, err
	}
	return b[:max(0, len(b)-c.cut)], nil
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

func (c config) order() byteOrder {
	if c.bigEndian {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func writePcap(pkts []Packet, c config) ([]byte, error) {
	o := c.order()
	link := c.link
	if len(pkts) > 0 {
		link = pkts[0].Link
	}
	magic, unit := uint32(0xa1b2c3d4), int64(1000)
	if c.nano {
		magic, unit = 0xa1b23c4d, 1
	}
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(b, 2)
	b = o.AppendUint16(b, 4)
	b = o.AppendUint32(b, 0)
	b = o.AppendUint32(b, 0)
	b = o.AppendUint32(b, c.snapLen)
	b = o.AppendUint32(b, uint32(link))
	for _, p := range pkts {
		if p.Link != link {
			return nil, fmt.Errorf("line %d: pcap holds one link type; use pcapng", p.Line)
		}
		sec, frac := p.TimeNS/1e9, p.TimeNS%1e9
		if frac < 0 {
			sec, frac = sec-1, frac+1e9
		}
		b = o.AppendUint32(b, uint32(sec))
		b = o.AppendUint32(b, uint32(frac/unit))
		b = o.AppendUint32(b, uint32(len(p.Data)))
		b = o.AppendUint32(b, p.Length)
		b = append(b, p.Data...)
	}
	return b, nil
}

// NGBlock returns a pcapng block with its length before and after; the body is
// padded to 32 bits. It is for tests that build odd files block by block.
func NGBlock(o binary.ByteOrder, typ uint32, body []byte) []byte {
	n := uint32(12 + (len(body)+3)&^3)
	b := make([]byte, n)
	o.PutUint32(b, typ)
	o.PutUint32(b[4:], n)
	copy(b[8:], body)
	o.PutUint32(b[n-4:], n)
	return b
}

// NGOption returns a pcapng option, padded to 32 bits.
func NGOption(o binary.ByteOrder, code uint16, value []byte) []byte {
	b := make([]byte, 4+(len(value)+3)&^3)
	o.PutUint16(b, code)
	o.PutUint16(b[2:], uint16(len(value)))
	copy(b[4:], value)
	return b
}

// NGSection returns a section header block.
func NGSection(o binary.ByteOrder, options ...[]byte) []byte {
	b := o.(binary.AppendByteOrder).AppendUint32(nil, 0x1a2b3c4d)
	b = append(b, 0, 0, 0, 0)
	o.PutUint16(b[4:], 1)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	return NGBlock(o, 0x0a0d0d0a, join(b, options))
}

// NGInterface returns an interface description block.
func NGInterface(o binary.ByteOrder, link packet.LinkType, snapLen uint32, options ...[]byte) []byte {
	b := make([]byte, 8)
	o.PutUint16(b, uint16(link))
	o.PutUint32(b[4:], snapLen)
	return NGBlock(o, 1, join(b, options))
}

// NGPacket returns an enhanced packet block with a time in ticks.
func NGPacket(o binary.ByteOrder, iface uint32, ticks uint64, length uint32, data []byte, options ...[]byte) []byte {
	b := make([]byte, 20, 20+len(data)+3)
	o.PutUint32(b, iface)
	o.PutUint32(b[4:], uint32(ticks>>32))
	o.PutUint32(b[8:], uint32(ticks))
	o.PutUint32(b[12:], uint32(len(data)))
	o.PutUint32(b[16:], length)
	b = append(b, data...)
	if len(options) > 0 {
		b = append(b, make([]byte, -len(data)&3)...)
	}
	return NGBlock(o, 6, join(b, options))
}

func join(b []byte, options [][]byte) []byte {
	for _, o := range options {
		b = append(b, o...)
	}
	if len(options) > 0 {
		b = append(b, 0, 0, 0, 0) // end of options
	}
	return b
}

func writeNG(pkts []Packet, c config) []byte {
	o := c.order()
	b := NGSection(o)
	if c.keyLog != "" {
		body := o.AppendUint32(nil, 0x544c534b) // TLS key log
		body = o.AppendUint32(body, uint32(len(c.keyLog)))
		b = append(b, NGBlock(o, 10, append(body, c.keyLog...))...)
	}
	type key struct {
		iface int
		link  packet.LinkType
	}
	ids := map[key]uint32{}
	for _, p := range pkts {
		k := key{p.Interface, p.Link}
		id, ok := ids[k]
		if !ok {
			id = uint32(len(ids))
			ids[k] = id
			b = append(b, NGInterface(o, p.Link, c.snapLen,
				NGOption(o, 2, fmt.Appendf(nil, "if%d", p.Interface)), // if_name
				NGOption(o, 9, []byte{9}))...)                         // if_tsresol: 10^-9
		}
		if p.NoTime && id == 0 {
			body := o.AppendUint32(nil, p.Length)
			b = append(b, NGBlock(o, 3, append(body, p.Data...))...)
			continue
		}
		b = append(b, NGPacket(o, id, uint64(p.TimeNS), p.Length, p.Data)...)
	}
	return b
}
