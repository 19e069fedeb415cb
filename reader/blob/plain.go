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
	r, err := replyOf(resp, off)
	if err != nil {
		return nil, err
	}
	r.etag, r.date = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	return r, nil
}

// replyOf reads the head of an answer to a GET for the bytes from off, and closes an
// answer that is of no use.
func replyOf(resp *http.Response, off int64) (r *reply, err error) {
	defer func() {
		if err != nil {
			resp.Body.Close()
		}
	}()
	r = &reply{body: resp.Body, size: -1}
	switch resp.StatusCode {
	case http.StatusPartialContent:
		var from int64
		from, r.size, err = contentRange(resp.Header.Get("Content-Range"))
		if err != nil || from != off {
			return nil, &permanentError{errors.New("server answers with another range than it was asked for")}
		}
		r.ranged = r.size >= 0
		return r, nil
	case http.StatusOK:
		// The server knows no ranges: what was read already comes once more.
		r.size = resp.ContentLength
		if _, err := io.CopyN(io.Discard, r.body, off); err != nil {
			return nil, withoutURL(err)
		}
		return r, nil
	}
	return nil, explain(resp.StatusCode, errorCode(resp), off)
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

// contentRange parses "bytes 0-9/100"; the total is -1 where it is "*".
func contentRange(s string) (from, total int64, err error) {
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
