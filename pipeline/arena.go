package pipeline

import "sync"

// arena holds bodies of the pairs of one batch. Its memory is used again when the
// batch was released.
type arena struct {
	pool *sync.Pool
	full []*[]byte
	cur  *[]byte
}

// arenaChunk is the size of a piece of memory, bytes; larger bodies bring their own.
const arenaChunk = 256 << 10

func newArenaPool() *sync.Pool {
	return &sync.Pool{New: func() any {
		b := make([]byte, 0, arenaChunk)
		return &b
	}}
}

// copy keeps b in the arena.
func (a *arena) copy(b []byte) []byte {
	if len(b) > arenaChunk/2 {
		return append([]byte(nil), b...)
	}
	if a.cur == nil || cap(*a.cur)-len(*a.cur) < len(b) {
		if a.cur != nil {
			a.full = append(a.full, a.cur)
		}
		a.cur = a.pool.Get().(*[]byte)
	}
	n := len(*a.cur)
	*a.cur = append(*a.cur, b...)
	return (*a.cur)[n:len(*a.cur):len(*a.cur)]
}

// release gives the memory back.
func (a *arena) release() {
	if a == nil {
		return
	}
	if a.cur != nil {
		a.full = append(a.full, a.cur)
		a.cur = nil
	}
	for _, b := range a.full {
		*b = (*b)[:0]
		a.pool.Put(b)
	}
	a.full = a.full[:0]
}
