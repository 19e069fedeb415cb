package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"recap/reader/packet"
)

// printable makes s safe for a terminal and for one line: whatever does not
// print, or prints in a way that moves other text (escapes, C1, bidirectional
// controls, line ends), is written as an escape. Captures, file names and
// arguments all hold what somebody else wrote.
func printable(s string) string {
	clean := true
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b = append(b, s[i:i+n]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, quoted[1:len(quoted)-1]...)
		}
		i += n
	}
	return string(b)
}

// printableJSON rewrites JSON text so that it is safe for a terminal and still
// the same JSON: what does not print becomes \uNNNN. Line ends between values
// stay. text must be valid UTF-8; in JSON only strings hold such characters.
func printableJSON(text []byte) []byte {
	clean := true
	for _, c := range text {
		if c >= 0x7f || c < ' ' && c != '\n' {
			clean = false
			break
		}
	}
	if clean {
		return text
	}
	b := make([]byte, 0, len(text)+len(text)/8)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b = append(b, text[i:i+n]...)
		case r > 0xffff:
			// A surrogate pair, as RFC 8259, section 7, asks.
			r -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		i += n
	}
	return b
}

// count writes n with thousands separators.
func count[N ~int | ~int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// many writes n and the noun for it: "1 file", "1,000 files".
func many[N ~int | ~int64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + more
}

// bytesText writes n bytes for people: "812 B", "1.4 MiB".
func bytesText(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, unit := float64(n)/1024, 0
	for f >= 1023.95 && unit < len("KMGTPE")-1 {
		f, unit = f/1024, unit+1
	}
	return strconv.FormatFloat(f, 'f', 1, 64) + " " + "KMGTPE"[unit:unit+1] + "iB"
}

// durationText writes d with as much detail as people use: "350 µs", "12.4 s", "2 h 5 min".
func durationText(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + durationText(-d)
	case d == 0:
		return "0 s"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.3g µs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 100*time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	default:
		return fmt.Sprintf("%s d %d h", count(int64(d.Hours()/24)), int(d.Hours())%24)
	}
}

// rangeText writes the time range of a capture and how long it is.
func rangeText(first, last int64) string {
	if first == packet.NoTime || last == packet.NoTime {
		return ""
	}
	from, to := time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
	layout := "2006-01-02 15:04:05.000 UTC"
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		layout = "15:04:05.000 UTC"
	}
	text := from.Format("2006-01-02 15:04:05.000") + " to " + to.Format(layout)
	// A difference that does not fit is one of hostile times: say nothing of it.
	if long := last - first; long >= 0 {
		text += " (" + durationText(time.Duration(long)) + ")"
	}
	return text
}

// ranked lists the keys of m, the largest count first, equal ones by name.
func ranked(m map[string]int64) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			if m[a] > m[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
}
