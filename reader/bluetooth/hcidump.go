package bluetooth

import (
	"encoding/binary"

	"recap/reader/format"
	"recap/reader/packet"
)

const (
	hcidumpName   = "hcidump"
	hcidumpHeader = 12
)

// HCIDump is the entry for the list of formats. The file has no header and no magic number; it
// is known by its first two records, of which the first must confirm its length.
var HCIDump = format.Format{
	Name: hcidumpName,
	Weak: true,
	Match: func(head []byte) bool {
		l := &hcidump{logged{max: format.DefaultMaxPacket, start: hcidumpHeader + 1}}
		return len(head) >= l.HeaderSize() && l.Header(head).Plain && format.Begins(head, l.HeaderSize(), l.Header)
	},
	New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
		return format.NewRecords(in, file, &hcidump{logged{in: in, max: lim.WithDefaults().MaxPacket, start: hcidumpHeader + 1}})
	},
}

type hcidump struct{ logged }

// FileHeader implements [format.Layout]: there is none.
func (l *hcidump) FileHeader([]byte) int {
	l.begin(hcidumpName)
	return 0
}

func (l *hcidump) HeaderSize() int { return l.start }

// Header reads the length, who sent the packet, a byte of padding, the time, and the kind of
// the packet.
func (l *hcidump) Header(b []byte) format.Header {
	h, kind := format.Header{Sec: int64(le32(b[4:]))}, b[hcidumpHeader]
	if n := int(binary.LittleEndian.Uint16(b)); n > 0 && n <= l.max {
		h.Size = hcidumpHeader + n
	}
	l.confirm(&h, b[2] <= 1 && b[3] == 0 && le32(b[8:]) < 1e6 && h.Sec > 0 && kind > 0 && kind <= kindISO, kind, b)
	return h
}

// Why implements [format.Layout].
func (l *hcidump) Why(b []byte) string { return l.why(int64(binary.LittleEndian.Uint16(b))) }

// Other implements [format.Layout].
func (l *hcidump) Other(b []byte) [2]int { return l.other(l.Header(b), b[hcidumpHeader], b) }

func (l *hcidump) Take(b []byte, p *packet.Packet) bool {
	return l.take(p, b[2] != 0, 0, b[hcidumpHeader:], le32(b[4:]), le32(b[8:]))
}
