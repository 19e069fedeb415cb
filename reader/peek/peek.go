// Package peek reads the captures of EtherPeek, AiroPeek, OmniPeek and their relatives
// (AG Group, WildPackets, Savvius; files .pkt, .tpc, .apc, .wpz): the classic format in
// versions 5 to 7, and the tagged one, version 9.
//
// No description is public; the fields are those that wiretap/peekclassic.c and
// wiretap/peektagged.c of Wireshark name.
//
// Classic files are big-endian and have no magic number; they are known by the fields of
// their header and by their first record. Times of versions 5 and 6 are milliseconds since
// a start in local time of a zone that the file does not name: it is taken as UTC, and the
// input carries the anomaly start_zone_unknown. Those of version 7 are microseconds since
// 1904, those of tagged files nanoseconds since 1601, both in UTC.
package peek

import (
	"bytes"

	"recap/reader/format"
	"recap/reader/packet"
)

// Formats are the entries for the list of formats: one with a magic number, one without.
var (
	Tagged = format.Format{
		Name:  "peek-tagged",
		Match: func(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) },
		New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
			return format.NewRecords(in, file, &tagged{in: in, max: lim.WithDefaults().MaxPacket})
		},
	}
	Classic = format.Format{
		Name:  "peek-classic",
		Weak:  true,
		Match: matchClassic,
		New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
			return format.NewRecords(in, file, &classic{in: in, max: lim.WithDefaults().MaxPacket})
		},
	}
)

// checkSequence is what stands behind a frame: its check sequence, or as many bytes that
// mean nothing.
const checkSequence = 4

// trim takes the last bytes off a packet, as far as they were captured, where they are
// no part of it.
func trim(data []byte, wire int) ([]byte, int) {
	wire = max(wire-checkSequence, 0)
	return data[:min(len(data), wire)], wire
}
