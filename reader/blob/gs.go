package blob

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	googleauth "golang.org/x/oauth2/google"
)

// google is Google Cloud Storage by its JSON interface, with the application default
// credentials.
type google struct {
	base  string
	token oauth2.TokenSource // nil: an emulator
}

const envEmulator = "STORAGE_EMULATOR_HOST"

func (s *Store) openGoogle(ctx context.Context) (*google, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.google != nil {
		return s.google, nil
	}
	if host := s.getenv(envEmulator); host != "" {
		if !strings.Contains(host, "://") {
			host = "http://" + host
		}
		if _, err := parseEndpoint(envEmulator, host); err != nil {
			return nil, err
		}
		s.google = &google{base: strings.TrimRight(host, "/")}
		return s.google, nil
	}
	// The source outlives this call.
	token, err := googleauth.DefaultTokenSource(context.WithoutCancel(ctx), "https://www.googleapis.com/auth/devstorage.read_write")
	if err != nil {
		return nil, errNoGoogle // its text may quote a key file
	}
	s.google = &google{"https://storage.googleapis.com", token}
	return s.google, nil
}

var errNoGoogle = &permanentError{errors.New("no way to log in to Google Cloud was found; set GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud auth application-default login")}

// gsBucket is one bucket. What stands for an entity tag here is the generation of an
// object, because downloads can be made to insist on it.
type gsBucket struct {
	s    *Store
	g    *google
	name string
}

func (s *Store) gsBucket(ctx context.Context, name string) (keeper, error) {
	g, err := s.openGoogle(ctx)
	if err != nil {
		return nil, err
	}
	return &gsBucket{s, g, name}, nil
}

// url returns the URL of an object, or of the bucket's list where name is empty.
func (b *gsBucket) url(path, name string, query url.Values) string {
	u := b.g.base + path + "/b/" + url.PathEscape(b.name) + "/o"
	if name != "" {
		u += "/" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// Paths of the JSON interface.
const (
	gsPath       = "/storage/v1"
	gsUploadPath = "/upload/storage/v1"
)

// do sends a request; the caller closes the body of the answer.
func (b *gsBucket) do(ctx context.Context, method, u string, body []byte, head map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, u, bytes.NewReader(body))
	if err != nil {
		return nil, &permanentError{errors.New("URL cannot be requested")}
	}
	for k, v := range head {
		req.Header.Set(k, v)
	}
	if b.g.token != nil {
		t, err := b.g.token.Token()
		if err != nil {
			return nil, &permanentError{errors.New("logging in to Google Cloud failed")}
		}
		t.SetAuthHeader(req)
	}
	resp, err := b.s.o.Client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	return resp, nil
}

// call sends a request and returns the text of a successful answer.
func (b *gsBucket) call(ctx context.Context, method, u string, body []byte, head map[string]string) ([]byte, http.Header, error) {
	resp, err := b.do(ctx, method, u, body, head)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, nil, statusOf(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return text, resp.Header, err
}

func (b *gsBucket) object(name string) Object {
	return Object{Name: name, Size: -1, get: &gsObject{b, name}}
}

type gsObject struct {
	b    *gsBucket
	name string
}

func (o *gsObject) get(ctx context.Context, off, n int64, etag string) (*reply, error) {
	query := url.Values{"alt": {"media"}}
	if etag != "" {
		query.Set("ifGenerationMatch", etag)
	}
	to := ""
	if n >= 0 {
		to = strconv.FormatInt(off+n-1, 10)
	}
	resp, err := o.b.do(ctx, http.MethodGet, o.b.url(gsPath, o.name, query), nil, map[string]string{
		"Range":           fmt.Sprintf("bytes=%d-%s", off, to),
		"Accept-Encoding": "gzip", // else what is stored as gzip comes unpacked, and without ranges
	})
	if err != nil {
		return nil, err
	}
	r, err := replyOf(resp, off)
	if err != nil {
		return nil, err
	}
	r.etag, r.date = resp.Header.Get("X-Goog-Generation"), ""
	return r, nil
}

// gsPage is an answer to a request for a listing.
type gsPage struct {
	Items []struct {
		Name, Generation string
		Size             json.Number
		Updated          time.Time
	}
	NextPageToken string
}

func (b *gsBucket) list(ctx context.Context, prefix string, most int) ([]Object, error) {
	query := url.Values{"prefix": {prefix}, "fields": {"items(name,size,updated,generation),nextPageToken"}}
	if most > 0 {
		query.Set("maxResults", strconv.Itoa(most))
	}
	return b.s.pages(ctx, most, func(ctx context.Context, next string) (out []Object, _ string, err error) {
		if next != "" {
			query.Set("pageToken", next)
		}
		text, _, err := b.call(ctx, http.MethodGet, b.url(gsPath, "", query), nil, nil)
		if err != nil {
			return nil, "", err
		}
		var page gsPage
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, "", errNoListing
		}
		for _, i := range page.Items {
			o := b.object(i.Name)
			o.Modified, o.ETag = i.Updated, i.Generation
			if n, err := i.Size.Int64(); err == nil {
				o.Size = n
			}
			out = append(out, o)
		}
		return out, page.NextPageToken, nil
	})
}

func (b *gsBucket) remove(ctx context.Context, name string) error {
	_, _, err := b.call(ctx, http.MethodDelete, b.url(gsPath, name, nil), nil, nil)
	return err
}

func (b *gsBucket) upload(name string) uploader { return &gsUpload{b: b, name: name} }

// gsUpload writes an object: in one request where it is one part, else by a resumable
// upload, which makes the object with its last part.
type gsUpload struct {
	b       *gsBucket
	name    string
	session string
	off     int64 // bytes of the parts before
	unsure  bool  // the answer to the last request did not come
}

func (u *gsUpload) part(ctx context.Context, n int, data []byte) error {
	if u.session == "" {
		query := url.Values{"uploadType": {"resumable"}, "name": {u.name}}
		_, head, err := u.b.call(ctx, http.MethodPost, u.b.url(gsUploadPath, "", query), []byte("{}"), map[string]string{"Content-Type": "application/json"})
		if err != nil {
			return err
		}
		if u.session = head.Get("Location"); u.session == "" {
			return &permanentError{errors.New("server does not begin an upload")}
		}
	}
	if err := u.put(ctx, data, "*"); err != nil {
		return err
	}
	u.off += int64(len(data))
	return nil
}

// put sends bytes of the upload; total is the size of the object or *. After an answer
// that did not come it asks first what the server has.
func (u *gsUpload) put(ctx context.Context, data []byte, total string) error {
	end := u.off + int64(len(data))
	from := u.off
	if u.unsure {
		have, whole, err := u.ask(ctx, "", nil, total)
		switch {
		case err != nil:
			return err
		case whole || total == "*" && have >= end:
			u.unsure = false
			return nil
		}
		from = max(from, min(have, end))
	}
	u.unsure = true
	span := fmt.Sprintf("%d-%d", from, end-1)
	if from == end {
		span = ""
	}
	have, whole, err := u.ask(ctx, span, data[from-u.off:], total)
	switch {
	case err != nil:
		return err
	case !whole && (total != "*" || have < end):
		return &statusError{status: http.StatusServiceUnavailable, code: "PartTaken"}
	}
	u.unsure = false
	return nil
}

// ask sends a span of the upload, or none, and returns how many bytes the server has,
// and whether that is all.
func (u *gsUpload) ask(ctx context.Context, span string, data []byte, total string) (have int64, whole bool, err error) {
	if span == "" {
		span = "*"
	}
	resp, err := u.b.do(ctx, http.MethodPut, u.session, data, map[string]string{"Content-Range": "bytes " + span + "/" + total})
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode/100 == 2:
		return 0, true, nil
	case resp.StatusCode == http.StatusPermanentRedirect: // go on
		if last, ok := strings.CutPrefix(resp.Header.Get("Range"), "bytes=0-"); ok {
			have, err = strconv.ParseInt(last, 10, 64)
			have++
		}
		return have, false, err
	}
	return 0, false, statusOf(resp)
}

func (u *gsUpload) commit(ctx context.Context, n int, last []byte) error {
	if n == 0 {
		query := url.Values{"uploadType": {"media"}, "name": {u.name}}
		_, _, err := u.b.call(ctx, http.MethodPost, u.b.url(gsUploadPath, "", query), last, map[string]string{"Content-Type": "application/octet-stream"})
		return err
	}
	return u.put(ctx, last, strconv.FormatInt(u.off+int64(len(last)), 10))
}

func (u *gsUpload) abort(ctx context.Context) {
	if u.session != "" {
		if resp, err := u.b.do(ctx, http.MethodDelete, u.session, nil, nil); err == nil {
			resp.Body.Close()
		}
	}
}
