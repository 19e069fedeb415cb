package reader

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads the .xz container (the format's specification 1.2.1): any number of
// streams of any number of blocks. Only LZMA2 is undone, by ulikunitz/xz; the
// container is read here because that library allocates whatever dictionary a
// block asks for, and gives up at a wrong checksum instead of going on.
type xzReader struct {
	r    *bufio.Reader
	most int64 // bytes of dictionary
	note func(error)

	check  byte      // kind, of the stream
	blocks uint64    // of the stream
	z      io.Reader // the open block, or nil
	in     *xzBytes  // what z reads
	sum    hash.Hash // nil: no check, or one that is not known
	size   int64     // of the check
	inside bool      // of a stream
}

var errXZDictionary = errors.New("xz dictionary exceeds the limit")

const xzMagic = "\xfd7zXZ\x00"

func openXZ(r *bufio.Reader, o *Options, note func(error)) (io.ReadCloser, error) {
	x := &xzReader{r: r, most: o.XZDictionary, note: note}
	if err := x.stream(); err != nil {
		return nil, noEOF(err)
	}
	// A dictionary beyond the limit is an error of opening.
	if err := x.next(); err != nil && err != io.EOF {
		return nil, err
	}
	return x, nil
}

func (x *xzReader) Close() error { return nil }

func (x *xzReader) Read(b []byte) (int, error) {
	for {
		if x.z == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := x.z.Read(b)
		if x.sum != nil {
			x.sum.Write(b[:n])
		}
		if err == io.EOF {
			x.z = nil
			if err = x.endBlock(); err == nil && n == 0 {
				continue
			}
		}
		return n, noEOF(err)
	}
}

// next opens the next block, of this stream or a further one.
func (x *xzReader) next() error {
	for x.z == nil {
		if !x.inside {
			if err := x.between(); err != nil {
				return err
			}
		}
		size, err := x.r.ReadByte()
		if err != nil {
			return noEOF(err)
		}
		if size == 0 {
			if err := x.index(); err != nil {
				return noEOF(err)
			}
			x.inside = false
			continue
		}
		if err := x.block(size); err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// between finds the next stream behind one that ended.
func (x *xzReader) between() error {
	for {
		c, err := x.r.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			break
		}
	}
	x.r.UnreadByte()
	if head, _ := x.r.Peek(len(xzMagic)); string(head) != xzMagic {
		return errJunk
	}
	return noEOF(x.stream())
}

// stream reads a stream header.
func (x *xzReader) stream() error {
	var h [12]byte
	if _, err := io.ReadFull(x.r, h[:]); err != nil {
		return err
	}
	if string(h[:6]) != xzMagic || h[6] != 0 || h[7] > 15 {
		return errors.New("stream header is of no known kind")
	}
	if crc32.ChecksumIEEE(h[6:8]) != binary.LittleEndian.Uint32(h[8:]) {
		x.bad("stream header")
	}
	x.check, x.blocks, x.inside = h[7], 0, true
	return nil
}

func (x *xzReader) bad(what string) {
	x.note(&unpackError{name: "xz", err: fmt.Errorf("checksum of the xz %s is wrong", what)})
}

// checkSize returns the bytes of a check (section 2.1.1.2).
func checkSize(kind byte) int64 {
	return []int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[kind]
}

// block reads a block header, whose first byte is given, and opens its data.
func (x *xzReader) block(size byte) error {
	h := make([]byte, (int(size)+1)*4)
	h[0] = size
	if _, err := io.ReadFull(x.r, h[1:]); err != nil {
		return noEOF(err)
	}
	end := len(h) - 4
	if crc32.ChecksumIEEE(h[:end]) != binary.LittleEndian.Uint32(h[end:]) {
		return errors.New("checksum of a block header is wrong")
	}
	flags, r := h[1], bytes.NewReader(h[2:end])
	unpacked := uint64(1 << 62)
	for _, bit := range []byte{0x40, 0x80} {
		if flags&bit == 0 {
			continue
		}
		v, err := binary.ReadUvarint(r)
		if err != nil {
			return errors.New("block header is damaged")
		}
		if bit == 0x80 {
			unpacked = v
		}
	}
	id, err1 := binary.ReadUvarint(r)
	props, err2 := binary.ReadUvarint(r)
	dict, err3 := r.ReadByte()
	switch {
	case err1 != nil || err2 != nil || err3 != nil:
		return errors.New("block header is damaged")
	case flags&3 != 0 || id != 0x21 || props != 1 || dict > 40:
		return errors.New("a filter other than LZMA2 is used, which cannot be undone")
	}
	n := int64(1<<32 - 1)
	if dict < 40 {
		n = int64(2|dict&1) << (dict/2 + 11)
	}
	// Without reaching back beyond the beginning, less will do than was asked for.
	n = max(min(n, int64(min(unpacked, 1<<62))), lzma.MinDictCap)
	if n > x.most {
		return fmt.Errorf("%w: a block asks for %d bytes", errXZDictionary, n)
	}
	x.in = &xzBytes{r: x.r}
	z, err := lzma.Reader2Config{DictCap: int(n)}.NewReader2(x.in)
	if err != nil {
		return err
	}
	x.z, x.sum, x.size = z, nil, checkSize(x.check)
	switch x.check {
	case 1:
		x.sum = crc32.NewIEEE()
	case 4:
		x.sum = crc64.New(crc64.MakeTable(crc64.ECMA))
	case 10:
		x.sum = sha256.New()
	}
	x.blocks++
	return nil
}

// endBlock reads padding and check after the data of a block.
func (x *xzReader) endBlock() error {
	pad := -x.in.n & 3
	tail := make([]byte, pad+x.size)
	if _, err := io.ReadFull(x.r, tail); err != nil {
		return noEOF(err)
	}
	if x.sum == nil {
		return nil
	}
	want := x.sum.Sum(nil)
	got := bytes.Clone(tail[pad:])
	if x.check != 10 { // numbers are little-endian
		for i, j := 0, len(got)-1; i < j; i, j = i+1, j-1 {
			got[i], got[j] = got[j], got[i]
		}
	}
	if !bytes.Equal(got, want) {
		x.bad("data")
	}
	return nil
}

// index reads the index, whose first byte was read, and the footer.
func (x *xzReader) index() error {
	in := &xzBytes{r: x.r, n: 1, sum: crc32.NewIEEE()}
	in.sum.Write([]byte{0})
	records, err := binary.ReadUvarint(in)
	if err != nil {
		return err
	}
	if records != x.blocks {
		x.note(&unpackError{name: "xz", err: fmt.Errorf("xz index tells of %d blocks, but %d were there", records, x.blocks)})
	}
	for range records {
		for range 2 {
			if _, err := binary.ReadUvarint(in); err != nil {
				return err
			}
		}
	}
	for in.n&3 != 0 {
		if _, err := in.ReadByte(); err != nil {
			return err
		}
	}
	var tail [16]byte // sum of the index, footer
	if _, err := io.ReadFull(x.r, tail[:]); err != nil {
		return err
	}
	if in.sum.(hash.Hash32).Sum32() != binary.LittleEndian.Uint32(tail[:]) {
		x.bad("index")
	}
	if string(tail[14:]) != "YZ" || crc32.ChecksumIEEE(tail[8:14]) != binary.LittleEndian.Uint32(tail[4:]) {
		x.bad("footer")
	}
	return nil
}

// xzBytes counts, and sums if asked to, what is read. It reads no byte more than
// it is asked for.
type xzBytes struct {
	r   *bufio.Reader
	n   int64
	sum hash.Hash
}

func (b *xzBytes) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	return n, err
}

func (b *xzBytes) ReadByte() (byte, error) {
	c, err := b.r.ReadByte()
	if err == nil {
		b.n++
		if b.sum != nil {
			b.sum.Write([]byte{c})
		}
	}
	return c, err
}
