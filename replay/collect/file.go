package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"recap/replay"
)

// pollEvery is how often files are looked at. (Watching them would have to know file
// systems that tell nothing, such as those of a network.)
const pollEvery = 50 * time.Millisecond

// maxLine bounds a line, bytes.
const maxLine = 64 << 20

// lines follows a file of JSON lines, or all below a directory, new ones too. Files
// are known by what they are, not by their names: one that is renamed, as logs are, is
// not read twice, and is read to its end.
type lines struct {
	*feed
	path  string
	files map[string]*follower // by the name that each had last
	gone  []*follower          // that have no name below path any more
	round int
}

// A follower is one file and what of it has not made a whole line yet.
type follower struct {
	f       *os.File
	info    fs.FileInfo // what file it is
	round   int         // when it was last seen under its name, or last grew
	size    int64       // read so far
	partial []byte
	skip    bool // up to the next line end: the line is too long, or began before Ready
}

// goneRounds is how many times a file without a name is looked at without finding more.
const goneRounds = 200

// OpenFile returns the collector of jsonl:FILE or jsonl:DIRECTORY.
func OpenFile(_ context.Context, u *url.URL, env replay.Env) (replay.Collector, error) {
	form, err := formatOf(u)
	if err != nil {
		return nil, err
	}
	path := u.Opaque
	if path == "" {
		path = u.Host + u.Path
	} else if path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	if path == "" {
		return nil, errors.New("jsonl: names no file: want jsonl:FILE or jsonl:DIRECTORY")
	}
	return &lines{feed: newFeed(form, env), path: path, files: make(map[string]*follower)}, nil
}

// Ready goes to the end of what there is. A file that is not there yet may come.
func (l *lines) Ready(context.Context) error {
	return l.each(func(name string) error {
		if err := l.open(name); err != nil || l.files[name] == nil {
			return err
		}
		return l.files[name].toEnd()
	})
}

// each calls f with every regular file.
func (l *lines) each(f func(name string) error) error {
	err := filepath.WalkDir(l.path, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it has gone, or has not come yet
		case err != nil:
			return err
		case d.IsDir():
			return nil
		}
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			return nil
		}
		return f(name)
	})
	if err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	return nil
}

// open follows a file that was not known.
func (l *lines) open(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.files[name] = &follower{f: f, info: info}
	return nil
}

// toEnd goes to the end of the file. The rest of a line that is only half there was
// produced before, in part.
func (f *follower) toEnd() error {
	end, err := f.f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return err
	}
	f.size = end
	var last [1]byte
	_, err = f.f.ReadAt(last[:], end-1)
	f.skip = last[0] != '\n'
	return err
}

// Collect implements [replay.Collector].
func (l *lines) Collect(ctx context.Context, out func(*replay.Observation)) error {
	defer func() {
		for _, f := range l.files {
			f.f.Close()
		}
		for _, f := range l.gone {
			f.f.Close()
		}
	}()
	return l.run(ctx, l.follow, nil, out)
}

func (l *lines) follow(ctx context.Context) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	buf := make([]byte, 1<<20)
	for ctx.Err() == nil {
		l.round++
		if err := l.each(func(name string) error { return l.look(ctx, name, buf) }); err != nil {
			return err
		}
		if err := l.rest(ctx, buf); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// look reads what a file has more than before. One that was made shorter is read from
// its beginning.
func (l *lines) look(ctx context.Context, name string, buf []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return nil // it has just gone
	}
	f := l.files[name]
	if f != nil && !os.SameFile(info, f.info) {
		l.gone = append(l.gone, f)
		delete(l.files, name)
		f = nil
	}
	if f == nil && !l.rename(name, info) {
		if err := l.open(name); err != nil {
			return err
		}
	}
	if f = l.files[name]; f == nil {
		return nil
	}
	f.round = l.round
	if info.Size() < f.size {
		*f = follower{f: f.f, info: f.info, round: f.round}
		if _, err := f.f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	return l.more(ctx, f, buf)
}

// rename finds the file among those known under another name, or under none any more.
func (l *lines) rename(name string, info fs.FileInfo) bool {
	for old, f := range l.files {
		if os.SameFile(info, f.info) {
			delete(l.files, old)
			l.files[name] = f
			return true
		}
	}
	for i, f := range l.gone {
		if os.SameFile(info, f.info) {
			l.gone = slices.Delete(l.gone, i, i+1)
			l.files[name] = f
			return true
		}
	}
	return false
}

// rest reads files that have no name below the path any more: who writes to them may
// not know it yet.
func (l *lines) rest(ctx context.Context, buf []byte) error {
	for name, f := range l.files {
		if f.round != l.round {
			l.gone = append(l.gone, f)
			delete(l.files, name)
		}
	}
	kept := l.gone[:0]
	for _, f := range l.gone {
		before := f.size
		if err := l.more(ctx, f, buf); err != nil {
			return err
		}
		switch {
		case f.size > before:
			f.round = l.round
			fallthrough
		case l.round-f.round < goneRounds:
			kept = append(kept, f)
		default:
			f.f.Close()
		}
	}
	l.gone = kept
	return nil
}

// more reads a file to its end and gives what its lines say.
func (l *lines) more(ctx context.Context, f *follower, buf []byte) error {
	for ctx.Err() == nil {
		n, err := f.f.Read(buf)
		f.size += int64(n)
		if !l.give(ctx, l.lines(f, buf[:n])) {
			return nil
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// lines reads the lines that end in b, and keeps what is behind them.
func (l *lines) lines(f *follower, b []byte) (list []replay.Observation) {
	for {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			break
		}
		b = rest
		if f.skip {
			f.skip = false
			continue
		}
		if len(f.partial) > 0 {
			line = append(f.partial, line...)
			f.partial = f.partial[:0]
		}
		if len(bytes.TrimSpace(line)) > 0 {
			list = l.read(list, line)
		}
	}
	if f.skip {
		return list
	}
	if f.partial = append(f.partial, b...); len(f.partial) > maxLine {
		l.env.Count(CountUndecodable, 1)
		f.partial, f.skip = nil, true
	}
	return list
}
