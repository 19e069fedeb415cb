package netxray

import (
	"encoding/binary"

	"recap/reader/format"
	"recap/reader/packet"
)

// Where a record of ATM tells what it is, and what it tells.
const (
	atmKindAt   = 12 // adaptation layer, and what is above it
	atmErrorAt  = 20
	atmCellAt   = 21
	atmError    = 0x01 // cells of the frame are missing
	atmCell     = 0x04 // a cell that is no part of a frame
	aal5Trailer = 8
	cellPayload = 48
)

// atm returns what is to be read of the frame data of record b, which has orig bytes on the
// wire, how many of them that leaves, and its link type; nil for what is counted only.
func (l *layout) atm(b, data []byte, orig int) ([]byte, int, packet.LinkType) {
	had := len(data)
	if had == orig {
		data = withoutTrailer(data)
	}
	data, link, ok := atmFrame(b, data)
	if !ok {
		format.StepOver(l.in, "netxray ATM cells and signalling")
		return nil, 0, 0
	}
	if b[atmErrorAt]&atmError != 0 {
		l.in.AddAnomaly("receive_error")
	}
	return data, orig - (had - len(data)), link
}

// atmFrame returns what is to be read of the frame data of record b, and its link type. ok
// is false for cells and for what sets up circuits.
func atmFrame(b, data []byte) (rest []byte, link packet.LinkType, ok bool) {
	if b[atmCellAt]&atmCell != 0 {
		return nil, 0, false
	}
	switch b[atmKindAt] & 0x70 {
	case 0x30, 0x50, 0x60, 0x70: // layer 5
	default:
		return data, packet.LinkATM, true
	}
	switch b[atmKindAt] & 0x07 {
	case 1, 2, 3: // signalling, management
		return nil, 0, false
	case 0, 4, 5:
		rest, ok = format.EmulatedLAN(data)
		return rest, packet.LinkEthernet, ok
	}
	return data, packet.LinkATM, true
}

// withoutTrailer cuts padding and trailer off a whole frame, as far as the length in
// the trailer says so (ITU-T I.363.5, clause 9.2.1).
func withoutTrailer(data []byte) []byte {
	end := len(data) - aal5Trailer
	if end <= 0 || len(data)%cellPayload != 0 {
		return data
	}
	if n := int(binary.BigEndian.Uint16(data[end+2:])); n > 0 && n <= end && end-n < cellPayload {
		return data[:n]
	}
	return data
}
