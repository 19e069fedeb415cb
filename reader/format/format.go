// Package format is what capture formats have in common: a format is a magic
// number and a [Parser], and a [Source] drives the parser over the slabs that
// reading fills.
package format

import (
	"errors"
	"fmt"
	"io"

	"recap/reader/packet"
)

// A Format is one kind of capture file.
type Format struct {
	Name string
	// Match reports whether a file that begins with head is of this format. head
	// holds up to [HeadSize] bytes of the decompressed file, fewer if it is shorter.
	Match func(head []byte) bool
	// Weak says that the format has no magic number. It is asked after all others,
	// with as much of the file as there is, up to HeadSize.
	Weak bool
	// Text says that the format is text, in which much may stand before the first packet:
	// of a text that no format takes, Match is asked again with up to TextSize bytes.
	Text bool
	// New returns a parser for one file. Its Input is filled as parsing goes on.
	New func(in *packet.Input, fileIndex int32, lim Limits) Parser
}

// HeadSize is how many bytes of a file [Format.Match] may look at.
const HeadSize = 4096

// TextSize is how many bytes of a text Match may look at if [Format.Text] is set.
const TextSize = 128 << 10

// Limits bounds what a length in a file can make a parser do. The zero value
// means the defaults.
type Limits struct {
	MaxPacket int // bytes of one packet; 0 means DefaultMaxPacket
	MaxBlock  int // bytes of one pcapng block; 0 means DefaultMaxBlock
}

// Defaults of [Limits].
const (
	DefaultMaxPacket = 256 << 10
	DefaultMaxBlock  = 16 << 20
)

// WithDefaults returns the limits with zero fields set to the defaults, and
// others brought to values that parsers can count with.
func (l Limits) WithDefaults() Limits {
	if l.MaxPacket <= 0 {
		l.MaxPacket = DefaultMaxPacket
	}
	if l.MaxBlock <= 0 {
		l.MaxBlock = DefaultMaxBlock
	}
	l.MaxPacket = min(l.MaxPacket, 1<<30)
	l.MaxBlock = min(l.MaxBlock, 1<<30)
	return l
}

// A Parser takes records out of a window. One goroutine owns it.
type Parser interface {
	// Parse appends the packets of all records that are whole in the window to
	// w.Batch.Packets and moves past them with [Window.Use], [Window.Lose] and
	// [Window.Pad]. It returns how many bytes must stand in the window before it
	// can go on, always more than there are. Where w.EOF is set, nothing follows:
	// Parse then moves to the end of the window, and records what is unfinished
	// as damage.
	Parse(w *Window) (need int)
}

// A Window is the part of a file that is being parsed.
type Window struct {
	Batch *packet.Batch
	// The bytes not yet parsed are Batch.Slab[Start:End].
	Start, End int
	// EOF says that nothing of the file follows.
	EOF bool

	base int64 // offset of Slab[0] in the file
	in   *packet.Input
}

// Bytes returns what is not yet parsed.
func (w *Window) Bytes() []byte { return w.Batch.Slab[w.Start:w.End] }

// Offset returns the place of the first byte not yet parsed in the file.
func (w *Window) Offset() int64 { return w.base + int64(w.Start) }

// Use moves past n bytes that were understood.
func (w *Window) Use(n int) { w.Start += n }

// Lose moves past n bytes that could not be used.
func (w *Window) Lose(n int) {
	w.Start += n
	w.in.LostBytes += int64(n)
}

// Pad moves past n zero bytes after the last record.
func (w *Window) Pad(n int) {
	w.Start += n
	w.in.Padding += int64(n)
}

// Room returns n bytes for a packet that does not stand in the file as it is. They
// live as long as the batch.
func (w *Window) Room(n int) []byte {
	b := w.Batch
	if cap(b.Decoded)-len(b.Decoded) < n {
		// Packets keep the memory that is replaced here.
		b.Decoded = make([]byte, 0, max(n, len(b.Slab)/2))
	}
	at := len(b.Decoded)
	b.Decoded = b.Decoded[:at+n]
	return b.Decoded[at : at+n : at+n]
}

// Unpad turns n bytes that Pad passed into lost ones: something follows them.
func (w *Window) Unpad(n int) {
	w.in.Padding -= int64(n)
	w.in.LostBytes += int64(n)
}

// Cause is an error that is only its text.
type Cause string

func (c Cause) Error() string { return string(c) }

// A Source yields the packets of one file.
type Source struct {
	r      io.Reader
	opt    SourceOptions
	pool   *packet.Pool
	parser Parser
	w      Window
	in     *packet.Input
	inputs []*packet.Input
	need   int
	done   bool
	err    error // what ended the reading, other than io.EOF
	before int   // damages that were found before it
}

// SourceOptions says how a [Source] reads.
type SourceOptions struct {
	Pool *packet.Pool
	// Eager hands on what each Read brought instead of filling a slab: for pipes.
	Eager bool
	// OnRead sees the bytes as they are read; they stand in b's memory, and the
	// callee retains b if it needs them longer.
	OnRead func(b *packet.Batch, p []byte)
	// MaxBytes ends the reading with [ErrTooLong]; 0 means no limit.
	MaxBytes int64
	// Explain may turn what ended the reading into damage; without it, or where
	// it returns nil, the error itself is taken.
	Explain func(err error) *packet.Error
	// Check is asked before every batch; an error ends the source with it.
	Check func() error
	// Shift is added to the time of every packet, nanoseconds. A time that no longer
	// fits is unknown.
	Shift int64
}

// ErrTooLong is the damage of a file that is longer than allowed.
var ErrTooLong = errors.New("file is longer than the limit for inputs")

// maxEmptyReads is how often a reader may return nothing before it is given up.
const maxEmptyReads = 100

// NewSource returns a source of what p finds in r. It records in in, which p
// shares, and does not close r.
func NewSource(r io.Reader, p Parser, in *packet.Input, opt SourceOptions) *Source {
	if opt.Pool == nil {
		opt.Pool = packet.NewPool(0)
	}
	in.FirstNS, in.LastNS = packet.NoTime, packet.NoTime
	return &Source{r: r, opt: opt, pool: opt.Pool, parser: p, in: in, inputs: []*packet.Input{in},
		w: Window{in: in}, need: 1}
}

// Inputs implements [packet.Source].
func (s *Source) Inputs() []*packet.Input { return s.inputs }

// Close gives the memory back. It does not close the reader.
func (s *Source) Close() error {
	s.done = true
	if s.w.Batch != nil {
		s.w.Batch.Release()
		s.w.Batch = nil
	}
	return nil
}

// Next implements [packet.Source].
func (s *Source) Next() (*packet.Batch, error) {
	if s.opt.Check != nil && !s.done {
		if err := s.opt.Check(); err != nil {
			s.Close()
			return nil, err
		}
	}
	if s.done {
		return nil, io.EOF
	}
	if s.w.Batch == nil {
		s.w.Batch = s.pool.Get()
	}
	for {
		if !s.w.EOF && s.w.End-s.w.Start < s.need {
			s.fill()
			continue
		}
		s.need = s.parser.Parse(&s.w)
		if len(s.w.Batch.Packets) > 0 {
			return s.hand(), nil
		}
		if s.w.EOF {
			s.finish()
			return nil, io.EOF
		}
	}
}

// fail notes what ended the reading.
func (s *Source) fail(err error) { s.err, s.before = err, len(s.in.Damage) }

func (s *Source) finish() {
	s.Close()
	if s.err == nil {
		return
	}
	// To the parser the file ends where the reading did. What it advises then is wrong.
	for _, e := range s.in.Damage[s.before:] {
		e.Hint = ""
	}
	var e *packet.Error
	if s.opt.Explain != nil {
		e = s.opt.Explain(s.err)
	}
	if e == nil {
		e = &packet.Error{File: s.in.Name, Offset: s.in.Bytes, Err: s.err}
	}
	if e.Saved == "" {
		e.Saved = Saved(s.in.Packets)
	}
	s.in.AddDamage(e)
}

// Saved is the sentence for [packet.Error.Saved] after n packets.
func Saved(n int64) string {
	if n == 1 {
		return "1 packet was used"
	}
	return fmt.Sprintf("%d packets were used", n)
}

// hand gives out the current batch, and goes on in a new one that begins with
// the bytes not yet parsed.
func (s *Source) hand() *packet.Batch {
	b := s.w.Batch
	s.count(b.Packets)
	if s.w.EOF && s.w.Start == s.w.End {
		s.w.Batch = nil
		s.finish()
		return b
	}
	next := s.pool.Get()
	tail := s.w.Bytes()
	if 2*len(tail) > len(next.Slab) {
		next.Slab = make([]byte, slabFor(len(tail)))
	}
	copy(next.Slab, tail)
	s.w.base += int64(s.w.Start)
	s.w.Batch, s.w.Start, s.w.End = next, 0, len(tail)
	return b
}

// slabFor returns a slab size in which n bytes leave at least as much room again,
// so that carrying bytes over costs no more than reading them.
func slabFor(n int) int {
	size := 4096
	for size < 2*n {
		size *= 2
	}
	return size
}

// shift adds by to the times of ps.
func shift(ps []packet.Packet, by int64) {
	for i := range ps {
		p := &ps[i]
		if p.TimeNS == packet.NoTime {
			continue
		}
		if t := p.TimeNS + by; (t > p.TimeNS) == (by > 0) && t != packet.NoTime {
			p.TimeNS = t
		} else {
			p.RawTicks, p.TimeNS = uint64(p.TimeNS), packet.NoTime
		}
	}
}

func (s *Source) count(ps []packet.Packet) {
	in := s.in
	in.Packets += int64(len(ps))
	if s.opt.Shift != 0 {
		shift(ps, s.opt.Shift)
	}
	first, last, sum := in.FirstNS, in.LastNS, int64(0)
	ifaces := in.Interfaces
	for i := range ps {
		p := &ps[i]
		sum += int64(len(p.Data))
		if uint(p.Interface) < uint(len(ifaces)) {
			ifaces[p.Interface].Packets++
		}
		t := p.TimeNS
		if t == packet.NoTime {
			continue
		}
		if t > last {
			last = t
		}
		if t < first || first == packet.NoTime {
			first = t
		}
	}
	in.CapturedLen += sum
	in.FirstNS, in.LastNS = first, last
}

// fill reads: once if eager, else until the slab is full.
func (s *Source) fill() {
	w := &s.w
	if w.Start == w.End {
		w.base += int64(w.Start)
		w.Start, w.End = 0, 0
	}
	b := w.Batch
	// No packet points into the slab here: fill follows a batch handed on, or a
	// Parse that found nothing.
	free := len(b.Slab) - w.Start
	if w.End == len(b.Slab) || free < s.need || free < len(b.Slab)/2 {
		// The slab grows with the bytes that really came, never by a length that the
		// file claims; and at least half of it is free after the move, so that moving
		// costs no more than reading.
		tail, slab := w.Bytes(), b.Slab
		grow := 2*len(tail) > len(slab)
		if grow {
			slab = make([]byte, slabFor(len(tail)))
		}
		if grow || w.Start > 0 {
			copy(slab, tail)
		}
		b.Slab = slab
		w.base += int64(w.Start)
		w.Start, w.End = 0, len(tail)
	}
	for empty := 0; w.End < len(b.Slab); {
		dst := b.Slab[w.End:]
		if s.opt.MaxBytes > 0 {
			left := s.opt.MaxBytes - s.in.Bytes
			if left <= 0 {
				s.atLimit(dst)
				return
			}
			dst = dst[:min(int64(len(dst)), left)]
		}
		n, err := s.r.Read(dst)
		if n < 0 || n > len(dst) {
			n, err = 0, errors.New("reader returned an impossible count")
		}
		if n > 0 {
			w.End += n
			s.in.Bytes += int64(n)
			if s.opt.OnRead != nil {
				s.opt.OnRead(b, dst[:n])
			}
			empty = 0
		} else {
			empty++
		}
		if err == nil && empty >= maxEmptyReads {
			err = io.ErrNoProgress
		}
		if err != nil {
			w.EOF = true
			if err != io.EOF {
				s.fail(err)
			}
			return
		}
		if s.opt.Eager && n > 0 {
			return
		}
	}
}

// atLimit ends the file at the limit, as damage if more follows.
func (s *Source) atLimit(dst []byte) {
	s.w.EOF = true
	for range maxEmptyReads {
		n, err := s.r.Read(dst[:1])
		if n > 0 {
			if s.opt.OnRead != nil {
				s.opt.OnRead(s.w.Batch, dst[:n])
			}
			s.fail(ErrTooLong)
			return
		}
		if err != nil {
			if err != io.EOF {
				s.fail(err)
			}
			return
		}
	}
}
