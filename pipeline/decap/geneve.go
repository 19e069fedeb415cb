package decap

import (
	"bytes"
	"encoding/binary"

	"recap/pipeline/exchange"
)

const geneveName = "geneve"

// geneveHeader is the length of a GENEVE header without options.
const geneveHeader = 8

// stepGENEVE reads a GENEVE header (RFC 8926, section 3.4). The protocol is an
// EtherType: an Ethernet frame, or IP without one. Options are kept as they are:
// load balancers give each flow its own, so they are no part of the tunnel stack.
func stepGENEVE(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < geneveHeader || b[0]>>6 != 0 {
		return 0, nil, DispUDP
	}
	n := geneveLength(b)
	next := EtherType(binary.BigEndian.Uint16(b[2:]))
	if n > len(b) || s.d.table[next] == 0 && next != EtherType(0x0806) {
		return 0, nil, DispUDP
	}
	if b[1]&0x3f != 0 || b[7] != 0 {
		s.doubt(DispUDP) // reserved bits are set
	}
	if err := s.tunnel(geneveName, int64(binary.BigEndian.Uint32(b[4:])>>8), false); err != nil {
		return 0, nil, err
	}
	if s.ngeneve++; s.ngeneve == 1 {
		s.geneves = b[:n:n] // one tunnel costs no copy
	} else {
		s.geneves = append(s.geneves, b[:n]...)
	}
	return next, b[n:], nil
}

// geneveLength returns the length of header b with its options, whose length counts
// units of 4 bytes.
func geneveLength(b []byte) int { return geneveHeader + int(b[0]&0x3f)*4 }

// geneveOptions returns the options of the first header in b, and the headers after
// it. Options that reach past their header end the list.
func geneveOptions(b []byte) (options []exchange.TunnelOption, rest []byte) {
	n := geneveLength(b)
	for o := b[geneveHeader:n]; len(o) >= 4; {
		end := 4 + int(o[3]&0x1f)*4
		if end > len(o) {
			break
		}
		options = append(options, exchange.TunnelOption{
			Class: binary.BigEndian.Uint16(o), Type: o[2] & 0x7f, Data: bytes.Clone(o[4:end]),
		})
		o = o[end:]
	}
	return options, b[n:]
}
