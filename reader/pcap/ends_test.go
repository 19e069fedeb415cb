package pcap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// plainFile is a little-endian microsecond pcap of n packets, a second apart from 1000
// on, with random bytes of random lengths.
func plainFile(n int, seed uint64) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	le := binary.LittleEndian
	b := make([]byte, 24)
	le.PutUint32(b, 0xa1b2c3d4)
	le.PutUint16(b[4:], 2)
	le.PutUint16(b[6:], 4)
	le.PutUint32(b[16:], 65535)
	le.PutUint32(b[20:], 1)
	for i := range n {
		size := 40 + rnd.IntN(1400)
		for _, v := range []int{1000 + i, 7, size, size} {
			b = le.AppendUint32(b, uint32(v))
		}
		for range size {
			b = append(b, byte(rnd.Uint32()))
		}
	}
	return b
}

func ends(file []byte, most int) (Ends, bool) {
	off := max(0, len(file)-most)
	return EndsOf(file[:min(len(file), HeadBytes)], file[off:], int64(off))
}

func TestEndsOf(t *testing.T) {
	file := plainFile(400, 1)
	for _, tt := range []struct {
		name string
		file []byte
		most int
		ok   bool
	}{
		{"whole file in the tail", file, len(file), true},
		{"tail that begins inside the file header", file, len(file) - 10, true},
		{"tail that begins inside a record", file, 40_000, true},
		{"tail that holds too few records to be sure", file, 1500, false},
		{"file cut inside its last record", file[:len(file)-5], 40_000, false},
		{"short file cut inside its last record", file[:2000], 40_000, false},
		{"file without packets", file[:24], 40_000, false},
		{"no pcap", bytes.Repeat([]byte("x"), 5000), 40_000, false},
	} {
		e, ok := ends(tt.file, tt.most)
		if ok != tt.ok {
			t.Errorf("%s: EndsOf says %t, want %t", tt.name, ok, tt.ok)
		}
		if ok && (e.FirstNS != 1000e9+7000 || e.LastNS != 1399e9+7000) {
			t.Errorf("%s: EndsOf gives %d to %d", tt.name, e.FirstNS, e.LastNS)
		}
	}
}

// walk reads a file from its front, as EndsOf does not.
func walk(file []byte) (last int64, ok bool) {
	le := binary.LittleEndian
	for at := endsHeader; at+endsRecord <= len(file); {
		captured, length := int(le.Uint32(file[at+8:])), le.Uint32(file[at+12:])
		snap := le.Uint32(file[16:])
		if uint32(captured) > length || snap > 0 && uint32(captured) > snap || length > 1<<24 {
			return 0, false
		}
		last = int64(le.Uint32(file[at:]))*1e9 + int64(le.Uint32(file[at+4:]))*1000
		if at += endsRecord + captured; at == len(file) {
			return last, true
		}
	}
	return 0, false
}

// A whole file gives what reading it from the front gives. A tail alone gives the time
// of a record that ends where the file does, or nothing.
func FuzzEndsOf(f *testing.F) {
	f.Add(plainFile(30, 3), 9000)
	f.Add(plainFile(5, 4), 100)
	f.Add(plainFile(1, 5), 0)
	f.Fuzz(func(t *testing.T, file []byte, most int) {
		if most < 0 || len(file) > 1<<20 || len(file) < HeadBytes || !bytes.HasPrefix(file, []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0}) {
			return
		}
		e, ok := ends(file, len(file))
		if last, sound := walk(file); ok != sound || ok && e.LastNS != last {
			t.Errorf("EndsOf says %t, %d; read from the front it is %t, %d", ok, e.LastNS, sound, last)
		}
		e, ok = ends(file, most)
		if !ok {
			return
		}
		le := binary.LittleEndian
		for at := max(len(file)-most, 0); at+endsRecord <= len(file); at++ {
			if at+endsRecord+int(le.Uint32(file[at+8:])) == len(file) &&
				e.LastNS == int64(le.Uint32(file[at:]))*1e9+int64(le.Uint32(file[at+4:]))*1000 {
				return
			}
		}
		t.Errorf("the last %d bytes give %d, which no record at the end has", most, e.LastNS)
	})
}
