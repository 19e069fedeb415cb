package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Sizes of the first parts of a blob: whoever only wants to know what it is takes
// the first, and the rest starts when the second is asked for.
const (
	firstPart  = 64 << 10
	secondPart = 1 << 20
	// sparePart is the size of a part where the budget for reading ahead is used up.
	sparePart = 256 << 10
)

// Open returns a reader from the beginning of the blob. It sends nothing before
// the first Read. ctx ends it.
func (s *Store) Open(ctx context.Context, o Object) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{s: s, o: o, ctx: ctx, cancel: cancel, size: -1, etag: o.ETag}
	if s.o.Cache != "" {
		r.copy = &copying{dir: s.o.Cache}
	}
	return r
}

// A Reader reads one blob in order. One goroutine may use it.
type Reader struct {
	s      *Store
	o      Object
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	size  int64 // -1 before the first answer
	etag  string
	date  string
	next  int64 // first byte that no part was started for
	step  int   // parts started
	queue []*part
	cur   *part
	left  []byte // of cur
	err   error

	stream *reply // of a server that knows no ranges
	pos    int64  // in stream
	copy   *copying
}

// part is a range being fetched.
type part struct {
	off   int64
	buf   []byte
	n     int // bytes that came
	err   error
	done  chan struct{}
	token bool // counts in the budget
}

// ETag returns what the server calls this version of the blob; empty before the
// first Read where the listing did not tell, and where the server has no tags.
func (r *Reader) ETag() string { return r.etag }

// Read implements [io.Reader].
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if r.copy != nil {
		return r.readCopied(b)
	}
	return r.read(b)
}

func (r *Reader) read(b []byte) (int, error) {
	for {
		switch {
		case len(r.left) > 0:
			n := copy(b, r.left)
			r.left = r.left[n:]
			return n, nil
		case r.err != nil:
			r.drop()
			return 0, r.err
		case r.stream != nil:
			return r.readStream(b)
		case r.step == 0:
			r.begin()
		default:
			r.advance()
		}
	}
}

// begin fetches the first part, and learns size and tag from the answer.
func (r *Reader) begin() {
	r.step = 1
	if r.o.Size == 0 {
		r.err = io.EOF
		return
	}
	var first *reply
	var body context.Context
	var stop context.CancelFunc
	err := r.s.again(r.ctx, func(context.Context) (err error) {
		body, stop = context.WithCancel(r.ctx)
		first, err = r.o.get.get(body, 0, firstPart, r.etag)
		if err != nil {
			stop()
		}
		return err
	})
	switch {
	case err == errEmpty && r.o.Size > 0:
		r.err = ErrChanged
		return
	case err == errEmpty:
		r.err = io.EOF
		return
	case err != nil:
		r.err = err
		return
	}
	// The server has compared the tag of the listing, which may be written otherwise.
	r.etag = first.etag
	r.size, r.date = first.size, first.date
	if r.size < 0 {
		r.size = r.o.Size // of an answer in chunks
	}
	if r.o.Size >= 0 && r.size != r.o.Size {
		first.body.Close()
		stop()
		r.err = ErrChanged
		return
	}
	if !first.ranged {
		r.stream = &reply{body: &stoppable{first.body, stop}, size: first.size}
		return
	}
	p := &part{buf: make([]byte, min(firstPart, r.size)), done: make(chan struct{})}
	r.next = int64(len(p.buf))
	r.fetch(p, &reply{body: &stoppable{first.body, stop}})
	r.take(p)
}

// stoppable is a body whose request is ended by closing it.
type stoppable struct {
	io.ReadCloser
	stop context.CancelFunc
}

func (s *stoppable) Close() error {
	s.stop()
	return s.ReadCloser.Close()
}

func (r *Reader) take(p *part) {
	r.drop()
	r.cur, r.left = p, p.buf[:p.n]
	if p.err != nil {
		r.err = p.err
	}
}

// drop gives the memory of the part that was read back.
func (r *Reader) drop() {
	if r.cur != nil && r.cur.token {
		<-r.s.ahead
	}
	r.cur, r.left = nil, nil
}

// advance waits for the next part and keeps others coming.
func (r *Reader) advance() {
	r.drop()
	if len(r.queue) == 0 && !r.start(true) {
		r.err = io.EOF
		return
	}
	for r.step > 2 && len(r.queue) < r.s.o.Parallel && r.start(false) {
	}
	p := r.queue[0]
	r.queue = r.queue[1:]
	<-p.done
	r.take(p)
}

// start begins to fetch the next part: if it must come, in any case; else if the
// budget allows.
func (r *Reader) start(must bool) bool {
	left := r.size - r.next
	if left <= 0 {
		return false
	}
	p := &part{off: r.next, done: make(chan struct{})}
	size := int64(r.s.o.PartSize)
	if r.step == 1 {
		size = min(size, secondPart)
	}
	select {
	case r.s.ahead <- struct{}{}:
		p.token = true
	default:
		if !must {
			return false
		}
		size = min(size, sparePart)
	}
	p.buf = make([]byte, min(size, left))
	r.next += int64(len(p.buf))
	r.step++
	r.queue = append(r.queue, p)
	r.wg.Go(func() { r.fetch(p, nil) })
	return true
}

// fetch fills a part, going on at the byte where a body failed. open, if not nil,
// is the answer to a request for it.
func (r *Reader) fetch(p *part, open *reply) {
	defer close(p.done)
	failed := 0
	for p.n < len(p.buf) {
		if p.err = r.ctx.Err(); p.err != nil {
			break
		}
		before := p.n
		err := r.fill(p, open)
		open = nil
		if err == nil {
			continue
		}
		if p.n > before {
			failed = 0
		}
		if failed++; failed >= r.s.patience(err) || !temporary(err) {
			p.err = r.s.gaveUp(err, failed)
			break
		}
		if p.err = r.s.pause(r.ctx, failed, err); p.err != nil {
			break
		}
	}
	if open != nil {
		open.body.Close()
	}
}

// fill asks for what is missing of a part once.
func (r *Reader) fill(p *part, rep *reply) error {
	ctx, stop := context.WithCancel(r.ctx)
	defer stop()
	if rep == nil {
		var err error
		if rep, err = r.o.get.get(ctx, p.off+int64(p.n), int64(len(p.buf)-p.n), r.etag); err != nil {
			return err
		}
		if rep.etag != r.etag || rep.date != r.date || rep.size >= 0 && rep.size != r.size {
			rep.body.Close()
			return ErrChanged
		}
	}
	defer rep.body.Close()
	for p.n < len(p.buf) {
		n, err := rep.body.Read(p.buf[p.n:])
		p.n += n
		if err == io.EOF && p.n < len(p.buf) {
			return io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return withoutURL(err)
		}
	}
	return nil
}

// readStream reads from a server that knows no ranges. After a failure all of it
// is asked for anew, and what was read already passed over.
func (r *Reader) readStream(b []byte) (int, error) {
	for failed := 0; ; {
		if err := r.ctx.Err(); err != nil {
			r.err = err
			return 0, err
		}
		var n int
		var err error
		if r.stream.body == nil {
			ctx, stop := context.WithCancel(r.ctx)
			var rep *reply
			if rep, err = r.o.get.get(ctx, r.pos, -1, r.etag); err != nil {
				stop()
			} else {
				r.stream.body = &stoppable{rep.body, stop}
				if rep.etag != r.etag || rep.date != r.date || rep.size != r.stream.size {
					err = ErrChanged
				}
			}
		}
		if err == nil {
			n, err = r.stream.body.Read(b)
			r.pos += int64(n)
		}
		switch {
		case r.size >= 0 && r.pos > r.size:
			err = ErrChanged
		case err == io.EOF && r.pos < r.size:
			err = io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			r.err = err
		}
		if n > 0 || err == nil || err == io.EOF {
			if err != nil && r.err == nil {
				r.close() // the next call asks anew
			}
			return n, r.err
		}
		r.close()
		if failed++; failed >= r.s.patience(err) || !temporary(err) {
			r.err = r.s.gaveUp(withoutURL(err), failed)
			return 0, r.err
		}
		if err := r.s.pause(r.ctx, failed, err); err != nil {
			r.err = err
			return 0, err
		}
	}
}

func (r *Reader) close() {
	if r.stream != nil && r.stream.body != nil {
		r.stream.body.Close()
		r.stream.body = nil
	}
}

// Close ends all requests and waits for them.
func (r *Reader) Close() error {
	r.cancel()
	r.wg.Wait()
	for _, p := range append(r.queue, r.cur) {
		if p != nil && p.token {
			<-r.s.ahead
		}
	}
	r.queue, r.cur, r.left = nil, nil, nil
	r.close()
	if r.copy != nil {
		r.copy.close()
	}
	if r.err == nil {
		r.err = io.ErrClosedPipe
	}
	return nil
}

// again tries f until it succeeds or trying is of no use.
func (s *Store) again(ctx context.Context, f func(context.Context) error) error {
	for failed := 0; ; {
		err := f(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if failed++; failed >= s.patience(err) || !temporary(err) || misdirected(err) {
			return s.gaveUp(err, failed)
		}
		if err := s.pause(ctx, failed, err); err != nil {
			return err
		}
	}
}

// patience is how often something is tried that fails with err. A service that answers
// that it is busy is there, and does so to whole accounts for a minute or longer.
func (s *Store) patience(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok && (e.status == http.StatusServiceUnavailable || e.status == http.StatusTooManyRequests) {
		return 2 * s.o.Tries
	}
	return s.o.Tries
}

// gaveUp says how often something was tried, if more than once.
func (s *Store) gaveUp(err error, failed int) error {
	if failed < 2 || !temporary(err) {
		return err
	}
	return fmt.Errorf("%w, and so %d times", err, failed)
}

// pause waits after the failure err, the longer the more often, and not less than the
// service asks for.
func (s *Store) pause(ctx context.Context, failed int, err error) error {
	wait := s.o.Pause << min(failed-1, 5)
	if e, ok := errors.AsType[*statusError](err); ok {
		wait = max(wait, e.after)
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
