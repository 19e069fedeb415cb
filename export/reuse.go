package export

import "sync"

// Reuse keeps what finished sinks leave for the next ones. In a batch of small
// captures, making buffers and encoders anew costs more than using them. The zero
// value works, nil keeps nothing; any goroutine may use it.
type Reuse struct {
	mu   sync.Mutex
	idle map[any][]any
}

// maxReuse bounds what is kept of each kind.
const maxReuse = 8

// Take returns what was given under key, nil for nothing.
func (r *Reuse) Take(key any) any {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.idle[key]
	if len(list) == 0 {
		return nil
	}
	v := list[len(list)-1]
	r.idle[key] = list[:len(list)-1]
	return v
}

// Give keeps v for whoever asks for key.
func (r *Reuse) Give(key, v any) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle == nil {
		r.idle = make(map[any][]any)
	}
	if len(r.idle[key]) < maxReuse {
		r.idle[key] = append(r.idle[key], v)
	}
}
