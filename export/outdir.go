package export

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"
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
	at       Place
	manifest string
	part     bool // the place belongs to another Dir
	reuse    *Reuse
	files    []*File
	old      []string // files of an earlier run that Commit removes
}

// OpenDir makes or opens the output directory path. Unless overwrite is set it
// must be empty or absent, else the error wraps [ErrNotEmpty]. With overwrite the
// manifest of an earlier run is removed at once, its temporary files too, and
// nothing else: other files are replaced only when a new one of the same name is whole.
func OpenDir(path string, overwrite bool) (*Dir, error) {
	at, err := OpenDisk(path)
	if err != nil {
		return nil, err
	}
	return OpenAt(at, overwrite)
}

// OpenAt is [OpenDir] for any place, which it takes over.
func OpenAt(at Place, overwrite bool) (*Dir, error) {
	d := &Dir{at: at, manifest: ManifestName}
	if err := at.Prepare(overwrite); err != nil {
		at.Close()
		return nil, writeError(at.Path(""), 0, err)
	}
	return d, nil
}

// NewPart returns a Dir for one of several captures whose files stand side by side
// in one place: its manifest has a name of its own. The place stays open after it.
func NewPart(at Place, manifest string) *Dir { return &Dir{at: at, manifest: manifest, part: true} }

// Replace names files of an earlier run that are to be gone when the new ones have
// their names, which may be the same.
func (d *Dir) Replace(old []string) { d.old = old }

// Borrow has files made from now on use memory of r, and leave it there.
func (d *Dir) Borrow(r *Reuse) { d.reuse = r }

// Path returns the directory's path as it was given.
func (d *Dir) Path() string { return d.at.Path("") }

// Place returns where the files are.
func (d *Dir) Place() Place { return d.at }

// Create starts the file of the given name. It stands under a temporary name, or
// under none, until [Dir.Commit].
func (d *Dir) Create(name string) (*File, error) {
	f, err := d.at.Create(name)
	if err != nil {
		return nil, writeError(d.at.Path(name), 0, err)
	}
	w := newFile(name, d.at.Path(name), f, d.reuse)
	d.files = append(d.files, w)
	return w, nil
}

// Commit finishes every file, side by side because disks are waited for, and then
// gives each its name, in the order of creation. It returns what the manifest says of
// them. What [Dir.Replace] named is removed then. On an error the files without a name are discarded and the Dir is closed.
func (d *Dir) Commit() ([]Output, error) {
	var wg sync.WaitGroup
	for _, f := range d.files {
		wg.Go(f.finish)
	}
	wg.Wait()
	var outs []Output
	var names []string
	for len(d.files) > 0 {
		f := d.files[0]
		if err := f.publish(); err != nil {
			d.Abort()
			return nil, err
		}
		d.files = d.files[1:]
		outs = append(outs, f.output())
		names = append(names, f.name)
	}
	if err := d.at.Sync(names); err != nil {
		d.Abort()
		return nil, writeError(d.Path(), 0, err)
	}
	if err := d.removeOld(names); err != nil {
		d.Abort()
		return nil, err
	}
	return outs, nil
}

func (d *Dir) removeOld(keep []string) error {
	for _, name := range d.old {
		if slices.Contains(keep, name) {
			continue
		}
		if err := d.at.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return writeError(d.at.Path(name), 0, err)
		}
	}
	d.old = nil
	return nil
}

// WriteManifest writes m as the last file and closes the Dir.
func (d *Dir) WriteManifest(m *Manifest) error {
	text, err := m.Encode()
	if err != nil {
		d.Abort()
		return err
	}
	return d.WriteLast(text)
}

// WriteLast writes the text of the manifest as the last file and closes the Dir.
func (d *Dir) WriteLast(text []byte) error {
	f, err := d.Create(d.manifest)
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

// Abort discards the files that Commit has not finished and closes the Dir. Nobody
// may be writing to its files any more.
func (d *Dir) Abort() {
	for _, f := range d.files {
		f.abandon()
	}
	d.files = nil
	d.close()
}

func (d *Dir) close() error {
	if d.part {
		return nil
	}
	if err := d.at.Close(); err != nil {
		return writeError(d.Path(), 0, err)
	}
	return nil
}

// writeError names path in an error that does not yet name one.
func writeError(path string, written int64, err error) error {
	if w, ok := errors.AsType[*WriteError](err); ok {
		return w
	}
	return &WriteError{Path: path, Written: written, Err: err}
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
	f          Pending
	rows       int64
	reuse      *Reuse

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

// chunkOf is the key of chunks in a [Reuse].
type chunkOf struct{ size int }

func newFile(name, path string, f Pending, reuse *Reuse) *File {
	w := &File{
		name: name, path: path, f: f, reuse: reuse, sum: sha256.New(),
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
				w.cur = w.chunk()
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

func (w *File) chunk() []byte {
	if b, ok := w.reuse.Take(chunkOf{fileChunk}).(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, fileChunk)
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
	for range fileChunks {
		if b := <-w.free; b != nil {
			w.reuse.Give(chunkOf{fileChunk}, &b)
		}
	}
}

// finish has all of the file durable; a failure shows in Err.
func (w *File) finish() {
	w.drain()
	if w.Err() != nil {
		return
	}
	if err := w.f.Finish(); err != nil {
		w.setErr(writeError(w.path, w.size, err))
	}
}

// publish gives a finished file its name, or fails with a [WriteError].
func (w *File) publish() error {
	if err := w.Err(); err != nil {
		return err
	}
	if err := w.f.Publish(); err != nil {
		return writeError(w.path, w.size, err)
	}
	return nil
}

func (w *File) abandon() {
	w.setErr(os.ErrClosed)
	w.drain()
	w.f.Discard()
}

func (w *File) output() Output {
	return Output{Name: w.name, Rows: w.rows, Size: w.size, SHA256: fmt.Sprintf("%x", w.sum.Sum(nil))}
}
