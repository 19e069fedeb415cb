package coding

import "io"

// Stream decodes a body while it comes, for bodies too large to keep in coded
// form. The decoders pull their input, so one runs in a goroutine of its own; but
// it and Write take turns. What a Stream holds therefore depends on what was
// written, never on timing.
type Stream struct {
	in   chan []byte
	idle chan struct{} // one for each time that the decoder wants more; closed at its end
	done bool          // the decoder has ended
	out  Store
	how  Outcome
}

// NewStream begins to decode what will be written.
func NewStream(limit int64, hash bool, value string, lim Limits) *Stream {
	s := &Stream{in: make(chan []byte), idle: make(chan struct{}), out: Store{Limit: limit, Hash: hash}}
	go func() {
		defer close(s.idle)
		s.how = new(Decoder).run(&s.out, value, &turns{s: s}, lim)
	}()
	s.wait()
	return s
}

// Each lets f have what is decoded from now on, as it comes: during Write and Finish.
func (s *Stream) Each(f func(b []byte)) { s.out.each = f }

// wait lets the decoder work until it wants more.
func (s *Stream) wait() {
	if _, more := <-s.idle; !more {
		s.done = true
	}
}

// Write takes the next coded bytes; b is not used after it returns.
func (s *Stream) Write(b []byte) (int, error) {
	if !s.done && len(b) > 0 { // what follows the end, or the failure, is not needed
		s.in <- b
		s.wait()
	}
	return len(b), nil
}

// Finish returns what was decoded.
func (s *Stream) Finish() (*Store, Outcome) {
	if !s.done {
		close(s.in)
		s.wait()
	}
	return &s.out, s.how
}

// decoderCost is about what the machinery of one decoder takes, bytes.
const decoderCost = 2 << 20

// Memory returns about what the Stream holds, bytes.
func (s *Stream) Memory() int64 { return int64(cap(s.out.Data)) + decoderCost }

// turns is the decoder's end of a Stream.
type turns struct {
	s    *Stream
	rest []byte
	eof  bool
}

func (t *turns) Read(p []byte) (int, error) {
	if len(t.rest) == 0 && !t.eof {
		t.s.idle <- struct{}{}
		b, ok := <-t.s.in
		t.rest, t.eof = b, !ok
	}
	if t.eof {
		return 0, io.EOF
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}
