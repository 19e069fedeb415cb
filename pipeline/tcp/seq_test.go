package tcp

import "testing"

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name string
		a, b uint32
		want int64
	}{
		{"same", 7, 7, 0},
		{"next", 8, 7, 1},
		{"before", 6, 7, -1},
		{"over the wrap", 0x10, 0xffff_fff0, 0x20},
		{"back over the wrap", 0xffff_fff0, 0x10, -0x20},
		{"as far ahead as can be", 1<<31 - 1, 0, 1<<31 - 1},
		{"half way around is behind", 1 << 31, 0, -1 << 31},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := diff(tt.a, tt.b); got != tt.want {
				t.Errorf("diff(%#x, %#x) = %d, want %d", tt.a, tt.b, got, tt.want)
			}
		})
	}
}
