package blob

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// copying is a Reader's side of Options.Cache: it reads a copy that is there, or
// makes one of what passes. Not being able to keep a copy is no failure: the bytes
// come from the server all the same.
type copying struct {
	dir   string
	ready bool
	have  *os.File // the copy being read
	made  *os.File // the copy being written, under a temporary name
	path  string   // its final name
}

// readCopied reads from the copy, or from the server with a copy made beside.
func (r *Reader) readCopied(b []byte) (int, error) {
	c := r.copy
	if !c.ready {
		c.ready = true
		if err := r.stat(); err != nil {
			return 0, err
		}
		c.open(&r.o)
	}
	if c.have != nil {
		return c.have.Read(b)
	}
	n, err := r.read(b)
	if r.o.ETag != "" && r.etag != r.o.ETag && strings.Trim(r.etag, `"`) != strings.Trim(r.o.ETag, `"`) {
		c.drop() // the server has another version by now
	}
	c.take(b[:n], err)
	return n, err
}

// stat asks for the entity tag where the listing did not tell.
func (r *Reader) stat() error {
	if r.o.ETag == "" {
		if err := r.s.Stat(r.ctx, &r.o); err != nil {
			return err
		}
		r.etag = r.o.ETag
	}
	return nil
}

// open finds the copy of o, or begins one. An object without a strong tag has none.
func (c *copying) open(o *Object) {
	if o.ETag == "" || strings.HasPrefix(o.ETag, "W/") {
		return
	}
	key := sha256.Sum256([]byte(o.Name + "\n" + strings.Trim(o.ETag, `"`)))
	c.path = filepath.Join(c.dir, fmt.Sprintf("%x", key))
	f, err := os.Open(c.path)
	if err == nil {
		if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() && (o.Size < 0 || fi.Size() == o.Size) {
			c.have = f
			return
		}
		f.Close()
	}
	if os.MkdirAll(c.dir, 0o700) == nil {
		c.made, _ = os.CreateTemp(c.dir, filepath.Base(c.path)+".*.recap-tmp")
	}
}

// take adds what was read to the copy; at the end it gets its name.
func (c *copying) take(b []byte, err error) {
	if c.made == nil {
		return
	}
	if _, werr := c.made.Write(b); werr != nil || err != nil && err != io.EOF {
		c.drop()
		return
	}
	if err != io.EOF {
		return
	}
	name := c.made.Name()
	serr, cerr := c.made.Sync(), c.made.Close()
	c.made = nil
	if serr != nil || cerr != nil || os.Rename(name, c.path) != nil {
		os.Remove(name)
	}
}

// drop gives up the copy being made.
func (c *copying) drop() {
	if c.made != nil {
		c.made.Close()
		os.Remove(c.made.Name())
		c.made = nil
	}
}

func (c *copying) close() {
	c.drop()
	if c.have != nil {
		c.have.Close()
		c.have = nil
	}
}
