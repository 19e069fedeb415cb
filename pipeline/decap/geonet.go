package decap

import "encoding/binary"

// stepGeoNet reads the basic header of GeoNetworking (ETSI EN 302 636-4-1, clause 9.6),
// over which vehicles talk, and passes what is not signed or encrypted on.
func stepGeoNet(s *state, b []byte) (Proto, []byte, error) {
	const header, common = 4, 1
	if len(b) < header {
		return 0, nil, s.short()
	}
	if b[0]&15 != common && b[0]&15 != 0 {
		return 0, nil, DispNonIP
	}
	return protoGeoCommon, b[header:], nil
}

// stepGeoCommon reads the common header (clause 9.7), and skips the one that the kind of
// packet has (clause 9.8), with the places of sender and receivers. What follows is IPv6
// (EN 302 636-6-1) or a transport of its own.
func stepGeoCommon(s *state, b []byte) (Proto, []byte, error) {
	const header, ipv6 = 8, 3
	if len(b) < header {
		return 0, nil, s.short()
	}
	n, length := header, int(binary.BigEndian.Uint16(b[4:]))
	switch kind := b[1] >> 4; kind {
	case 2: // to one station
		n += 48
	case 3, 4: // to any or all stations of an area
		n += 44
	case 5: // to all around, over one hop or several
		n += 28
	default:
		return 0, nil, DispNonIP
	}
	if b[0]>>4 != ipv6 {
		return 0, nil, DispNonIP
	}
	if n > len(b) {
		return 0, nil, s.short()
	}
	return protoIPv6, b[n:min(len(b), n+length)], s.tunnelBelowIP("geonetworking", -1, false)
}
