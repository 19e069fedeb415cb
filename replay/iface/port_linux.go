package iface

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"recap/replay"
	"recap/replay/wire"
)

// sendTimeout is how long the kernel may make a send wait before we look whether the
// run is over.
const sendTimeout = 100 * time.Millisecond

// A port sends frames through packet sockets. Conversations are dealt to lanes, and lanes
// to the senders that are free: a conversation keeps its order, whoever sends it.
type port struct {
	env   replay.Env
	mtu   int
	lanes []lane
	built int // frames of this burst
	alone int // so many bursts are sent without others,
	next  int // and so many after the next one that is waited for
	crew  *crew
	own   *sender
	sent  []*sender // all of them, own first
}

const (
	// manyLanes is how many lanes there are where several threads send: more than
	// threads, so that who is done early finds something else to do.
	manyLanes = 16
	// chunkFrames is how many frames of a lane are given away at once.
	chunkFrames = 16
	// worthwhile is how many frames must be there before another thread is woken.
	worthwhile = 2 * chunkFrames
	// After a burst for whose end it had to wait, one thread sends alone for so many, and
	// for twice as many each time: where processors are busy, several threads are slower
	// than one.
	leastAlone, mostAlone = 64, 1 << 14
)

// A chunk is frames back to back.
type chunk struct {
	buf    []byte
	frames []piece
}

type piece struct{ off, n, tag int32 }

func (c *chunk) reset() { c.buf, c.frames = c.buf[:0], c.frames[:0] }

func newPort(i *net.Interface, o Options, env replay.Env) (*port, error) {
	n := max(o.Lanes, 1)
	p := &port{env: env, mtu: i.MTU, lanes: make([]lane, 1), crew: newCrew(), next: leastAlone}
	if n > 1 {
		p.lanes = make([]lane, max(manyLanes, n))
	}
	for k := range p.lanes {
		p.lanes[k].open = new(chunk)
	}
	for range n {
		fd, err := open(i, o)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		s := &sender{fd: fd}
		if p.sent = append(p.sent, s); len(p.sent) > 1 {
			p.crew.hire(s)
		}
	}
	p.own = p.sent[0]
	return p, nil
}

func open(i *net.Interface, o Options) (int, error) {
	// Protocol 0: nothing is received.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("packet socket", err)
	}
	fail := func(what string, err error) (int, error) {
		unix.Close(fd)
		return -1, os.NewSyscallError(what, err)
	}
	if o.SendBuffer <= 0 {
		o.SendBuffer = 4 << 20
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, o.SendBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, o.SendBuffer); err != nil {
			return fail("SO_SNDBUF", err)
		}
	}
	tv := unix.NsecToTimeval(int64(sendTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
		return fail("SO_SNDTIMEO", err)
	}
	if o.Bypass {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
			return fail("PACKET_QDISC_BYPASS", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index}); err != nil {
		return fail("bind", err)
	}
	return fd, nil
}

func (p *port) MTU() int    { return p.mtu }
func (p *port) Around() int { return 0 }

// Frame implements [wire.Port].
func (p *port) Frame(r *wire.Route, n int, tag int32) []byte {
	l := &p.lanes[0]
	if !r.Ordered {
		l = &p.lanes[uint32(r.Hash>>32)%uint32(len(p.lanes))]
	}
	if len(l.open.frames) >= chunkFrames && p.many() {
		p.crew.offer(l) // all its frames are filled
	}
	p.built++
	c := l.open
	off := len(c.buf)
	end := off + n
	if end > cap(c.buf) {
		c.buf = append(c.buf, make([]byte, n)...)
	}
	c.buf = c.buf[:end]
	c.frames = append(c.frames, piece{int32(off), int32(n), tag})
	return c.buf[off:end:end]
}

// many reports whether the frames of the burst are worth more than one thread.
func (p *port) many() bool { return p.built >= worthwhile && len(p.sent) > 1 && p.alone == 0 }

// Flush implements [wire.Port]. It returns when all senders are done, so that the next
// frames of a conversation cannot overtake these.
func (p *port) Flush(ctx context.Context, failed func(int32, error)) error {
	p.own.lock()
	many := p.many()
	waited := p.crew.finish(ctx, p.lanes, p.own, many)
	switch p.built = 0; {
	case waited:
		p.alone, p.next = p.next, min(2*p.next, mostAlone)
	case many:
		p.next = max(p.next-1, leastAlone)
	case p.alone > 0:
		p.alone--
	}
	var err error
	for _, s := range p.sent {
		if s.err != nil && err == nil {
			err = s.err
		}
		for _, x := range s.lost {
			failed(x.tag, x.err)
		}
		if s.syscall > 0 {
			p.env.Count("syscalls", s.syscall)
		}
		if s.retries > 0 {
			p.env.Count("send_retries", s.retries)
		}
		s.syscall, s.retries, s.lost = 0, 0, s.lost[:0]
	}
	return err
}

// Close implements [wire.Port].
func (p *port) Close() error {
	p.crew.dismiss()
	var errs []error
	for _, s := range p.sent {
		errs = append(errs, unix.Close(s.fd))
	}
	if p.own != nil {
		p.own.unlock()
	}
	p.sent = nil
	return errors.Join(errs...)
}
