package decap

import (
	"encoding/binary"
	"slices"

	"recap/pipeline/defrag"
)

// fragContext is what decoding goes on with when a datagram is whole: the state
// behind the IP header of its first fragment. The tunnel stack is part of the key.
type fragContext struct {
	next  Proto
	vlans uint32
	info  Info
	ipID  uint16
	depth uint8
	ttl   uint8
	macs  [12]byte
}

// stepIPv4 reads an IPv4 header (RFC 791, section 3.1).
func stepIPv4(s *state, b []byte) (Proto, []byte, error) {
	if len(b) > 0 && b[0]>>4 == 6 {
		return protoIPv6, b, nil // the layer below says otherwise, wrongly
	}
	if len(b) < 20 || b[0]>>4 != 4 {
		return 0, nil, s.short()
	}
	hl := int(b[0]&15) * 4
	if hl < 20 || hl > len(b) {
		return 0, nil, s.short()
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n == 0 {
		n = len(b) // left to the network card: TCP segmentation offload
	}
	if n < hl {
		return 0, nil, dispIPv4Length
	}
	if ipv4SumWrong(b[:hl]) {
		s.info |= BadIPSum
	}
	s.missing = max(0, n-len(b))
	b = b[:min(n, len(b))]
	s.setAddr4(b)
	s.ttl, s.ipID = b[8], binary.BigEndian.Uint16(b[4:])
	next, frag := IPProto(b[9]), binary.BigEndian.Uint16(b[6:])
	if frag&0x3fff == 0 {
		return next, b[hl:], nil
	}
	if s.guess != 0 && ipv4SumWrong(b[:hl]) {
		return 0, nil, s.guess // nothing more would tell
	}
	return s.fragment(next, defrag.Key{Src: s.src, Dst: s.dst, ID: uint32(s.ipID), Proto: b[9]}, defrag.Fragment{
		Offset:  int(frag&0x1fff) * 8, // in units of 8 bytes
		More:    frag&0x2000 != 0,
		Data:    b[hl:],
		Header:  hl,
		Missing: s.missing, Snap: s.truncated,
	})
}

// fragment holds a fragment, and goes on with the datagram where it is whole now.
func (s *state) fragment(next Proto, k defrag.Key, f defrag.Fragment) (Proto, []byte, error) {
	c, err := s.context(next, &k)
	if err != nil {
		return 0, nil, err
	}
	f.Number = s.seg.Number
	dgram, status := s.d.frags.Add(s.now, k, f, c)
	return s.piece(k, &dgram, status)
}

// context returns what is kept of a fragment, and completes its key.
func (s *state) context(next Proto, k *defrag.Key) (fragContext, error) {
	stack, _, ok := s.stack()
	if !ok {
		return fragContext{}, dispTunnelTable
	}
	vlans, ok := s.vlanStack()
	if !ok {
		return fragContext{}, dispVLANTable
	}
	k.Stack = stack
	return fragContext{next: next, vlans: vlans, info: s.info, ipID: s.ipID, depth: uint8(s.depth), ttl: s.ttl, macs: s.macs}, nil
}

// piece ends the decoding of a fragment that is held or of no use, and goes on with
// dgram where it is whole.
func (s *state) piece(k defrag.Key, dgram *defrag.Datagram[fragContext], status defrag.Status) (Proto, []byte, error) {
	s.pieces = append(s.pieces, Piece{Of: k, Last: status == defrag.Complete})
	switch status {
	case defrag.Held:
		return 0, nil, DispFragmentHeld
	case defrag.Oversize:
		return 0, nil, dispFragmentOversize
	case defrag.Malformed:
		return 0, nil, dispFragmentMalformed
	case defrag.Contradicted:
		return 0, nil, dispFragmentConflict
	}
	next, b := s.whole(dgram)
	return next, b, nil
}

// whole takes up the decoding behind the headers of dgram's first fragment.
func (s *state) whole(dgram *defrag.Datagram[fragContext]) (Proto, []byte) {
	c := &dgram.First
	s.info = c.info&^(FragmentConflict) | Reassembled | s.info&BadIPSum
	if dgram.Conflict {
		s.info |= FragmentConflict
	}
	s.ipID, s.ttl, s.macs, s.depth = c.ipID, c.ttl, c.macs, int(c.depth)
	s.setVLANs(c.vlans)
	s.missing, s.truncated = dgram.Missing, dgram.Snap
	return c.next, dgram.Data
}

// setVLANs makes the packet's VLAN stack stack i.
func (s *state) setVLANs(i uint32) {
	s.vlans = s.vlans[:0]
	for ; i != 0; i = s.d.vlans.at(i).parent {
		s.vlans = append(s.vlans, uint16(s.d.vlans.at(i).id))
	}
	slices.Reverse(s.vlans)
}
