package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// maxText bounds a foreign text in a summary or on a page, bytes.
const maxText = 300

// plain makes a foreign text safe to print: what a terminal would act on is written
// as an escape, and long text is cut.
func plain(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	q := strconv.Quote(s)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(q[1 : len(q)-1])
}

// number writes n with separators between thousands.
func number[N ~int | ~int64 | ~uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// rate writes a quantity per second with three digits: "1.25 Gbit/s", "5,000 pairs/s".
func rate(v float64, unit string) string {
	if unit == "bits" || unit == "bit" {
		return metric(v) + "bit/s"
	}
	if v >= 100 {
		return number(int64(math.Round(v))) + " " + unit + "/s"
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + unit + "/s"
}

// metric writes v with a decimal prefix and the space before it: "1.25 G", "12 ".
func metric(v float64) string {
	prefix := ""
	for _, p := range []string{"k", "M", "G", "T", "P"} {
		if math.Abs(v) < 999.5 {
			break
		}
		v, prefix = v/1000, p
	}
	digits := 0
	switch a := math.Abs(v); {
	case a == math.Trunc(a) && a < 1000 || a >= 99.95:
	case a >= 9.995:
		digits = 1
	default:
		digits = 2
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + prefix
}

// size writes bytes with a decimal prefix, as rates have it.
func size[N ~int64 | ~uint64](n N) string { return metric(float64(n)) + "B" }

// span writes a time in nanoseconds with three digits.
func span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < 0:
		return "-" + span(-ns)
	case d == 0:
		return "0 s"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", ns)
	case d < time.Millisecond:
		return threeDigits(float64(ns)/1e3) + " µs"
	case d < time.Second:
		return threeDigits(float64(ns)/1e6) + " ms"
	case d < 2*time.Minute:
		return threeDigits(float64(ns)/1e9) + " s"
	}
	return d.Round(time.Second).String()
}

func threeDigits(v float64) string {
	digits := 2
	switch {
	case v >= 99.95:
		digits = 0
	case v >= 9.995:
		digits = 1
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// share writes part of whole in percent.
func share(part, whole float64) string {
	switch {
	case part == 0:
		return "0 %"
	case whole == 0:
		return "–"
	case part/whole < 0.0001:
		return "< 0.01 %"
	}
	return strconv.FormatFloat(100*part/whole, 'f', 2, 64) + " %"
}
