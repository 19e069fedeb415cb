package tcp

import "testing"

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		off                   int64
		data                  string
		same, differ, unknown int64
		where                 int64
	}{
		{"the same bytes", 0, "abc", 3, 0, 0, -1},
		{"over two pieces", 1, "bcde", 4, 0, 0, -1},
		{"one byte differs", 1, "bXde", 3, 1, 0, 2},
		{"the first of several that differ", 0, "XbXdX", 2, 3, 0, 0},
		{"in front of what is known", -2, "??abc", 3, 0, 2, -1},
		{"behind what is known", 7, "hijk", 2, 0, 2, -1},
		{"nothing", 3, "", 0, 0, 0, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := &History{Horizon: 100}
			h.At(1)
			last := int64(0)
			for i, s := range []string{"abc", "def", "ghi"} {
				last = h.add(last, int64(3*i), 0, []byte(s))
			}
			same, differ, unknown, where := h.compare(last, tt.off, []byte(tt.data))
			if same != tt.same || differ != tt.differ || unknown != tt.unknown || where != tt.where {
				t.Errorf("compare(%d, %q) = %d, %d, %d, %d; want %d, %d, %d, %d", tt.off, tt.data,
					same, differ, unknown, where, tt.same, tt.differ, tt.unknown, tt.where)
			}
		})
	}
}

func TestHistoryForgetsBehindItsHorizon(t *testing.T) {
	for _, trim := range []int{1, 7, 1000} { // how often memory is freed must not matter
		h := &History{Horizon: 100}
		var last [2]int64
		for i := int64(0); i < 500; i++ {
			h.At(10 * i)
			last[i%2] = h.add(last[i%2], i/2, 0, []byte{byte(i / 2)})
			if int(i)%trim == 0 {
				h.Trim()
			}
			first := max(0, (i-10+i%2)/2) // ten packets back, on this half
			for j := max(0, i/2-12); j <= i/2; j++ {
				same, _, unknown, _ := h.compare(last[i%2], j, []byte{byte(j)})
				known := 2*j+i%2 >= i-10
				if (same == 1) != known || (unknown == 1) == known {
					t.Fatalf("trim %d: at %d, byte %d: same %d, unknown %d (first %d)", trim, i, j, same, unknown, first)
				}
			}
		}
		if trim == 1 && len(h.entries) > 30 {
			t.Errorf("%d entries are kept", len(h.entries))
		}
	}
}

func TestNoHorizonRemembersNothing(t *testing.T) {
	h := &History{}
	if i := h.add(0, 0, 0, []byte("abc")); i != 0 || len(h.entries) != 0 {
		t.Errorf("add = %d, %d entries", i, len(h.entries))
	}
	if same, differ, unknown, _ := h.compare(0, 0, []byte("abc")); same != 0 || differ != 0 || unknown != 3 {
		t.Errorf("compare = %d, %d, %d", same, differ, unknown)
	}
}

// TestOwnedEntriesKeepTheirBytes: entries since a mark outlive the memory they pointed into.
func TestOwnedEntriesKeepTheirBytes(t *testing.T) {
	for _, trimmed := range []bool{false, true} {
		h := &History{Horizon: 100}
		old, fresh := []byte("old"), []byte("new")
		if trimmed { // indexes do not begin at 1 then
			h.add(0, 0, 0, old)
			h.At(500)
			h.Trim()
		}
		before := h.add(0, 0, 0, old)
		mark := h.Mark()
		after := h.add(0, 10, 0, fresh)
		h.Own(mark)
		copy(old, "xxx")
		copy(fresh, "xxx")
		if got := string(h.entry(before).data) + string(h.entry(after).data); got != "xxxnew" {
			t.Errorf("trimmed before: %t: entries hold %q, want the first as it was changed and the second as it was", trimmed, got)
		}
	}
}
