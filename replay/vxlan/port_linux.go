package vxlan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"recap/replay"
	"recap/replay/mmsg"
	"recap/replay/wire"
)

// Bounds of one UDP_SEGMENT send: kernels before 6.9 take 64 segments, and together
// they are one IPv4 datagram.
const (
	maxSegments = 64
	maxTrain    = 65507
)

// sendTimeout is how long the kernel may make a send wait before we look whether the
// run is over.
const sendTimeout = 100 * time.Millisecond

// A port sends frames to one address, from unconnected sockets: an ingestor that only
// sniffs answers with ICMP errors, which a connected socket would report as loss.
type port struct {
	env     replay.Env
	socks   []sock
	used    []int32 // sockets with frames
	name    []byte  // the target as the kernel wants it
	gso     bool
	mtu     int
	add     int
	thread  bool
	syscall int64
	trains  int64
	retries int64
}

// A sock is one source port, and the frames that wait for it, back to back.
type sock struct {
	fd     int
	buf    []byte
	frames []piece
	msgs   []mmsg.Header
	iovs   []unix.Iovec
	ctrl   []control
	counts []int32 // frames of each message
}

// A piece is one datagram.
type piece struct{ off, n, tag int32 }

// control is the message that asks for segmentation: a cmsghdr with a uint16.
type control [24]byte

func newPort(addr netip.AddrPort, o Options, env replay.Env) (*port, error) {
	p := &port{env: env, name: sockaddr(addr), gso: !o.NoGSO, add: overhead(addr.Addr()), mtu: o.MTU}
	if p.gso && !o.GSO && undivided(replay.Egress(addr.Addr())) {
		p.gso = false
		env.Count("segmentation_left_out", 1)
	}
	if p.mtu == 0 {
		route, err := routeMTU(addr)
		if err != nil {
			return nil, err
		}
		p.mtu = min(route, 1500)
	}
	if p.mtu-p.add < 128 {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooSmall, p.mtu)
	}
	n := o.Sockets
	if n <= 0 {
		n = 64
	}
	if o.SendBuffer <= 0 {
		o.SendBuffer = 4 << 20
	}
	for range n {
		fd, err := open(addr, o.SendBuffer, o.MTU != 0)
		if err != nil {
			p.Close()
			return nil, err
		}
		p.socks = append(p.socks, sock{fd: fd})
	}
	return p, nil
}

func family(addr netip.AddrPort) int {
	if addr.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// sockaddr returns addr as struct sockaddr_in or sockaddr_in6.
func sockaddr(addr netip.AddrPort) []byte {
	var b []byte
	b = binary.NativeEndian.AppendUint16(b, uint16(family(addr)))
	b = binary.BigEndian.AppendUint16(b, addr.Port())
	if a := addr.Addr(); a.Is4() {
		ip := a.As4()
		return append(append(b, ip[:]...), make([]byte, 8)...)
	}
	ip := addr.Addr().As16()
	b = append(append(b, 0, 0, 0, 0), ip[:]...)
	return binary.NativeEndian.AppendUint32(b, scope(addr.Addr()))
}

// open makes a socket with a port of its own, which it does not share with the kernel's
// choice for a connection. forced says that the user knows the MTU better.
func open(addr netip.AddrPort, buffer int, forced bool) (int, error) {
	fd, err := unix.Socket(family(addr), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	fail := func(what string, err error) (int, error) {
		unix.Close(fd)
		return -1, os.NewSyscallError(what, err)
	}
	// Forced needs a privilege; without it the system's limit holds.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer); err != nil {
			return fail("SO_SNDBUF", err)
		}
	}
	tv := unix.NsecToTimeval(int64(sendTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
		return fail("SO_SNDTIMEO", err)
	}
	// Fragments of the outer packet are lost on those who only sniff: never make any.
	level, option, bind := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.Sockaddr(&unix.SockaddrInet4{})
	if addr.Addr().Is6() {
		level, option, bind = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, &unix.SockaddrInet6{}
	}
	how := unix.IP_PMTUDISC_DO
	if forced {
		how = unix.IP_PMTUDISC_PROBE
	}
	if err := unix.SetsockoptInt(fd, level, option, how); err != nil {
		return fail("IP_MTU_DISCOVER", err)
	}
	if err := unix.Bind(fd, bind); err != nil {
		return fail("bind", err)
	}
	return fd, nil
}

// routeMTU asks a socket that is connected to addr, and sends nothing, for the MTU of
// its route.
func routeMTU(addr netip.AddrPort) (int, error) {
	fd, err := unix.Socket(family(addr), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16(), ZoneId: scope(addr.Addr())}
	level, option := unix.IPPROTO_IPV6, unix.IPV6_MTU
	if addr.Addr().Is4() {
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
		level, option = unix.IPPROTO_IP, unix.IP_MTU
	}
	if err := unix.Connect(fd, sa); err != nil {
		return 0, fmt.Errorf("no route to %s: %w", addr.Addr(), err)
	}
	n, err := unix.GetsockoptInt(fd, level, option)
	return n, os.NewSyscallError("IP_MTU", err)
}

// scope is the number of the interface that the zone of a names, 0 for none.
func scope(a netip.Addr) uint32 {
	if a.Zone() == "" {
		return 0
	}
	i, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return 0
	}
	return uint32(i.Index)
}

// MTU is that of the inner packets.
func (p *port) MTU() int    { return p.mtu - p.add }
func (p *port) Around() int { return p.add }

// Frame makes room behind the frames of the conversation's socket.
func (p *port) Frame(r *wire.Route, n int, tag int32) []byte {
	i := int32(uint32(r.Hash) % uint32(len(p.socks)))
	s := &p.socks[i]
	if len(s.frames) == 0 {
		p.used = append(p.used, i)
	}
	off := len(s.buf)
	end := off + vxlanLen + n
	if end > cap(s.buf) {
		s.buf = append(s.buf, make([]byte, vxlanLen+n)...)
	}
	s.buf = s.buf[:end]
	s.frames = append(s.frames, piece{int32(off), int32(vxlanLen + n), tag})
	b := s.buf[off:end:end]
	binary.BigEndian.PutUint64(b, 8<<56|uint64(r.VNI&0xffffff)<<8)
	return b[vxlanLen:]
}

// Flush sends what every socket holds.
func (p *port) Flush(ctx context.Context, failed func(int32, error)) error {
	if !p.thread {
		p.thread = true
		runtime.LockOSThread()
	}
	var err error
	for _, i := range p.used {
		s := &p.socks[i]
		if err == nil {
			err = p.send(ctx, s, failed)
		}
		s.buf, s.frames = s.buf[:0], s.frames[:0]
	}
	p.used = p.used[:0]
	p.tell()
	return err
}

func (p *port) tell() {
	for _, c := range [...]struct {
		name string
		n    *int64
	}{{"syscalls", &p.syscall}, {replay.CountSegmented, &p.trains}, {"send_retries", &p.retries}} {
		if *c.n > 0 {
			p.env.Count(c.name, *c.n)
			*c.n = 0
		}
	}
}

// send sends the frames of s.
func (p *port) send(ctx context.Context, s *sock, failed func(int32, error)) error {
	for at := 0; at < len(s.frames); {
		p.lay(s, s.frames[at:])
		for m := 0; m < len(s.msgs); {
			n, err := mmsg.Send(s.fd, s.msgs[m:])
			p.syscall++
			for range n {
				if s.counts[m] > 1 {
					p.trains++
				}
				at += int(s.counts[m])
				m++
			}
			if err == 0 {
				continue
			}
			if p.gso && s.counts[m] > 1 && (err == unix.EIO || err == unix.EINVAL || err == unix.EOPNOTSUPP) {
				// The way out cannot segment: one datagram each, from here on.
				p.gso = false
				p.env.Count("segmentation_given_up", 1)
				break
			}
			if mmsg.Again(err) {
				p.retries++
				if err == unix.ENOBUFS {
					time.Sleep(20 * time.Microsecond)
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				continue
			}
			for _, f := range s.frames[at : at+int(s.counts[m])] {
				failed(f.tag, p.explain(err, int(f.n)))
			}
			at += int(s.counts[m])
			m++
		}
	}
	return nil
}

func (p *port) explain(err unix.Errno, n int) error {
	if err == unix.EMSGSIZE {
		return fmt.Errorf("%d bytes do not fit the path, whose MTU is less than %d: give mtu= in the URL: %w", n, p.mtu, err)
	}
	return os.NewSyscallError("sendmmsg", err)
}

// lay makes messages of the frames: each one datagram, or a run of equal ones, of
// which the last may be shorter, that the kernel divides.
func (p *port) lay(s *sock, frames []piece) {
	s.msgs, s.iovs, s.ctrl, s.counts = s.msgs[:0], s.iovs[:0], s.ctrl[:0], s.counts[:0]
	if cap(s.msgs) < len(frames) {
		// Pointers into these must stay good, so they are as large as they can get.
		n := max(2*cap(s.msgs), len(frames))
		s.msgs, s.iovs, s.ctrl = make([]mmsg.Header, 0, n), make([]unix.Iovec, 0, n), make([]control, 0, n)
	}
	for i := 0; i < len(frames); {
		size, total, n := frames[i].n, frames[i].n, 1
		for p.gso && i+n < len(frames) && n < maxSegments {
			next := frames[i+n].n
			if next > size || total+next > maxTrain {
				break
			}
			total += next
			if n++; next < size {
				break
			}
		}
		s.iovs = append(s.iovs, unix.Iovec{Base: &s.buf[frames[i].off]})
		s.iovs[len(s.iovs)-1].SetLen(int(total))
		h := mmsg.Header{}
		h.Name, h.Namelen = &p.name[0], uint32(len(p.name))
		h.Iov = &s.iovs[len(s.iovs)-1]
		h.SetIovlen(1)
		if n > 1 {
			s.ctrl = append(s.ctrl, segments(uint16(size)))
			c := &s.ctrl[len(s.ctrl)-1]
			h.Control = &c[0]
			h.SetControllen(len(c))
		}
		s.msgs, s.counts = append(s.msgs, h), append(s.counts, int32(n))
		i += n
	}
}

// segments is the control message that asks for datagrams of n bytes.
func segments(n uint16) (c control) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(c[unix.CmsgLen(0):], n)
	return c
}

// Close closes the sockets. What they hold is sent by the kernel.
func (p *port) Close() error {
	if p.thread {
		p.thread = false
		runtime.UnlockOSThread()
	}
	var errs []error
	for i := range p.socks {
		errs = append(errs, unix.Close(p.socks[i].fd))
	}
	p.socks = nil
	return errors.Join(errs...)
}
