package sniffer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// packedBlock is what a block of a compressed file holds at most, bytes.
const packedBlock = 1 << 16

// Packed says whether a file that begins with head is a compressed one.
func Packed(head []byte) bool {
	return len(head) > formatAt && string(head[:len(magic)]) == magic && head[formatAt] != 1
}

// An unpacker turns a compressed file into a plain one. The file header, and the records
// that tell of the capture, stand as they are. What follows comes in blocks, each after
// its length in two bytes: negative for a block that is not compressed.
type unpacker struct {
	r       *bufio.Reader
	out     []byte // unpacked, from at on not yet read
	at      int
	in      []byte
	started bool
	plain   bool // records that tell of the capture are over
	err     error
}

// Unpack returns the plain file of a compressed one. An error ends it after what could be
// unpacked before.
func Unpack(r *bufio.Reader) io.ReadCloser {
	return &unpacker{r: r, out: make([]byte, 0, packedBlock), in: make([]byte, packedBlock)}
}

func (u *unpacker) Close() error { return nil }

func (u *unpacker) Read(b []byte) (int, error) {
	for u.at == len(u.out) {
		if u.err != nil {
			return 0, u.err
		}
		u.out, u.at = u.out[:0], 0
		u.err = u.next()
	}
	n := copy(b, u.out[u.at:])
	u.at += n
	return n, nil
}

// next unpacks the next part of the file.
func (u *unpacker) next() error {
	if !u.started {
		u.started = true
		n, err := io.ReadFull(u.r, u.in[:fileHeader])
		u.out = append(u.out, u.in[:n]...)
		if n > formatAt {
			u.out[formatAt] = 1
		}
		return err
	}
	head, err := u.r.Peek(recordHeader)
	if !u.plain && len(head) >= 2 && tells(binary.LittleEndian.Uint16(head)) {
		if len(head) < recordHeader {
			u.out = append(u.out, head...)
			return io.ErrUnexpectedEOF
		}
		return u.copy(recordHeader + int(binary.LittleEndian.Uint16(head[2:])))
	}
	u.plain = true
	if len(head) == 0 {
		return err
	}
	if len(head) < 2 {
		return io.ErrUnexpectedEOF
	}
	size := int(int16(binary.LittleEndian.Uint16(head)))
	u.r.Discard(2)
	if size < 0 {
		return u.copy(-size)
	}
	n, err := io.ReadFull(u.r, u.in[:size])
	var bad error
	u.out, bad = unpackBlock(u.out, u.in[:n])
	if err != nil && n < size {
		return io.ErrUnexpectedEOF
	}
	return bad
}

// tells says whether a record of a type tells of the capture.
func tells(kind uint16) bool { return kind >= 6 && kind <= 8 || kind >= 13 && kind <= 17 }

// copy takes n bytes as they are.
func (u *unpacker) copy(n int) error {
	if n > len(u.in) {
		u.in = make([]byte, n)
	}
	got, err := io.ReadFull(u.r, u.in[:n])
	u.out = append(u.out, u.in[:got]...)
	if err == io.EOF && n > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

var errShortBlock = errors.New("block ends inside a code")

// unpackBlock appends what a block holds to out, which is empty. A word of 16 bits, from
// the highest on, says of each item that follows it whether it is a byte or a code: a run
// of one byte, or a part of what came before.
func unpackBlock(out, in []byte) ([]byte, error) {
	var bits uint16
	left := 0
	for len(in) > 0 {
		if left == 0 {
			if len(in) < 3 {
				return out, errShortBlock
			}
			bits, left = binary.LittleEndian.Uint16(in), 16
			in = in[2:]
		}
		code := bits&0x8000 != 0
		bits <<= 1
		left--
		if !code {
			if len(out) == packedBlock {
				return out, errLongBlock
			}
			out, in = append(out, in[0]), in[1:]
			continue
		}
		n, err := 0, error(nil)
		if out, n, err = unpackCode(out, in); err != nil {
			return out, err
		}
		in = in[n:]
	}
	return out, nil
}

var errLongBlock = fmt.Errorf("block unpacks to more than %d bytes", packedBlock)

// unpackCode appends what the code at in stands for, and returns its size.
func unpackCode(out, in []byte) ([]byte, int, error) {
	kind, low := int(in[0]>>4), int(in[0]&15)
	size := 2
	if kind == 1 || kind == 2 {
		size = 3
	}
	if len(in) < size {
		return out, 0, errShortBlock
	}
	far := low + int(in[1])<<4 // of a run, its length; of a part, how far back it stands
	length, back := kind, far+3
	switch kind {
	case 0:
		length = low + 3
	case 1:
		length = far + 19
	case 2:
		length = int(in[2]) + 16
	}
	if len(out)+length > packedBlock {
		return out, 0, errLongBlock
	}
	if kind < 2 {
		for range length {
			out = append(out, in[size-1])
		}
		return out, size, nil
	}
	if back > len(out) || length > back {
		return out, 0, fmt.Errorf("code copies %d bytes from %d bytes back, of %d", length, back, len(out))
	}
	from := len(out) - back
	return append(out, out[from:from+length]...), size, nil
}
