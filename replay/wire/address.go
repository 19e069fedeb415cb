package wire

import (
	"encoding/binary"
	"net/netip"

	"recap/pipeline/exchange"
)

// Client addresses that no capture should hold: 198.18.0.0/16 and 2001:2::/48 are for
// benchmarks (RFC 2544, appendix C.2.2; RFC 5180, section 8). Servers without an
// address get one beside them.
var (
	clientNet4 = [4]byte{198, 18}
	server4    = netip.AddrFrom4([4]byte{198, 19, 0, 1})
	clientNet6 = [16]byte{0x20, 0x01, 0, 2}
)

// Ports of made-up clients, and how many made-up addresses there are: together
// 4.2 thousand million connections before any comes again.
const (
	firstPort = 1024
	ports     = 1<<16 - firstPort
	hosts     = 1 << 16
)

// addresses gives every connection of a run ends that no other had.
type addresses struct {
	made uint64 // connections with a made-up client
	// seen is a Bloom filter of the connections that kept the addresses they were
	// captured with. One that may have been there gets a made-up client, so that a
	// wrong guess costs an address and never makes two connections one.
	seen []uint64
}

// seenBits is the binary logarithm of the filter's size: 8 MiB, which tells ten
// million connections apart but for one in ten.
const seenBits = 26

// ends returns the ends for a connection that is to look like c; keep says that it
// may have the addresses that c has.
func (a *addresses) ends(c *exchange.Conn, keep bool) (client, server endpoints, v6 bool) {
	var none exchange.Conn
	if c == nil {
		c = &none
	}
	server.ip, server.port = c.Server.IP.Unmap(), c.Server.Port
	if !server.ip.IsValid() {
		server.ip = server4
	}
	switch {
	case server.port == 0:
		server.port = 80
	case server.port == 443 && c.TLS != nil:
		server.port = 80 // what is sent is in the clear
	}
	v6 = server.ip.Is6()
	client.ip, client.port = c.Client.IP.Unmap(), c.Client.Port
	if !keep || !client.ip.IsValid() || client.ip.Is6() != v6 || client.port == 0 || !a.first(client, server) {
		client.ip, client.port = a.next(v6)
	}
	client.mac, server.mac = macOf(&c.Client, client.ip), macOf(&c.Server, server.ip)
	return client, server, v6
}

// next makes up the next client.
func (a *addresses) next(v6 bool) (netip.Addr, uint16) {
	host, port := uint16(a.made%hosts), uint16(firstPort+a.made/hosts%ports)
	a.made++
	if v6 {
		ip := clientNet6
		binary.BigEndian.PutUint16(ip[14:], host)
		return netip.AddrFrom16(ip), port
	}
	ip := clientNet4
	binary.BigEndian.PutUint16(ip[2:], host)
	return netip.AddrFrom4(ip), port
}

// first reports whether no connection between these ends went before, and notes it.
func (a *addresses) first(client, server endpoints) bool {
	if a.reserved(client.ip) {
		return false
	}
	if a.seen == nil {
		a.seen = make([]uint64, 1<<(seenBits-6))
	}
	c, s := client.ip.As16(), server.ip.As16()
	h := flowHash(&c, &s, client.port, server.port)
	g := h>>32 | h<<32
	fresh := false
	for range 4 {
		bit := h >> (64 - seenBits)
		if a.seen[bit>>6]&(1<<(bit&63)) == 0 {
			a.seen[bit>>6] |= 1 << (bit & 63)
			fresh = true
		}
		h += g | 1
	}
	return fresh
}

// reserved reports whether ip is one of those that are made up.
func (a *addresses) reserved(ip netip.Addr) bool {
	if ip.Is4() {
		b := ip.As4()
		return b[0] == clientNet4[0] && b[1] == clientNet4[1]
	}
	b := ip.As16()
	return [6]byte(b[:6]) == [6]byte(clientNet6[:6])
}

// mix spreads the bits of v.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// flowHash is the same for both directions, so that both take the same way and keep
// their order.
func flowHash(a, b *[16]byte, ap, bp uint16) uint64 {
	end := func(ip *[16]byte, port uint16) uint64 {
		front, back := binary.LittleEndian.Uint64(ip[:]), binary.LittleEndian.Uint64(ip[8:])
		return mix(mix(mix(front+0x9e3779b97f4a7c15)^back) + uint64(port))
	}
	return mix(end(a, ap) + end(b, bp))
}
