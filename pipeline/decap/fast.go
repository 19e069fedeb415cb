package decap

import (
	"encoding/binary"
	"math/bits"

	"recap/reader/packet/checksum"
)

// fast decodes what nearly every packet of a capture is: Ethernet, perhaps one
// VLAN tag, IPv4 without options or IPv6 without extension headers, TCP, all of
// it present; and the same once more inside VXLAN over IPv4. It reports false for
// anything else, which [Decoder.slow] then decodes from the start; where it
// reports true, slow would have come to the same result.
func (d *Decoder) fast(b []byte, s *Segment) (Disposition, bool) {
	var (
		vlans, stack, key uint32
		info              = HasMAC
	)
	for {
		if len(b) < 14+40 {
			return 0, false
		}
		// From here on, ip holds at least 36 bytes.
		ip, et := b[14:], binary.BigEndian.Uint16(b[12:])
		if et == 0x8100 {
			if vlans != 0 {
				return 0, false
			}
			vlans = d.vlan1[binary.BigEndian.Uint16(b[14:])&0xfff]
			if vlans == 0 {
				return 0, false
			}
			et, ip = binary.BigEndian.Uint16(b[16:]), b[18:]
		}
		if et == 0x86dd {
			// RFC 8200, section 3.
			if len(ip) < 60 || ip[0]>>4 != 6 || ip[6] != 6 {
				return 0, false
			}
			n := int(binary.BigEndian.Uint16(ip[4:]))
			if n < 20 || n > len(ip)-40 {
				return 0, false
			}
			tcp := ip[40 : 40+n]
			hl := tcp[12] >> 4 * 4
			if hl < 20 || int(hl) > n || d.tunnelled(tcp) {
				return 0, false
			}
			s.HeaderLen, s.TTL, s.IPID = hl, ip[7], 0
			s.Info = info | NoIPID
			s.Stack, s.VLANs, s.Missing = stack, vlans, 0
			s.setMACs(b)
			s.setTCP(tcp)
			s.setKey((*[16]byte)(ip[8:]), (*[16]byte)(ip[24:]), key, true)
			if info&BadIPSum != 0 {
				d.badIPSum++
			}
			return DispTCP, true
		}
		// RFC 791, section 3.1: version 4, no options, no fragment.
		if et != 0x0800 || len(ip) < 40 || ip[0] != 0x45 || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
			return 0, false
		}
		n := int(binary.BigEndian.Uint16(ip[2:]))
		if n < 40 || n > len(ip) {
			return 0, false
		}
		if !sum20(ip) && ip[10]|ip[11] != 0 {
			info |= BadIPSum
		}
		if ip[9] == 6 {
			tcp := ip[20:n]
			hl := tcp[12] >> 4 * 4
			if hl < 20 || int(hl) > len(tcp) || d.tunnelled(tcp) {
				return 0, false
			}
			s.HeaderLen, s.TTL, s.IPID = hl, ip[8], binary.BigEndian.Uint16(ip[4:])
			if s.IPID == 0 {
				info |= NoIPID
			}
			s.Info = info
			s.Stack, s.VLANs, s.Missing = stack, vlans, 0
			s.setMACs(b)
			s.setTCP(tcp)
			s.setKey4(ip, key)
			if info&BadIPSum != 0 {
				d.badIPSum++
			}
			return DispTCP, true
		}
		if ip[9] != 17 {
			return 0, false
		}
		if d.table[UDPPort(binary.BigEndian.Uint16(ip[22:]))] != d.vxlan || d.vxlan == 0 || stack != 0 {
			return 0, false
		}
		// RFC 768 and RFC 7348, section 5: exactly the flag I, reserved bits zero.
		udp := int(binary.BigEndian.Uint16(ip[24:]))
		v := binary.BigEndian.Uint64(ip[28:])
		if udp < 16 || udp > n-20 || v&^0xffff_ff00 != 8<<56 {
			return 0, false
		}
		// Addresses and network identifier find the stack in a small cache first.
		addrs, vni := load64(ip[12:]), uint32(v>>8)&0xffffff
		c := &d.near[(addrs^addrs>>32^uint64(vni))*0x9e3779b97f4a7c15>>(64-nearBits)]
		if c.addrs != addrs || c.vni != vni || c.stack == 0 {
			if !d.fill(c, addrs, vni) {
				return 0, false // slow interns it
			}
		}
		stack, key = c.stack, c.key
		b = ip[36 : 20+udp]
	}
}

// sum20 reports whether the checksum of the IPv4 header of 20 bytes at h is right.
func sum20(h []byte) bool {
	h = h[:20]
	s, k := bits.Add64(load64(h), load64(h[8:]), 0)
	s, k = bits.Add64(s, uint64(binary.LittleEndian.Uint32(h[16:])), k)
	return checksum.Fold(s+k) == 0xffff
}

// A nearStack is a stack of one VXLAN tunnel over IPv4, as the fast path looks for it.
type nearStack struct {
	addrs      uint64 // source and destination, first byte lowest
	vni        uint32
	stack, key uint32
}

// nearBits is the binary logarithm of how many of them are kept.
const nearBits = 8

// fill looks c up in the table, and reports whether it is there.
func (d *Decoder) fill(c *nearStack, addrs uint64, vni uint32) bool {
	n := node{id: int64(vni), typ: d.vxlanType, hasAddr: true}
	var ip [8]byte
	binary.LittleEndian.PutUint64(ip[:], addrs)
	putAddr4(&n.src, ip[:4])
	putAddr4(&n.dst, ip[4:])
	i := d.tunnels.lookup(&n)
	if i == 0 || d.tunnels.at(i).key == noKey {
		return false
	}
	*c = nearStack{addrs: addrs, vni: vni, stack: i, key: d.tunnels.at(i).key}
	return true
}
