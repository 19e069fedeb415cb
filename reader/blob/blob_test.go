package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recap/reader/blob"
	"recap/reader/blob/blobtest"
)

// secret is what must come up nowhere.
const secret = "sig=c2VjcmV0"

// A server serves one file by ranges, and does to the nth request what fault says.
type server struct {
	*httptest.Server
	data  []byte
	etag  atomic.Value
	fault func(n int64, w http.ResponseWriter, r *http.Request) (done bool)

	n, most, now atomic.Int64
}

func serve(t *testing.T, data []byte) *server {
	s := &server{data: data}
	s.etag.Store(`"one"`)
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.n.Add(1)
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for {
		most := s.most.Load()
		if now <= most || s.most.CompareAndSwap(most, now) {
			break
		}
	}
	w.Header().Set("ETag", s.etag.Load().(string))
	if s.fault != nil && s.fault(n, w, r) {
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.data))
}

func (s *server) store(o blob.Options) *blob.Store {
	o.Client = s.Client()
	o.Pause = time.Millisecond
	o.PartSize, o.Ahead = 256<<10, 2<<20
	return blob.NewStore(o)
}

// read reads the server's file through a store.
func (s *server) read(t *testing.T, st *blob.Store) ([]byte, error) {
	t.Helper()
	found, err := st.Find(t.Context(), s.URL+"/dir/a.cap?"+secret)
	if err != nil {
		t.Fatal(err)
	}
	r := st.Open(t.Context(), found[0])
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil && strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(found[0].Name, "c2VjcmV0") {
		t.Errorf("a signature is shown: %q, %v", found[0].Name, err)
	}
	return b, err
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// cut sends the right head and so many bytes of the body.
func cut(w http.ResponseWriter, r *http.Request, data []byte, n int) {
	from, to := span(r, len(data))
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, len(data)))
	w.Header().Set("Content-Length", strconv.Itoa(to-from))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(data[from:min(to, from+n)])
	w.(http.Flusher).Flush()
}

func span(r *http.Request, size int) (from, to int) {
	a, b, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
	from, _ = strconv.Atoi(a)
	to = size
	if n, err := strconv.Atoi(b); err == nil {
		to = min(size, n+1)
	}
	return from, to
}

func TestRead(t *testing.T) {
	for _, size := range []int{0, 1, 65535, 65536, 65537, 1<<20 + 65536, 5<<20 + 17} {
		s := serve(t, random(size))
		got, err := s.read(t, s.store(blob.Options{}))
		if err != nil || !bytes.Equal(got, s.data) {
			t.Errorf("%d bytes: %d bytes came, error %v", size, len(got), err)
		}
	}
}

func TestParallel(t *testing.T) {
	s := serve(t, random(6<<20))
	s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		time.Sleep(10 * time.Millisecond)
		return false
	}
	if got, err := s.read(t, s.store(blob.Options{})); err != nil || !bytes.Equal(got, s.data) {
		t.Fatalf("%d bytes, error %v", len(got), err)
	}
	if most := s.most.Load(); most < 2 || most > 5 {
		t.Errorf("%d requests at once, want 2 to 5", most)
	}
}

// TestFaults has every third request fail in some way; what comes out is the same.
func TestFaults(t *testing.T) {
	data := random(4<<20 + 4711)
	for _, tt := range []struct {
		name  string
		fault func(w http.ResponseWriter, r *http.Request)
	}{
		{"503", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) }},
		{"500", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }},
		{"429", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) }},
		{"reset before the answer", func(w http.ResponseWriter, r *http.Request) { hangUp(w) }},
		{"reset in the body", func(w http.ResponseWriter, r *http.Request) { cut(w, r, data, 1000); hangUp(w) }},
		{"reset after many bytes", func(w http.ResponseWriter, r *http.Request) { cut(w, r, data, 100000); hangUp(w) }},
		{"stalled body", func(w http.ResponseWriter, r *http.Request) { cut(w, r, data, 1000); <-r.Context().Done() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, data)
			s.Config.ErrorLog = quiet
			s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
				if n%3 == 0 {
					return false
				}
				tt.fault(w, r)
				return true
			}
			got, err := s.read(t, s.store(blob.Options{Tries: 40, Stall: 40 * time.Millisecond}))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d of %d bytes, error %v", len(got), len(data), err)
			}
		})
	}
}

// TestWithoutRanges reads from a server that sends all, whatever it is asked for.
func TestWithoutRanges(t *testing.T) {
	data := random(1 << 20)
	s := serve(t, data)
	s.Config.ErrorLog = quiet
	s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		if n < 4 {
			w.Write(data[:100000*n])
			w.(http.Flusher).Flush()
			hangUp(w)
		} else {
			w.Write(data)
		}
		return true
	}
	got, err := s.read(t, s.store(blob.Options{}))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d of %d bytes, error %v", len(got), len(data), err)
	}
}

func TestErrors(t *testing.T) {
	data := random(1 << 20)
	for _, tt := range []struct {
		name  string
		fault func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool
		want  string
		least int // bytes that come before
	}{
		{"not found", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(404); return true },
			"server answers 404 Not Found", 0},
		{"forbidden", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("x-ms-error-code", "AuthenticationFailed")
			w.WriteHeader(403)
			return true
		}, "server answers 403 Forbidden (AuthenticationFailed)", 0},
		{"always busy", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(503); return true },
			"server answers 503 Service Unavailable, and so 12 times", 0},
		{"changed on the way", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				s.etag.Store(`"two"`)
				w.Header().Set("ETag", `"two"`)
			}
			return false
		}, "it was changed while it was read; read it again", 65536},
		{"changed, and the server does not compare", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				w.Header().Set("ETag", `"two"`)
				cut(w, r, data, 1<<20)
			}
			return n > 1
		}, "it was changed while it was read; read it again", 65536},
		{"shorter on the way", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				w.WriteHeader(416)
			}
			return n > 1
		}, "it was changed while it was read; read it again", 65536},
		{"another range", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", "bytes 7-9/100")
			w.WriteHeader(206)
			return true
		}, "server answers with another range than it was asked for", 0},
		{"a range of a whole of unknown size", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Range", "bytes 0-65535/*")
			w.WriteHeader(206)
			w.Write(data[:65536])
			return true
		}, "server answers with a range and does not tell the size of the whole", 0},
		{"a range that is not named", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(206)
			w.Write(data[:65536])
			return true
		}, "server answers with another range than it was asked for", 0},
		{"another range on the way", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			if n > 1 {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-65535/%d", len(data)))
				w.WriteHeader(206)
			}
			return n > 1
		}, "server answers with another range than it was asked for", 65536},
		{"redirected to http", func(s *server, n int64, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://127.0.0.1:1/x?"+secret, http.StatusFound)
			return true
		}, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, data)
			s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool { return tt.fault(s, n, w, r) }
			got, err := s.read(t, s.store(blob.Options{}))
			if err == nil || tt.want != "" && err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if len(got) < tt.least || !bytes.HasPrefix(data, got) {
				t.Errorf("%d bytes came before, want at least %d", len(got), tt.least)
			}
		})
	}
}

// TestNothingLeft has a server answer with nothing where the listing told of bytes, once
// in each way that there is.
func TestNothingLeft(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(w http.ResponseWriter)
	}{
		{"no range of it", func(w http.ResponseWriter) { w.WriteHeader(416) }},
		{"an empty whole", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "0") }},
		{"a shorter whole", func(w http.ResponseWriter) { w.Write([]byte("<html>")) }},
		{"a shorter whole in chunks", func(w http.ResponseWriter) { w.(http.Flusher).Flush(); w.Write([]byte("<html>")) }},
		{"a longer whole in chunks", func(w http.ResponseWriter) { w.(http.Flusher).Flush(); w.Write(make([]byte, 2000)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, random(1000))
			s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool { tt.fault(w); return true }
			st := s.store(blob.Options{})
			found, err := st.Find(t.Context(), s.URL+"/a.cap")
			if err != nil {
				t.Fatal(err)
			}
			found[0].Size = 1000
			r := st.Open(t.Context(), found[0])
			defer r.Close()
			if got, err := io.ReadAll(r); err == nil {
				t.Errorf("%d bytes came and no error, want one", len(got))
			}
		})
	}
}

// TestRetryAfter waits as long as a service asks for.
func TestRetryAfter(t *testing.T) {
	s := serve(t, random(100))
	s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(429)
		}
		return n == 1
	}
	began := time.Now()
	got, err := s.read(t, s.store(blob.Options{}))
	if err != nil || !bytes.Equal(got, s.data) {
		t.Fatalf("%d bytes, error %v", len(got), err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("asked again after %v, want a second", took)
	}
}

// TestMisdirected tells at once what another try does not mend.
func TestMisdirected(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	other := httptest.NewTLSServer(http.NotFoundHandler())
	other.Config.ErrorLog = quiet
	defer other.Close()
	for _, tt := range []struct{ name, url, want string }{
		{"a host that there is not", "https://no-such-host.invalid/a.cap", "no such host"},
		{"a server without TLS", "https" + strings.TrimPrefix(plain.URL, "http") + "/a.cap", "server gave HTTP response to HTTPS client"},
		{"a certificate that nobody vouches for", other.URL + "/a.cap", "certificate"},
		{"a port that there is not", "https://127.0.0.1:99999/a.cap", "invalid port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := blob.NewStore(blob.Options{Pause: time.Hour, Client: &http.Client{}})
			found, err := st.Find(t.Context(), tt.url)
			if err != nil {
				t.Fatal(err)
			}
			r := st.Open(t.Context(), found[0])
			defer r.Close()
			if _, err := io.ReadAll(r); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), " times") {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// TestListings has a service answer a listing with other texts. None of them is an end.
func TestListings(t *testing.T) {
	var answer func(n int64) string
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		io.WriteString(w, answer(n.Add(1)))
	}))
	defer s.Close()
	env := map[string]string{"AWS_ENDPOINT_URL": s.URL, "STORAGE_EMULATOR_HOST": s.URL,
		"AZURE_STORAGE_CONNECTION_STRING": blobtest.Connection(s.URL + "/a")}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(name, value)
	}
	const (
		azure = `<EnumerationResults><Blobs><Blob><Name>a.cap</Name></Blob></Blobs><NextMarker>m</NextMarker></EnumerationResults>`
		s3    = `<ListBucketResult><Contents><Key>a.cap</Key></Contents><IsTruncated>true</IsTruncated><NextContinuationToken>m</NextContinuationToken></ListBucketResult>`
		open  = `<ListBucketResult><Contents><Key>a.cap</Key></Contents><IsTruncated>true</IsTruncated></ListBucketResult>`
		gs    = `{"items":[{"name":"a.cap"}],"nextPageToken":"m"}`
		html  = `<html><body>please log in</body></html>`
	)
	for _, tt := range []struct{ name, url, first, then string }{
		{"Azure: a page of a proxy", "azblob://c/", html, html},
		{"Azure: nothing", "azblob://c/", "", ""},
		{"Azure: a page of a proxy for the second", "azblob://c/", azure, html},
		{"Azure: a page that leads to itself", "azblob://c/", azure, azure},
		{"S3: a page of a proxy", "s3://c/", html, html},
		{"S3: nothing", "s3://c/", "", ""},
		{"S3: a page of a proxy for the second", "s3://c/", s3, html},
		{"S3: a page that leads to itself", "s3://c/", s3, s3},
		{"S3: more to come, and not how", "s3://c/", open, open},
		{"Google: a page of a proxy", "gs://c/", html, html},
		{"Google: a page of a proxy for the second", "gs://c/", gs, html},
		{"Google: a page that leads to itself", "gs://c/", gs, gs},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.Store(0)
			answer = func(n int64) string {
				if n == 1 {
					return tt.first
				}
				return tt.then
			}
			o := options(env)
			found, err := blob.NewStore(o).Find(t.Context(), tt.url)
			if err == nil || !strings.Contains(err.Error(), "server answers a listing with something else") {
				t.Errorf("%d objects, error %v", len(found), err)
			}
		})
	}
}

// TestStalled has a service come to a halt in every second answer, or take nothing of what
// is sent; both pass.
func TestStalled(t *testing.T) {
	const list = `<ListBucketResult><Contents><Key>a.cap</Key></Contents></ListBucketResult>`
	var n, taken atomic.Int64
	over := make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stall := n.Add(1)%2 == 1
		switch {
		case r.Method == http.MethodGet && stall:
			w.Header().Set("Content-Length", strconv.Itoa(len(list)))
			io.WriteString(w, list[:20])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case r.Method == http.MethodGet:
			io.WriteString(w, list)
		case stall: // nothing is read but what fits buffers, so that nothing tells of the end either
			<-over
		default:
			size, _ := io.Copy(io.Discard, r.Body)
			taken.Store(size)
		}
	}))
	defer s.Close()
	defer close(over)
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(name, value)
	}
	o := options(map[string]string{"AWS_ENDPOINT_URL": s.URL})
	o.Stall = 500 * time.Millisecond
	st := blob.NewStore(o)
	found, err := st.Find(t.Context(), "s3://c/")
	if err != nil || len(found) != 1 {
		t.Fatalf("%d objects, error %v", len(found), err)
	}
	b, err := st.Bucket(t.Context(), "s3://c/out")
	if err != nil {
		t.Fatal(err)
	}
	u, err := b.Create("x")
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 20 // more than fits the buffers of a connection
	u.Write(make([]byte, size))
	if err := u.Publish(); err != nil || taken.Load() != size || n.Load() != 4 {
		t.Errorf("%d of %d bytes taken in the last of %d requests, error %v", taken.Load(), size, n.Load(), err)
	}
}

// TestCancel ends a reading that waits.
func TestCancel(t *testing.T) {
	s := serve(t, random(2<<20))
	s.fault = func(n int64, w http.ResponseWriter, r *http.Request) bool {
		if n > 1 {
			<-r.Context().Done()
		}
		return n > 1
	}
	st := s.store(blob.Options{})
	found, err := st.Find(t.Context(), s.URL+"/a.cap")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := st.Open(ctx, found[0])
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	r.Close()
}

// TestBudget reads many blobs side by side within the memory of few.
func TestBudget(t *testing.T) {
	s := serve(t, random(3<<20))
	st := s.store(blob.Options{})
	found, err := st.Find(t.Context(), s.URL+"/a.cap")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			r := st.Open(t.Context(), found[0])
			defer r.Close()
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, s.data) {
				t.Errorf("%d bytes, error %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"https://a.blob.core.windows.net/c/x.cap?sv=1&" + secret, "https://a.blob.core.windows.net/c/x.cap"},
		{"https://user:word@host/x#frag", "https://host/x"},
		{"HTTPS://host?" + secret, "https://host"},
		{"azblob://c/x?y", "azblob://c/x"},
		{"/path/with?mark", "/path/with?mark"},
		{"https://host/a@b", "https://host/a@b"},
	} {
		if got := blob.SafeName(tt.in); got != tt.want {
			t.Errorf("SafeName(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestVersions has old states of a blob named apart from it, and shows no more of a query.
func TestVersions(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"?" + secret, ""},
		{"?snapshot=2026-11-20T09:05:07.1234567Z&" + secret, "?snapshot=2026-11-20T09:05:07.1234567Z"},
		{"?" + secret + "&versionid=2026-11-20T09%3A05%3A07.1234567Z", "?versionid=2026-11-20T09:05:07.1234567Z"},
		{"?versionId=3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY&X-Amz-Signature=c2VjcmV0", "?versionId=3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"},
		{"?snapshot=%26sig%3Dx&" + secret, ""},
	} {
		found, err := blob.NewStore(blob.Options{}).Find(t.Context(), "https://host/c/a.cap"+tt.query)
		if err != nil || len(found) != 1 || found[0].Name != "https://host/c/a.cap"+tt.want {
			t.Errorf("%s: %+v, error %v; want %q", tt.query, found, err, tt.want)
		}
	}
}

func TestRefused(t *testing.T) {
	env := map[string]string{}
	st := blob.NewStore(blob.Options{Getenv: func(name string) string { return env[name] }})
	for _, tt := range []struct{ in, env, value, want string }{
		{"s3://bucket/x", "", "", "S3 needs a clock to sign with"},
		{"s3://", "", "", "no bucket is named: s3://bucket/prefix"},
		{"s3://b/x?X-Amz-Signature=" + secret, "", "", "a signature does not belong into s3://; use https://"},
		{"http://example.com/x?" + secret, "", "", "captures are read over https, not over http"},
		{"https://example.com/dir/?" + secret, "", "", "a directory cannot be listed over https; name the files, or use azblob://"},
		{"https://exa mple.com/%zz?" + secret, "", "", "URL cannot be parsed"},
		{"azblob://c/x", "", "", "no storage account is named; set AZURE_STORAGE_ACCOUNT, or AZURE_STORAGE_CONNECTION_STRING"},
		{"azblob://", "", "", "no container is named: azblob://container/prefix"},
		{"azblob://c/x?" + secret, "", "", "a signature does not belong into azblob://; set AZURE_STORAGE_SAS_TOKEN, or use https://"},
		{"azblob://c/x", "AZURE_STORAGE_CONNECTION_STRING", "AccountKey=" + secret, "AZURE_STORAGE_CONNECTION_STRING is malformed"},
		{"azblob://c/x", "AZURE_STORAGE_CONNECTION_STRING", "AccountName=a;AccountKey=c2VjcmV0;BlobEndpoint=a.example/b", "AZURE_STORAGE_CONNECTION_STRING: the endpoint is not a URL as in https://host or http://127.0.0.1:10000"},
		{"azblob://c/x", "AZURE_STORAGE_CONNECTION_STRING", "AccountName=a b;AccountKey=c2VjcmV0", "AZURE_STORAGE_CONNECTION_STRING: the endpoint is not a URL as in https://host or http://127.0.0.1:10000"},
		{"gs://c/x", "STORAGE_EMULATOR_HOST", "127.0.0.1:99999", "STORAGE_EMULATOR_HOST: the endpoint is not a URL as in https://host or http://127.0.0.1:10000"},
		{"azblob://c/x", "AZURE_STORAGE_ACCOUNT", "my_account", "AZURE_STORAGE_ACCOUNT must be the bare name of an account, 3 to 24 letters and digits"},
		{"azblob://c/x", "AZURE_STORAGE_ACCOUNT", "https://a?" + secret, "AZURE_STORAGE_ACCOUNT must be the bare name of an account, 3 to 24 letters and digits"},
	} {
		clear(env)
		env[tt.env] = tt.value
		if _, err := st.Find(t.Context(), tt.in); err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %s", tt.in, err, tt.want)
		}
	}
}

func TestWatcherPath(t *testing.T) {
	const up = "subscriptions/1234/resourcegroups/rg/providers/microsoft.compute/"
	for _, tt := range []struct{ name, want string }{
		{"azblob://network-watcher-logs/" + up + "virtualmachines/vm1/2026/11/20/packetcapture_09_05_07_123.cap", "1234 rg  vm1 2026-11-20T09:05:07.123Z"},
		{up + "virtualMachines/VM-2/y=2026/m=02/d=03/packetcapture_23_59_59_007.cap", "1234 rg  VM-2 2026-02-03T23:59:59.007Z"},
		{up + "virtualmachinescalesets/set/virtualmachines/0/2026/11/20/packetCapture_09_05_07_123_1.cap?" + secret, "1234 rg set 0 2026-11-20T09:05:07.123Z"},
		{"azblob://logs/" + up + "virtualmachines/q?m#1/2026/11/20/packetcapture_09_05_07_123.cap", "1234 rg  q?m#1 2026-11-20T09:05:07.123Z"},
		{"https://a.blob.core.windows.net/logs/" + up + "virtualmachines/vm1/2026/11/20/packetcapture_09_05_07_123.cap?" + secret, "1234 rg  vm1 2026-11-20T09:05:07.123Z"},
		{up + "virtualmachines/vm1/2026/02/30/packetcapture_09_05_07_123.cap", ""},
		{up + "virtualmachines/vm1/2026/11/20/packetcapture_25_05_07_123.cap", ""},
		{up + "virtualmachines/vm1/2026/11/20/other.cap", ""},
		{"dir/a.cap", ""},
		{"virtualmachines", ""},
	} {
		got := ""
		if p, ok := blob.ParseWatcherPath(tt.name); ok {
			got = fmt.Sprint(p.Subscription, " ", p.ResourceGroup, " ", p.ScaleSet, " ", p.VM, " ", p.Start.Format(time.RFC3339Nano))
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// FuzzNames: a safe name is safe, and as it is when made again; what a path tells are parts of it.
func FuzzNames(f *testing.F) {
	f.Add("https://user:word@a.blob.core.windows.net/c/x.cap?sv=1&" + secret)
	f.Add("subscriptions/1/resourcegroups/r/virtualmachines/vm/y=2026/m=1/d=2/packetcapture_1_2_3_4.cap")
	f.Fuzz(func(t *testing.T, s string) {
		if n := blob.SafeName(s); blob.IsURL(s) && (strings.ContainsAny(n, "?#") || blob.SafeName(n) != n) {
			t.Errorf("SafeName(%q) = %q", s, n)
		}
		p, ok := blob.ParseWatcherPath(s)
		for _, part := range []string{p.Subscription, p.ResourceGroup, p.ScaleSet, p.VM} {
			if part != "" && (strings.Contains(part, "/") || !strings.Contains(s, part) && !strings.Contains(blob.SafeName(s), part)) {
				t.Errorf("%q: %q", s, part)
			}
		}
		if date := p.Start.Format("2006"); ok && (p.VM == "" || !strings.Contains(s, strings.TrimLeft(date, "0"))) {
			t.Errorf("%q: machine %q, time %s", s, p.VM, p.Start)
		}
	})
}
