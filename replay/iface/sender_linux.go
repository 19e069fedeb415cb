package iface

import (
	"context"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"recap/replay/mmsg"
)

// A sender is a socket, with what one thread needs to send by it.
type sender struct {
	fd      int
	locked  bool
	ctx     context.Context // of the burst
	chunks  []*chunk        // of the lane at hand
	tags    []int32         // of msgs
	msgs    []mmsg.Header
	iovs    []unix.Iovec
	syscall int64
	retries int64
	lost    []loss // frames that were given up
	err     error  // that ends the run
}

type loss struct {
	tag int32
	err error
}

// lock keeps the goroutine on its thread: a thread that changes in the midst of a burst
// takes its caches with it.
func (s *sender) lock() {
	if !s.locked {
		s.locked = true
		runtime.LockOSThread()
	}
}

func (s *sender) unlock() {
	if s.locked {
		s.locked = false
		runtime.UnlockOSThread()
	}
}

// send sends the chunks at hand.
func (s *sender) send(ctx context.Context) {
	if s.err != nil {
		return
	}
	s.lay()
	for m := 0; m < len(s.msgs); {
		n, err := mmsg.Send(s.fd, s.msgs[m:])
		s.syscall++
		switch m += n; {
		case err == 0:
		case mmsg.Again(err):
			s.retries++
			if ctx.Err() != nil {
				s.err = context.Cause(ctx)
				return
			}
			if err == unix.ENOBUFS {
				time.Sleep(20 * time.Microsecond)
			}
		case err == unix.ENETDOWN || err == unix.ENXIO || err == unix.ENODEV:
			s.err = os.NewSyscallError("sendmmsg", err)
			return
		default:
			s.lost = append(s.lost, loss{s.tags[m], os.NewSyscallError("sendmmsg", err)})
			m++
		}
	}
}

// lay makes a message of each frame.
func (s *sender) lay() {
	n := 0
	for _, c := range s.chunks {
		n += len(c.frames)
	}
	if cap(s.msgs) < n {
		s.msgs, s.iovs = make([]mmsg.Header, 2*n), make([]unix.Iovec, 2*n)
	}
	s.msgs, s.iovs, s.tags = s.msgs[:n], s.iovs[:n], s.tags[:0]
	i := 0
	for _, c := range s.chunks {
		for _, f := range c.frames {
			s.iovs[i].Base = &c.buf[f.off]
			s.iovs[i].SetLen(int(f.n))
			h := &s.msgs[i]
			*h = mmsg.Header{}
			h.Iov = &s.iovs[i]
			h.SetIovlen(1)
			s.tags = append(s.tags, f.tag)
			i++
		}
	}
}
