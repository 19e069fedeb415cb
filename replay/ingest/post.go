package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"recap/replay"
)

// Counters of the target.
const (
	CountRequests = "requests"
	CountRetries  = "retries"
	// CountUnknown counts pairs of batches whose answer got lost.
	CountUnknown = "pairs of unknown fate"
)

// errUnknown says that nobody can tell whether a batch arrived.
var errUnknown = errors.New("the answer got lost; whether the batch arrived is not known, and it was not sent again")

// firstPause is waited before a batch is sent again; each time twice as long.
const firstPause = 100 * time.Millisecond

// maxAnswer bounds what is read of an answer, bytes; a longer one costs its connection.
const maxAnswer = 64 << 10

// deliver sends a batch and notes what became of its pairs.
func (t *target) deliver(b *batch) {
	err := t.post(b.body)
	if errors.Is(err, errUnknown) {
		t.env.Count(CountUnknown, int64(len(b.seqs)))
	}
	for _, seq := range b.seqs {
		if err == nil {
			t.env.Sent(seq)
		} else {
			t.env.Failed(seq, replay.HopAccepted, err)
		}
	}
}

// post sends a body until it was taken, refused, or may have been taken.
func (t *target) post(body []byte) error {
	pause := firstPause
	for try := 0; ; try++ {
		again, err := t.once(body)
		if !again || try >= t.o.Retries {
			return err
		}
		t.env.Count(CountRetries, 1)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-t.work.Done():
			timer.Stop()
			return err
		}
		pause *= 2
	}
}

// once sends a body. again says that it was surely not taken and may be sent again.
func (t *target) once(body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(t.work, t.o.Timeout)
	defer cancel()
	var began atomic.Bool // some of the request may have left
	trace := &httptrace.ClientTrace{WroteHeaders: func() { began.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "recap")
	if t.o.Token != "" {
		req.Header.Set("Authorization", t.o.Token)
	}
	t.env.Count(CountRequests, 1)
	resp, err := t.client.Do(req)
	if err != nil {
		if began.Load() {
			return false, errUnknown
		}
		return t.work.Err() == nil, errors.Unwrap(err) // without the URL, which every error would repeat
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	default:
		return code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable, fmt.Errorf("answered with status %d", code)
	}
}
