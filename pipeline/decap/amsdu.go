package decap

import (
	"encoding/binary"
	"slices"
)

// A later is a part of a packet that is still to be decoded: what of it, and what was
// known where it was found.
type later struct {
	state state
	proto Proto
	rest  []byte
}

// leave puts rest aside for [Decoder.Next], as something that p names. What is left last
// comes first.
func (s *state) leave(p Proto, rest []byte) {
	l := later{state: *s, proto: p, rest: rest}
	l.state.tunnels, l.state.vlans, l.state.pieces = slices.Clone(s.tunnels), slices.Clone(s.vlans), slices.Clone(s.pieces)
	l.state.geneves = slices.Clip(s.geneves)
	s.d.later = append(s.d.later, l)
}

// stepAMSDU reads the first frame of an aggregate (IEEE 802.11, clause 9.3.2.2.2):
// destination, source, length, LLC, and padding up to a multiple of 4. The frames
// after it are left for [Decoder.Next].
func stepAMSDU(s *state, b []byte) (Proto, []byte, error) {
	if len(b) < 14 {
		return 0, nil, s.short()
	}
	n := 14 + int(binary.BigEndian.Uint16(b[12:]))
	// What is shorter than a header is padding or a frame check sequence.
	if next := (n + 3) &^ 3; len(b)-next >= 14 {
		s.leave(protoAMSDU, b[next:])
	}
	s.setMACs(b)
	return EtherType(0), b[14:min(n, len(b))], nil
}

// resume decodes the next frame of a packet that holds several.
func (d *Decoder) resume(seg *Segment) Disposition {
	last := len(d.later) - 1
	l := d.later[last]
	d.later[last] = later{}
	d.later = d.later[:last]
	d.frames++
	d.state = l.state
	return d.state.run(l.proto, l.rest, seg)
}

// firstOf returns the disposition of a packet whose first frame has disp, and fills
// seg from the first frame that is a TCP segment. Where there is none, the first fault
// counts.
func (d *Decoder) firstOf(disp Disposition, seg *Segment) Disposition {
	for disp != DispTCP && len(d.later) > 0 {
		if other := d.resume(seg); other == DispTCP || other.Undecodable() && !disp.Undecodable() {
			disp = other
		}
	}
	return disp
}

// Next goes on in a packet that Decode found to hold a TCP segment: where another one
// follows, it fills s and returns true. Its Info has Further; the packet's disposition
// was told by Decode.
func (d *Decoder) Next(s *Segment) bool {
	for len(d.later) > 0 {
		s.Number, s.TimeNS, s.Clock = d.packet.Number, d.packet.TimeNS, d.packet.Clock
		s.Interface, s.FileIndex = d.packet.Interface, d.packet.FileIndex
		s.Wire = 0 // counted with the first
		switch disp := d.resume(s); {
		case disp == DispTCP:
			s.Info |= Further
			return true
		case disp.Undecodable():
			d.badFrames++
		}
	}
	return false
}

// More reports whether Next may find anything.
func (d *Decoder) More() bool { return len(d.later) > 0 }
