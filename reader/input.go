package reader

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"recap/reader/blob"
	"recap/reader/format"
	"recap/reader/packet"
)

// input is one file, or standard input, being read.
type input struct {
	entry
	o     *Options
	ctx   context.Context
	index int32
	in    *packet.Input

	raw    *rawFile
	sniff  *sniffed
	src    *format.Source
	hasher *hasher
	read   bool // to the end
}

// open opens the input for reading with batches of the pool. hash computes the
// digest; keep leaves the file open between reads.
func (n *input) open(pool *packet.Pool, hash, keep bool) error {
	raw := &rawFile{keep: true}
	if n.blob != nil {
		raw.blob = n.o.Store.Open(n.ctx, *n.blob)
		raw.r = raw.blob
	} else {
		var err error
		if raw, err = openRaw(n.entry, n.o.Stdin, keep); err != nil {
			return &unreadError{n.explain(err)}
		}
	}
	n.raw = raw
	if hash {
		raw.hash = sha256.New()
	}
	var err error
	n.sniff, err = sniff(raw, n.o, n.note)
	if raw.blob != nil {
		n.in.ETag = raw.blob.ETag()
	}
	if err == nil && !n.sniff.ok {
		err = notCapture(n.sniff.head, n.sniff.compression)
		if n.named && len(n.sniff.head) == 0 && n.sniff.compression == "" {
			err, n.sniff.format = nil, emptyFormat
		}
	}
	if err != nil {
		unread := n.raw.err
		n.close()
		switch {
		case unread != nil && !n.named:
			return &unreadError{n.explain(unread)}
		case !n.named:
			return &skipError{err}
		}
		return n.explain(err)
	}
	n.in.Format, n.in.Compression = n.sniff.format.Name, n.sniff.compression
	so := format.SourceOptions{Pool: pool, Eager: raw.pipe, MaxBytes: n.o.MaxInputBytes, Explain: n.explain, Check: n.ctx.Err,
		Shift: n.o.clockOffset(n.name)}
	if hash && n.sniff.compression == "" {
		// The bytes are hashed out of the slabs, beside parsing; those the sniffing
		// took are in the first slab again.
		raw.hash = nil
		n.hasher = startHasher()
		so.OnRead = n.hasher.add
	}
	lim := format.Limits{MaxPacket: n.o.MaxPacket, MaxBlock: n.o.MaxBlock}
	n.src = format.NewSource(n.sniff.r, n.sniff.format.New(n.in, n.index, lim), n.in, so)
	return nil
}

// next returns the next batch; at the end it completes what is known of the input.
func (n *input) next() (*packet.Batch, error) {
	b, err := n.src.Next()
	if err == io.EOF && !n.read {
		n.read = true
		n.finish()
	}
	return b, err
}

// finish takes size and digest after the last byte.
func (n *input) finish() {
	h := n.raw.hash
	if n.hasher != nil {
		h = n.hasher.stop()
		n.raw.hash = h
		n.hasher = nil
	}
	// Damaged compressed data, or a limit, may have ended the reading early; the
	// digest is that of the whole input.
	whole := n.raw.atEOF
	if h != nil && !whole && !n.raw.pipe {
		_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{n.raw}, make([]byte, sniffBuffer))
		whole = err == nil
	}
	n.in.Size = n.raw.n
	if h != nil && whole {
		h.Sum(n.in.SHA256[:0])
		n.in.Hashed = true
	}
	n.close()
}

// close ends the reading wherever it is.
func (n *input) close() {
	if n.src != nil {
		n.src.Close()
	}
	if n.hasher != nil {
		n.hasher.stop()
		n.hasher = nil
	}
	if n.sniff != nil {
		n.sniff.Close()
	}
	if n.raw != nil {
		if n.in.Size < n.raw.n {
			n.in.Size = n.raw.n
		}
		n.raw.Close()
	}
}

// unpackError is damage of compressed data.
type unpackError struct {
	name    string
	in, out int64 // bytes of compressed and unpacked data up to it
	err     error
}

func (e *unpackError) Error() string {
	err := e.err
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the data ends early")
	case errors.Is(err, errJunk), e.out == 0 && e.in == 0:
		return err.Error()
	}
	return fmt.Sprintf("%s data is damaged near its byte %d: %v", e.name, e.in, err)
}

func (e *unpackError) Unwrap() error { return e.err }

// fail records that the input could not be read at all.
func (n *input) fail(err error) {
	e, ok := errors.AsType[*packet.Error](err)
	if !ok {
		e = n.explain(err)
	}
	n.in.FirstNS, n.in.LastNS = packet.NoTime, packet.NoTime
	n.in.AddDamage(e)
}

// note records damage that did not end the input.
func (n *input) note(err error) {
	n.in.AddDamage(n.explain(err))
}

// explain turns what ended the reading into a damage record.
func (n *input) explain(err error) *packet.Error {
	e := &packet.Error{File: n.name, Offset: n.in.Bytes, Err: cause(err), Saved: format.Saved(n.in.Packets)}
	switch {
	case errors.Is(err, format.ErrTooLong):
		e.Err = fmt.Errorf("input is longer than the limit of %d bytes", n.o.MaxInputBytes)
		e.Hint = "raise the limit for input bytes"
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		e.Hint = fmt.Sprintf("raise the limit for the zstd window, %d bytes", n.o.ZstdWindow)
	case errors.Is(err, errXZDictionary):
		e.Hint = fmt.Sprintf("raise the limit for the xz dictionary, %d bytes", n.o.XZDictionary)
	case n.blob != nil && n.raw != nil && n.raw.err != nil:
		e.Hint = blob.Hint(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.Hint = "the file was cut; copy it again if the original is longer"
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		e.Hint = r.hint
	}
	if n.src == nil {
		e.Offset, e.Saved = -1, ""
	}
	return e
}

// rawFile reads an input as it is stored.
type rawFile struct {
	path  string
	blob  *blob.Reader // nil: a file
	f     *os.File
	r     io.Reader
	n     int64 // bytes read
	pipe  bool  // reads may block, and the end is where the writer says
	keep  bool
	atEOF bool
	err   error     // what reading failed with, other than io.EOF
	hash  hash.Hash // nil: not computed here
}

func openRaw(e entry, stdin io.Reader, keep bool) (*rawFile, error) {
	if e.stdin {
		pipe := true
		if f, ok := stdin.(*os.File); ok {
			fi, err := f.Stat()
			pipe = err != nil || !fi.Mode().IsRegular()
		}
		return &rawFile{r: stdin, pipe: pipe, keep: true}, nil
	}
	f, err := os.Open(e.path)
	if err != nil {
		return nil, err
	}
	return &rawFile{path: e.path, f: f, r: f, pipe: e.stream, keep: keep || e.stream}, nil
}

// Read implements [io.Reader]. A file that is not kept open is opened for this
// one read, which is of a slab's size.
func (r *rawFile) Read(b []byte) (int, error) {
	if r.r == nil {
		if r.path == "" {
			return 0, os.ErrClosed
		}
		f, err := os.Open(r.path)
		if err != nil {
			return 0, err
		}
		if _, err := f.Seek(r.n, io.SeekStart); err != nil {
			f.Close()
			return 0, err
		}
		r.f, r.r = f, f
	}
	n, err := r.r.Read(b)
	r.n += int64(n)
	if r.hash != nil {
		r.hash.Write(b[:n])
	}
	if err == io.EOF {
		r.atEOF = true
	} else if err != nil {
		r.err = err
	}
	if !r.keep {
		r.park()
	}
	return n, err
}

func (r *rawFile) park() {
	if r.f != nil {
		r.f.Close()
		r.f, r.r = nil, nil
	}
}

// Close closes the file, if it is one that this opened.
func (r *rawFile) Close() {
	r.park()
	if r.blob != nil {
		r.blob.Close()
	}
	r.path, r.r, r.blob = "", nil, nil
}

// hasher digests slabs beside the parsing of them.
type hasher struct {
	jobs chan hashJob
	done chan hash.Hash
}

type hashJob struct {
	b *packet.Batch
	p []byte
}

// hashAhead is how many reads may wait for the digest.
const hashAhead = 4

func startHasher() *hasher {
	h := &hasher{make(chan hashJob, hashAhead), make(chan hash.Hash)}
	go func() {
		sum := sha256.New()
		for j := range h.jobs {
			sum.Write(j.p)
			j.b.Release()
		}
		h.done <- sum
	}()
	return h
}

func (h *hasher) add(b *packet.Batch, p []byte) {
	b.Retain()
	h.jobs <- hashJob{b, p}
}

func (h *hasher) stop() hash.Hash {
	close(h.jobs)
	return <-h.done
}

// emptyFormat stands for a named file of no bytes.
var emptyFormat = format.Format{
	Name: "empty",
	New:  func(in *packet.Input, _ int32, _ format.Limits) format.Parser { return emptyParser{in} },
}

type emptyParser struct{ in *packet.Input }

func (p emptyParser) Parse(w *format.Window) int {
	if !w.EOF {
		return w.End - w.Start + 1
	}
	p.in.AddDamage(&packet.Error{File: p.in.Name, Offset: 0, Err: format.Cause("file is empty")})
	w.Lose(w.End - w.Start)
	return 0
}
