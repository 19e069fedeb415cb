// Package export turns pairs and flows into files: what the record's fields are
// ([PairSchema], [FlowSchema]), what a sink is, the output directory that makes
// files whole or absent, the manifest that vouches for them, and what may be kept
// back from them ([NewRedactor], [Filter]).
//
// Of recap it imports the two leaf vocabularies only: pipeline/exchange and
// reader/packet. It never reads the wall clock: what is written depends on the
// pairs and the options alone.
package export

import (
	"fmt"
	"io"

	"recap/pipeline/exchange"
)

// A Sink writes pairs or flows somewhere. It is called from one goroutine.
type Sink interface {
	// Write takes the next batch in output order. A sink of pairs ignores flows
	// and the other way round. Nothing of b may be kept after Write returned:
	// strings and bytes in it point into memory that is used again.
	Write(b *exchange.Batch) error
	// Close writes what is still held back and ends the sink's goroutines. It does
	// not close the writer underneath. It is called once, also after an error.
	Close() error
}

// A Counter is a Sink that knows how many rows it was given.
type Counter interface{ Rows() int64 }

// Options are what sinks can be told. The zero value is good.
type Options struct {
	// RowGroupBytes bounds a Parquet row group by its bytes before compression;
	// 0 means 32 MiB. A row group holds at least one row, so a row larger than
	// this makes a group of its own.
	RowGroupBytes int64
	// MaxRowGroupBytes bounds what row groups grow to in long files; 0 means 1 GiB.
	MaxRowGroupBytes int64
	// Workers is the number of goroutines that encode and compress, 0 for
	// GOMAXPROCS. The bytes written do not depend on it.
	Workers int
	// Reuse keeps memory of finished sinks for the next ones; nil keeps none.
	Reuse *Reuse
	// Flush hands everything to the writer at the end of every batch, for a
	// reader at the other end of a pipe. The bytes written do not depend on it.
	Flush bool
}

// A SinkError is the failure of one sink.
type SinkError struct {
	Sink string // its name in the group
	Err  error
}

func (e *SinkError) Error() string { return e.Sink + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SinkError) Unwrap() error { return e.Err }

// A WriteError is an output that could not be written. The command exits with 4.
type WriteError struct {
	Path    string
	Written int64 // bytes that were written before
	Err     error
}

func (e *WriteError) Error() string {
	return fmt.Sprintf("%s: writing at byte %d: %v", e.Path, e.Written, e.Err)
}

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// NamedWriter gives the errors of w a path and a byte count. It is for writers
// that are not a [File] of an output directory, such as standard output.
func NamedWriter(path string, w io.Writer) io.Writer { return &namedWriter{path: path, w: w} }

type namedWriter struct {
	path string
	w    io.Writer
	n    int64
}

func (w *namedWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.n += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		err = &WriteError{Path: w.path, Written: w.n, Err: err}
	}
	return n, err
}
