package iface

import (
	"context"
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

// A port sends frames through a packet socket.
type port struct {
	env     replay.Env
	fd      int
	mtu     int
	buf     []byte
	frames  []piece
	msgs    []mmsg.Header
	iovs    []unix.Iovec
	syscall int64
	retries int64
}

type piece struct{ off, n, tag int32 }

func newPort(i *net.Interface, o Options, env replay.Env) (*port, error) {
	// Protocol 0: nothing is received.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("packet socket", err)
	}
	p := &port{env: env, fd: fd, mtu: i.MTU}
	fail := func(what string, err error) (*port, error) {
		unix.Close(fd)
		return nil, os.NewSyscallError(what, err)
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
	return p, nil
}

func (p *port) MTU() int    { return p.mtu }
func (p *port) Around() int { return 0 }

// Frame implements [wire.Port].
func (p *port) Frame(_ *wire.Route, n int, tag int32) []byte {
	off := len(p.buf)
	end := off + n
	if end > cap(p.buf) {
		p.buf = append(p.buf, make([]byte, n)...)
	}
	p.buf = p.buf[:end]
	p.frames = append(p.frames, piece{int32(off), int32(n), tag})
	return p.buf[off:end:end]
}

// Flush implements [wire.Port].
func (p *port) Flush(ctx context.Context, failed func(int32, error)) error {
	defer func() { p.buf, p.frames = p.buf[:0], p.frames[:0] }()
	p.lay()
	for m := 0; m < len(p.msgs); {
		n, err := mmsg.Send(p.fd, p.msgs[m:])
		p.syscall++
		switch m += n; {
		case err == 0:
		case mmsg.Again(err):
			p.retries++
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == unix.ENOBUFS {
				time.Sleep(20 * time.Microsecond)
			}
		case err == unix.ENETDOWN || err == unix.ENXIO || err == unix.ENODEV:
			return os.NewSyscallError("sendmmsg", err)
		default:
			failed(p.frames[m].tag, os.NewSyscallError("sendmmsg", err))
			m++
		}
	}
	p.tell()
	return nil
}

// lay makes a message of each frame.
func (p *port) lay() {
	n := len(p.frames)
	if cap(p.msgs) < n {
		p.msgs, p.iovs = make([]mmsg.Header, 2*n), make([]unix.Iovec, 2*n)
	}
	p.msgs, p.iovs = p.msgs[:n], p.iovs[:n]
	for i, f := range p.frames {
		p.iovs[i].Base = &p.buf[f.off]
		p.iovs[i].SetLen(int(f.n))
		h := &p.msgs[i]
		*h = mmsg.Header{}
		h.Iov = &p.iovs[i]
		h.SetIovlen(1)
	}
}

func (p *port) tell() {
	p.env.Count("syscalls", p.syscall)
	if p.retries > 0 {
		p.env.Count("send_retries", p.retries)
	}
	p.syscall, p.retries = 0, 0
}

// Close implements [wire.Port].
func (p *port) Close() error { return unix.Close(p.fd) }
