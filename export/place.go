package export

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A Place is where an output directory stands: on a disk, or in a storage account.
// Names are relative and have slashes. Several goroutines may use it.
type Place interface {
	// Path is how a name below the place is shown in errors; "" is the place itself.
	Path(name string) string
	// Prepare makes the place ready. Unless overwrite is set it must hold nothing,
	// else the error wraps [ErrNotEmpty]. With overwrite the manifest of an earlier
	// run is removed at once, so that what is there counts as not finished.
	Prepare(overwrite bool) error
	// Join has what an earlier run has left under temporary names give way, and
	// touches nothing else: others may be at work here.
	Join()
	// Create starts a file, which is not to be seen under its name before Publish.
	Create(name string) (Pending, error)
	// Open opens a whole file; size is in bytes. An error for one that is not there
	// wraps [fs.ErrNotExist].
	Open(name string) (f io.ReadCloser, size int64, err error)
	// List returns the names of all files below the place, sorted.
	List() ([]string, error)
	Remove(name string) error
	// Sub returns the place below a name.
	Sub(name string) (Place, error)
	// Sync makes durable that the named files were published.
	Sync(names []string) error
	Close() error
}

// A Pending is a file being written, from one goroutine.
type Pending interface {
	io.Writer
	// Finish makes durable what was written; nothing follows but Publish or Discard.
	Finish() error
	// Publish gives the file its name, at once and as a whole.
	Publish() error
	// Discard leaves nothing of the file behind. It may follow anything.
	Discard()
}

// disk is a directory.
type disk struct {
	path  string
	root  *os.Root
	again bool // what an earlier run has left under temporary names gives way
}

// OpenDisk makes or opens a directory as a place.
func OpenDisk(path string) (Place, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, &WriteError{Path: path, Err: err}
	}
	return &disk{path: path, root: root}, nil
}

func (d *disk) Path(name string) string { return filepath.Join(d.path, filepath.FromSlash(name)) }

func (d *disk) Prepare(overwrite bool) error {
	d.again = overwrite
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return err
	}
	if len(entries) > 0 && !overwrite {
		return fmt.Errorf("%w (%q is in it)", ErrNotEmpty, entries[0].Name())
	}
	for _, e := range entries {
		// A directory called manifest.json is not ours: the rename at the end will say so.
		if e.IsDir() || e.Name() != ManifestName && filepath.Ext(e.Name()) != tempSuffix {
			continue
		}
		if err := d.root.Remove(e.Name()); err != nil {
			return &WriteError{Path: d.Path(e.Name()), Err: err}
		}
	}
	return nil
}

func (d *disk) Join() { d.again = true }

// Create makes the file under a temporary name. One that exists already, be it a
// symbolic link, is refused, or removed where earlier runs give way.
func (d *disk) Create(name string) (Pending, error) {
	name = filepath.FromSlash(name)
	if !filepath.IsLocal(name) || name == "." {
		return nil, fmt.Errorf("%q is not a file name", name)
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := d.root.MkdirAll(dir, dirMode); err != nil {
			return nil, err
		}
	}
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	f, err := d.root.OpenFile(name+tempSuffix, flags, fileMode)
	if errors.Is(err, fs.ErrExist) && d.again {
		if err = d.root.Remove(name + tempSuffix); err == nil {
			f, err = d.root.OpenFile(name+tempSuffix, flags, fileMode)
		}
	}
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, d: d, name: name}, nil
}

type diskFile struct {
	*os.File
	d         *disk
	name      string
	behind    behind
	closed    bool
	published bool
}

func (f *diskFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	if err == nil {
		err = f.behind.follow(f.File, int64(n))
	}
	return n, err
}

func (f *diskFile) Finish() error {
	err := f.Sync()
	f.closed = true
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (f *diskFile) Publish() error {
	err := f.d.root.Rename(f.name+tempSuffix, f.name)
	f.published = err == nil
	return err
}

func (f *diskFile) Discard() {
	if !f.closed {
		f.closed = true
		f.Close()
	}
	if !f.published {
		f.d.root.Remove(f.name + tempSuffix)
	}
}

// Open opens a regular file: what blocks or never ends is not opened.
func (d *disk) Open(name string) (io.ReadCloser, int64, error) {
	name = filepath.FromSlash(name)
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("is not a regular file")
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (d *disk) List() ([]string, error) {
	var names []string
	err := fs.WalkDir(d.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

func (d *disk) Remove(name string) error { return d.root.Remove(filepath.FromSlash(name)) }

// Sub makes the directory. Nothing leads out of d, whatever stands in it.
func (d *disk) Sub(name string) (Place, error) {
	name = filepath.FromSlash(name)
	if err := d.root.MkdirAll(name, dirMode); err != nil {
		return nil, &WriteError{Path: d.Path(name), Err: err}
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, &WriteError{Path: d.Path(name), Err: err}
	}
	return &disk{path: d.Path(name), root: root}, nil
}

// Sync syncs the directories of the names, and those above them, which may be new.
// Systems that cannot sync a directory are left alone.
func (d *disk) Sync(names []string) error {
	dirs := map[string]bool{}
	for _, name := range names {
		for dir := path.Dir(name); !dirs[dir]; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	failed := make(chan error, len(dirs))
	for dir := range dirs {
		go func() { failed <- d.syncDir(dir) }()
	}
	var first error
	for range dirs {
		if err := <-failed; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (d *disk) syncDir(dir string) error {
	h, err := d.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return &WriteError{Path: d.Path(dir), Err: err}
	}
	defer h.Close()
	if err := h.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, fs.ErrPermission) {
		return &WriteError{Path: d.Path(dir), Err: err}
	}
	return nil
}

func (d *disk) Close() error { return d.root.Close() }

// IsTemporary reports whether a name is that of a file that is not whole yet.
func IsTemporary(name string) bool { return strings.HasSuffix(name, tempSuffix) }
