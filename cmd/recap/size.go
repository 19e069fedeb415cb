package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A size is a number of bytes on the command line: 16MiB, 64KB, 1.5GiB, 4096.
// It is a pflag.Value.
type size int64

// units, largest first within each family, so that String finds the shortest
// exact text. IEC units (KiB) count in 1024, SI units (KB) in 1000, and a bare
// letter is an IEC unit, as in the GNU core utilities.
var units = [...]struct {
	name   string
	factor int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10},
	{"B", 1},
}

// String writes s exactly, in the largest unit that divides it.
func (s *size) String() string {
	for _, u := range units[:8] {
		if *s >= size(u.factor) && int64(*s)%u.factor == 0 {
			return strconv.FormatInt(int64(*s)/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(*s), 10)
}

// Type names the value in --help.
func (s *size) Type() string { return "SIZE" }

// Set parses text; on failure s keeps its value.
func (s *size) Set(text string) error {
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	*s = size(n)
	return nil
}

func parseSize(text string) (int64, error) {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	unit := strings.TrimSpace(text[len(digits):])
	factor := int64(1)
	if unit != "" {
		factor = 0
		for _, u := range units {
			if strings.EqualFold(u.name, unit) {
				factor = u.factor
				break
			}
		}
	}
	if factor == 0 || digits == "" || strings.TrimLeft(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is not a size such as 16MiB, 64KB or 4096", text)
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		if n > math.MaxInt64/factor {
			return 0, fmt.Errorf("%q is too large", text)
		}
		return n * factor, nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a size such as 16MiB, 64KB or 4096", text)
	}
	// The largest float64 below 1<<63; everything from there on does not fit.
	if f *= float64(factor); f >= 1<<63 {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return int64(f), nil
}
