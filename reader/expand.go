package reader

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"recap/reader/blob"
)

// entry is a thing to open.
type entry struct {
	name     string // as the user wrote it, or found below what the user wrote
	path     string
	size     int64 // -1 where it is not known
	modified time.Time
	blob     *blob.Object // nil: a file
	stream   bool         // can be read only once: standard input, a pipe
	stdin    bool
	named    bool // the user named it: not skipped when it is no capture
}

// Path returns where a file is; empty for what is none.
func (f Found) Path() string { return f.path }

// Stat asks for what is not known of f: size and entity tag of something remote.
func Stat(ctx context.Context, f *Found, o Options) error {
	if f.blob == nil || f.Size >= 0 && f.ETag != "" {
		return nil
	}
	o = o.withDefaults()
	b := *f.blob
	if err := o.Store.Stat(ctx, &b); err != nil {
		return fileError(f.Name, err)
	}
	f.blob, f.Size, f.ETag, f.size = &b, b.Size, b.ETag, b.Size
	return nil
}

// OpenRaw opens f as it is stored.
func OpenRaw(ctx context.Context, f Found, o Options) (io.ReadCloser, error) {
	o = o.withDefaults()
	if f.blob != nil {
		return o.Store.Open(ctx, *f.blob), nil
	}
	if f.stream {
		return nil, fileError(f.Name, errors.New("is not a regular file"))
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fileError(f.Name, cause(err))
	}
	return file, nil
}

// ReadAt fills b with the bytes of f from off on, as they are stored; n is less than
// len(b) only at the end of f.
func ReadAt(ctx context.Context, f Found, b []byte, off int64, o Options) (n int, err error) {
	o = o.withDefaults()
	if f.blob != nil {
		return o.Store.ReadAt(ctx, f.blob, b, off)
	}
	if f.stream {
		return 0, fileError(f.Name, errors.New("is not a regular file"))
	}
	file, err := os.Open(f.path)
	if err != nil {
		return 0, fileError(f.Name, cause(err))
	}
	defer file.Close()
	if n, err = file.ReadAt(b, off); err == io.EOF {
		err = nil
	}
	return n, err
}

// A Found is a thing to read behind an argument: a file, a blob, standard input.
type Found struct {
	Name     string // as the user wrote it, or found below that; of a URL without its secrets
	Size     int64  // bytes as stored, -1 where they are not known
	Modified time.Time
	ETag     string // of a blob, where it is known
	Named    bool   // an argument names it; else it was found below one
	Remote   bool   // it comes over a network
	entry
}

// List finds what is behind the arguments of [Open], each thing once, in the order
// of the arguments and there by name. It reads no capture.
func List(ctx context.Context, inputs []string, o Options) ([]Found, error) {
	o = o.withDefaults()
	entries, err := expand(ctx, inputs, o, o.Store)
	if err != nil {
		return nil, err
	}
	found := make([]Found, 0, len(entries))
	for _, e := range entries {
		f := Found{Name: e.name, Size: e.size, Modified: e.modified, Named: e.named, Remote: e.blob != nil, entry: e}
		if e.blob != nil {
			f.ETag = e.blob.ETag
		}
		found = append(found, f)
	}
	return found, nil
}

var errNamedTwice = errors.New("named twice")

// ErrFiltered is what Options.Skipped is told of files that Options.Filter left out.
var ErrFiltered = errors.New("left out by the selection")

// expand turns arguments into entries, each file once.
func expand(ctx context.Context, args []string, o Options, store *blob.Store) ([]entry, error) {
	x := expander{ctx: ctx, store: store, o: o, seen: map[string]bool{}}
	for _, arg := range args {
		if err := x.arg(arg); err != nil {
			return nil, err
		}
	}
	return x.out, nil
}

type expander struct {
	ctx   context.Context
	store *blob.Store
	o     Options
	seen  map[string]bool
	out   []entry
}

func (x *expander) arg(arg string) error {
	if arg == "-" {
		if x.o.Stdin == nil {
			return fileError(arg, errors.New("there is no standard input"))
		}
		x.add(entry{name: arg, size: -1, stream: true, stdin: true, named: true})
		return nil
	}
	if blob.IsURL(arg) {
		return x.url(arg)
	}
	path := fromFileURL(arg)
	fi, err := os.Stat(path)
	if err == nil {
		return x.file(arg, path, fi, true)
	}
	if !strings.ContainsAny(path, "*?[") {
		return fileError(arg, cause(err))
	}
	found, globErr := filepath.Glob(path)
	if globErr != nil {
		return fileError(arg, globErr)
	}
	if len(found) == 0 {
		return fileError(arg, errors.New("no file matches"))
	}
	slices.Sort(found)
	for _, p := range found {
		fi, err := os.Stat(p)
		if err != nil {
			return fileError(p, cause(err))
		}
		if err := x.file(p, p, fi, false); err != nil {
			return err
		}
	}
	return nil
}

// fromFileURL returns the path of a file:// URL; anything else is a path already.
func fromFileURL(arg string) string {
	path, ok := strings.CutPrefix(arg, "file://")
	if !ok {
		return arg
	}
	path = strings.TrimPrefix(path, "localhost")
	// Names that exist as they are written come first: nobody escapes them by hand.
	if _, err := os.Stat(path); err != nil {
		if plain, err := url.PathUnescape(path); err == nil {
			return plain
		}
	}
	return path
}

// url adds what a URL stands for.
func (x *expander) url(arg string) error {
	objects, err := x.store.Find(x.ctx, arg)
	if err != nil {
		return fileError(blob.SafeName(arg), err)
	}
	for i := range objects {
		o := &objects[i]
		if o.Found && !x.wanted(o.Name, o.Size, o.Modified) {
			continue
		}
		x.add(entry{name: o.Name, size: o.Size, modified: o.Modified, blob: o, named: !o.Found})
	}
	return nil
}

// wanted asks the filter about a file that was found.
func (x *expander) wanted(name string, size int64, modified time.Time) bool {
	if x.o.Filter == nil || x.o.Filter(name, size, modified) {
		return true
	}
	x.o.skipped(name, ErrFiltered)
	return false
}

func (x *expander) file(name, path string, fi os.FileInfo, named bool) error {
	switch {
	case fi.IsDir():
		return x.dir(path)
	case fi.Mode().IsRegular():
		if named || x.wanted(name, fi.Size(), fi.ModTime()) {
			x.add(entry{name: name, path: path, size: fi.Size(), modified: fi.ModTime(), named: named})
		}
	case named:
		x.add(entry{name: name, path: path, size: -1, stream: true, named: true})
	default:
		x.o.skipped(name, errors.New("not a regular file"))
	}
	return nil
}

// dir adds what is below a directory, in order of path. Symbolic links to files
// are followed, those to directories are not.
func (x *expander) dir(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fileError(path, cause(err))
		}
		if d.IsDir() {
			return nil
		}
		fi, err := os.Stat(path)
		switch {
		case err != nil && d.Type()&fs.ModeSymlink != 0:
			x.o.skipped(path, cause(err))
		case err != nil:
			return fileError(path, cause(err))
		case fi.IsDir():
			x.o.skipped(path, errors.New("a link to a directory is not followed"))
		case !fi.Mode().IsRegular():
			x.o.skipped(path, errors.New("not a regular file"))
		case x.wanted(path, fi.Size(), fi.ModTime()):
			x.add(entry{name: path, path: path, size: fi.Size(), modified: fi.ModTime()})
		}
		return nil
	})
}

func (x *expander) add(e entry) {
	key := filepath.Clean(e.path)
	switch {
	case e.stdin:
		key = "-"
	case e.blob != nil:
		key = e.name
	}
	if x.seen[key] {
		x.o.skipped(e.name, errNamedTwice)
		return
	}
	x.seen[key] = true
	x.out = append(x.out, e)
}

// cause takes the file name out of an error, because the caller names it.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
