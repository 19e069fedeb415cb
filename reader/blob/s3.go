package blob

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// amazon is what the environment says about S3: region, credentials, endpoint. The
// library finds them and signs; the few requests are our own, because they differ
// from those to any HTTPS server in little but the signature.
type amazon struct {
	cfg      aws.Config
	endpoint *url.URL // nil for Amazon's own
	signer   *v4.Signer
}

// Variables that name another S3-compatible server.
var envEndpoints = []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}

func (s *Store) openAmazon(ctx context.Context) (*amazon, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.amazon != nil {
		return s.amazon, nil
	}
	if s.o.Now == nil {
		return nil, errors.New("S3 needs a clock to sign with")
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, errors.New("the configuration of AWS cannot be read") // its text may quote it
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	a := &amazon{cfg: cfg, signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })}
	for _, name := range envEndpoints {
		if text := s.getenv(name); text != "" && a.endpoint == nil {
			if a.endpoint, err = parseEndpoint(name, text); err != nil {
				return nil, err
			}
		}
	}
	s.amazon = a
	return a, nil
}

// s3Bucket is one bucket.
type s3Bucket struct {
	s    *Store
	a    *amazon
	base url.URL // path ends in a slash
}

func (s *Store) s3Bucket(ctx context.Context, name string) (keeper, error) {
	a, err := s.openAmazon(ctx)
	if err != nil {
		return nil, err
	}
	b := &s3Bucket{s: s, a: a}
	switch {
	case a.endpoint != nil:
		b.base = url.URL{Scheme: a.endpoint.Scheme, Host: a.endpoint.Host, Path: strings.TrimRight(a.endpoint.Path, "/") + "/" + name + "/"}
	case strings.Contains(name, "."): // no certificate covers such a host
		b.base = url.URL{Scheme: "https", Host: "s3." + a.cfg.Region + ".amazonaws.com", Path: "/" + name + "/"}
	default:
		b.base = url.URL{Scheme: "https", Host: name + ".s3." + a.cfg.Region + ".amazonaws.com", Path: "/"}
	}
	return b, nil
}

// url returns the URL of an object. S3 signs a path in which all but letters, digits
// and -._~/ is escaped, so that is how it is sent.
func (b *s3Bucket) url(name string, query url.Values) *url.URL {
	u := b.base
	u.Path += name
	u.RawPath = escapePath(u.Path)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return &u
}

func escapePath(p string) string {
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign signs a request (AWS Signature Version 4).
func (b *s3Bucket) sign(req *http.Request) error { return b.signed(req, emptyHash) }

func (b *s3Bucket) signed(req *http.Request, hash string) error {
	ctx := req.Context()
	if b.a.cfg.Credentials == nil {
		return errNoAmazon
	}
	c, err := b.a.cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return errNoAmazon // its text may quote answers
	}
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if err := b.a.signer.SignHTTP(ctx, c, req, hash, "s3", b.a.cfg.Region, b.s.o.Now()); err != nil {
		return &permanentError{errors.New("request to S3 cannot be signed")}
	}
	return nil
}

var errNoAmazon = &permanentError{errors.New("no credentials for S3 were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")}

// do sends one request and returns the body of the answer.
func (b *s3Bucket) do(ctx context.Context, method string, u *url.URL, body []byte) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, nil, &permanentError{errors.New("URL cannot be requested")}
	}
	req.URL = u // parsing has lost how the path is escaped
	sum := sha256.Sum256(body)
	if err := b.signed(req, hex.EncodeToString(sum[:])); err != nil {
		return nil, nil, err
	}
	resp, err := b.s.o.Client.Do(req)
	if err != nil {
		return nil, nil, withoutURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, nil, statusOf(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return text, resp.Header, err
}

// maxAnswer bounds what is read of an answer that is not an object, bytes.
const maxAnswer = 16 << 20

func (b *s3Bucket) object(name string) Object {
	return Object{Name: name, Size: -1, get: &plain{b.s.o.Client, b.url(name, nil), b.sign}}
}

// s3Page is an answer to ListObjectsV2.
type s3Page struct {
	XMLName  xml.Name `xml:"ListBucketResult"`
	Contents []struct {
		Key          string
		Size         int64
		ETag         string
		LastModified time.Time
	}
	IsTruncated           bool
	NextContinuationToken string
}

func (b *s3Bucket) list(ctx context.Context, prefix string, most int) ([]Object, error) {
	query := url.Values{"list-type": {"2"}, "prefix": {prefix}}
	return b.s.pages(ctx, most, func(ctx context.Context, next string) (out []Object, _ string, err error) {
		if next != "" {
			query.Set("continuation-token", next)
		}
		text, _, err := b.do(ctx, http.MethodGet, b.url("", query), nil)
		if err != nil {
			return nil, "", err
		}
		var page s3Page
		if err := xml.Unmarshal(text, &page); err != nil || page.IsTruncated && page.NextContinuationToken == "" {
			return nil, "", errNoListing
		}
		for _, c := range page.Contents {
			o := b.object(c.Key)
			o.Size, o.Modified, o.ETag = c.Size, c.LastModified, quoted(c.ETag)
			out = append(out, o)
		}
		if !page.IsTruncated {
			return out, "", nil
		}
		return out, page.NextContinuationToken, nil
	})
}

func (b *s3Bucket) remove(ctx context.Context, name string) error {
	_, _, err := b.do(ctx, http.MethodDelete, b.url(name, nil), nil)
	return err
}

func (b *s3Bucket) upload(name string) uploader { return &s3Upload{b: b, name: name} }

// s3Upload writes an object, in one request where it is one part.
type s3Upload struct {
	b    *s3Bucket
	name string
	id   string
	tags []string
	sent bool // a request to complete was sent
}

func (u *s3Upload) part(ctx context.Context, n int, data []byte) error {
	if u.id == "" {
		text, _, err := u.b.do(ctx, http.MethodPost, u.b.url(u.name, url.Values{"uploads": {""}}), nil)
		if err != nil {
			return err
		}
		var made struct{ UploadId string }
		if err := xml.Unmarshal(text, &made); err != nil || made.UploadId == "" {
			return &permanentError{errors.New("server does not begin an upload")}
		}
		u.id = made.UploadId
	}
	query := url.Values{"partNumber": {strconv.Itoa(n + 1)}, "uploadId": {u.id}}
	_, head, err := u.b.do(ctx, http.MethodPut, u.b.url(u.name, query), data)
	if err != nil {
		return err
	}
	u.tags = append(u.tags[:n], head.Get("ETag"))
	return nil
}

func (u *s3Upload) commit(ctx context.Context, n int, last []byte) error {
	if n == 0 {
		_, _, err := u.b.do(ctx, http.MethodPut, u.b.url(u.name, nil), last)
		return err
	}
	if len(u.tags) == n { // else it is there from an earlier try
		if err := u.part(ctx, n, last); err != nil {
			return err
		}
	}
	return u.complete(ctx)
}

func (u *s3Upload) complete(ctx context.Context) error {
	type part struct {
		PartNumber int
		ETag       string
	}
	list := struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Part    []part
	}{}
	for i, tag := range u.tags {
		list.Part = append(list.Part, part{i + 1, tag})
	}
	body, err := xml.Marshal(list)
	if err != nil {
		return &permanentError{err}
	}
	again := u.sent
	u.sent = true
	text, _, err := u.b.do(ctx, http.MethodPost, u.b.url(u.name, url.Values{"uploadId": {u.id}}), body)
	if e, ok := errors.AsType[*statusError](err); ok && again && (e.status == http.StatusNotFound || u.made(ctx)) {
		return nil // an earlier try had succeeded, but for its answer
	}
	if err != nil {
		return err
	}
	// S3 answers 200 before it knows, and may say in the body that it failed.
	if m := errorIn.FindSubmatch(text); m != nil {
		return &statusError{status: http.StatusInternalServerError, code: string(m[1])}
	}
	return nil
}

// made reports whether the object has the tag that these parts give it: the MD5 of
// their MD5s, and how many there are.
func (u *s3Upload) made(ctx context.Context) bool {
	sum := md5.New()
	for _, tag := range u.tags {
		part, err := hex.DecodeString(strings.Trim(tag, `"`))
		if err != nil {
			return false
		}
		sum.Write(part)
	}
	o := u.b.object(u.name)
	if err := u.b.s.Stat(ctx, &o); err != nil {
		return false
	}
	return strings.Trim(o.ETag, `"`) == fmt.Sprintf("%x-%d", sum.Sum(nil), len(u.tags))
}

func (u *s3Upload) abort(ctx context.Context) {
	if u.id != "" {
		u.b.do(ctx, http.MethodDelete, u.b.url(u.name, url.Values{"uploadId": {u.id}}), nil)
	}
}
