package main

import (
	"bytes"
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"recap/pipeline/exchange"
	"recap/replay"
)

// This file reads what extract --each wrote as one source: a directory for each capture,
// or a dataset in partitions.

var (
	eachManifestHead = regexp.MustCompile(`^\s*\{\s*"format":\s*"` + regexp.QuoteMeta(eachFormat) + `"`)
	datasetFile      = regexp.MustCompile(`^part-[0-9a-f]{16}\.(parquet|jsonl)$`)
)

// tableSource returns the source for a directory that holds parts; nil where it is none.
func tableSource(name string) (replay.Source, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, errSource(name, err)
	}
	if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return tellsOfParts(name, e) }) {
		return nil, nil
	}
	parts, err := partsBelow(name)
	switch {
	case err != nil:
		return nil, errSource(name, err)
	case len(parts) == 0:
		return nil, errSource(name, errNoRows)
	}
	return lazily(parts), nil
}

// tellsOfParts reports whether an entry of a directory shows that it holds parts.
func tellsOfParts(dir string, e fs.DirEntry) bool {
	switch base := e.Name(); {
	case e.IsDir():
		key, _, found := strings.Cut(base, "=")
		return found && key != ""
	case datasetFile.MatchString(base):
		return true
	case strings.HasSuffix(base, ".json"):
		f, err := openRegular(os.Open, os.Stat, filepath.Join(dir, base))
		if err != nil {
			return false
		}
		defer f.Close()
		head := make([]byte, 256)
		n, _ := f.Read(head)
		return eachManifestHead.Match(bytes.TrimPrefix(head[:n], []byte("\xef\xbb\xbf")))
	}
	return false
}

// partsBelow lists the sources below a directory, in the order of their names. Of a
// dataset the lines are read only where there are no Parquet files.
func partsBelow(root string) (list []replay.Source, err error) {
	var lines []replay.Source
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir():
			if strings.HasPrefix(e.Name(), "_") && name != root && e.Name() != "_jsonl" {
				return fs.SkipDir
			}
			if has, err := hasRows(name); err != nil || !has {
				return err
			}
			list = append(list, dirSource(name))
		case !datasetFile.MatchString(e.Name()):
		case strings.HasSuffix(e.Name(), ".parquet"):
			list = append(list, fileSource(name))
		default:
			lines = append(lines, rowSource(name, func(f func(*pairRow) error) error { return readLinesOf(name, f) }))
		}
		return nil
	})
	if len(list) == 0 {
		list = lines
	}
	return list, err
}

// readLinesOf calls f with each row of a file of JSON lines.
func readLinesOf(name string, f func(*pairRow) error) error {
	file, err := openRegular(os.Open, os.Stat, name)
	if err != nil {
		return err
	}
	defer file.Close()
	return decodeLines(filepath.Base(name), file, f)
}

// lazily merges parts by time. Each is looked into once for the time of its first pair,
// and opened again when that comes: however many parts there are, only those are open
// that overlap.
func lazily(parts []replay.Source) replay.Source {
	var streams []stream
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			if streams == nil {
				for _, p := range parts {
					s, ok, err := begun(ctx, p)
					if err != nil {
						yield(nil, err)
						return
					}
					if ok {
						streams = append(streams, s)
					}
				}
			}
			merged(streams)(ctx)(yield)
		}
	}
}

// begun looks for the time of the first pair; ok is false where there is none.
func begun(ctx context.Context, p replay.Source) (s stream, ok bool, err error) {
	for first, err := range p(ctx) {
		if err != nil {
			return s, false, err
		}
		return stream{p, timeOf(first)}, true, nil
	}
	return s, false, ctx.Err()
}
