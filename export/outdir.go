package export

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Modes of what is created; the umask can only take bits away. Captures hold
// credentials, so nobody but the owner reads what was made of them.
const (
	dirMode  fs.FileMode = 0o700
	fileMode fs.FileMode = 0o600
)

// tempSuffix is appended to a file's name until it is whole.
const tempSuffix = ".recap-tmp"

// ManifestName is the file that is written last.
const ManifestName = "manifest.json"

// ErrNotEmpty is wrapped by the error of [OpenDir] for a directory that holds something.
var ErrNotEmpty = errors.New("the directory is not empty")

// A Dir is an output directory. Files in it appear under their names when they
// are whole; the manifest comes last, so that a directory without one is not
// finished. A Dir is used from one goroutine, except that Files may be written
// each from its own.
type Dir struct {
	path  string
	root  *os.Root
	files []*File
}

// OpenDir makes or opens the output directory path. Unless overwrite is set it
// must be empty or absent, else the error wraps [ErrNotEmpty]. With overwrite the
// manifest of an earlier run is removed at once, its temporary files too, and
// nothing else: other files are replaced only when a new one of the same name is whole.
func OpenDir(path string, overwrite bool) (*Dir, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	d := &Dir{path: path, root: root}
	if err := d.prepare(overwrite); err != nil {
		root.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) prepare(overwrite bool) error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return &WriteError{Path: d.path, Err: err}
	}
	if len(entries) > 0 && !overwrite {
		return &WriteError{Path: d.path, Err: fmt.Errorf("%w (%q is in it)", ErrNotEmpty, entries[0].Name())}
	}
	for _, e := range entries {
		// A directory called manifest.json is not ours: the rename at the end will say so.
		if e.IsDir() || e.Name() != ManifestName && filepath.Ext(e.Name()) != tempSuffix {
			continue
		}
		if err := d.root.Remove(e.Name()); err != nil {
			return &WriteError{Path: filepath.Join(d.path, e.Name()), Err: err}
		}
	}
	return nil
}

// Path returns the directory's path as it was given.
func (d *Dir) Path() string { return d.path }

// Root returns the directory for those who keep files of their own in it.
func (d *Dir) Root() *os.Root { return d.root }

// Create starts the file of the given name, which must not contain a separator.
// It stands under a temporary name until [Dir.Commit]. A temporary name that
// exists already, be it a symbolic link, is refused.
func (d *Dir) Create(name string) (*File, error) {
	path := filepath.Join(d.path, name)
	if name != filepath.Base(name) || !filepath.IsLocal(name) || name == "." {
		return nil, &WriteError{Path: path, Err: fmt.Errorf("%q is not a file name", name)}
	}
	f, err := d.root.OpenFile(name+tempSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	w := newFile(name, path, f)
	d.files = append(d.files, w)
	return w, nil
}

// Commit finishes every file: all of it written, synced and renamed, in the order
// of creation. It returns what the manifest says of them. On an error the
// remaining temporary files are removed and the Dir is closed.
func (d *Dir) Commit() ([]Output, error) {
	var outs []Output
	for len(d.files) > 0 {
		f := d.files[0]
		if err := d.commit(f); err != nil {
			d.Abort()
			return nil, err
		}
		d.files = d.files[1:]
		outs = append(outs, f.output())
	}
	return outs, d.sync()
}

func (d *Dir) commit(f *File) error {
	if err := f.finish(); err != nil {
		return err
	}
	if err := d.root.Rename(f.name+tempSuffix, f.name); err != nil {
		return &WriteError{Path: f.path, Written: f.size, Err: err}
	}
	return nil
}

// sync makes the renames durable. Systems that cannot sync a directory are left alone.
func (d *Dir) sync() error {
	h, err := d.root.Open(".")
	if err != nil {
		return &WriteError{Path: d.path, Err: err}
	}
	defer h.Close()
	if err := h.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrPermission) {
		return &WriteError{Path: d.path, Err: err}
	}
	return nil
}

// WriteManifest writes m as the last file and closes the Dir.
func (d *Dir) WriteManifest(m *Manifest) error {
	text, err := m.Encode()
	if err != nil {
		d.Abort()
		return err
	}
	f, err := d.Create(ManifestName)
	if err != nil {
		d.Abort()
		return err
	}
	// An error here shows again when the file is finished.
	f.Write(text)
	if _, err := d.Commit(); err != nil {
		return err
	}
	return d.close()
}

// Abort removes the temporary files and closes the Dir. Files that Commit has
// finished stay. Nobody may be writing to its files any more.
func (d *Dir) Abort() {
	for _, f := range d.files {
		f.abandon()
		d.root.Remove(f.name + tempSuffix)
	}
	d.files = nil
	d.close()
}

func (d *Dir) close() error {
	if err := d.root.Close(); err != nil {
		return &WriteError{Path: d.path, Err: err}
	}
	return nil
}

const (
	fileChunk  = 512 << 10 // bytes per hand-over to disk and hash
	fileChunks = 6         // per file; bounds its memory to 3 MiB
)

// A File is one output being written, counted and hashed. Writing to the disk and
// hashing overlap with the caller in goroutines of their own, over a bounded
// number of chunks.
type File struct {
	name, path string
	f          *os.File
	rows       int64

	cur    []byte
	free   chan []byte
	toDisk chan []byte
	toHash chan []byte
	done   sync.WaitGroup

	sum  hash.Hash
	size int64 // bytes on disk; of the writing goroutine until done

	mu     sync.Mutex
	err    error
	closed bool
}

func newFile(name, path string, f *os.File) *File {
	w := &File{
		name: name, path: path, f: f, sum: sha256.New(),
		free:   make(chan []byte, fileChunks),
		toDisk: make(chan []byte, fileChunks),
		toHash: make(chan []byte, fileChunks),
	}
	for range fileChunks {
		w.free <- nil // made when first used
	}
	w.done.Go(w.write)
	w.done.Go(w.hash)
	return w
}

func (w *File) write() {
	defer close(w.toHash)
	for b := range w.toDisk {
		if w.Err() == nil {
			n, err := w.f.Write(b)
			w.size += int64(n)
			if err == nil && n < len(b) {
				err = io.ErrShortWrite
			}
			if err != nil {
				w.setErr(&WriteError{Path: w.path, Written: w.size, Err: err})
			}
		}
		w.toHash <- b
	}
}

func (w *File) hash() {
	for b := range w.toHash {
		w.sum.Write(b)
		w.free <- b[:0]
	}
}

func (w *File) setErr(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// Err returns the first failure of the file so far, a [WriteError].
func (w *File) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Write takes a copy of p. A failure of the disk shows in this or a later call,
// at the latest in [Dir.Commit].
func (w *File) Write(p []byte) (int, error) {
	if err := w.Err(); err != nil {
		return 0, err
	}
	for n := 0; n < len(p); {
		if w.cur == nil {
			if w.cur = <-w.free; w.cur == nil {
				w.cur = make([]byte, 0, fileChunk)
			}
		}
		k := min(len(p)-n, cap(w.cur)-len(w.cur))
		w.cur = append(w.cur, p[n:n+k]...)
		if n += k; len(w.cur) == cap(w.cur) {
			w.toDisk <- w.cur
			w.cur = nil
		}
	}
	return len(p), nil
}

// SetRows tells how many rows the file holds, for the manifest.
func (w *File) SetRows(n int64) { w.rows = n }

func (w *File) drain() {
	if w.closed {
		return
	}
	w.closed = true
	if len(w.cur) > 0 {
		w.toDisk <- w.cur
		w.cur = nil
	}
	close(w.toDisk)
	w.done.Wait()
}

func (w *File) finish() error {
	w.drain()
	err := w.Err()
	if err == nil {
		err = w.f.Sync()
	}
	if cerr := w.f.Close(); err == nil {
		err = cerr
	}
	if we := (*WriteError)(nil); err != nil && !errors.As(err, &we) {
		err = &WriteError{Path: w.path, Written: w.size, Err: err}
	}
	return err
}

func (w *File) abandon() {
	w.setErr(os.ErrClosed)
	w.drain()
	w.f.Close()
}

func (w *File) output() Output {
	return Output{Name: w.name, Rows: w.rows, Size: w.size, SHA256: fmt.Sprintf("%x", w.sum.Sum(nil))}
}
