package reader

import (
	"strings"
	"testing"
)

func TestIsHexDump(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want bool
	}{
		{"tcpdump -x", "12:00:00.000001 IP 10.0.0.1.80 > 10.0.0.2.90: Flags [.]\n\t0x0000:  4500 0034 3d5d 4000 4006 e904 0a09 0001\n", true},
		{"tcpdump -XX", "12:00:00.000001 IP 10.0.0.1.80 > 10.0.0.2.90: Flags [.]\n\t0x0000:  0200 0009 0080 0200 0009 0001 0800 4500  ..............E.\n", true},
		{"od -Ax -tx1", "000000 02 00 00 09 00 80 02 00 00 09 00 01 08 00 45 00\n000010 00 3a a2 87\n", true},
		{"hexdump -C", "00000000  02 00 00 09 00 80 02 00  00 09 00 01 08 00 45 00  |..............E.|\n", true},
		{"xxd", "00000000: 0200 0009 0080 0200 0009 0001 0800 4500  ..............E.\n", true},
		{"tshark -x", "0000  02 00 00 09 00 80 02 00 00 09 00 01 08 00 45 00   ..............E.\n", true},
		{"a log", "2026-01-02 10:20:30 GET /a HTTP/1.1\n", false},
		{"a table of numbers", "name 100 200 300\n1000.5 20.5 30.5\n", false},
		{"JSON", `{"a":1}`, false},
		{"nothing", "", false},
	} {
		if got := isHexDump([]byte(tt.text)); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
	if err := notCapture([]byte("000000 02 00 00 09 00 80\n"), ""); !strings.HasPrefix(err.Error(), `not a capture: begins with "000000 0"`) {
		t.Errorf("error %q", err)
	}
}
