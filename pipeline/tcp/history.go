package tcp

import "bytes"

// History remembers where recently delivered payload lies, so that a later copy
// of the same stream bytes can be compared with the first one. It holds no copies:
// entries point into batches that the worker keeps for as long as Horizon bytes of
// capture have not passed. What lies further back cannot be compared any more; that
// border depends on the packets only, never on batches or timing.
type History struct {
	Horizon int64 // bytes of capture; 0 remembers nothing

	entries []histEntry
	first   int64 // index of entries[0], counted from 1
	now     int64
}

type histEntry struct {
	prev  int64 // index of the entry before it on the same half; 0 for none
	off   int64
	acked int64 // packet.Pos.Acked of the bytes
	cum   int64
	data  []byte
}

// maxLookBack bounds how many entries one comparison visits.
const maxLookBack = 1024

// At tells the history how many captured bytes have passed. It must rise.
func (h *History) At(cum int64) { h.now = cum }

// Now returns what At was told last.
func (h *History) Now() int64 { return h.now }

// Trim drops what lies behind the horizon. The caller may then let go of the
// memory of packets older than that.
func (h *History) Trim() {
	n := 0
	for n < len(h.entries) && h.entries[n].cum < h.now-h.Horizon {
		n++
	}
	if n < len(h.entries) && n < len(h.entries)/2 {
		return // moving costs more than it frees
	}
	rest := copy(h.entries, h.entries[n:])
	clear(h.entries[rest:])
	h.entries = h.entries[:rest]
	h.first += int64(n)
}

// Reset forgets everything but the memory of the entries, for the next capture.
func (h *History) Reset() {
	clear(h.entries[:cap(h.entries)])
	*h = History{entries: h.entries[:0]}
}

// Mark returns where the next entry will stand, for Own.
func (h *History) Mark() int64 { return max(h.first, 1) + int64(len(h.entries)) }

// Own copies the data of all entries since mark, so that the batch they point into
// need not be kept.
func (h *History) Own(mark int64) {
	for i := mark - max(h.first, 1); i < int64(len(h.entries)); i++ {
		h.entries[i].data = bytes.Clone(h.entries[i].data)
	}
}

// add remembers data at off, which acknowledged so much, and returns the new entry's index.
func (h *History) add(prev, off, acked int64, data []byte) int64 {
	if h.Horizon == 0 {
		return 0
	}
	if h.first == 0 {
		h.first = 1
	}
	n := len(h.entries)
	if n == cap(h.entries) {
		h.entries = append(h.entries, histEntry{})
	}
	h.entries = h.entries[:n+1]
	e := &h.entries[n] // field by field, for speed: see reader/pcap
	e.prev, e.off, e.acked, e.cum, e.data = prev, off, acked, h.now, data
	return h.first + int64(n)
}

// entry returns the entry with that index, nil for none within the horizon.
func (h *History) entry(i int64) *histEntry {
	if i < h.first || i <= 0 {
		return nil
	}
	e := &h.entries[i-h.first]
	if e.cum < h.now-h.Horizon {
		return nil
	}
	return e
}

// compare holds data, which claims offset off, against what was delivered. It
// returns how many bytes were the same, differed, and could not be compared, and the
// first offset that differs (-1 for none).
func (h *History) compare(last, off int64, data []byte) (same, differ, unknown int64, where int64) {
	where = -1
	todo := int64(len(data))
	for i, n := last, 0; i >= h.first && i > 0 && todo > 0 && n < maxLookBack; n++ {
		e := &h.entries[i-h.first]
		if e.cum < h.now-h.Horizon {
			break
		}
		a, b := max(off, e.off), min(off+int64(len(data)), e.off+int64(len(e.data)))
		if a < b {
			x, y := data[a-off:b-off], e.data[a-e.off:b-e.off]
			if string(x) == string(y) {
				same += b - a
			} else {
				for j := range x {
					if x[j] == y[j] {
						same++
						continue
					}
					if differ++; where < 0 || a+int64(j) < where {
						where = a + int64(j)
					}
				}
			}
			todo -= b - a
		}
		if e.off <= off { // everything before it on this half lies lower still
			break
		}
		i = e.prev
	}
	return same, differ, max(todo, 0), where
}
