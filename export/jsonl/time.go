package jsonl

import "time"

// AppendTime appends a time of ns nanoseconds since the epoch as a JSON string, in
// the form of RFC 3339 with so many decimals (at most nine, what is finer is cut
// off) and the given name for UTC. Being an int64 of nanoseconds, the time is
// between the years 1677 and 2262.
func AppendTime(b []byte, ns int64, decimals int, utc string) []byte {
	sec, frac := ns/1e9, ns%1e9
	if frac < 0 {
		sec, frac = sec-1, frac+1e9
	}
	t := time.Unix(sec, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = two(two(append(b, '"'), year/100), year%100)
	b = two(append(two(append(b, '-'), int(month)), '-'), day)
	b = two(append(two(append(two(append(b, 'T'), hour), ':'), minute), ':'), second)
	b = append(b, '.')
	for div := int64(1e8); decimals > 0; div, decimals = div/10, decimals-1 {
		b = append(b, byte('0'+frac/div%10))
	}
	return append(append(b, utc...), '"')
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
