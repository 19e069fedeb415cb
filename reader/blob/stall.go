package blob

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

var errStalled = errors.New("server has stopped sending")

var errNotTaken = errors.New("server does not answer")

// watched sends requests, and ends those that come to a halt: while they are sent, while
// the answer is waited for, and while its body is read.
type watched struct {
	base  http.RoundTripper // nil: the default one
	stall time.Duration
}

// watch returns a client that sends as c does, watched.
func watch(c *http.Client, stall time.Duration) *http.Client {
	w := *c
	w.Transport = &watched{c.Transport, stall}
	return &w
}

// RoundTrip implements [http.RoundTripper].
func (w *watched) RoundTrip(req *http.Request) (*http.Response, error) {
	base := w.base
	if base == nil {
		base = http.DefaultTransport
	}
	ctx, stop := context.WithCancelCause(req.Context())
	patience := 2 * w.stall // services work before they answer
	var answered atomic.Bool
	t := time.AfterFunc(patience, func() {
		if !answered.Load() {
			stop(errNotTaken)
		}
	})
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &taken{req.Body, t, patience}
	}
	resp, err := base.RoundTrip(req)
	answered.Store(true)
	t.Stop()
	if err != nil {
		if context.Cause(ctx) == errNotTaken {
			err = errNotTaken
		}
		stop(nil)
		return nil, err
	}
	resp.Body = &arriving{ReadCloser: resp.Body, ctx: ctx, stop: stop, stall: w.stall}
	return resp, nil
}

// taken is the body of a request; what is read of it was taken by the server, but for
// what is in buffers.
type taken struct {
	io.ReadCloser
	t        *time.Timer
	patience time.Duration
}

func (b *taken) Read(p []byte) (int, error) {
	if b.t.Stop() { // else it has run out, or the answer is there already
		b.t.Reset(b.patience)
	}
	return b.ReadCloser.Read(p)
}

// arriving is the body of an answer. Its reader may take its time; the server may not.
type arriving struct {
	io.ReadCloser
	ctx   context.Context
	stop  context.CancelCauseFunc
	stall time.Duration
}

func (b *arriving) Read(p []byte) (int, error) {
	t := time.AfterFunc(b.stall, func() { b.stop(errStalled) })
	n, err := b.ReadCloser.Read(p)
	t.Stop()
	if err != nil && err != io.EOF && context.Cause(b.ctx) == errStalled {
		err = errStalled
	}
	return n, err
}

func (b *arriving) Close() error {
	b.stop(nil)
	return b.ReadCloser.Close()
}
