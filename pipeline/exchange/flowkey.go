package exchange

import "net/netip"

// FlowKey names a conversation: the tunnel stack and the innermost 5-tuple, the
// same for both directions. It holds no pointers, so that tables of it cost the
// garbage collector nothing.
type FlowKey struct {
	// Lo and Hi are the two addresses (IPv4 as IPv4-mapped IPv6), the smaller
	// address-and-port first, so that both directions have one key.
	Lo, Hi         [16]byte
	LoPort, HiPort uint16
	// Stack identifies the tunnel types and ids around the conversation; 0 for none.
	Stack uint32
	// V6 says that the packets are IPv6. Its addresses may be IPv4-mapped ones, and
	// such a conversation is not the one between the same IPv4 addresses.
	V6 bool
}

// Addr returns a, an address of a [FlowKey], as the packets have it: of IPv6, or of
// IPv4 without the mapping.
func Addr(a [16]byte, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom16(a).Unmap()
}
