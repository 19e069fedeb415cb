package pcapng

import (
	"fmt"
	"math"
	"math/bits"

	"recap/reader/packet"
)

// clock turns the ticks of an interface into nanoseconds (if_tsresol and
// if_tsoffset, section 4.2).
type clock struct {
	kind   clockKind
	exp    uint8 // ticks per second are 10^exp or 2^exp
	offset int64 // seconds
	ticks  uint64
}

type clockKind uint8

const (
	decimal  clockKind = iota
	micros             // decimal 6 without offset
	nanos              // decimal 9 without offset
	binary2            // a power of two
	unusable           // more ticks per second than 64 bits count
)

func newClock(resolution byte, offset int64) clock {
	c := clock{kind: decimal, exp: resolution & 0x7f, offset: offset}
	switch {
	case resolution&0x80 != 0:
		c.kind = binary2
		if c.exp > 63 {
			c.kind = unusable
			return c
		}
		c.ticks = 1 << c.exp
		return c
	case c.exp > 19:
		c.kind = unusable
		return c
	case offset == 0 && c.exp == 6:
		c.kind = micros
	case offset == 0 && c.exp == 9:
		c.kind = nanos
	}
	c.ticks = pow10(c.exp)
	return c
}

func pow10(n uint8) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

func (c clock) String() string {
	if c.kind == binary2 || c.kind == unusable && c.exp > 63 {
		return fmt.Sprintf("2^-%d", c.exp)
	}
	return fmt.Sprintf("10^-%d", c.exp)
}

// time returns ticks as nanoseconds since the epoch, rounded down; NoTime if that
// cannot be said or does not fit.
func (c *clock) time(ticks uint64) int64 {
	switch c.kind {
	case micros:
		if ticks <= math.MaxInt64/1000 {
			return int64(ticks) * 1000
		}
		return packet.NoTime
	case nanos:
		if ticks <= math.MaxInt64 {
			return int64(ticks)
		}
		return packet.NoTime
	case unusable:
		return packet.NoTime
	}
	sec, rest := ticks/c.ticks, ticks%c.ticks
	// rest is below the ticks of a second, so the quotient is below 10^9.
	hi, lo := bits.Mul64(rest, 1e9)
	frac, _ := bits.Div64(hi, lo, c.ticks)
	return join(sec, c.offset, int64(frac))
}

// join returns (sec + offset) seconds and frac nanoseconds as nanoseconds.
func join(sec uint64, offset, frac int64) int64 {
	var s int64
	if offset < 0 {
		back := uint64(-(offset + 1)) + 1
		if sec < back && back-sec > math.MaxInt64 || sec >= back && sec-back > math.MaxInt64 {
			return packet.NoTime
		}
		s = int64(sec - back)
	} else {
		sum, carry := bits.Add64(sec, uint64(offset), 0)
		if carry != 0 || sum > math.MaxInt64 {
			return packet.NoTime
		}
		s = int64(sum)
	}
	const limit = math.MaxInt64 / 1_000_000_000
	if s >= limit || s <= -limit {
		return packet.NoTime
	}
	return s*1e9 + frac
}
