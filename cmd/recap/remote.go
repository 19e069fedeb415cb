package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"recap/export"
	"recap/pipeline"
	"recap/reader/blob"
)

// remote is an output directory in a storage account.
type remote struct{ b *blob.Bucket }

// openRemote opens a place in a storage account. What is being written when a signal
// comes is still finished, so the context of the command does not end it.
func openRemote(chosen *selection, out string) (export.Place, error) {
	b, err := chosen.newStore(pipeline.DefaultMem).Bucket(context.Background(), out)
	if err != nil {
		return nil, &export.WriteError{Path: blob.SafeName(out), Err: err}
	}
	return &remote{b}, nil
}

func (r *remote) Path(name string) string { return r.b.Name(name) }

func (r *remote) Prepare(overwrite bool) error {
	if overwrite {
		if err := r.b.Remove(export.ManifestName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &export.WriteError{Path: r.Path(export.ManifestName), Err: err}
		}
		return nil
	}
	names, err := r.b.List(1)
	if err != nil {
		return &export.WriteError{Path: r.Path(""), Err: err}
	}
	if len(names) > 0 {
		return fmt.Errorf("%w (%q is in it)", export.ErrNotEmpty, names[0])
	}
	return nil
}

func (r *remote) Join() {}

func (r *remote) Create(name string) (export.Pending, error) { return r.b.Create(name) }

func (r *remote) Open(name string) (io.ReadCloser, int64, error) { return r.b.Open(name) }

func (r *remote) List() ([]string, error) { return r.b.List(0) }

func (r *remote) Remove(name string) error { return r.b.Remove(name) }

func (r *remote) Sub(name string) (export.Place, error) { return &remote{r.b.Below(name)}, nil }

// Sync has nothing to do: what a service has taken is durable.
func (r *remote) Sync([]string) error { return nil }

func (r *remote) Close() error { return nil }
