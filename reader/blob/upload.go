package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// A Bucket is a container, or what is below a prefix in it, to keep files in.
// Several goroutines may use it.
type Bucket struct {
	s    *Store
	ctx  context.Context
	name string // URL as shown, without a slash at its end
	key  string // prefix of all names; empty or with a slash at its end
	in   keeper
}

// keeper is a container of one service. Names are whole ones.
type keeper interface {
	object(name string) Object
	// list returns the objects whose names begin with prefix, and their names.
	list(ctx context.Context, prefix string, most int) ([]Object, error)
	remove(ctx context.Context, name string) error
	upload(name string) uploader
}

// uploader writes one object, which nobody sees before its commit. Parts come in
// order, each of partSize bytes of its number; they may be tried again.
type uploader interface {
	part(ctx context.Context, n int, data []byte) error
	// commit takes the last part, number n, and makes the object.
	commit(ctx context.Context, n int, last []byte) error
	abort(ctx context.Context)
}

// Bucket returns what a URL names: azblob://container/prefix, and so on as for
// [Store.Find]. It sends nothing. ctx ends what is done with it.
func (s *Store) Bucket(ctx context.Context, out string) (*Bucket, error) {
	scheme, rest, _ := strings.Cut(out, "://")
	name, prefix, _ := strings.Cut(strings.Trim(rest, "/"), "/")
	b := &Bucket{s: s, ctx: ctx, name: strings.TrimRight(SafeName(out), "/")}
	var err error
	switch scheme = strings.ToLower(scheme); scheme {
	case schemeAzure:
		b.in, err = s.azureBucket(name)
	case schemeHTTPS, schemeHTTP:
		b.in, prefix, err = s.signedBucket(out)
	default:
		b.in, err = s.otherBucket(ctx, scheme, name)
	}
	if err == nil && name == "" {
		err = fmt.Errorf("no container is named: %s://container/prefix", scheme)
	}
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(prefix, "?#*[") && scheme != schemeHTTPS && scheme != schemeHTTP {
		return nil, errors.New("a prefix to write to has no ?, #, * or [")
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		b.key = prefix + "/"
	}
	return b, nil
}

// Name returns the URL of a name in the bucket as it is shown; "" is the bucket itself.
func (b *Bucket) Name(name string) string {
	if name == "" {
		return b.name
	}
	return b.name + "/" + name
}

// Below returns the bucket below a name.
func (b *Bucket) Below(name string) *Bucket {
	c := *b
	c.name, c.key = b.Name(name), b.key+name+"/"
	return &c
}

// List returns the names in the bucket in order, most of them at most; 0 is no limit.
func (b *Bucket) List(most int) ([]string, error) {
	found, err := b.in.list(b.ctx, b.key, most)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range found {
		names = append(names, strings.TrimPrefix(o.Name, b.key))
	}
	return names, nil
}

// Open opens an object; size is in bytes. The error for one that is not there wraps
// [fs.ErrNotExist].
func (b *Bucket) Open(name string) (io.ReadCloser, int64, error) {
	o := b.in.object(b.key + name)
	if err := b.s.Stat(b.ctx, &o); err != nil {
		return nil, 0, missing(err)
	}
	return b.s.Open(b.ctx, o), o.Size, nil
}

// Remove removes an object. The error for one that is not there wraps [fs.ErrNotExist].
func (b *Bucket) Remove(name string) error {
	return missing(b.s.again(b.ctx, func(ctx context.Context) error { return b.in.remove(ctx, b.key+name) }))
}

// missing has the answer "not found" say so as the standard library does.
func missing(err error) error {
	if e, ok := errors.AsType[*statusError](err); ok && e.status == http.StatusNotFound {
		return fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	return err
}

// Create starts an object, which is not to be seen before Publish.
func (b *Bucket) Create(name string) (*Upload, error) {
	if name != path.Clean(name) || !fs.ValidPath(name) || name == "." {
		return nil, fmt.Errorf("%q is not a name", name)
	}
	return &Upload{b: b, up: b.in.upload(b.key + name), sent: make(chan error, 1)}, nil
}

// An Upload is an object being written, from one goroutine. One part is on its way
// while the next is filled.
type Upload struct {
	b    *Bucket
	up   uploader
	cur  []byte
	n    int // parts handed over
	away bool
	sent chan error
	err  error
	done bool
}

// partSize is the size of the nth part, from 0: 8 MiB, and more for those far behind,
// because services count parts. 10,000 of them, what S3 takes, come to 480 GiB.
func partSize(n int) int { return 8 << 20 << (n / 2000) }

// Write implements [io.Writer].
func (u *Upload) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && u.err == nil {
		size := partSize(u.n)
		if len(u.cur) == size {
			// There is more to come: this is not the last part.
			u.send()
			continue
		}
		k := min(len(p), size-len(u.cur))
		u.cur = append(u.cur, p[:k]...)
		p = p[k:]
		written += k
	}
	return written, u.err
}

// send hands a full part over, after the one before has arrived.
func (u *Upload) send() {
	u.wait()
	if u.err != nil {
		return
	}
	n, data := u.n, u.cur
	u.n++
	u.cur = make([]byte, 0, len(data))
	u.away = true
	go func() {
		u.sent <- u.b.s.again(u.b.ctx, func(ctx context.Context) error { return u.up.part(ctx, n, data) })
	}()
}

func (u *Upload) wait() {
	if u.away {
		u.away = false
		if err := <-u.sent; err != nil && u.err == nil {
			u.err = err
		}
	}
}

// Finish waits until all parts but the last have arrived.
func (u *Upload) Finish() error {
	u.wait()
	return u.err
}

// Publish makes the object.
func (u *Upload) Publish() error {
	if u.wait(); u.err == nil {
		u.err = u.b.s.again(u.b.ctx, func(ctx context.Context) error { return u.up.commit(ctx, u.n, u.cur) })
	}
	u.done = u.err == nil
	u.cur = nil
	return u.err
}

// Discard leaves nothing of an object that was not published.
func (u *Upload) Discard() {
	u.wait()
	if !u.done && u.n > 0 {
		u.up.abort(context.WithoutCancel(u.b.ctx))
	}
	u.cur = nil
}

// signedBucket takes https://account/container/prefix?signature apart.
func (s *Store) signedBucket(out string) (keeper, string, error) {
	u, err := url.Parse(out)
	if err != nil || u.Host == "" {
		return nil, "", errors.New("URL cannot be parsed") // its text may hold a signature
	}
	if !isAzure(u.Hostname()) {
		return nil, "", errors.New("over https, only containers of Azure can be written to")
	}
	name, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	in, err := s.signedContainer(u, name)
	return in, prefix, err
}
