// Package bodies keeps message bodies as files named by what they hold: ab/abcdef…,
// the SHA-256 of the whole decoded body in hex, as Suricata's file store does. No
// name out of a capture becomes a path.
package bodies

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"recap/export"
	"recap/pipeline/exchange"
)

const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// recent is how many hashes are remembered as written, so that a body that comes
// again is not looked for on the disk. It bounds memory, not what is stored.
const recent = 1 << 15

// A Sink writes each body once. Stored are bodies that are there as a whole; one
// that was cut, has gaps or is empty is not.
type Sink struct {
	keep keeper
	seen [][32]byte
}

// keeper is where bodies are kept.
type keeper interface {
	// store keeps a body under its name; the body is valid during the call.
	store(name string, body []byte) error
	counts() tally
	close() error
}

// tally counts what was written.
type tally struct{ rows, size int64 }

// disk keeps bodies in a directory.
type disk struct {
	path string
	root *os.Root
	made [256]bool
	tally
}

// New makes or opens the directory path, which may hold bodies already.
func New(path string) (*Sink, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, &export.WriteError{Path: path, Err: err}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, &export.WriteError{Path: path, Err: err}
	}
	return &Sink{keep: &disk{path: path, root: root}, seen: make([][32]byte, recent)}, nil
}

// Rows returns the number of files written; those that were there already do not count.
func (s *Sink) Rows() int64 { return s.keep.counts().rows }

// Bytes returns the bytes in them.
func (s *Sink) Bytes() int64 { return s.keep.counts().size }

// Write implements [export.Sink].
func (s *Sink) Write(b *exchange.Batch) error {
	for _, p := range b.Pairs {
		if err := s.message(&p.Request.Message); err != nil {
			return err
		}
		if err := s.message(&p.Response.Message); err != nil {
			return err
		}
	}
	return nil
}

// Close implements [export.Sink].
func (s *Sink) Close() error { return s.keep.close() }

func (s *Sink) message(m *exchange.Message) error {
	if !m.Present || !m.HasBody || !m.Hashed || len(m.Body) == 0 || len(m.Gaps) > 0 || int64(len(m.Body)) != m.BodySize {
		return nil
	}
	sum := m.BodySHA256
	slot := &s.seen[(int(sum[1])<<8|int(sum[2]))%recent]
	if *slot == sum {
		return nil
	}
	if err := s.keep.store(hex.EncodeToString(sum[:]), m.Body); err != nil {
		return err
	}
	*slot = sum
	return nil
}

func (d *disk) counts() tally { return d.tally }

func (d *disk) close() error { return d.root.Close() }

func (d *disk) store(name string, body []byte) error {
	dir := name[:2]
	file := filepath.Join(dir, name)
	first, err := strconv.ParseUint(dir, 16, 8)
	if err != nil {
		return err
	}
	if !d.made[first] {
		if err := d.folder(dir); err != nil {
			return &export.WriteError{Path: filepath.Join(d.path, dir), Err: err}
		}
		d.made[first] = true
	}
	if info, err := d.root.Lstat(file); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(body)) {
		return nil // written by this run or an earlier one
	}
	n, err := d.write(file, body)
	if err != nil {
		return &export.WriteError{Path: filepath.Join(d.path, file), Written: n, Err: err}
	}
	d.rows++
	d.size += n
	return nil
}

// folder makes a directory and refuses what only looks like one.
func (d *disk) folder(dir string) error {
	err := d.root.Mkdir(dir, dirMode)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := d.root.Lstat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("it exists and is no directory (%v)", info.Mode().Type())
	}
	return err
}

// write writes body under a temporary name and renames it: a link that somebody
// planted under either name is refused or replaced, never followed.
func (d *disk) write(file string, body []byte) (int64, error) {
	// Several processes may keep their bodies in one place, the same ones too: each
	// has a temporary file of its own.
	tmp := fmt.Sprintf("%s.%s.recap-tmp", file, rand.Text())
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return 0, err
	}
	n, err := f.Write(body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.root.Rename(tmp, file)
	}
	if err != nil {
		d.root.Remove(tmp)
	}
	return int64(n), err
}
