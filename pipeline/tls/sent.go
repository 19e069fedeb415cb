package tls

import "recap/pipeline/exchange"

// Sent returns a place in direction d of the stream as sent that stands for the byte of its
// plaintext at offset: inside its record, as far behind the beginning as it is in the content.
// Every capture of the connection gives the same one. It is not known of old records.
func (c *Conn) Sent(d exchange.Dir, offset int64) (sent int64, ok bool) {
	m := c.sides[d].marks
	if m == nil {
		return 0, false
	}
	for i := range m.ends[:min(m.n, len(m.ends))] {
		if e := &m.ends[i]; e.begin <= offset && offset < e.plain {
			return e.from + offset - e.begin, true
		}
	}
	return 0, false
}
