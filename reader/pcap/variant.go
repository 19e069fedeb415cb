package pcap

import (
	"recap/reader/format"
	"recap/reader/packet"
)

// aixLinks maps the interface types (RFC 1573) that AIX writes with version 2.2
// and nanoseconds: Ethernet, token ring, FDDI, loopback. No other writer of that
// version is known to use these numbers.
var aixLinks = map[uint32]packet.LinkType{6: packet.LinkEthernet, 9: packet.LinkTokenRing, 15: packet.LinkFDDI, 24: packet.LinkNull}

// Variants that share a magic number with another, which is tried first.
var sharing = map[uint32][]variant{
	0xa1b2c3d4: {
		{0xa1b2c3d4, "pcap-modified", 1000, 1e6, 0, 24}, // of 1999-04-17: Red Hat 6.1
		{0xa1b2c3d4, "pcap-nokia", 1000, 1e6, 0, 20},    // four bytes of unknown meaning
	},
	0xa1b2cd34: {
		{0xa1b2cd34, "pcap-modified", 1000, 1e6, 0, 28}, // of 1999-09-15: SuSE 6.3
	},
}

// mostIndex is more than any interface index of the time of these patches.
const mostIndex = 10000

// choose finds out which variant the file is of, from where the first record ends.
// A standard file is told from its first packet, which a pipe hands on at once,
// unless that begins like the further fields of another variant: a small number.
func (p *parser) choose(w *format.Window) (need int) {
	others := sharing[p.v.magic]
	if p.v.unit == 1 || p.v.extra > 0 {
		others = nil
	}
	b := w.Bytes()
	for _, n := range []int{16, 20} {
		if len(others) > 0 && len(b) < n && !w.EOF {
			return n
		}
		if len(others) == 0 || len(b) < n || p.header(b).caplen < 4 || p.v.header == 16 && n == 20 && p.order().Uint32(b[16:]) > mostIndex {
			p.st = atRecord
			return 0
		}
	}
	own := p.v
	for _, v := range append([]variant{own}, others...) {
		p.v = v
		fits, need := p.leads(b, w.EOF, v == own)
		if need > 0 {
			p.v = own
			return need
		}
		if fits {
			p.in.Format, p.st = v.name, atRecord
			return 0
		}
	}
	p.v, p.st = own, atRecord
	return 0
}

// leads reports whether the first record is followed by another one or by the
// end of the file. A positive need says that it must see more. With anyTime it may be
// of any time, if it has nothing odd: the clock may have been set between them. Read at a
// wrong place, the seconds of a record stand where its fraction or its length is looked for.
func (p *parser) leads(b []byte, eof, anyTime bool) (ok bool, need int) {
	r := p.header(b)
	if !p.plausible(r) {
		return false, 0
	}
	hl := p.v.header
	end := hl + int(r.caplen)
	switch {
	case len(b) == end && eof:
		return true, 0
	case len(b) < end+16 && !eof:
		return false, end + 16
	case len(b) < end:
		return false, 0
	case len(b) < end+16: // cut, if these are the first bytes of a record
		return len(b) < end+4 || dist(p.order().Uint32(b[end:]), r.sec) <= near, 0
	}
	n := p.header(b[end:])
	return n == record{} || p.plausible(n) && (dist(n.sec, r.sec) <= near || anyTime && n.caplen > 0), 0
}
