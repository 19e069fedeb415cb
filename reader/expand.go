package reader

import (
	"context"
	"errors"
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
	name   string // as the user wrote it, or found below what the user wrote
	path   string
	blob   *blob.Object // nil: a file
	stream bool         // can be read only once: standard input, a pipe
	stdin  bool
	named  bool // the user named it: not skipped when it is no capture
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
		x.add(entry{name: arg, stream: true, stdin: true, named: true})
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
		x.add(entry{name: o.Name, blob: o, named: !o.Found})
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
			x.add(entry{name: name, path: path, named: named})
		}
	case named:
		x.add(entry{name: name, path: path, stream: true, named: true})
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
			x.add(entry{name: path, path: path})
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
