package http3

import (
	"recap/pipeline/exchange"
	"recap/pipeline/quic"
)

// settingTable is SETTINGS_QPACK_MAX_TABLE_CAPACITY (RFC 9204, section 5).
const settingTable = 0x01

// maxSettings bounds the SETTINGS that are read, bytes.
const maxSettings = 4 << 10

// control takes bytes of a control stream (RFC 9114, section 6.2.1): SETTINGS, which come
// first, say how large a table the other side's encoder may use.
func (c *Conn) control(st *stream, d exchange.Dir, b []byte) {
	h := &st.half[d]
	for len(b) > 0 {
		if !h.inside {
			b, _ = h.header(b)
			if !h.inside || h.remain > 0 {
				continue
			}
		}
		n := min(int64(len(b)), h.remain)
		h.remain -= n
		if h.typ == frameSettings && h.size <= maxSettings {
			h.block = append(h.block, b[:n]...)
		}
		if b = b[n:]; h.remain > 0 {
			continue
		}
		h.inside = false
		if h.typ == frameSettings {
			c.settings(d, h.block)
			h.block = nil
		}
	}
}

// settings takes the SETTINGS of a side.
func (c *Conn) settings(d exchange.Dir, b []byte) {
	t := &c.sides[d.Reverse()].table
	if t.hasLimit {
		return
	}
	t.hasLimit = true
	for len(b) > 0 {
		id, n := quic.Varint(b)
		v, k := quic.Varint(b[n:])
		if n == 0 || k == 0 {
			break
		}
		if b = b[n+k:]; id == settingTable {
			t.limit = min(v, 1<<30)
		}
	}
	c.resume(false)
}
