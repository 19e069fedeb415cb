package export_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"recap/export"
)

// A faulty place fails at its nth operation.
type faulty struct {
	export.Place
	at int64
	n  atomic.Int64 // files are written from goroutines of their own
}

var errFault = errors.New("input/output error")

func (f *faulty) next() error {
	if f.n.Add(1) == f.at {
		return errFault
	}
	return nil
}

func (f *faulty) Create(name string) (export.Pending, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	p, err := f.Place.Create(name)
	return &faultyFile{p, f}, err
}

func (f *faulty) Sync(names []string) error {
	if err := f.next(); err != nil {
		return err
	}
	return f.Place.Sync(names)
}

func (f *faulty) Close() error {
	err := f.Place.Close()
	if fault := f.next(); fault != nil {
		return fault
	}
	return err
}

type faultyFile struct {
	export.Pending
	f *faulty
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.f.next(); err != nil {
		n, _ := f.Pending.Write(p[:len(p)/2])
		return n, err
	}
	return f.Pending.Write(p)
}

func (f *faultyFile) Finish() error {
	err := f.Pending.Finish()
	if fault := f.f.next(); fault != nil {
		return fault // closing has failed
	}
	return err
}

func (f *faultyFile) Publish() error {
	if err := f.f.next(); err != nil {
		return err
	}
	return f.Pending.Publish()
}

// TestFaultAtEachOperation has every operation of a run fail in turn: each gives a
// WriteError that names a path, no manifest, no temporary file, and no file under its
// name that is not whole.
func TestFaultAtEachOperation(t *testing.T) {
	data := make([]byte, 3<<20)
	run := func(dir string, at int) (ops int, err error) {
		disk, err := export.OpenDisk(dir)
		if err != nil {
			t.Fatal(err)
		}
		f := &faulty{Place: disk, at: int64(at)}
		d, err := export.OpenAt(f, false)
		if err != nil {
			return int(f.n.Load()), err
		}
		for _, name := range []string{"one", "sub/two"} {
			w, err := d.Create(name)
			if err != nil {
				d.Abort()
				return int(f.n.Load()), err
			}
			// One at a time, so that the count of operations means the same each time.
			if _, err := w.Write(data); err != nil {
				d.Abort()
				return int(f.n.Load()), err
			}
		}
		outs, err := d.Commit()
		if err != nil {
			return int(f.n.Load()), err
		}
		return int(f.n.Load()), d.WriteManifest(&export.Manifest{Outputs: outs})
	}
	ops, err := run(t.TempDir(), 0)
	if err != nil || ops < 15 {
		t.Fatalf("%d operations, error %v", ops, err)
	}
	for at := 1; at <= ops; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			dir := t.TempDir()
			_, err := run(dir, at)
			var we *export.WriteError
			if !errors.As(err, &we) || we.Path == "" || !errors.Is(err, errFault) {
				t.Errorf("error %v", err)
			}
			filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				info, _ := e.Info()
				switch {
				case export.IsTemporary(name):
					t.Errorf("%s is left", name)
				case e.Name() == export.ManifestName:
					// Only what comes after it may have failed.
					if at < ops-1 {
						t.Errorf("there is a manifest")
					}
				case info.Size() != int64(len(data)):
					t.Errorf("%s has %d of %d bytes", name, info.Size(), len(data))
				}
				return nil
			})
			if _, err := os.Stat(dir); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the disk follows the writing of is written all the same.
func TestLongFileIsWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 130 MB")
	}
	dir := t.TempDir()
	at, err := export.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	f, err := at.Create("long")
	if err != nil {
		t.Fatal(err)
	}
	want, b := sha256.New(), make([]byte, 1<<20)
	for i := range 125 {
		b[i] ^= byte(i)
		piece := b[:len(b)-i*i] // borders of pieces and of what is sent differ
		want.Write(piece)
		if n, err := f.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("piece %d: %d of %d bytes written, %v", i, n, len(piece), err)
		}
	}
	if err := errors.Join(f.Finish(), f.Publish()); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(filepath.Join(dir, "long"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	got := sha256.New()
	if _, err := io.Copy(got, in); err != nil || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Errorf("what was read is not what was written, %v", err)
	}
}
