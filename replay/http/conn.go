package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
)

// A conn stands for one recorded connection: a queue, and one goroutine that works it
// off over a connection of its own. It connects with the first request.
type conn struct {
	t   *Target
	key connKey
	h2  bool // HTTP/2 is wanted

	mu      sync.Mutex
	queue   []job
	head    int
	busy    bool
	since   time.Duration // idle since then; time of the run
	closing bool
	wake    chan struct{}

	// The rest belongs to the goroutine.
	net      net.Conn
	unwatch  func() bool
	two      *nethttp.ClientConn // where the target speaks HTTP/2
	streams  sync.WaitGroup
	used     time.Time // when the last response was whole; zero on a new connection
	reader   reader
	response response
	request  request
	stripped exchange.Request // see strip
	out      []byte
	marker   []byte
	answer   answer
}

func newConn(t *Target, key connKey, p *exchange.Pair) *conn {
	// It is busy until its goroutine says otherwise: each wake-up is sent to one that is idle.
	c := &conn{t: t, key: key, h2: t.wantsTwo(p), busy: true, wake: make(chan struct{}, 1)}
	t.workers.Add(1)
	go c.run()
	return c
}

// wantsTwo reports whether HTTP/2 is tried: as recorded. A recorded connection that
// had TLS is sent without it as HTTP/1.1, because hardly any server speaks HTTP/2 on
// a plain connection that was not made for it.
func (t *Target) wantsTwo(p *exchange.Pair) bool {
	switch {
	case t.o.Version != "auto":
		return t.o.Version == "2"
	case p.Protocol != "HTTP/2":
		return false
	}
	return t.dialer.tls != nil || p.Conn == nil || p.Conn.TLS == nil
}

func (c *conn) push(j job) {
	c.mu.Lock()
	c.queue = append(c.queue, j)
	wake := !c.busy
	c.busy = true
	c.mu.Unlock()
	if wake {
		c.wake <- struct{}{}
	}
}

// finish lets the goroutine end after what is queued.
func (c *conn) finish() {
	c.mu.Lock()
	c.closing = true
	wake := !c.busy
	c.busy = true
	c.mu.Unlock()
	if wake {
		c.wake <- struct{}{}
	}
}

func (c *conn) idle() bool {
	_, ok := c.idleSince()
	return ok
}

func (c *conn) idleSince() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.since, !c.busy && !c.closing
}

// next waits for the next job; false says that there will be none.
func (c *conn) next() (job, bool) {
	for {
		c.mu.Lock()
		if c.head < len(c.queue) {
			j := c.queue[c.head]
			c.queue[c.head] = job{}
			c.head++
			c.mu.Unlock()
			return j, true
		}
		c.queue, c.head = c.queue[:0], 0
		if c.closing {
			c.mu.Unlock()
			return job{}, false
		}
		c.busy = false
		c.since = time.Since(c.t.env.Start())
		c.mu.Unlock()
		c.t.becameIdle()
		<-c.wake
	}
}

// becameIdle wakes the dispatcher where it waits for a connection to close.
func (t *Target) becameIdle() {
	if t.waiting.Load() {
		t.mu.Lock()
		t.changed.Broadcast()
		t.mu.Unlock()
	}
}

func (c *conn) run() {
	defer c.t.workers.Done()
	defer c.hangUp()
	defer c.streams.Wait()
	for {
		j, ok := c.next()
		if !ok {
			return
		}
		if c.t.ctx.Err() != nil {
			// Stopped: neither sent nor failed.
			c.t.stats.unsent()
			c.t.done(&j)
			continue
		}
		c.send(&j)
	}
}

// strip returns r without credentials, unless they are kept. Another connection may be sending the same pair, in
// another pass over the source: what belongs to the pair stays as it is.
func (c *conn) strip(r *exchange.Request) *exchange.Request {
	if c.t.o.KeepSecrets {
		return r
	}
	c.stripped = *r
	c.t.o.Strip(&c.stripped)
	return &c.stripped
}

// send sends one request and reads its response, or starts to over HTTP/2.
func (c *conn) send(j *job) {
	if err := c.t.prepare(&c.request, c.strip(&j.Pair.Request), j.Pair.Protocol); err != nil {
		c.t.env.LeftOut(j.Seq, c.t.stats.leaveOut(err))
		c.t.done(j)
		return
	}
	c.marker = c.t.env.Marker(c.marker[:0], &j.Event, j.intended)
	if c.net != nil && !c.used.IsZero() && time.Since(c.used) > idleCheck && c.two == nil && stale(c.net) {
		c.hangUp()
		c.t.stats.closedByPeer()
	}
	err := c.try(j, true)
	if err == errResend {
		// The target had closed the connection just before: nothing of the request was used.
		c.streams.Wait()
		c.hangUp()
		c.t.stats.resent()
		err = c.try(j, false)
	}
	switch {
	case err == errUnder:
	case err == nil:
		c.t.env.Sent(j.Seq)
		c.t.done(j)
	case c.net == nil && c.t.ctx.Err() != nil:
		c.t.stats.unsent()
		c.t.done(j)
	default:
		c.hangUp()
		c.fail(j, replay.HopAccepted, err)
	}
}

// try makes one try, on the connection that is there or on a new one. errResend is
// returned only where another one is allowed; errUnder says that a stream goes on.
func (c *conn) try(j *job, another bool) error {
	if err := c.connect(); err != nil {
		if c.t.ctx.Err() == nil {
			c.t.stats.failed(failConnect, j, err)
		}
		return err
	}
	if c.two != nil {
		return c.stream(j, another)
	}
	return c.exchange(j, another && !c.used.IsZero())
}

func (c *conn) fail(j *job, hop string, err error) {
	c.t.env.Failed(j.Seq, hop, err)
	c.t.done(j)
}

// connect makes the connection where there is none.
func (c *conn) connect() error {
	if c.two != nil && c.two.Err() != nil {
		c.streams.Wait()
		c.hangUp()
		c.t.stats.closedByPeer()
	}
	if c.net != nil {
		return nil
	}
	began := time.Now()
	nc, err := c.t.dialer.dial(c.t.ctx, c.h2)
	if err != nil {
		return err
	}
	c.net, c.used = nc, time.Time{}
	// A run that is given up ends what waits for a response.
	c.unwatch = context.AfterFunc(c.t.live, func() { nc.Close() })
	tc, isTLS := nc.(*tls.Conn)
	two := c.h2
	if isTLS {
		two = tc.ConnectionState().NegotiatedProtocol == "h2"
	}
	if two {
		if c.two, err = c.t.speakTwo(nc); err != nil {
			c.hangUp()
			return err
		}
	} else {
		c.reader.reset(nc)
	}
	c.t.stats.connected(time.Since(began), two)
	return nil
}

func (c *conn) hangUp() {
	if c.net == nil {
		return
	}
	c.unwatch()
	if c.two != nil {
		c.two.Close()
	}
	c.net.Close()
	c.net, c.two = nil, nil
}

// errResend says that a request may be sent once more on a new connection.
var errResend = errors.New("the connection was closed before the request")

// errUnder says that a request has left, and that its response comes on its own.
var errUnder = errors.New("under way")

// exchange writes the request and reads the response, over HTTP/1. again says that
// the request may be sent another time.
func (c *conn) exchange(j *job, again bool) error {
	t := c.t
	out := c.request.appendHead(c.out[:0], c.marker)
	body := c.request.body
	if len(body) <= maxJoined {
		out, body = append(out, body...), nil
	}
	c.out = out[:0]
	began := time.Now()
	if err := c.net.SetDeadline(began.Add(t.o.Timeout)); err != nil {
		return c.broken(j, failWrite, err, again)
	}
	n, err := c.net.Write(out)
	if err == nil && len(body) > 0 {
		_, err = c.net.Write(body)
	}
	if err != nil && n == 0 {
		return c.broken(j, failWrite, err, again)
	}
	// An error behind that may come with a response that tells why.
	wrote := err
	// Where other connections have something to send, the response comes meanwhile: a read
	// that finds nothing, and being woken, cost as much as the rest.
	runtime.Gosched()
	if err = c.reader.next(&c.response, c.request.method); err != nil {
		if wrote != nil {
			return c.broken(j, failWrite, wrote, false)
		}
		unread := c.reader.w == c.reader.r
		return c.broken(j, failRead, err, again && unread && safe(c.request.method))
	}
	first := time.Now()
	if err = c.answer.read(&c.response, j.Pair); err != nil {
		return c.broken(j, failRead, err, false)
	}
	last := time.Now()
	c.used = last
	unasked := c.reader.w > c.reader.r
	if unasked {
		t.stats.unasked()
	}
	if unasked || c.response.close || c.request.close || wrote != nil {
		c.hangUp() // what comes unasked must not be taken for the next response
	}
	t.answered(j, &c.answer, timing{began: began, first: first, last: last, out: len(out) + len(body), in: c.answer.wire + int64(len(c.response.head))})
	return nil
}

// broken notes that an exchange has failed, unless it is to be tried again.
func (c *conn) broken(j *job, f failure, err error, again bool) error {
	if again && !timedOut(err) && c.t.ctx.Err() == nil {
		return errResend
	}
	f, err = explain(f, err)
	if c.t.live.Err() != nil {
		f, err = failStopped, fmt.Errorf("no response when the run was stopped: %w", err)
	}
	c.t.stats.failed(f, j, err)
	return err
}

// explain says what went wrong in the terms of HTTP.
func explain(f failure, err error) (failure, error) {
	var malformed responseError
	switch {
	case errors.As(err, &malformed):
		return failMalformed, err
	case timedOut(err):
		return failTimeout, errTimeout
	case f == failWrite:
		return f, err
	case err == io.EOF:
		return failEarlyClose, errNoResponse
	case errors.Is(err, io.ErrUnexpectedEOF):
		return failEarlyClose, errCutResponse
	}
	return f, err
}

var (
	errTimeout     = errors.New("no whole response in time")
	errNoResponse  = errors.New("the connection was closed without a response")
	errCutResponse = errors.New("the connection was closed inside the response")
)

func timedOut(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
