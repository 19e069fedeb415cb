package pipeline

import "testing"

func TestShareOfConnections(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct{ mem, want int64 }{
		{64 * mib, 16 * mib}, {256 * mib, 64 * mib}, {512 * mib, 128 * mib}, {768 * mib, 320 * mib}, {1024 * mib, 512 * mib}, {8192 * mib, 4096 * mib},
	} {
		if got := (Options{Mem: tt.mem}).forConnections(); got != tt.want {
			t.Errorf("of %d MiB, %d are for connections, want %d", tt.mem/mib, got/mib, tt.want/mib)
		}
	}
	if got := (Options{}).Resolved().BodyLimit; got != DefaultBody {
		t.Errorf("the default memory brings the default limit of bodies down to %d", got)
	}
}
