package main

import "testing"

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       int64
	}{
		{"plain bytes", "4096", 4096},
		{"bytes with their unit", "12B", 12},
		{"an IEC unit", "16MiB", 16 << 20},
		{"an SI unit", "64KB", 64_000},
		{"SI as physicists write it", "64kB", 64_000},
		{"a bare letter counts in 1024", "3G", 3 << 30},
		{"a fraction", "1.5GiB", 3 << 29},
		{"white space before the unit", "2 TiB", 2 << 40},
		{"nothing", "0", 0},
		{"the largest", "9223372036854775807", 1<<63 - 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := parseSize(tt.text); err != nil || got != tt.want {
				t.Errorf("parseSize(%q) = %d, %v; want %d", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestParseSizeRefuses(t *testing.T) {
	for _, text := range []string{"", "MiB", "-1", "-5MiB", "+3", "1e6", "12QB", "1.2.3KB", ".", "16 MiB more", "0x10", "9223372036854775808", "8388608TiB", "inf"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
}

// What String writes, Set reads back.
func TestSizeRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		n    size
		want string
	}{
		{0, "0"}, {1, "1"}, {1000, "1KB"}, {1024, "1KiB"}, {1025, "1025"},
		{16 << 20, "16MiB"}, {64_000, "64KB"}, {1536 << 20, "1536MiB"}, {1 << 40, "1TiB"},
	} {
		got := tt.n.String()
		if got != tt.want {
			t.Errorf("size(%d).String() = %q, want %q", int64(tt.n), got, tt.want)
		}
		var back size
		if err := back.Set(got); err != nil || back != tt.n {
			t.Errorf("Set(%q) = %d, %v; want %d", got, int64(back), err, int64(tt.n))
		}
	}
}
