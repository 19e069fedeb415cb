package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// plain reads a file from any HTTPS server.
type plain struct {
	client *http.Client
	u      *url.URL
	sign   func(*http.Request) error // nil: nothing to be added
}

func (p *plain) get(ctx context.Context, off, n int64, etag string) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.u.String(), nil)
	if err != nil {
		return nil, &permanentError{errors.New("URL cannot be requested")}
	}
	to := ""
	if n >= 0 {
		to = strconv.FormatInt(off+n-1, 10)
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", off, to))
	if etag != "" && !strings.HasPrefix(etag, "W/") { // weak tags cannot be asked for
		req.Header.Set("If-Match", etag)
	}
	if isAzure(p.u.Hostname()) && p.u.Query().Get("sv") == "" {
		req.Header.Set("x-ms-version", "2021-08-06") // without it, a version of 2009 answers
	}
	if p.sign != nil {
		if err := p.sign(req); err != nil {
			return nil, err
		}
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	return replyOf(resp, off)
}

// replyOf reads the head of an answer to a GET for the bytes from off, and closes an
// answer that is of no use.
func replyOf(resp *http.Response, off int64) (r *reply, err error) {
	defer func() {
		if err != nil {
			resp.Body.Close()
		}
	}()
	r = &reply{body: resp.Body, size: -1, etag: resp.Header.Get("ETag"), date: resp.Header.Get("Last-Modified")}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		if r.size, err = sizeBehind(resp.Header.Get("Content-Range"), off); err != nil {
			return nil, err
		}
		r.ranged = true
		return r, nil
	case http.StatusOK:
		// The server knows no ranges: what was read already comes once more.
		r.size = resp.ContentLength
		if _, err := io.CopyN(io.Discard, r.body, off); err != nil {
			return nil, withoutURL(err)
		}
		return r, nil
	}
	return nil, explain(statusOf(resp), off)
}

// statusOf is the error that an answer stands for which is no success.
func statusOf(resp *http.Response) *statusError {
	return &statusError{resp.StatusCode, errorCode(resp), retryAfter(resp)}
}

// maxRetryAfter bounds what a service may ask for: one that wants hours is as good as away.
const maxRetryAfter = 2 * time.Minute

// retryAfter is the wait that an answer asks for in seconds (RFC 9110, section 10.2.3);
// 0 if it asks for none, or names a time of day, which would need a clock.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// errorIn finds the one word in the answer of a service that says what is wrong; the
// rest of it may repeat what was signed.
var errorIn = regexp.MustCompile(`<Code>([A-Za-z0-9.]{1,64})</Code>`)

func errorCode(resp *http.Response) string {
	if code := resp.Header.Get("x-ms-error-code"); code != "" {
		return code
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if m := errorIn.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

// sizeBehind returns the size of the whole that the head of a partial answer to a request
// for the bytes from off tells. An answer with other bytes is of no use, nor is one that
// leaves the size open: nobody could tell then where the whole ends.
func sizeBehind(contentRange string, off int64) (int64, error) {
	from, size, err := parseContentRange(contentRange)
	switch {
	case err != nil || from != off:
		return 0, errOtherRange
	case size < 0:
		return 0, errNoSize
	case size == 0 && off == 0: // some servers have a range in nothing
		return 0, errEmpty
	case size <= off:
		return 0, errOtherRange
	}
	return size, nil
}

var (
	errOtherRange = &permanentError{errors.New("server answers with another range than it was asked for")}
	errNoSize     = &permanentError{errors.New("server answers with a range and does not tell the size of the whole")}
)

// parseContentRange parses "bytes 0-9/100"; the total is -1 where it is "*".
func parseContentRange(s string) (from, total int64, err error) {
	s, ok := strings.CutPrefix(s, "bytes ")
	span, all, ok2 := strings.Cut(s, "/")
	first, _, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, errors.New("range is malformed")
	}
	if from, err = strconv.ParseInt(first, 10, 64); err != nil {
		return 0, 0, err
	}
	if all == "*" {
		return from, -1, nil
	}
	total, err = strconv.ParseInt(all, 10, 64)
	return from, total, err
}
