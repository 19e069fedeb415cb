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
	path string
	root *os.Root
	made [256]bool
	seen [][32]byte
	rows int64
	size int64
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
	return &Sink{path: path, root: root, seen: make([][32]byte, recent)}, nil
}

// Rows returns the number of files written; those that were there already do not count.
func (s *Sink) Rows() int64 { return s.rows }

// Bytes returns the bytes in them.
func (s *Sink) Bytes() int64 { return s.size }

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
func (s *Sink) Close() error { return s.root.Close() }

func (s *Sink) message(m *exchange.Message) error {
	if !m.Present || !m.HasBody || !m.Hashed || len(m.Body) == 0 || len(m.Gaps) > 0 || int64(len(m.Body)) != m.BodySize {
		return nil
	}
	sum := m.BodySHA256
	slot := &s.seen[(int(sum[1])<<8|int(sum[2]))%recent]
	if *slot == sum {
		return nil
	}
	name := hex.EncodeToString(sum[:])
	if err := s.store(sum[0], name, m.Body); err != nil {
		return err
	}
	*slot = sum
	return nil
}

func (s *Sink) store(first byte, name string, body []byte) error {
	dir := name[:2]
	file := filepath.Join(dir, name)
	if !s.made[first] {
		if err := s.folder(dir); err != nil {
			return &export.WriteError{Path: filepath.Join(s.path, dir), Err: err}
		}
		s.made[first] = true
	}
	if info, err := s.root.Lstat(file); err == nil && info.Mode().IsRegular() && info.Size() == int64(len(body)) {
		return nil // written by this run or an earlier one
	}
	n, err := s.write(file, body)
	if err != nil {
		return &export.WriteError{Path: filepath.Join(s.path, file), Written: n, Err: err}
	}
	s.rows++
	s.size += n
	return nil
}

// folder makes a directory and refuses what only looks like one.
func (s *Sink) folder(dir string) error {
	err := s.root.Mkdir(dir, dirMode)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := s.root.Lstat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("it exists and is no directory (%v)", info.Mode().Type())
	}
	return err
}

// write writes body under a temporary name and renames it: a link that somebody
// planted under either name is refused or replaced, never followed.
func (s *Sink) write(file string, body []byte) (int64, error) {
	// Several processes may keep their bodies in one place, the same ones too: each
	// has a temporary file of its own.
	tmp := fmt.Sprintf("%s.%s.recap-tmp", file, rand.Text())
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return 0, err
	}
	n, err := f.Write(body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.root.Rename(tmp, file)
	}
	if err != nil {
		s.root.Remove(tmp)
	}
	return int64(n), err
}
