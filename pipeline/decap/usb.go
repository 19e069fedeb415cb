package decap

import (
	"bytes"
	"encoding/binary"
)

// stepUSB reads what hosts note of a transfer on their USB ports, as Linux' monitor has it,
// with 48 or 64 bytes before the data. Only bulk transfers carry frames.
func stepUSB(s *state, b []byte) (Proto, []byte, error) {
	const header, padded, bulk, lengthAt = 48, 64, 3, 36
	n := header
	if s.proto == Link(220) {
		n = padded
	}
	if len(b) < n {
		return 0, nil, s.short()
	}
	if b[9] != bulk || b[15] != 0 || len(b) == n {
		return 0, nil, DispNonIP
	}
	// The order is the host's; lengths of transfers are below 16 MiB.
	length := binary.LittleEndian.Uint32(b[lengthAt:])
	if length>>24 != 0 {
		length = binary.BigEndian.Uint32(b[lengthAt:])
	}
	return protoUSB, b[n:min(int64(len(b)), int64(n)+int64(length))], nil
}

// stepUSBPcap reads the header of USBPcap on Windows: its length, what was asked of the
// device and how, the kind of the transfer.
func stepUSBPcap(s *state, b []byte) (Proto, []byte, error) {
	const header, kindAt, bulk = 27, 22, 3
	if len(b) < header {
		return 0, nil, s.short()
	}
	return s.bulk(b, header, int(binary.LittleEndian.Uint16(b)), b[kindAt] == bulk)
}

// bulk returns what follows the n bytes of header, which are at least as many as given, of
// a transfer that is a bulk one.
func (s *state) bulk(b []byte, header, n int, isBulk bool) (Proto, []byte, error) {
	switch {
	case n < header || n > len(b):
		return 0, nil, s.short()
	case !isBulk || n == len(b):
		return 0, nil, DispNonIP
	}
	return protoUSB, b[n:], nil
}

// stepUSBData tells what a bulk transfer holds. Whether the device is a network adapter,
// and of which kind, was told when it was plugged in; so what comes must prove itself: by
// the marks and lengths of RNDIS, NCM, MBIM or EEM, or as a frame.
func stepUSBData(s *state, b []byte) (Proto, []byte, error) {
	for _, read := range [...]func([]byte) ([]usbFrame, bool){rndis, ncm, eem} {
		if frames, ok := read(b); ok {
			return s.first(frames)
		}
	}
	if provesFrame(b) {
		return protoEthernet, b, nil
	}
	return 0, nil, DispNonIP
}

// A usbFrame is one of those in a transfer.
type usbFrame struct {
	proto Proto
	data  []byte
}

// first returns the first of frames, and leaves the others for later.
func (s *state) first(frames []usbFrame) (Proto, []byte, error) {
	if len(frames) == 0 {
		return 0, nil, DispNonIP
	}
	for i := len(frames) - 1; i > 0; i-- {
		s.leave(frames[i].proto, frames[i].data)
	}
	return frames[0].proto, frames[0].data, nil
}

// le16 reads a number least byte first, as USB has them.
func le16(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }

// rndis reads the packet messages of Microsoft's remote NDIS: type 1, the length of the
// message, where the frame is from the third field on, and how long.
func rndis(b []byte) (frames []usbFrame, ok bool) {
	const header, packet, offsetAt = 44, 1, 8
	for len(b) >= header && binary.LittleEndian.Uint32(b) == packet {
		length := int64(binary.LittleEndian.Uint32(b[4:]))
		from := offsetAt + int64(binary.LittleEndian.Uint32(b[offsetAt:]))
		end := from + int64(binary.LittleEndian.Uint32(b[12:]))
		if from < header || end > length || from > int64(len(b)) {
			break
		}
		frames = append(frames, usbFrame{protoEthernet, b[from:min(end, int64(len(b)))]})
		b = b[min(length, int64(len(b))):]
	}
	return frames, len(frames) > 0
}

// ncm reads a transfer block of the network control model (USB CDC NCM 1.0, section 3),
// of 16 or 32 bits, and that of mobile broadband, which has IP packets: a header, tables
// of places and lengths that are linked, and the frames. What lies before the end of the
// one before it is not believed.
func ncm(b []byte) (frames []usbFrame, ok bool) {
	const header, table = 12, 8
	if len(b) < header+table || !bytes.Equal(b[:4], []byte("NCMH")) {
		return nil, false
	}
	at, last := le16(b[10:]), header
	for tables := 0; at >= header && at+table <= len(b) && tables < 64; tables++ {
		t := b[at:]
		next := protoEthernet
		switch {
		case bytes.Equal(t[:3], []byte("NCM")):
		case bytes.Equal(t[:3], []byte("IPS")):
			next = protoIP
		default:
			return frames, true
		}
		length := min(le16(t[4:]), len(t))
		for i := table; i+4 <= length; i += 4 {
			from, n := le16(t[i:]), le16(t[i+2:])
			if from == 0 || n == 0 {
				break
			}
			if from < last || from > len(b) {
				continue
			}
			end := min(from+n, len(b))
			frames, last = append(frames, usbFrame{next, b[from:end]}), end
		}
		at = le16(t[6:])
	}
	return frames, true
}

// eem reads packets of the Ethernet emulation model (USB CDC EEM 1.0, section 5): 2 bytes
// with the length of the frame, which has a check sequence of 4 bytes or a mark in its place.
func eem(b []byte) (frames []usbFrame, ok bool) {
	const command, check = 0x8000, 4
	for len(b) >= 2 {
		field := le16(b)
		n := field & 0x3fff
		switch {
		case field == 0:
			return frames, len(frames) > 0 // padding
		case field&command != 0:
			b = b[2+min(len(b)-2, field&0x7ff):]
			continue
		case n < 14+check || 2+n > len(b):
			return nil, false
		}
		if frame := b[2 : 2+n-check]; provesFrame(frame) || binary.BigEndian.Uint16(frame[12:]) == 0x0806 {
			frames = append(frames, usbFrame{protoEthernet, frame})
		} else if len(frames) == 0 {
			return nil, false
		}
		b = b[2+n:]
	}
	return frames, len(frames) > 0
}

// stepUSBDarwin reads the header of macOS: version, its length, what was asked, lengths and
// status, the device, the kind of the endpoint.
func stepUSBDarwin(s *state, b []byte) (Proto, []byte, error) {
	const header, lengthAt, kindAt, bulk = 32, 2, 31, 2
	if len(b) < header {
		return 0, nil, s.short()
	}
	return s.bulk(b, header, int(b[lengthAt]), b[kindAt] == bulk)
}

// stepUSBFreeBSD reads the header of FreeBSD, of which the kind of the transfer and the
// number of its parts matter, and the parts: a length, flags of which one says that
// data is there, and the data in units of 4 bytes.
func stepUSBFreeBSD(s *state, b []byte) (Proto, []byte, error) {
	const header, part, bulk, hasData = 128, 8, 2, 2
	if len(b) < header {
		return 0, nil, s.short()
	}
	if b[11] != bulk {
		return 0, nil, DispNonIP
	}
	var frames []usbFrame
	for b = b[header:]; len(b) > part; {
		n, flags := int64(binary.LittleEndian.Uint32(b)), b[4]
		if b = b[part:]; flags&hasData == 0 {
			continue
		}
		frames = append(frames, usbFrame{protoUSB, b[:min(n, int64(len(b)))]})
		b = b[min((n+3)&^3, int64(len(b))):]
	}
	return s.first(frames)
}
