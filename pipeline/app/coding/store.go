// Package coding undoes HTTP content codings (RFC 9110, section 8.4) within limits,
// and keeps bodies: the part that is stored, the size and hash of the whole.
package coding

import (
	"crypto/sha256"
	"hash"
)

// Store keeps the first Limit bytes of a body, and size and SHA-256 of all of it.
// The zero Store keeps nothing and counts.
type Store struct {
	Limit int64
	Hash  bool
	Data  []byte // stored bytes
	Size  int64  // bytes written
	sha   hash.Hash
	each  func([]byte) // gets what is written
}

// Write takes the next bytes of the body. It never fails.
func (s *Store) Write(b []byte) (int, error) {
	s.Size += int64(len(b))
	if s.each != nil {
		s.each(b)
	}
	if s.Size <= s.Limit {
		s.Data = append(s.Data, b...)
		return len(b), nil
	}
	// As long as all is stored, the hash waits for the end: one pass over memory
	// that lies together is cheaper than one for each piece.
	if s.Hash {
		if s.sha == nil {
			s.sha = sha256.New()
			s.sha.Write(s.Data)
		}
		s.sha.Write(b)
	}
	if room := s.Limit - int64(len(s.Data)); room > 0 {
		s.Data = append(s.Data, b[:room]...)
	}
	return len(b), nil
}

// Whole reports whether all that was written is stored.
func (s *Store) Whole() bool { return s.Size == int64(len(s.Data)) }

// Sum returns the SHA-256 of all that was written; ok is false when the Store does not hash.
func (s *Store) Sum() (sum [32]byte, ok bool) {
	switch {
	case !s.Hash:
		return sum, false
	case s.sha != nil:
		return [32]byte(s.sha.Sum(nil)), true
	case s.Whole():
		return sha256.Sum256(s.Data), true
	}
	return sum, false
}

// Reset empties the Store; it keeps the memory of Data up to maxKept.
func (s *Store) Reset() {
	if cap(s.Data) > maxKept {
		s.Data = nil
	}
	s.Data, s.Size, s.sha = s.Data[:0], 0, nil
}

// codedFrom is how many bytes of a compressed message are kept in any case.
const codedFrom = 1 << 20

// CodedLimit returns how many bytes of a compressed message are to be kept so that one of
// limit bytes can be decompressed, also where compression has made it longer, as it does
// with what is compressed already.
func CodedLimit(limit int64) int64 { return max(codedFrom, limit+limit/8) }

// maxKept bounds the memory that an idle Store keeps, bytes.
const maxKept = 64 << 10
