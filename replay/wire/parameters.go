package wire

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Parameter sets the option that the parameter of a target's URL names.
func (o *Options) Parameter(name, value string) (err error) {
	switch name {
	case "vni":
		o.FirstVNI, o.LastVNI, err = ParseVNI(value)
	case "mss":
		o.MSS, err = count(value, 65495)
	case "ack":
		o.AckEvery, err = count(value, 1<<20)
	case "idle":
		if o.Idle, err = time.ParseDuration(value); err == nil && o.Idle <= 0 {
			err = fmt.Errorf("%q is no time to wait", value)
		}
	case "incomplete":
		o.Incomplete, err = choice(value, "skip", "send")
	case "coding":
		o.Decoded, err = choice(value, "keep", "decoded")
	case "interim":
		o.Interim, err = choice(value, "skip", "send")
	case "timestamps":
		o.Timestamps, err = choice(value, "off", "on")
	case "upgrade":
		o.Upgrade, err = choice(value, "skip", "send")
	case "oversize":
		var cut bool
		if cut, err = choice(value, "skip", "cut"); cut {
			o.Oversize = Cut
		}
	default:
		err = fmt.Errorf("not known; there are vni, mss, ack, coding, idle, incomplete, interim, upgrade, timestamps and oversize")
	}
	return err
}

// ParseVNI reads a virtual network identifier, or a range of them: 7, 1-8.
func ParseVNI(s string) (first, last uint32, err error) {
	a, b, two := strings.Cut(s, "-")
	if !two {
		b = a
	}
	x, errA := strconv.ParseUint(a, 10, 24)
	y, errB := strconv.ParseUint(b, 10, 24)
	if errA != nil || errB != nil || x > y {
		return 0, 0, fmt.Errorf("%q is not a VNI below 16777216, nor a range of them such as 1-8", s)
	}
	return uint32(x), uint32(y), nil
}

func count(v string, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return 0, fmt.Errorf("%q is not a number from 1 to %d", v, most)
	}
	return n, nil
}

func choice(v, no, yes string) (bool, error) {
	if v != no && v != yes {
		return false, fmt.Errorf("%q is neither %s nor %s", v, no, yes)
	}
	return v == yes, nil
}
