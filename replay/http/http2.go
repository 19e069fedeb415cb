package http

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	nethttp "net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"recap/pipeline/exchange"
	"recap/replay"
)

// speakTwo makes nc a connection of HTTP/2. The transport is given the connection
// that is there, and can make no other one.
func (t *Target) speakTwo(nc net.Conn) (*nethttp.ClientConn, error) {
	given := func(context.Context, string, string) (net.Conn, error) { return nc, nil }
	protocols := new(nethttp.Protocols)
	tr := &nethttp.Transport{DisableCompression: true, Protocols: protocols, MaxResponseHeaderBytes: maxHead}
	if t.dialer.tls != nil {
		protocols.SetHTTP2(true)
		tr.DialTLSContext = given
	} else {
		protocols.SetUnencryptedHTTP2(true)
		tr.DialContext = given
	}
	return tr.NewClientConn(t.ctx, t.url.Scheme, t.dialer.address)
}

// stream sends one request as a stream. It returns when the request's head is
// written, so that requests keep their order; the response is read beside.
func (c *conn) stream(j *job, another bool) error {
	ctx, cancel := context.WithTimeout(c.t.live, c.t.o.Timeout)
	// Whoever is first, the head's leaving or an error, says whose the event is.
	var decided atomic.Bool
	left, failed := make(chan struct{}), make(chan error, 1)
	leave := func() {
		if decided.CompareAndSwap(false, true) {
			close(left)
		}
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: leave})
	req := c.newRequest(ctx, j.Pair)
	s := &stream{t: c.t, j: *j, began: time.Now(), out: sizeOf(&j.Pair.Request)}
	two := c.two
	c.streams.Add(1)
	go func() {
		defer c.streams.Done()
		defer cancel()
		res, err := two.RoundTrip(req)
		if err != nil && decided.CompareAndSwap(false, true) {
			failed <- err
			return
		}
		leave()
		s.finish(res, err)
	}()
	select {
	case <-left:
		return errUnder
	case err := <-failed:
		if another && !timedOut(err) && c.t.ctx.Err() == nil {
			return errResend
		}
		f, err := explain(failWrite, err)
		c.t.stats.failed(f, j, err)
		return err
	}
}

// newRequest gives what c.request holds in the terms of net/http.
func (c *conn) newRequest(ctx context.Context, p *exchange.Pair) *nethttp.Request {
	q := &c.request
	scheme := c.t.url.Scheme
	r := &nethttp.Request{
		Method: q.method, Host: q.host, Proto: "HTTP/2.0", ProtoMajor: 2, ContentLength: int64(len(q.body)),
		// The opaque form keeps the target as it was recorded, byte by byte.
		URL:    &url.URL{Scheme: scheme, Host: q.host, Opaque: scheme + "://" + q.host + q.target},
		Header: make(nethttp.Header, len(q.fields)+2),
	}
	for _, h := range q.fields {
		r.Header[nethttp.CanonicalHeaderKey(h.Name)] = append(r.Header[nethttp.CanonicalHeaderKey(h.Name)], h.Value)
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = []string{""} // else one is made up
	}
	if len(c.marker) > 0 {
		r.Header[replay.MarkerHeader] = []string{string(c.marker)}
	}
	if p.Kind == "grpc" {
		r.Header["Te"] = []string{"trailers"}
	}
	if len(q.body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(q.body))
	} else if q.length {
		r.Body = nethttp.NoBody
	}
	return r.WithContext(ctx)
}

// A stream is a request that has left over HTTP/2.
type stream struct {
	t      *Target
	j      job
	began  time.Time
	out    uint64
	answer answer
}

// finish reads the response and settles the event.
func (s *stream) finish(res *nethttp.Response, err error) {
	first := time.Now()
	if err == nil {
		err = s.read(res)
	}
	defer s.t.done(&s.j)
	if err != nil {
		f, err := explain(failRead, err)
		if s.t.live.Err() != nil {
			f, err = failStopped, fmt.Errorf("no response when the run was stopped: %w", err)
		}
		s.t.stats.failed(f, &s.j, err)
		s.t.env.Failed(s.j.Seq, replay.HopAccepted, err)
		return
	}
	s.t.answered(&s.j, &s.answer, timing{began: s.began, first: first, last: time.Now(), out: int(s.out), in: s.answer.wire})
	s.t.env.Sent(s.j.Seq)
}

func (s *stream) read(res *nethttp.Response) error {
	defer res.Body.Close()
	if err := s.answer.consume(int32(res.StatusCode), listed(res.Header), res.Body, s.j.Pair); err != nil {
		return early(err)
	}
	s.answer.trailers = listed(res.Trailer)
	return nil
}

func listed(h nethttp.Header) []exchange.Header {
	var list []exchange.Header
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			list = append(list, exchange.Header{Name: strings.ToLower(name), Value: v})
		}
	}
	return list
}
