package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"recap/export"
	"recap/pipeline"
	"recap/pipeline/exchange"
	"recap/reader/packet"
	"recap/replay"
	records "recap/replay/source"
)

// A sourceKind is what a SOURCE of replay is.
type sourceKind uint8

const (
	fromCapture sourceKind = iota
	fromDir                // what extract wrote
	fromParquet
	fromLines
	fromHAR
	fromGor
)

// sniffed is how much of a file tells its kind, bytes.
const sniffed = 4 << 10

var (
	gorHead = regexp.MustCompile(`^[123] [0-9a-zA-Z_-]+ [0-9]+( [0-9]+)?\n`)
	harHead = regexp.MustCompile(`^\s*\{\s*("[^"\\]*"\s*:\s*"[^"\\]*"\s*,\s*)*"log"\s*:`)
)

// byteOrderMark is what some tools put in front of text.
const byteOrderMark = "\xef\xbb\xbf"

// kindOf tells the kind by how a file begins; anything that is nothing else is left to
// the reader of captures.
func kindOf(head []byte) sourceKind {
	head = bytes.TrimPrefix(head, []byte(byteOrderMark))
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return fromParquet
	case harHead.Match(head):
		return fromHAR
	case bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")):
		return fromLines
	case gorHead.Match(head):
		return fromGor
	}
	return fromCapture
}

// kindOfFile looks into a file, and into what is packed in it by gzip.
func kindOfFile(name string) (sourceKind, error) {
	f, err := openRegular(os.Open, os.Stat, name)
	if err != nil {
		return fromCapture, nil // a pipe, a glob, a URL: the reader of captures tells
	}
	defer f.Close()
	r, err := unzipped(bufio.NewReaderSize(f, sniffed))
	if err != nil {
		return fromCapture, nil
	}
	head, err := r.Peek(sniffed)
	if err != nil && err != io.EOF {
		return fromCapture, nil
	}
	return kindOf(head), nil
}

// unzipped undoes gzip where r begins with it.
func unzipped(r *bufio.Reader) (*bufio.Reader, error) {
	if head, _ := r.Peek(2); !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		return r, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(z, 64<<10), nil
}

// errOnce says that standard input was wanted a second time.
var errOnce = errors.New("standard input can be read once only, and does not fit the read-ahead")

// pairSources turns the arguments into one source.
func (c *replayCommand) pairSources(ctx context.Context, command string, args []string) (replay.Source, error) {
	var list []replay.Source
	var captures []string
	for _, name := range args {
		s, err := c.pairSource(name)
		if err != nil {
			return nil, err
		}
		if s == nil {
			captures = append(captures, name)
			continue
		}
		list = append(list, s)
	}
	if len(captures) > 0 {
		// A wrong name is found before anything is opened at the target.
		if err := c.reading(command, captures, pipeline.Options{}).list(ctx); err != nil {
			return nil, err
		}
		list = append(list, c.captureSource(command, captures))
	}
	s := merged(atOnce(list))
	if c.filter != nil {
		s = c.chosen(s)
	}
	if !c.keepSecrets {
		s = stripped(s)
	}
	return s, nil
}

// pairSource returns the source for one argument; nil where that is a capture.
func (c *replayCommand) pairSource(name string) (replay.Source, error) {
	if name == "-" {
		return c.stdinSource()
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		switch has, err := hasRows(name); {
		case err != nil:
			return nil, errSource(name, err)
		case has:
			return dirSource(name), nil
		}
		har := filepath.Join(name, pairsHAR)
		if _, err := os.Stat(har); err != nil {
			return tableSource(name)
		}
		name = har
	}
	kind, err := kindOfFile(name)
	if err != nil {
		return nil, errSource(name, err)
	}
	open := func() (*bufio.Reader, io.Closer, error) {
		f, err := openRegular(os.Open, os.Stat, name)
		if err != nil {
			return nil, nil, err
		}
		r, err := unzipped(bufio.NewReaderSize(f, 1<<20))
		return r, f, err
	}
	switch kind {
	case fromParquet:
		return fileSource(name), nil
	case fromCapture:
		return nil, nil
	}
	return streamSource(name, kind, open), nil
}

// dirSource gives the pairs of a directory that has them as extract wrote them.
func dirSource(name string) replay.Source {
	return rowSource(name, func(f func(*pairRow) error) error {
		root, err := os.OpenRoot(name)
		if err != nil {
			return err
		}
		defer root.Close()
		return readPairs(root, f)
	})
}

// fileSource gives the pairs of one Parquet file.
func fileSource(name string) replay.Source {
	return rowSource(name, func(f func(*pairRow) error) error {
		root, err := os.OpenRoot(filepath.Dir(name))
		if err != nil {
			return err
		}
		defer root.Close()
		return readParquet(root, filepath.Base(name), f)
	})
}

// hasRows reports whether a directory holds what extract wrote.
func hasRows(dir string) (bool, error) {
	for _, name := range []string{pairsParquet, pairsJSONL} {
		_, err := os.Stat(filepath.Join(dir, name))
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

// stdinSource reads standard input, once.
func (c *replayCommand) stdinSource() (replay.Source, error) {
	r := bufio.NewReaderSize(c.u.in, 64<<10)
	// Looking ahead waits for the first bytes: without them nobody knows what it is.
	head, _ := r.Peek(2)
	if len(head) == 2 {
		if head, err := r.Peek(min(max(r.Buffered(), 2), sniffed)); err == nil && kindOf(head) != fromCapture {
			if kindOf(head) == fromParquet {
				return nil, errSource("standard input", errors.New("pairs.parquet cannot be read from a pipe"))
			}
			used := false
			return streamSource("standard input", kindOf(head), func() (*bufio.Reader, io.Closer, error) {
				if used {
					return nil, nil, errOnce
				}
				used = true
				return r, io.NopCloser(nil), nil
			}), nil
		}
	}
	c.u.in = r
	return nil, nil
}

// streamSource reads text formats.
func streamSource(name string, kind sourceKind, bytesOf func() (*bufio.Reader, io.Closer, error)) replay.Source {
	open := func() (*bufio.Reader, io.Closer, error) {
		r, closer, err := bytesOf()
		if err != nil {
			return nil, nil, err
		}
		if head, _ := r.Peek(len(byteOrderMark)); string(head) == byteOrderMark {
			_, _ = r.Discard(len(head)) // they are there
		}
		return r, closer, nil
	}
	if kind == fromLines {
		return rowSource(name, func(f func(*pairRow) error) error {
			r, closer, err := open()
			if err != nil {
				return err
			}
			defer closer.Close()
			return decodeLines(name, r, f)
		})
	}
	read := records.HAR
	if kind == fromGor {
		read = records.Gor
	}
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			r, closer, err := open()
			if err != nil {
				yield(nil, errSource(name, err))
				return
			}
			defer closer.Close()
			for p, err := range read(ctx, r) {
				if err != nil {
					err = errSource(name, err)
				}
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

// errEnough ends reading that nobody wants more of.
var errEnough = errors.New("enough")

// rowSource gives the pairs of rows that read calls back with.
func rowSource(name string, read func(func(*pairRow) error) error) replay.Source {
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			err := read(func(r *pairRow) error {
				if err := ctx.Err(); err != nil {
					return err
				}
				p, err := r.pair()
				if err != nil {
					return err
				}
				if !yield(p, nil) {
					return errEnough
				}
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) {
				yield(nil, errSource(name, err))
			}
		}
	}
}

// captureSource runs the pipeline on captures, as they come.
func (c *replayCommand) captureSource(command string, names []string) replay.Source {
	passes := 0
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			if passes++; passes > 1 && hasStdin(names) {
				yield(nil, errSource("standard input", errOnce))
				return
			}
			opt := c.limits.options()
			opt.HashBodies, opt.DecodeBodies, opt.VerifyChecksums = true, true, true
			c.follow.apply(&opt)
			r := c.reading(command, names, opt)
			if err := r.open(ctx); err != nil {
				yield(nil, err)
				return
			}
			defer r.source.Close()
			enough := false
			err := r.run(ctx, func(b *exchange.Batch) error {
				for _, p := range b.Pairs {
					if !yield(p.Clone(), nil) {
						enough = true
						return errEnough
					}
				}
				return nil
			})
			if err == nil {
				err = r.err
			}
			if passes == 1 {
				c.read = append(c.read, readPart{r.source.Inputs(), r.stats, r.skipped})
			}
			if err != nil && !enough {
				yield(nil, err)
			}
		}
	}
}

// A readPart is what captures told while they were read.
type readPart struct {
	inputs  []*packet.Input
	stats   *pipeline.Stats
	skipped []skipped
}

func hasStdin(names []string) bool {
	for _, n := range names {
		if n == "-" {
			return true
		}
	}
	return false
}

func (c *replayCommand) reading(command string, names []string, opt pipeline.Options) *reading {
	return &reading{u: c.u, command: command, inputs: names, limits: &c.limits, chosen: &c.pick, options: opt,
		progress: "never", profiles: &profiles{}}
}

// packetSource gives the packets of captures as they are.
func (c *replayCommand) packetSource(command string, names []string) replay.PacketSource {
	passes := 0
	return func(ctx context.Context) iter.Seq2[*packet.Batch, error] {
		return func(yield func(*packet.Batch, error) bool) {
			if passes++; passes > 1 && hasStdin(names) {
				yield(nil, errSource("standard input", errOnce))
				return
			}
			r := c.reading(command, names, pipeline.Options{})
			if err := r.open(ctx); err != nil {
				yield(nil, err)
				return
			}
			defer r.source.Close()
			for ctx.Err() == nil {
				b, err := r.source.Next()
				if err == io.EOF {
					return
				}
				if err != nil {
					yield(nil, err)
					return
				}
				more := yield(b, nil)
				b.Release()
				if !more {
					return
				}
			}
		}
	}
}

// A stream is a source for merged, and the time of its first pair: it is not opened
// before that has come.
type stream struct {
	replay.Source
	first int64 // ns since the epoch
}

// atOnce are sources of which no times are known.
func atOnce(list []replay.Source) []stream {
	streams := make([]stream, len(list))
	for i, s := range list {
		streams[i] = stream{s, math.MinInt64}
	}
	return streams
}

// merged gives the pairs of several sources, always the one whose request is earliest
// among those that are next. Sources are nearly in order of time each; the schedule does
// the rest.
func merged(list []stream) replay.Source {
	if len(list) == 1 {
		return list[0].Source
	}
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			heads := make([]head, len(list))
			for i := range heads {
				heads[i].at = list[i].first
			}
			defer func() {
				for i := range heads {
					heads[i].close()
				}
			}()
			for {
				best := -1
				for i := range heads {
					if h := &heads[i]; !h.over && (best < 0 || h.at < heads[best].at) {
						best = i
					}
				}
				if best < 0 {
					return
				}
				h := &heads[best]
				if h.next == nil {
					h.next, h.stop = iter.Pull2(list[best].Source(ctx))
				} else if !yield(h.pair, h.err) || h.err != nil {
					return
				}
				h.step()
			}
		}
	}
}

// A head is a source with its next pair.
type head struct {
	pair *exchange.Pair
	err  error
	at   int64
	over bool
	next func() (*exchange.Pair, error, bool)
	stop func()
}

func (h *head) step() {
	var more bool
	h.pair, h.err, more = h.next()
	h.at = timeOf(h.pair)
	if !more {
		h.close()
	}
}

// close gives back what the source holds.
func (h *head) close() {
	if h.over = true; h.stop != nil {
		h.stop()
	}
}

// timeOf orders pairs of several sources; what has no time, errors too, comes first.
func timeOf(p *exchange.Pair) int64 {
	if p == nil {
		return math.MinInt64
	}
	if t := p.Request.TimeNS; p.Request.Present {
		return t
	}
	return p.Response.TimeNS
}

// chosen passes on what --where holds for.
func (c *replayCommand) chosen(s replay.Source) replay.Source {
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			for p, err := range s(ctx) {
				if err == nil {
					var ok bool
					if ok, err = c.filter.Match(p); err == nil && !ok {
						c.passedOver.Add(1)
						continue
					}
				}
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

// stripped takes credentials out of pairs, as extract --redact headers does.
func stripped(s replay.Source) replay.Source {
	return func(ctx context.Context) iter.Seq2[*exchange.Pair, error] {
		return func(yield func(*exchange.Pair, error) bool) {
			var out *exchange.Batch
			sink := export.NewRedactor(export.RedactHeaders, nil, sinkFunc(func(b *exchange.Batch) error {
				out = b
				// Never given back, so that the copy's memory is not used again.
				b.Retain()
				return nil
			}))
			for p, err := range s(ctx) {
				if err == nil {
					b := exchange.NewBatch(nil)
					b.Pairs = append(b.Pairs, p)
					if err = sink.Write(b); err == nil {
						p = out.Pairs[0]
					}
				}
				if !yield(p, err) {
					return
				}
			}
		}
	}
}

// sinkFunc is a sink of one function.
type sinkFunc func(*exchange.Batch) error

func (f sinkFunc) Write(b *exchange.Batch) error { return f(b) }
func (f sinkFunc) Close() error                  { return nil }

// sourceNames are the arguments as reports show them.
func sourceNames(args []string) []string {
	names := make([]string, len(args))
	for i, a := range args {
		if names[i] = withoutQueries(a); a == "-" {
			names[i] = "standard input"
		}
		names[i] = strings.ToValidUTF8(names[i], "\ufffd")
	}
	return names
}

func errSource(name string, err error) error { return fmt.Errorf("%s: %w", name, cause(err)) }
