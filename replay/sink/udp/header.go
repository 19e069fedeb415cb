package udp

import (
	"encoding/binary"
	"net/netip"
)

// A header is what is put in front of each datagram: Ethernet, IP, UDP. The link
// addresses are made up; checksums are left out, as those of an offload are.
type header struct {
	b [14 + 40 + 8]byte
	n int
	// from and to are what it was made for.
	from, to netip.AddrPort
}

// set makes h the header of datagrams from one address to another.
func (h *header) set(from, to netip.AddrPort) {
	if h.n != 0 && h.from == from && h.to == to {
		return
	}
	h.from, h.to = from, to
	clear(h.b[:])
	copy(h.b[:], []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1})
	ip := h.b[14:]
	var udp []byte
	if a := from.Addr().Unmap(); a.Is4() && to.Addr().Unmap().Is4() {
		b := to.Addr().Unmap()
		h.b[12], h.b[13] = 8, 0
		ip[0], ip[6], ip[8], ip[9] = 0x45, 0x40, 64, 17
		src, dst := a.As4(), b.As4()
		copy(ip[12:], src[:])
		copy(ip[16:], dst[:])
		udp, h.n = ip[20:], 14+20+8
	} else {
		h.b[12], h.b[13] = 0x86, 0xdd
		ip[0], ip[6], ip[7] = 0x60, 17, 64
		src, dst := from.Addr().As16(), to.Addr().As16()
		copy(ip[8:], src[:])
		copy(ip[24:], dst[:])
		udp, h.n = ip[40:], 14+40+8
	}
	binary.BigEndian.PutUint16(udp, from.Port())
	binary.BigEndian.PutUint16(udp[2:], to.Port())
}

// put writes the header for n bytes of payload.
func (h *header) put(dst []byte, n int) {
	copy(dst, h.b[:h.n])
	if h.b[12] == 8 {
		binary.BigEndian.PutUint16(dst[16:], uint16(20+8+n))
	} else {
		binary.BigEndian.PutUint16(dst[18:], uint16(8+n))
	}
	binary.BigEndian.PutUint16(dst[h.n-4:], uint16(8+n))
}
