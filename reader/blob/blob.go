// Package blob reads captures from where they are stored: blobs of an Azure
// account, objects of S3 and Google Cloud Storage, and anything else that answers
// HTTPS requests for ranges. It also writes files there, with the same credentials
// (see [Bucket]).
//
// What is read is never copied whole, neither to a disk nor to memory: ranges are
// fetched some ahead of the reader, within one budget for all readers. A range
// that fails is asked for again from the byte at which it stopped. All requests
// but the first insist on the entity tag of the first, so that a blob that
// changes on the way is an error and never a mixture.
//
// Keys, signatures and tokens are in no name, error or log: names are shown
// without user and query, and the errors of libraries that repeat URLs are taken
// apart first.
//
// This package waits, between tries and for stalled bodies, by timers of the
// runtime; like the rest of reader it does not read the clock itself.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Options says how blobs are read. The zero value works and is bounded.
type Options struct {
	// Getenv is where account and credentials come from; nil means the process's
	// environment.
	Getenv func(string) string
	// Client sends the requests; nil means one with bounded waits and the usual
	// proxy settings.
	Client *http.Client
	// Now tells the time, which signatures for S3 contain; no byte that is read depends
	// on it. nil means that S3 cannot be used.
	Now func() time.Time
	// PartSize is the bytes of one range, 0 means 4 MiB; Parallel how many of a
	// blob are fetched at once, 0 means 4.
	PartSize, Parallel int
	// Ahead bounds the memory of all ranges that are fetched ahead, in bytes; 0
	// means 64 MiB.
	Ahead int64
	// Tries is how often a range may fail in a row without bringing a byte,
	// and twice as often where the service says that it is busy; 0 means 6.
	Tries int
	// Pause is the wait after the first failure, doubled after each further one up
	// to 32 times; 0 means 250 ms.
	Pause time.Duration
	// Cache, if not empty, is a directory that keeps whole copies of what is read to
	// its end, for the next time; a copy is used as long as the entity tag is the same.
	Cache string
	// Stall is how long a body may bring nothing; 0 means 30 s. A request may go twice as
	// long without any of it being taken, or an answer to it.
	Stall time.Duration
}

func (o Options) withDefaults() Options {
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.PartSize <= 0 {
		o.PartSize = 4 << 20
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Ahead <= 0 {
		o.Ahead = 64 << 20
	}
	if o.Tries <= 0 {
		o.Tries = 6
	}
	if o.Pause <= 0 {
		o.Pause = 250 * time.Millisecond
	}
	if o.Stall <= 0 {
		o.Stall = 30 * time.Second
	}
	return o
}

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	// A blob stored as gzip is to come as it is stored.
	t.DisableCompression = true
	t.ResponseHeaderTimeout = 60 * time.Second
	t.MaxIdleConnsPerHost = 16
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" || len(via) > 5 {
			return errors.New("redirected too often, or away from https")
		}
		return nil
	}}
}

// A Store is what the blobs of one capture share: connections, credentials, and
// the memory for reading ahead.
type Store struct {
	o     Options
	ahead chan struct{} // one token for each part of the budget

	mu     sync.Mutex
	azure  *account
	amazon *amazon
	google *google
}

// NewStore returns a store. It sends nothing.
func NewStore(o Options) *Store {
	o = o.withDefaults()
	o.Client = watch(o.Client, o.Stall)
	return &Store{o: o, ahead: make(chan struct{}, max(1, o.Ahead/int64(o.PartSize)))}
}

// An Object is one blob.
type Object struct {
	Name     string // as shown: without user, query and fragment
	Size     int64  // -1 where it is not yet known
	Modified time.Time
	Found    bool   // below what was asked for, and not that itself
	ETag     string // as the server gave it, empty where it is not yet known

	get getter
}

// getter asks for bytes of one blob from off on: n of them, or all where n is
// negative. Where etag is not empty, the blob must be the one that has it.
type getter interface {
	get(ctx context.Context, off, n int64, etag string) (*reply, error)
}

// reply is the answer to a request for a range.
type reply struct {
	body   io.ReadCloser // begins at the byte that was asked for
	size   int64         // of the whole blob, -1 if unknown
	ranged bool          // the server knows ranges
	etag   string
	date   string // Last-Modified
}

// schemes of URLs that are inputs.
const (
	schemeAzure = "azblob"
	schemeHTTPS = "https"
	schemeHTTP  = "http"
	schemeS3    = "s3"
	schemeGS    = "gs"
)

// IsURL reports whether an input is the URL of something that this package reads,
// or of something like it that it refuses.
func IsURL(input string) bool {
	scheme, _, ok := strings.Cut(input, "://")
	switch strings.ToLower(scheme) {
	case schemeAzure, schemeHTTPS, schemeHTTP, schemeS3, schemeGS:
		return ok
	}
	return false
}

// SafeName is how an input is shown: a URL without user, query and fragment,
// because signatures stand there; anything else as it is.
func SafeName(input string) string {
	if !IsURL(input) {
		return input
	}
	input, _, _ = strings.Cut(input, "?")
	input, _, _ = strings.Cut(input, "#")
	scheme, rest, _ := strings.Cut(input, "://")
	host, tail, _ := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if strings.Contains(rest, "/") {
		host += "/"
	}
	return strings.ToLower(scheme) + "://" + host + tail
}

// Find returns the objects that a URL stands for: one, or, in order of name, all
// below a container or prefix or matching a glob.
func (s *Store) Find(ctx context.Context, input string) ([]Object, error) {
	scheme, rest, _ := strings.Cut(input, "://")
	switch scheme = strings.ToLower(scheme); scheme {
	case schemeAzure:
		return s.findAzure(ctx, rest)
	case schemeHTTP, schemeHTTPS:
		return s.findHTTP(ctx, input)
	}
	return s.findIn(ctx, scheme, rest)
}

// findHTTP takes a URL that names one file, or the container or a directory of
// an Azure account with the signature that opens it.
func (s *Store) findHTTP(ctx context.Context, input string) ([]Object, error) {
	u, err := url.Parse(input)
	if err != nil || u.Host == "" {
		return nil, errors.New("URL cannot be parsed") // its text may hold a signature
	}
	if u.Scheme == schemeHTTP && !isLoopback(u.Hostname()) {
		return nil, errors.New("captures are read over https, not over http")
	}
	dir, base := path.Split(strings.TrimPrefix(u.Path, "/"))
	if isAzure(u.Hostname()) && (base == "" || dir == "") {
		return s.findSigned(ctx, u)
	}
	if base == "" {
		return nil, errors.New("a directory cannot be listed over https; name the files, or use azblob://")
	}
	u.Fragment = ""
	return []Object{{Name: SafeName(input) + versionIn(u.Query()), Size: -1, get: &plain{client: s.o.Client, u: u}}}, nil
}

// versions are the parameters that name an old state of a blob: another thing to read
// than the blob itself, and no secret.
var versions = []string{"snapshot", "versionid", "versionId", "generation"}

// versionForm is what services give as such names; nothing else is shown.
var versionForm = regexp.MustCompile(`^[A-Za-z0-9:._-]{1,64}$`)

// versionIn returns the part of a query that names a version, with its question mark.
func versionIn(query url.Values) string {
	for _, name := range versions {
		if v := query.Get(name); versionForm.MatchString(v) {
			return "?" + name + "=" + v
		}
	}
	return ""
}

func isLoopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// isAzure knows the blob endpoints of the public and the national clouds.
func isAzure(host string) bool {
	host = strings.ToLower(host)
	_, domain, ok := strings.Cut(host, ".blob.")
	return ok && (strings.HasPrefix(domain, "core.") || domain == "storage.azure.net")
}

// statusError is an answer that is no success.
type statusError struct {
	status int
	code   string        // of the service, as in AuthenticationFailed
	after  time.Duration // the wait that it asks for; 0 for none
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("server answers %d %s", e.status, http.StatusText(e.status))
	if e.code != "" {
		text += " (" + e.code + ")"
	}
	return text
}

// Hint says what to try after an error of this package; empty where there is nothing
// but to look at the error.
func Hint(err error) string {
	e, ok := errors.AsType[*statusError](err)
	if !ok {
		return ""
	}
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "a signature may have run out or not allow this, or the credentials not belong to it; with others, extract --resume does what is left"
	case http.StatusNotFound:
		return "check the name; a directory of blobs has a slash at its end"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "the service was busy for too long; extract --resume does what is left"
	}
	return ""
}

// ErrChanged says that a blob is not the same any more as when its reading began.
var ErrChanged = errors.New("it was changed while it was read; read it again")

// errEmpty is the answer to a range of a blob without bytes.
var errEmpty = errors.New("blob is empty")

// explain turns an answer into the error that the reader understands.
func explain(e *statusError, off int64) error {
	switch e.status {
	case http.StatusPreconditionFailed:
		return ErrChanged
	case http.StatusRequestedRangeNotSatisfiable:
		if off == 0 {
			return errEmpty
		}
		return ErrChanged // it has become shorter
	}
	return e
}

// temporary reports whether trying again may help.
func temporary(err error) bool {
	if e, ok := errors.AsType[*statusError](err); ok {
		switch e.status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	_, permanent := errors.AsType[*permanentError](err)
	return !permanent && err != ErrChanged && err != errEmpty
}

// permanentError is one that another try does not mend.
type permanentError struct{ error }

func (e *permanentError) Unwrap() error { return e.error }

// withoutURL takes URLs, and with them signatures, out of the errors of net/http.
func withoutURL(err error) error {
	for {
		e, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = e.Err
	}
}
