package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"recap/reader"
	"recap/reader/blob"
)

// find looks for the inputs, below where if that is not empty, and holds their sizes
// against the manifest.
func (s *slicing) find(ctx context.Context, where string) error {
	var err error
	if s.below, err = s.listBelow(ctx, where); err != nil {
		return unopened(ctx, err)
	}
	seen := map[string]string{}
	for _, in := range s.manifest.Inputs {
		switch {
		case in.Name == "-":
			return errInputGone(in.Name, errWasStdin)
		case in.SHA256 == nil:
			return errInputGone(in.Name, errNoHash)
		}
		var f reader.Found
		if s.below != nil {
			f, err = longestEnd(in.Name, s.below)
		} else {
			f, err = s.locate(ctx, in.Name, where)
		}
		if err != nil {
			return errInputGone(in.Name, err)
		}
		if f.Size >= 0 && f.Size != in.Size {
			return errInputChanged(f.Name, fmt.Errorf("%w: %s bytes, not %s", errDiffers, count(f.Size), count(in.Size)))
		}
		name := filepath.Clean(f.Name)
		if other, twice := seen[name]; twice {
			return errSameInput(f.Name, other, in.Name)
		}
		seen[name] = in.Name
		s.inputs = append(s.inputs, f)
	}
	if len(s.inputs) == 0 {
		return errInputGone("manifest", errors.New("it lists no input"))
	}
	return nil
}

// listBelow returns what is behind where if that is a URL, else nil.
func (s *slicing) listBelow(ctx context.Context, where string) ([]reader.Found, error) {
	if !blob.IsURL(where) {
		return nil, nil
	}
	found, err := reader.List(ctx, []string{where}, s.reader)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s: %w", blob.SafeName(where), errGone)
	}
	return found, err
}

// locate returns the input of that name.
func (s *slicing) locate(ctx context.Context, name, dir string) (reader.Found, error) {
	if dir != "" || !blob.IsURL(name) {
		var err error
		if name, err = locate(name, dir); err != nil {
			return reader.Found{}, err
		}
		info, err := os.Stat(name)
		if err != nil {
			return reader.Found{}, cause(err)
		}
		if !info.Mode().IsRegular() {
			return reader.Found{}, errors.New("is not a regular file")
		}
	}
	found, err := reader.List(ctx, []string{name}, s.reader)
	if err == nil && len(found) != 1 {
		err = errGone
	}
	if err != nil {
		return reader.Found{}, err
	}
	return found[0], nil
}

// needsSignature adds to the failure of reading the inputs what may be missing.
func (s *slicing) needsSignature(err error) error {
	for _, f := range s.inputs {
		if err != nil && s.below == nil && strings.HasPrefix(f.Name, "http") {
			return fmt.Errorf("%w; if it needs a signature, give its URL with one that is valid now as --inputs", err)
		}
	}
	return err
}

// longestEnd returns the one of found whose name ends as name does, by whole parts of
// the path. Of several it is the one with the longest end in common.
func longestEnd(name string, found []reader.Found) (reader.Found, error) {
	parts := strings.Split(filepath.ToSlash(name), "/")
	for i := range parts {
		end := strings.Join(parts[i:], "/")
		for _, f := range found {
			if at := filepath.ToSlash(f.Name); at == end || strings.HasSuffix(at, "/"+end) {
				return f, nil
			}
		}
	}
	return reader.Found{}, fmt.Errorf("is not behind the URL of --inputs: %w", fs.ErrNotExist)
}

// locate returns where the file of that name is now. Below dir it is the one with
// the longest end of the name.
func locate(name, dir string) (string, error) {
	name = strings.TrimPrefix(name, "file://")
	if dir == "" {
		return name, nil
	}
	parts := strings.Split(filepath.ToSlash(filepath.Clean(name)), "/")
	for i := range parts {
		rest := filepath.FromSlash(strings.Join(parts[i:], "/"))
		if !filepath.IsLocal(rest) {
			continue
		}
		path := filepath.Join(dir, rest)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("is not below %s: %w", dir, fs.ErrNotExist)
}
