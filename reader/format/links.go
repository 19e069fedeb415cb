package format

import "recap/reader/packet"

// Links are the interface entries of a file whose records name their link types:
// one for each link type, in the order in which they come up.
type Links struct {
	in         *packet.Input
	resolution string // of the times, as [packet.Interface] has it
	known      map[packet.LinkType]int32
}

// NewLinks returns the entries of one file, none as yet.
func NewLinks(in *packet.Input, resolution string) *Links {
	return &Links{in: in, resolution: resolution, known: map[packet.LinkType]int32{}}
}

// Interface returns the index of the entry for packets of a link type.
func (l *Links) Interface(link packet.LinkType) int32 {
	if i, ok := l.known[link]; ok {
		return i
	}
	l.in.Interfaces = append(l.in.Interfaces, packet.Interface{Link: link, Resolution: l.resolution, Received: -1, Drops: -1})
	i := int32(len(l.in.Interfaces) - 1)
	l.known[link] = i
	return i
}

// EmulatedLAN returns the frame behind the two bytes that an emulated LAN puts before each.
// ok is false for what controls the LAN, whose client has the number 0xff00 there (LAN
// Emulation over ATM 1.0).
func EmulatedLAN(b []byte) (frame []byte, ok bool) {
	if len(b) <= 2 || b[0] == 0xff && b[1] == 0 {
		return nil, false
	}
	return b[2:], true
}

// StepOver counts a record that holds no packet.
func StepOver(in *packet.Input, kind string) {
	if in.Unknown == nil {
		in.Unknown = map[string]int64{}
	}
	in.Unknown[kind]++
}
