package decap

import (
	"encoding/binary"

	"recap/pipeline/defrag"
)

// Who sent data, as Linux' monitor numbers it. The two directions of a connection have one
// handle.
const (
	hciSent     = 4
	hciReceived = 5
)

// stepDirectionWord reads the 4 bytes that say who sent a frame of Bluetooth.
func stepDirectionWord(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	s.sport = hciSent + uint16(b[3]&1)
	return protoHCI, b[4:], nil
}

// stepHCI reads a packet between a host and its Bluetooth controller (Bluetooth Core,
// volume 4, part A): a byte that tells data from commands.
func stepHCI(s *state, b []byte) (Proto, []byte, error) {
	const data = 2
	if len(b) < 1 {
		return 0, nil, s.short()
	}
	if b[0] != data {
		return 0, nil, DispNonIP
	}
	return protoACL, b[1:], nil
}

// stepBluetoothMonitor reads the header of Linux' own monitor: number of the adapter, and
// what kind of message this is.
func stepBluetoothMonitor(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 4 {
		return 0, nil, s.short()
	}
	if s.sport = binary.BigEndian.Uint16(b[2:]); s.sport != hciSent && s.sport != hciReceived {
		return 0, nil, DispNonIP
	}
	return protoACL, b[4:], nil
}

// An aclPart is how far the frame of L2CAP has come that a connection sends in parts.
type aclPart struct {
	id         uint32
	have, want int
}

// maxACL is how many connections of Bluetooth are remembered.
const maxACL = 1 << 12

// stepACL reads a packet of a Bluetooth connection (Bluetooth Core, volume 4, part E,
// section 5.4.2): handle, whether it begins a frame of L2CAP, and the length. Parts of a
// frame come in order and say no place; the first one has the length of all.
func stepACL(s *state, b []byte) (Proto, []byte, error) {
	const header, l2cap, going = 4, 4, 1
	if len(b) < header {
		return 0, nil, s.short()
	}
	handle, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
	rest := b[header:min(len(b), header+n)]
	if n == 0 {
		return 0, nil, DispNonIP
	}
	d := s.d
	key := uint64(uint32(s.seg.Interface))<<32 | uint64(s.sport)<<12 | uint64(handle&0xfff)
	p, begun := d.acl[key]
	if handle>>12&3 == going {
		if !begun || p.have+n > p.want {
			delete(d.acl, key)
			return 0, nil, DispNonIP // its beginning is not there
		}
	} else {
		if len(rest) < l2cap {
			return 0, nil, DispNonIP
		}
		want := l2cap + int(binary.LittleEndian.Uint16(rest))
		if n >= want {
			if s.sport != 0 { // else it may be of the other direction
				delete(d.acl, key)
			}
			return protoL2CAP, rest[:min(len(rest), want)], nil
		}
		if begun && s.sport == 0 { // which of the two the next part goes on with is not known
			delete(d.acl, key)
			return 0, nil, DispNonIP
		}
		if !begun && len(d.acl) == maxACL {
			return 0, nil, DispNonIP
		}
		d.aclID++
		p = aclPart{id: d.aclID, want: want}
	}
	f := defrag.Fragment{
		Offset: p.have, More: p.have+n < p.want, AnyLength: true,
		Data: rest, Missing: n - len(rest), Snap: s.truncated,
	}
	if p.have += n; f.More {
		d.acl[key] = p
	} else {
		delete(d.acl, key)
	}
	return s.fragment(protoL2CAP, defrag.Key{ID: p.id, Proto: protoOfNobody}, f)
}

// stepL2CAP reads the header of a frame of L2CAP (Bluetooth Core, volume 3, part A), and
// the one that network encapsulation puts behind it (BNEP, section 2.4). The number of the
// channel says nothing of its use: only an IP packet proves it.
func stepL2CAP(s *state, b []byte) (Proto, []byte, error) {
	const header, extended = 4, 0x80
	if len(b) < header+3 {
		return 0, nil, DispNonIP
	}
	b = b[header:]
	n := 0
	switch b[0] &^ extended {
	case 0: // both addresses
		n = 12
	case 2: // none
	case 3, 4: // one
		n = 6
	default:
		return 0, nil, DispNonIP
	}
	if len(b) < 1+n+2 {
		return 0, nil, DispNonIP
	}
	if n == 12 {
		s.setMACs(b[1:])
	}
	typ, rest := EtherType(binary.BigEndian.Uint16(b[1+n:])), b[1+n+2:]
	for more := b[0]&extended != 0; more; {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return 0, nil, DispNonIP
		}
		more, rest = rest[0]&extended != 0, rest[2+int(rest[1]):]
	}
	for p := rest; s.d.isVLAN(typ) && len(p) >= 4; p = p[4:] {
		if next := EtherType(binary.BigEndian.Uint16(p[2:])); provesIP(p[4:]) && (next == protoIPv4 || next == protoIPv6) {
			return typ, rest, nil
		}
	}
	if typ != protoIPv4 && typ != protoIPv6 || !provesIP(rest) && !s.truncated {
		return 0, nil, DispNonIP
	}
	return typ, rest, nil
}
