package iface

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"recap/replay"
	"recap/replay/mmsg"
	"recap/replay/wire"
)

// sendTimeout is how long the kernel may make a send wait before we look whether the
// run is over.
const sendTimeout = 100 * time.Millisecond

// A port sends frames through packet sockets. Each conversation keeps to one lane, and
// lanes are sent side by side, on threads of their own.
type port struct {
	env   replay.Env
	mtu   int
	lanes []*lane
	done  chan *lane
}

// A lane is a socket with the frames that wait for it.
type lane struct {
	fd      int
	buf     []byte
	frames  []piece
	msgs    []mmsg.Header
	iovs    []unix.Iovec
	counts  []int32 // frames of each message
	segment bool
	heads   [][wire.VirtioLen]byte // of each message
	trains  int64
	syscall int64
	retries int64
	lost    []loss // frames that were given up
	err     error  // that ends the run
	work    chan context.Context
}

type loss struct {
	tag int32
	err error
}

type piece struct {
	off, n, tag int32
	made        bool
}

func newPort(i *net.Interface, o Options, env replay.Env) (*port, error) {
	p := &port{env: env, mtu: i.MTU, done: make(chan *lane, o.Lanes)}
	for len(p.lanes) < max(o.Lanes, 1) {
		fd, err := open(i, o)
		if err != nil {
			return nil, errors.Join(err, p.Close())
		}
		l := &lane{fd: fd, segment: o.Segment, work: make(chan context.Context)}
		p.lanes = append(p.lanes, l)
		if len(p.lanes) > 1 {
			go l.serve(p.done)
		}
	}
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
	if o.Segment {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
			return fail("PACKET_VNET_HDR", err)
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
	l := p.lanes[uint32(r.Hash>>32)%uint32(len(p.lanes))]
	off := len(l.buf)
	end := off + n
	if end > cap(l.buf) {
		l.buf = append(l.buf, make([]byte, n)...)
	}
	l.buf = l.buf[:end]
	l.frames = append(l.frames, piece{int32(off), int32(n), tag, r.Made})
	return l.buf[off:end:end]
}

// worthwhile is how many frames another thread is woken for.
const worthwhile = 16

// Flush implements [wire.Port]. It returns when all lanes are done, so that the next
// frames of a conversation cannot overtake these.
func (p *port) Flush(ctx context.Context, failed func(int32, error)) error {
	under := 0
	own := p.lanes[:1:1] // what is sent from here
	for _, l := range p.lanes[1:] {
		if len(l.frames) >= worthwhile {
			l.work <- ctx
			under++
		} else if len(l.frames) > 0 {
			own = append(own, l)
		}
	}
	for _, l := range own {
		l.send(ctx)
	}
	for range under {
		<-p.done
	}
	var err error
	for _, l := range p.lanes {
		if l.err != nil && err == nil {
			err = l.err
		}
		for _, x := range l.lost {
			failed(x.tag, x.err)
		}
		p.env.Count("syscalls", l.syscall)
		if l.retries > 0 {
			p.env.Count("send_retries", l.retries)
		}
		if l.trains > 0 {
			p.env.Count(replay.CountSegmented, l.trains)
		}
		l.syscall, l.retries, l.trains, l.lost = 0, 0, 0, l.lost[:0]
	}
	return err
}

// serve sends whenever it is told to, until the lane is closed.
func (l *lane) serve(done chan<- *lane) {
	for ctx := range l.work {
		l.send(ctx)
		done <- l
	}
}

// send sends what waits.
func (l *lane) send(ctx context.Context) {
	defer func() { l.buf, l.frames = l.buf[:0], l.frames[:0] }()
	if l.err != nil {
		return
	}
	l.lay()
	at := 0 // frame
	for m := 0; m < len(l.msgs); {
		n, err := mmsg.Send(l.fd, l.msgs[m:])
		l.syscall++
		for range n {
			at += int(l.counts[m])
			m++
		}
		switch {
		case err == 0:
		case mmsg.Again(err):
			l.retries++
			if ctx.Err() != nil {
				l.err = context.Cause(ctx)
				return
			}
			if err == unix.ENOBUFS {
				time.Sleep(20 * time.Microsecond)
			}
		case err == unix.ENETDOWN || err == unix.ENXIO || err == unix.ENODEV:
			l.err = os.NewSyscallError("sendmmsg", err)
			return
		default:
			for _, f := range l.frames[at : at+int(l.counts[m])] {
				l.lost = append(l.lost, loss{f.tag, os.NewSyscallError("sendmmsg", err)})
			}
			at += int(l.counts[m])
			m++
		}
	}
}

// lay makes a message of each frame, or of each train of them.
func (l *lane) lay() {
	n := len(l.frames)
	if cap(l.msgs) < n {
		// Pointers into these must stay good, so they are as large as they can get.
		l.msgs, l.iovs, l.heads = make([]mmsg.Header, 0, 2*n), make([]unix.Iovec, 0, 4*n), make([][wire.VirtioLen]byte, 0, 2*n)
	}
	l.msgs, l.iovs, l.heads, l.counts = l.msgs[:0], l.iovs[:0], l.heads[:0], l.counts[:0]
	for i := 0; i < n; {
		first := len(l.iovs)
		count := 1
		if l.segment {
			count = l.train(i)
		} else {
			l.iov(l.frame(i))
		}
		h := mmsg.Header{}
		h.Iov = &l.iovs[first]
		h.SetIovlen(len(l.iovs) - first)
		l.msgs, l.counts = append(l.msgs, h), append(l.counts, int32(count))
		i += count
	}
}

func (l *lane) frame(i int) []byte {
	f := l.frames[i]
	return l.buf[f.off : f.off+f.n]
}

func (l *lane) iov(b []byte) {
	l.iovs = append(l.iovs, unix.Iovec{Base: &b[0]})
	l.iovs[len(l.iovs)-1].SetLen(len(b))
}

// train lays out the frames from i on that go together, and returns how many they are.
func (l *lane) train(i int) int {
	l.heads = append(l.heads, [wire.VirtioLen]byte{})
	head := &l.heads[len(l.heads)-1]
	l.iov(head[:])
	l.iov(l.frame(i))
	if !l.frames[i].made {
		return 1
	}
	var t wire.Train
	t.Start(l.frame(i))
	for j := i + 1; j < len(l.frames) && l.frames[j].made && t.Add(l.frame(j)); j++ {
		l.iov(t.Payload(l.frame(j)))
	}
	t.Virtio(head)
	if t.Count() > 1 {
		l.trains++
	}
	return t.Count()
}

// Close implements [wire.Port].
func (p *port) Close() error {
	var errs []error
	for _, l := range p.lanes {
		close(l.work)
		errs = append(errs, unix.Close(l.fd))
	}
	p.lanes = nil
	return errors.Join(errs...)
}
