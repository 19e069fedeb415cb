package coding

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// TestMemo: the second time a body comes it is remembered, the third time it is
// known, also when the memory that named its coding was used again meanwhile.
func TestMemo(t *testing.T) {
	var m Memo
	coded, body := bytes.Repeat([]byte("coded"), 40), bytes.Repeat([]byte("body"), 50)
	sum := sha256.Sum256(body)
	name := []byte("gzip")
	get := func() (*Memoized, uint64) { return m.Get(string(name), coded) }
	if e, key := get(); e != nil || key != 0 {
		t.Fatalf("a body that came once: %v, key %d; want nothing", e, key)
	}
	e, key := get()
	if e != nil || key == 0 {
		t.Fatalf("a body that came twice: %v, key %d; want a key", e, key)
	}
	value := string(name)
	m.Put(key, value, coded, body, sum)
	if e, _ = get(); e == nil || !bytes.Equal(e.Body, body) || e.Sum != sum {
		t.Fatalf("a body that came three times: %v", e)
	}
	if e, _ := m.Get("br", coded); e != nil {
		t.Error("the same bytes under another coding are taken for the same body")
	}
	other := bytes.Clone(coded)
	other[len(other)-1]++
	if e, _ := m.Get(value, other); e != nil {
		t.Error("other bytes are taken for the same body")
	}
	for i := range 3 * memoBytes / memoLargest { // more than fits
		big := bytes.Repeat([]byte{byte(i)}, memoLargest)
		m.Get("", big)
		_, key := m.Get("", big)
		m.Put(key, "", big, nil, sha256.Sum256(big))
		if m.bytes > memoBytes {
			t.Fatalf("%d bytes are remembered, want at most %d", m.bytes, memoBytes)
		}
	}
}
