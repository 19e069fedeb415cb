package bodies

import (
	"bytes"
	"sync"

	"recap/export"
)

// uploads is how many bodies may be on their way to a place at once: over a network,
// most of the time that one takes is spent waiting.
const uploads = 8

// NewAt returns a Sink that keeps bodies at a place, which it takes over.
func NewAt(at export.Place) *Sink {
	return &Sink{keep: &remote{at: at, free: make(chan struct{}, uploads)}, seen: make([][32]byte, recent)}
}

// remote keeps bodies in a place that is far away.
type remote struct {
	at   export.Place
	free chan struct{}
	wait sync.WaitGroup

	mu  sync.Mutex
	err error
	tally
}

func (r *remote) counts() tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally
}

// store begins to keep a body and returns what has failed so far.
func (r *remote) store(name string, body []byte) error {
	r.free <- struct{}{}
	if err := r.failed(nil); err != nil {
		<-r.free
		return err
	}
	body = bytes.Clone(body)
	r.wait.Go(func() {
		defer func() { <-r.free }()
		n, err := r.put(name[:2]+"/"+name, body)
		if r.failed(err); err == nil && n > 0 {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.rows++
			r.size += n
		}
	})
	return nil
}

// failed notes the first error, and returns it.
func (r *remote) failed(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// put writes a body and returns how many bytes it has written: none where it is there
// already, as its name and size tell.
func (r *remote) put(name string, body []byte) (int64, error) {
	fail := func(n int, err error) (int64, error) {
		return 0, &export.WriteError{Path: r.at.Path(name), Written: int64(n), Err: err}
	}
	if f, size, err := r.at.Open(name); err == nil {
		f.Close()
		if size == int64(len(body)) {
			return 0, nil
		}
	}
	p, err := r.at.Create(name)
	if err != nil {
		return fail(0, err)
	}
	n, err := p.Write(body)
	if err == nil {
		err = p.Finish()
	}
	if err == nil {
		err = p.Publish()
	}
	if err != nil {
		p.Discard()
		return fail(n, err)
	}
	return int64(n), nil
}

func (r *remote) close() error {
	r.wait.Wait()
	if err := r.at.Close(); err != nil {
		r.failed(err)
	}
	return r.failed(nil)
}
