package sink

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"recap/replay"
)

// The stream of a sink is a line that names it, then frames: a length (uvarint), a
// kind, and what belongs to the kind.
const (
	hello            = "recap sink 2\n"
	frameObservation = 'o'
	frameEnd         = 'e' // the sink ended in good order
	frameOverrun     = 'x' // the subscriber was too slow and is cut off
	frameBehind      = 'b' // the sink knows of more that it has not read yet
	frameHold        = 'h' // and of so much that senders should wait
	frameGo          = 'g' // and of so little again that they need not
)

// maxFrame bounds a frame that is believed: markers are header values.
const maxFrame = 1 << 20

// maxBehind bounds what is kept for a subscriber that does not read, bytes.
const maxBehind = 64 << 20

// ErrOverrun says that observations are missing from the stream.
var ErrOverrun = errors.New("the sink's stream was read too slowly and was cut off: observations are missing")

// ErrBehind comes in place of an observation: there will be more, and the stream goes on.
var ErrBehind = errors.New("the sink has not read all that waits for it")

// ErrHold and ErrGo come likewise: senders should wait, or no more wait. A sink that wants
// them to wait says so again every [WatchEvery].
var (
	ErrHold = errors.New("the sink has more than it can take")
	ErrGo   = errors.New("the sink can take more")
)

// appendObservation appends the frame of o.
func appendObservation(dst []byte, o *replay.Observation) []byte {
	var b [4 * binary.MaxVarintLen64]byte
	head := b[:0]
	flags := byte(0)
	if o.Cut {
		flags = 1
	}
	head = append(head, frameObservation, flags)
	head = binary.AppendVarint(head, o.RequestBody)
	head = binary.AppendVarint(head, o.ResponseBody)
	head = binary.AppendUvarint(head, uint64(len(o.Request)))
	dst = binary.AppendUvarint(dst, uint64(len(head)+len(o.Request)+len(o.Response)))
	dst = append(dst, head...)
	return append(append(dst, o.Request...), o.Response...)
}

// A StreamReader reads the stream of a sink.
type StreamReader struct {
	r *bufio.Reader
}

// NewStreamReader reads the line that begins a stream.
func NewStreamReader(r io.Reader) (*StreamReader, error) {
	s := &StreamReader{r: bufio.NewReaderSize(r, 1<<16)}
	got := make([]byte, len(hello))
	if _, err := io.ReadFull(s.r, got); err != nil {
		return nil, fmt.Errorf("no stream of a recap sink: %w", err)
	}
	if string(got) != hello {
		return nil, fmt.Errorf("no stream of a recap sink: it begins with %q", got)
	}
	return s, nil
}

// Buffered returns how many bytes can be read without waiting.
func (s *StreamReader) Buffered() int { return s.r.Buffered() }

// Next reads the next observation into o, whose markers stay valid. io.EOF is the end
// that the sink itself declared; any other error but [ErrBehind], [ErrHold] and [ErrGo] is
// an end, too.
func (s *StreamReader) Next(o *replay.Observation) error {
	n, err := binary.ReadUvarint(s.r)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if n == 0 || n > maxFrame {
		return fmt.Errorf("a frame of %d bytes is none of a recap sink", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	switch b[0] {
	case frameEnd:
		return io.EOF
	case frameOverrun:
		return ErrOverrun
	case frameBehind:
		return ErrBehind
	case frameHold:
		return ErrHold
	case frameGo:
		return ErrGo
	case frameObservation:
		return parseObservation(b[1:], o)
	}
	return fmt.Errorf("a frame of kind %q is not known", b[0])
}

var errFrame = errors.New("a frame of an observation is malformed")

func parseObservation(b []byte, o *replay.Observation) error {
	if len(b) < 1 || b[0] > 1 {
		return errFrame
	}
	*o = replay.Observation{Cut: b[0] == 1}
	b = b[1:]
	for _, size := range []*int64{&o.RequestBody, &o.ResponseBody} {
		v, n := binary.Varint(b)
		if n <= 0 || v < -1 {
			return errFrame
		}
		*size, b = v, b[n:]
	}
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return errFrame
	}
	o.Request, o.Response = b[n:n+int(size)], b[n+int(size):]
	return nil
}

// A Stream gives observations to any number of subscribers. None of them can hold it
// up: who reads too slowly is told so and cut off.
type Stream struct {
	l net.Listener

	mu       sync.Mutex
	subs     map[*subscriber]struct{}
	closed   bool
	overruns int64
	late     []pending // waiting for their time, in order
	wake     chan struct{}
	done     sync.WaitGroup
}

// pending is a frame that goes out later.
type pending struct {
	due   time.Time
	frame []byte
}

// NewStream serves l until Close.
func NewStream(l net.Listener) *Stream {
	s := &Stream{l: l, subs: make(map[*subscriber]struct{}), wake: make(chan struct{}, 1)}
	s.done.Go(s.accept)
	s.done.Go(s.hold)
	return s
}

// Addr is where subscribers connect.
func (s *Stream) Addr() net.Addr { return s.l.Addr() }

// Overruns returns how many subscribers were cut off.
func (s *Stream) Overruns() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overruns
}

func (s *Stream) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		sub := &subscriber{c: c, ready: make(chan struct{}, 1), next: []byte(hello)}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			c.Close()
			continue
		}
		s.subs[sub] = struct{}{}
		s.done.Go(func() { s.serve(sub) })
		s.mu.Unlock()
	}
}

// publish gives a frame to all subscribers, later where it has to wait.
func (s *Stream) publish(frame []byte, due time.Time, wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait {
		s.late = append(s.late, pending{due, append([]byte(nil), frame...)})
		signal(s.wake)
		return
	}
	s.give(frame)
}

// tell gives subscribers a frame that is its kind alone: that they will get more
// (frameBehind), or whether senders should wait.
func (s *Stream) tell(kind byte) { s.publish([]byte{1, kind}, time.Time{}, false) }

// give needs s.mu.
func (s *Stream) give(frame []byte) {
	for sub := range s.subs {
		if !sub.add(frame) {
			s.overruns++
			delete(s.subs, sub)
		}
	}
}

// hold gives out frames when their time has come.
func (s *Stream) hold() {
	for {
		s.mu.Lock()
		if len(s.late) == 0 {
			closed := s.closed
			s.mu.Unlock()
			if closed {
				return
			}
			<-s.wake
			continue
		}
		if wait := time.Until(s.late[0].due); wait > 0 {
			s.mu.Unlock()
			time.Sleep(wait)
			continue
		}
		s.give(s.late[0].frame)
		s.late[0].frame = nil
		s.late = s.late[1:]
		if len(s.late) == 0 {
			s.finish()
		}
		s.mu.Unlock()
	}
}

// finish tells subscribers that this was all, once that is so. It needs s.mu.
func (s *Stream) finish() {
	if s.closed && len(s.late) == 0 {
		s.give([]byte{1, frameEnd})
		for sub := range s.subs {
			sub.end()
		}
	}
}

// Close gives out what still waits for its time, tells subscribers that this was all,
// and returns when they have it, or within a bound.
func (s *Stream) Close() error {
	err := s.l.Close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.finish()
	s.mu.Unlock()
	signal(s.wake)
	s.done.Wait()
	return err
}

// lastWords bounds how long Close waits for a subscriber that does not read.
const lastWords = 5 * time.Second

func (s *Stream) serve(sub *subscriber) {
	sub.write()
	sub.c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, sub)
}

// A subscriber is one connection and what it has not been given yet.
type subscriber struct {
	c     net.Conn
	ready chan struct{}

	mu    sync.Mutex
	next  []byte
	ended bool
}

// add queues a frame; false where the subscriber is too far behind.
func (s *subscriber) add(frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer signal(s.ready)
	if len(s.next)+len(frame) > maxBehind {
		s.next = append(s.next, 1, frameOverrun)
		s.ended = true
		return false
	}
	s.next = append(s.next, frame...)
	return true
}

func (s *subscriber) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.c.SetWriteDeadline(time.Now().Add(lastWords))
	signal(s.ready)
}

// write sends what is queued until the end, or until the subscriber has gone.
func (s *subscriber) write() {
	var spare []byte
	for {
		s.mu.Lock()
		now, ended := s.next, s.ended
		s.next = spare[:0]
		s.mu.Unlock()
		spare = now // the buffer of before belongs to add from here on
		if len(now) > 0 {
			if _, err := s.c.Write(now); err != nil {
				return
			}
			continue
		}
		if ended {
			return
		}
		<-s.ready
	}
}

// signal wakes whoever waits on c, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
