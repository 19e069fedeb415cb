package main

import (
	"encoding/json"
	"testing"
	"time"
	"unicode"
)

func TestPrintable(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text", "GET /a b", "GET /a b"},
		{"letters of the world", "/жалоба/大", "/жалоба/大"},
		{"a terminal escape", "\x1b]52;c;aGk=\x07", `\x1b]52;c;aGk=\a`},
		{"line ends that would forge a line", "x\r\nrecap: all is well", `x\r\nrecap: all is well`},
		{"C1 as a rune", "a\u009b31mb", `a\u009b31mb`},
		{"C1 as a bare byte", "a\x9b31mb", `a\x9b31mb`},
		{"bidirectional control", "user\u202etxt.exe", `user\u202etxt.exe`},
		{"a zero-width joiner", "a\u200db", `a\u200db`},
		{"NUL and DEL", "\x00\x7f", `\x00\x7f`},
		{"the replacement character itself", "\ufffd", "\ufffd"},
		{"a rune beyond 16 bits", "\U000e0001", `\U000e0001`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := printable(tt.in); got != tt.want {
				t.Errorf("printable(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := printable(s)
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Fatalf("printable(%q) = %q holds %q", s, got, r)
			}
		}
		if again := printable(got); again != got {
			t.Fatalf("printable(%q) is not stable: %q, then %q", s, got, again)
		}
	})
}

func FuzzPrintableJSON(f *testing.F) {
	f.Add("\x1b[31m\u202e\U000e0001\u2028\x7f\u0085")
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Skip()
		}
		got := printableJSON(text)
		for _, r := range string(got) {
			if !unicode.IsPrint(r) {
				t.Fatalf("printableJSON(%q) = %q holds %q", text, got, r)
			}
		}
		var a, b string
		if json.Unmarshal(text, &a) != nil || json.Unmarshal(got, &b) != nil || a != b {
			t.Fatalf("printableJSON(%q) = %q is other JSON", text, got)
		}
	})
}

func TestCount(t *testing.T) {
	for _, tt := range []struct {
		n    int64
		want string
	}{
		{0, "0"}, {12, "12"}, {999, "999"}, {1000, "1,000"}, {123456, "123,456"}, {-1234567, "-1,234,567"},
		{-1 << 63, "-9,223,372,036,854,775,808"},
	} {
		if got := count(tt.n); got != tt.want {
			t.Errorf("count(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

func TestBytesText(t *testing.T) {
	for _, tt := range []struct {
		n    int64
		want string
	}{
		{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1<<20 - 1, "1.0 MiB"}, {5 << 30, "5.0 GiB"}, {1<<63 - 1, "8.0 EiB"},
	} {
		if got := bytesText(tt.n); got != tt.want {
			t.Errorf("bytesText(%d) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

func TestDurationText(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0 s"}, {7, "7 ns"}, {1500, "1.5 µs"}, {350 * time.Microsecond, "350 µs"}, {12 * time.Millisecond, "12 ms"},
		{12400 * time.Millisecond, "12.4 s"}, {600 * time.Second, "10 min 0 s"}, {125 * time.Minute, "2 h 5 min"},
		{75 * time.Hour, "3 d 3 h"}, {-time.Second, "-1.0 s"},
	} {
		if got := durationText(tt.d); got != tt.want {
			t.Errorf("durationText(%d) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestRangeText(t *testing.T) {
	for _, tt := range []struct {
		name        string
		first, last int64
		want        string
	}{
		{"one day", 1577836800_001_000_000, 1577836812_401_000_000, "2020-01-01 00:00:00.001 to 00:00:12.401 UTC (12.4 s)"},
		{"two days", 1577836800_000_000_000, 1577926800_000_000_000, "2020-01-01 00:00:00.000 to 2020-01-02 01:00:00.000 UTC (25 h 0 min)"},
		{"no time at all", -1 << 63, -1 << 63, ""},
		{"a range that does not fit", -1<<63 + 1, 1<<63 - 1, "1677-09-21 00:12:43.145 to 2262-04-11 23:47:16.854 UTC"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := rangeText(tt.first, tt.last); got != tt.want {
				t.Errorf("rangeText(%d, %d) = %q, want %q", tt.first, tt.last, got, tt.want)
			}
		})
	}
}
