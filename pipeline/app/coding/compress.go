package coding

import (
	"bufio"
	"errors"
	"io"
)

// compressReader undoes the compress coding (RFC 9110, section 8.4.1.1): the format of
// the UNIX program of that name, a Lempel-Ziv-Welch code whose width grows from 9 bits
// to at most 16. Its table is bounded by the format, 65536 entries.
type compressReader struct {
	src      *bufio.Reader
	prefix   []uint16 // by code: what stands before the last byte
	suffix   []byte   // by code: the last byte
	out      []byte   // decoded and not yet given out
	stack    []byte
	bits     uint64 // read and not yet used, lowest first
	nbits    uint
	width    uint
	widest   uint
	block    bool // code 256 empties the table
	free     int  // the next code to be defined
	old      int  // the code before; -1 for none
	last     byte // the first byte of what it stood for
	inGroup  int  // codes read of the group of eight that is written together
	finished error
}

var errCompress = errors.New("no compress data")

const (
	clearCode    = 256
	leastWidth   = 9
	mostWidth    = 16
	firstInBlock = 257
)

// newCompressReader reads the three bytes of header.
func newCompressReader(src io.Reader) (*compressReader, error) {
	r := &compressReader{src: bufio.NewReaderSize(src, 4<<10)}
	var h [3]byte
	if _, err := io.ReadFull(r.src, h[:]); err != nil {
		return nil, errCompress
	}
	r.widest, r.block = uint(h[2]&0x1f), h[2]&0x80 != 0
	if h[0] != 0x1f || h[1] != 0x9d || r.widest < leastWidth || r.widest > mostWidth {
		return nil, errCompress
	}
	r.prefix, r.suffix = make([]uint16, 1<<r.widest), make([]byte, 1<<r.widest)
	r.empty()
	return r, nil
}

// empty forgets the table.
func (r *compressReader) empty() {
	r.width, r.free, r.old, r.inGroup = leastWidth, clearCode, -1, 0
	if r.block {
		r.free = firstInBlock
	}
}

func (r *compressReader) Read(b []byte) (int, error) {
	for len(r.out) == 0 {
		if r.finished != nil {
			return 0, r.finished
		}
		r.finished = r.step()
	}
	n := copy(b, r.out)
	r.out = r.out[n:]
	return n, nil
}

// step reads one code.
func (r *compressReader) step() error {
	if r.width < r.widest && r.free >= 1<<r.width {
		if err := r.align(); err != nil {
			return err
		}
		r.width++
	}
	code, err := r.code()
	switch {
	case err != nil:
		return err
	case code == clearCode && r.block:
		if err := r.align(); err != nil {
			return err
		}
		r.empty()
		return nil
	case r.old < 0:
		if code > 255 {
			return errCompress
		}
		r.last = byte(code)
		r.out = append(r.stack[:0], r.last)
		r.stack = r.out
	default:
		if code > r.free || code == r.free && r.free >= len(r.prefix) {
			return errCompress
		}
		r.expand(code)
	}
	r.old = code
	return nil
}

// expand puts what code stands for into out and defines the next code.
func (r *compressReader) expand(code int) {
	s := r.stack[:0]
	at := code
	if code == r.free { // a code that is used as it is defined: the old one and its first byte
		s = append(s, r.last)
		at = r.old
	}
	for at > 255 {
		s = append(s, r.suffix[at])
		at = int(r.prefix[at])
	}
	r.last = byte(at)
	s = append(s, r.last)
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
	r.stack, r.out = s, s
	if r.free < len(r.prefix) {
		r.prefix[r.free], r.suffix[r.free] = uint16(r.old), r.last
		r.free++
	}
}

// code reads the next code. The end of the data is where less than a code is left.
func (r *compressReader) code() (int, error) {
	for r.nbits < r.width {
		b, err := r.src.ReadByte()
		if err != nil {
			return 0, err
		}
		r.bits |= uint64(b) << r.nbits
		r.nbits += 8
	}
	code := int(r.bits & (1<<r.width - 1))
	r.bits >>= r.width
	r.nbits -= r.width
	r.inGroup = (r.inGroup + 1) & 7
	return code, nil
}

// align passes over what is left of a group of eight codes: the width changes only
// between groups.
func (r *compressReader) align() error {
	for r.inGroup != 0 {
		if _, err := r.code(); err != nil {
			return err
		}
	}
	r.bits, r.nbits = 0, 0
	return nil
}
