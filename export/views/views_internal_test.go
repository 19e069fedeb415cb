package views

import "testing"

func TestSplitHost(t *testing.T) {
	for _, tt := range []struct {
		name, host, want string
		port             int64
	}{
		{"a name", "a.b", "a.b", 0},
		{"a name and a port", "a.b:8080", "a.b", 8080},
		{"an empty port", "a.b:", "a.b:", 0},
		{"a port of zero", "a.b:0", "a.b:0", 0},
		{"a port that is too large", "a.b:65536", "a.b:65536", 0},
		{"a port with a sign", "a.b:+80", "a.b:+80", 0},
		{"an IPv6 address", "[::1]", "[::1]", 0},
		{"an IPv6 address and a port", "[::1]:80", "[::1]", 80},
		{"an IPv6 address without brackets", "::1", "::1", 0},
		{"a port alone", ":80", "", 80},
		{"nothing", "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, port := splitHost(tt.host); got != tt.want || port != tt.port {
				t.Errorf("splitHost(%q) = %q, %d, want %q, %d", tt.host, got, port, tt.want, tt.port)
			}
		})
	}
}
