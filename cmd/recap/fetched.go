package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"recap/export"
	"recap/pipeline"
	"recap/reader/blob"
)

// fetchable are the files of an output directory that are read again. The JSON lines
// are for directories without Parquet.
var fetchable = []string{export.ManifestName, pairsParquet, flowsParquet, pairsJSONL}

// A readable is an output directory to be read at any place. One in a storage account
// is a copy of what is needed, below the directory for temporary files.
type readable struct {
	*os.Root
	copied string // to be removed
}

// Close removes what was copied.
func (r *readable) Close() error {
	err := r.Root.Close()
	if r.copied != "" {
		err = errors.Join(err, os.RemoveAll(r.copied))
	}
	return err
}

// openReadable opens an output directory, on a disk or in a storage account.
func openReadable(ctx context.Context, dir string) (*readable, error) {
	if !blob.IsURL(dir) {
		root, err := os.OpenRoot(dir)
		return &readable{Root: root}, err
	}
	b, err := new(selection).newStore(pipeline.DefaultMem).Bucket(ctx, dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "recap-copy-")
	if err != nil {
		return nil, err
	}
	err = fetchAll(b, tmp)
	if err == nil {
		var root *os.Root
		if root, err = os.OpenRoot(tmp); err == nil {
			return &readable{root, tmp}, nil
		}
	}
	return nil, errors.Join(err, os.RemoveAll(tmp))
}

func fetchAll(b *blob.Bucket, dir string) error {
	for _, name := range fetchable {
		_, err := os.Stat(filepath.Join(dir, pairsParquet))
		if name == pairsJSONL && err == nil {
			return nil
		}
		err = fetch(b, name, filepath.Join(dir, name))
		if err != nil && (name == export.ManifestName || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}

func fetch(b *blob.Bucket, name, to string) (err error) {
	from, _, err := b.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	_, err = io.Copy(f, from)
	return err
}
