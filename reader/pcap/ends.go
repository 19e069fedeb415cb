package pcap

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Ends are the two ends of a capture file.
type Ends struct {
	Header          []byte // of the file: version, snap length, link type
	FirstNS, LastNS int64  // times of the first and last packet, nanoseconds since 1970
}

const (
	endsHeader = 24 // bytes of the file header
	endsRecord = 16 // bytes of a record header
	// HeadBytes is what [EndsOf] needs of the beginning of a file, TailBytes of its end.
	HeadBytes = endsHeader + endsRecord
	TailBytes = 512 << 10
	// endsChain is how many records must lead to the end of a file before the last of
	// them is believed.
	endsChain = 4
)

// EndsOf tells the ends of a file in microsecond or nanosecond pcap from its first
// and last bytes, so that hardly anything of a large file is read: tail ends where the
// file does, and begins at its byte off. ok is false where there is any doubt: another
// format, a file that is cut inside a record, bytes that could be read in two ways.
func EndsOf(head, tail []byte, off int64) (e Ends, ok bool) {
	v, big, ok := lookup(head)
	if !ok || v.extra != 0 || v.header != endsRecord || len(head) < HeadBytes || off < 0 {
		return e, false
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if big {
		order = binary.BigEndian
	}
	if order.Uint16(head[4:]) != 2 || order.Uint16(head[6:]) != 4 {
		return e, false
	}
	if off < endsHeader {
		if len(tail) < int(endsHeader-off) {
			return e, false
		}
		tail, off = tail[endsHeader-off:], endsHeader
	}
	last, ok := lastRecord(tail, off == endsHeader, order, order.Uint32(head[16:]))
	if !ok {
		return e, false
	}
	at := func(b []byte) int64 { return int64(order.Uint32(b))*1e9 + int64(order.Uint32(b[4:]))*v.unit }
	return Ends{bytes.Clone(head[:endsHeader]), at(head[endsHeader:]), at(tail[last:])}, true
}

// lastRecord returns where the last record of a file begins in its tail. Where whole is
// set, tail begins with the first record, and all records must lead to the end; else
// there is one place to which most chains of records lead.
func lastRecord(tail []byte, whole bool, order binary.ByteOrder, snap uint32) (int, bool) {
	// steps[i] is how many records lead from byte i to the end, ends[i] the last of them.
	steps, ends := make([]int32, len(tail)+1), make([]int32, len(tail)+1)
	best := map[int32]int32{} // longest chain to each last record
	for i := len(tail) - endsRecord; i >= 0; i-- {
		captured, length := order.Uint32(tail[i+8:]), order.Uint32(tail[i+12:])
		next := int64(i) + endsRecord + int64(captured)
		if captured > length || snap > 0 && captured > snap || length > 1<<24 || next > int64(len(tail)) {
			continue
		}
		switch {
		case next == int64(len(tail)):
			steps[i], ends[i] = 1, int32(i)
		case steps[next] > 0:
			steps[i], ends[i] = steps[next]+1, ends[next]
		default:
			continue
		}
		best[ends[i]] = max(best[ends[i]], steps[i])
	}
	if whole {
		return int(ends[0]), len(tail) > 0 && steps[0] > 0
	}
	chains := make([]int32, 0, len(best))
	place := int32(-1)
	for at, n := range best {
		if place < 0 || n > best[place] {
			place = at
		}
		chains = append(chains, n)
	}
	slices.Sort(chains)
	n := len(chains)
	if n == 0 || chains[n-1] < endsChain || n > 1 && chains[n-2] > chains[n-1]/2 {
		return 0, false
	}
	return int(place), true
}
