// Package report shows what a run of replay has found: in words for a terminal, as
// replay.json, and as an HTML page that is whole in itself.
//
// It computes nothing that is not in the [replay.Result]: what it says can be said
// again from replay.json.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"recap/replay"
)

// Names of the files of a report's directory.
const (
	JSONName = "replay.json"
	PageName = "replay.html"
)

// Format and Version stand at the beginning of replay.json. The version rises when a
// name changes its meaning or goes; new names may come at any time.
const (
	Format  = "recap-replay"
	Version = 1
)

// A document is replay.json.
type document struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	*replay.Result
}

// JSON writes replay.json.
func JSON(w io.Writer, r *replay.Result) error {
	text, err := json.MarshalIndent(document{Format, Version, r}, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", JSONName, err)
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// Write writes a report into the directory dir, which it makes where it is not there.
// Files of a report before it are replaced if overwrite is set; else they are an error
// that is [os.ErrExist].
func Write(dir string, r *replay.Result, overwrite bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer, *replay.Result) error
	}{{JSONName, JSON}, {PageName, Page}} {
		if err := writeFile(filepath.Join(dir, f.name), r, overwrite, f.write); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes a file whole or not at all.
func writeFile(name string, r *replay.Result, overwrite bool, write func(io.Writer, *replay.Result) error) (err error) {
	if _, err := os.Lstat(name); err == nil && !overwrite {
		return &os.PathError{Op: "create", Path: name, Err: os.ErrExist}
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = errors.Join(write(f, r), f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
