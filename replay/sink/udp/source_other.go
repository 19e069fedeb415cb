//go:build !linux

package udp

import (
	"errors"
	"io"
	"sync/atomic"
)

type sock struct{ drops, packets atomic.Int64 }

func (*sock) queued() float64 { return 0 }

// Listen needs Linux.
func Listen(string, Options) (*Source, error) {
	return nil, errors.New("receiving mirrored packets needs Linux")
}

func (s *Source) ended() error { return io.EOF }
