package blf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"

	"recap/reader/format"
)

// Methods of compression.
const (
	stored  = 0
	deflate = 2
)

// errTooBig is the error of a container that unpacks to more than is allowed.
var errTooBig = errors.New("it unpacks to more than the limit")

// A place is where a stretch of objects stands in the file.
type place struct {
	offset int64
	exact  bool // and so on byte by byte; else offset is that of the container
}

func (p place) plus(n int) place {
	if p.exact {
		p.offset += int64(n)
	}
	return p
}

// A stream is what containers hold, one after the other: objects, which may go on in the
// next one.
type stream struct {
	b     []byte
	old   int   // so many bytes of b are left from containers before
	first place // of these
	rest  place // of those behind them
	skip  int   // bytes to step over of an object that holds no frame
	lost  int   // bytes given up until the next object
	from  int64 // where that began
}

// at returns the place in the file of a byte of s.
func (s *stream) at(i int) place {
	if i < s.old {
		return s.first.plus(i)
	}
	return s.rest.plus(i - s.old)
}

// advance moves past n bytes.
func (s *stream) advance(n int) {
	if n < s.old {
		s.first = s.first.plus(n)
	} else {
		s.rest = s.rest.plus(n - s.old)
	}
	s.old = max(s.old-n, 0)
	s.b = s.b[n:]
}

// container reads the objects of a container, of which b may be only the beginning. It
// returns how many bytes at its end nothing was done with.
func (p *parser) container(b []byte, w *format.Window, whole bool) (unused int) {
	le := binary.LittleEndian
	h, data := b[objectHeader:], b[objectHeader+containerHeader:]
	s := &p.in0
	if s.old == 0 {
		s.first = s.rest
	}
	s.old = len(s.b)
	s.rest = place{w.Offset(), false}
	var err error
	switch method := le.Uint16(h); method {
	case stored:
		s.rest = place{w.Offset() + objectHeader + containerHeader, true}
		s.grow(data)
	case deflate:
		err = p.unz.add(s, data, int(le.Uint32(h[8:])), p.maxBlock)
	default:
		p.damage(w.Offset(), p.n+1, fmt.Sprintf("container with compression method %d, which is not known", method), "")
		p.flush(s, w)
		return 0
	}
	size := len(s.b) - s.old
	p.objects(s, w)
	switch {
	case !whole && s.rest.exact:
		unused = min(len(s.b), len(data))
		*s = stream{} // what is unfinished is told as the end of the file
	case !whole:
		*s = stream{}
	case err != nil:
		p.damage(w.Offset(), p.n+1, fmt.Sprintf("container cannot be unpacked: %v; %d bytes of what it holds were used", err, size), "")
		p.flush(s, w)
	}
	return unused
}

// grow appends to s in new memory: packets point into the old.
func (s *stream) grow(data []byte) {
	b := make([]byte, len(s.b), len(s.b)+len(data))
	copy(b, s.b)
	s.b = append(b, data...)
}

// objects takes all whole objects of s.
func (p *parser) objects(s *stream, w *format.Window) {
	b := s.b
	at := min(s.skip, len(b))
	s.skip -= at
	for s.skip == 0 {
		at = p.align(s, at)
		if len(b)-at < objectHeader {
			break
		}
		o, ok := next(b[at:])
		if _, frame := frames(o.kind); !ok || frame && o.size > p.maxPacket+headroom || o.size > p.maxBlock {
			p.give(s, at, 1)
			at++
			continue
		} else if !frame && o.size > len(b)-at {
			p.stepOver(o.kind)
			s.skip = o.size - (len(b) - at)
			at = len(b)
			break
		} else if o.size > len(b)-at {
			break
		} else if frame && passesOver(b[at:], o.size) {
			p.give(s, at, 1)
			at++
			continue
		}
		p.endGiven(s)
		p.take(b[at:at+o.size:at+o.size], o, s.at(at).offset, w)
		at += o.size
	}
	s.advance(at)
}

// follows says whether what stands behind an object may be there, as far as b shows.
func follows(b []byte) bool {
	for i := range min(mostPad+1, len(b)) {
		if n := min(len(objectMagic), len(b)-i); string(b[i:i+n]) == objectMagic[:n] {
			return true
		}
	}
	return len(b) <= mostPad
}

// passesOver says whether the size of the object at b leads nowhere, and over another
// object.
func passesOver(b []byte, size int) bool {
	if len(b) >= size && follows(b[size:]) {
		return false
	}
	return bytes.Contains(b[len(objectMagic):min(size, len(b))], []byte(objectMagic))
}

// align moves to the next object, over a few bytes of padding or over what is none.
func (p *parser) align(s *stream, at int) int {
	b := s.b[at:]
	if len(b) >= len(objectMagic) && string(b[:len(objectMagic)]) == objectMagic {
		return at
	}
	n := bytes.Index(b, []byte(objectMagic))
	if n < 0 {
		n = max(len(b)-len(objectMagic)+1, 0)
	}
	if n > mostPad || s.lost > 0 {
		p.give(s, at, n)
	}
	return at + n
}

// give gives up n bytes of s.
func (p *parser) give(s *stream, at, n int) {
	if s.lost == 0 {
		s.from = s.at(at).offset
	}
	s.lost += n
	if s.at(at).exact {
		p.in.LostBytes += int64(n)
	}
}

// endGiven tells what was given up.
func (p *parser) endGiven(s *stream) {
	if s.lost == 0 {
		return
	}
	p.damage(s.from, p.n+1, fmt.Sprintf("%d bytes of what containers hold are no whole object", s.lost), "")
	s.lost = 0
}

// flush ends s where nothing follows: an object that is not finished is searched for others.
func (p *parser) flush(s *stream, w *format.Window) {
	for len(s.b) > mostPad {
		p.give(s, 0, 1)
		s.advance(1)
		if p.objects(s, w); len(s.b) < objectHeader {
			p.give(s, 0, len(s.b))
			break
		}
	}
	if s.skip > 0 {
		p.damage(s.at(0).offset, p.n+1, fmt.Sprintf("containers end inside an object: %d bytes of it are missing", s.skip), "")
	}
	p.endGiven(s)
	*s = stream{}
}

// unpacker unpacks containers.
type unpacker struct {
	r bytes.Reader
	z io.ReadCloser
}

// add appends to s what data unpacks to: about size bytes, at most limit.
func (u *unpacker) add(s *stream, data []byte, size, limit int) error {
	u.r.Reset(data)
	var err error
	if u.z == nil {
		u.z, err = zlib.NewReader(&u.r)
	} else {
		err = u.z.(zlib.Resetter).Reset(&u.r, nil)
	}
	if err != nil {
		return err
	}
	// Deflate makes no more than 1032 bytes of one.
	size = max(min(size, limit, 1032*len(data)+64), 0)
	b := make([]byte, len(s.b), len(s.b)+size+1)
	copy(b, s.b)
	most := len(s.b) + limit
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := u.z.Read(b[len(b):min(cap(b), most+1)])
		b = b[:len(b)+n]
		s.b = b
		switch {
		case len(b) > most:
			s.b = b[:most]
			return errTooBig
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}
