// Package reader opens captures: files, directories, globs and standard input,
// of any known format and compression, as one source of packets in order of
// time.
package reader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"recap/reader/all"
	"recap/reader/blob"
	"recap/reader/format"
	"recap/reader/packet"
)

// Options says how captures are read. The zero value works and is bounded.
type Options struct {
	// Pool gives the batches; nil means a pool of its own with slabs of SlabSize bytes.
	Pool *packet.Pool
	// SlabSize is the size of a batch's memory in bytes; 0 means [packet.DefaultSlab].
	SlabSize int
	// Hash computes the SHA-256 of every input as stored.
	Hash bool
	// MaxPacket bounds one packet in bytes; 0 means [format.DefaultMaxPacket].
	MaxPacket int
	// MaxBlock bounds one pcapng block in bytes; 0 means [format.DefaultMaxBlock].
	MaxBlock int
	// MaxInputBytes bounds what is read of one input, in bytes after
	// decompression; 0 means no limit.
	MaxInputBytes int64
	// ZstdWindow bounds the window of zstd files in bytes; 0 means [DefaultZstdWindow].
	ZstdWindow int64
	// XZDictionary bounds the dictionary of xz files in bytes, which is allocated
	// as the file asks; 0 means [DefaultXZDictionary].
	XZDictionary int64
	// Stdin is what the input "-" reads.
	Stdin io.Reader
	// Skipped, if not nil, is told of every file that was found but not read,
	// before Open returns.
	Skipped func(name string, why error)
	// Formats replaces the list of formats; nil means [all.Formats].
	Formats []format.Format
	// Filter, if not nil, says which of the files found in directories, globs,
	// containers and prefixes are read; Skipped is told [ErrFiltered] of the others.
	// size is -1 and modified zero where they are not known.
	// [blob.ParseWatcherPath] knows machine and time of captures of Azure.
	Filter func(name string, size int64, modified time.Time) bool
	// Store reads URLs; nil means one of its own with the zero [blob.Options].
	// Captures that are read side by side share one.
	Store *blob.Store
	// ClockOffset, if not nil, says what is added to the packet times of an input
	// before merging, nanoseconds. It is asked about every input before Open returns,
	// and again later.
	ClockOffset func(name string) int64
	// MaxOpen bounds how many files are kept open; 0 means 256. Further ones are
	// opened for each read.
	MaxOpen int
}

// DefaultZstdWindow is what the zstd tool itself decodes without being asked.
const DefaultZstdWindow = 128 << 20

// DefaultXZDictionary is what xz -9 asks for.
const DefaultXZDictionary = 64 << 20

// ErrNoInput is the error of Open where nothing is left to read.
var ErrNoInput = errors.New("no capture to read")

const (
	defaultMaxOpen = 256
	// manyActive is how many inputs may be read side by side with whole slabs;
	// more of them get small ones, which bounds memory.
	manyActive = 32
	smallSlab  = 64 << 10
	peekSlab   = 8 << 10
)

func (o Options) withDefaults() Options {
	if o.Pool == nil {
		o.Pool = packet.NewPool(o.SlabSize)
	}
	if o.ZstdWindow <= 0 {
		o.ZstdWindow = DefaultZstdWindow
	}
	if o.XZDictionary <= 0 {
		o.XZDictionary = DefaultXZDictionary
	}
	if o.Formats == nil {
		o.Formats = all.Formats()
	}
	if o.Store == nil {
		o.Store = blob.NewStore(blob.Options{})
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = defaultMaxOpen
	}
	return o
}

// A Capture is one or several inputs read as one; see [Open].
type Capture struct {
	m      *merge
	inputs []*packet.Input
}

// Open opens the inputs as one capture: packets come in order of time and are
// numbered from 1 in that order. The order inside an input never changes, a
// packet without a time takes that of the one before it, and at the same time
// the earlier input comes first.
//
// An input is the name of a file, a directory (everything in it that is a
// capture, in order of path), a glob, "-" for standard input, or a URL:
// file:///path, https://host/file (for Azure with its signature; a container or
// a path that ends in a slash is listed there), or azblob://container/prefix with
// the account of the environment (see [blob.Store]). Inputs are named without
// what follows a question mark in a URL. A file that is
// named and cannot be read, or is no capture, is an error that names it; what a
// directory or glob holds beside captures is passed to Options.Skipped. ctx ends
// the reading between batches.
func Open(ctx context.Context, inputs []string, o Options) (*Capture, error) {
	found, err := List(ctx, inputs, o)
	if err != nil {
		return nil, err
	}
	return OpenFound(ctx, found, o)
}

// OpenFound opens what [List] has found, as [Open] does.
func OpenFound(ctx context.Context, found []Found, o Options) (*Capture, error) {
	o = o.withDefaults()
	c := &Capture{m: newMerge(o)}
	var unread *unreadError
	for _, f := range found {
		e := f.entry
		if err := ctx.Err(); err != nil {
			c.Close()
			return nil, err
		}
		in := &input{entry: e, o: &o, ctx: ctx, index: int32(len(c.inputs)), in: &packet.Input{Name: e.name}}
		var cur *cursor
		var err error
		switch {
		case e.stream || len(found) == 1:
			cur, err = c.m.openNow(in)
		default:
			cur, err = c.m.peek(in)
		}
		var skip *skipError
		if errors.As(err, &skip) {
			o.skipped(e.name, skip.why)
			continue
		}
		if errors.As(err, &unread) && !e.named && ctx.Err() == nil {
			// The others are read all the same, and the capture is not whole.
			in.fail(err)
			c.inputs = append(c.inputs, in.in)
			continue
		}
		if err != nil {
			c.Close()
			return nil, err
		}
		c.inputs = append(c.inputs, in.in)
		c.m.add(cur)
	}
	switch {
	case len(c.m.heap) > 0:
	case unread != nil:
		c.Close()
		return nil, unread
	default:
		c.Close()
		return nil, ErrNoInput
	}
	c.m.start(len(c.inputs) > 1)
	return c, nil
}

func (o *Options) clockOffset(name string) int64 {
	if o.ClockOffset == nil {
		return 0
	}
	return o.ClockOffset(name)
}

func (o Options) skipped(name string, why error) {
	if o.Skipped != nil {
		o.Skipped(name, why)
	}
}

// Next implements [packet.Source].
func (c *Capture) Next() (*packet.Batch, error) { return c.m.next() }

// Inputs implements [packet.Source].
func (c *Capture) Inputs() []*packet.Input { return c.inputs }

// Close implements [packet.Source].
func (c *Capture) Close() error { return c.m.close() }

// skipError says that an entry, which nobody named, is no capture.
type skipError struct{ why error }

func (e *skipError) Error() string { return e.why.Error() }

// unreadError says that nobody knows whether an entry is a capture: it could not be read.
type unreadError struct{ damage *packet.Error }

func (e *unreadError) Error() string { return e.damage.Error() }

func (e *unreadError) Unwrap() error { return e.damage }

// fileError names the input of an error.
func fileError(name string, err error) error {
	return &packet.Error{File: name, Offset: -1, Err: err, Hint: blob.Hint(err)}
}

// refusal says why a file that no format wants is none, and what to try.
type refusal struct {
	error
	hint string
}

func (e *refusal) Unwrap() error { return e.error }

// notCapture describes a file that no format wants.
func notCapture(head []byte, compression string) error {
	r := &refusal{error: unknownFormat(head, compression)}
	switch {
	case len(head) == 0 || otherKind(head) != "":
	case isHexDump(head):
		r.hint = hexDumpHint
	default:
		r.hint = unknownHint
	}
	return r
}

const unknownHint = `"file NAME" may tell what it is; where tshark opens it, "tshark -r NAME -F pcapng -w OUT.pcapng" makes a capture of it`

func unknownFormat(head []byte, compression string) error {
	if len(head) == 0 && compression == "" {
		return errors.New("file is empty")
	}
	if what := otherKind(head); what != "" {
		if compression != "" {
			return fmt.Errorf("not a capture: inside %s it is %s", compression, what)
		}
		return fmt.Errorf("not a capture: it is %s", what)
	}
	if compression != "" {
		return fmt.Errorf("not a capture: inside %s it begins with %q", compression, head[:min(len(head), 8)])
	}
	return fmt.Errorf("not a capture: begins with %q", head[:min(len(head), 8)])
}
