package udp

import (
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"recap/reader/packet"
	"recap/replay/mmsg"
)

// messages is how many datagrams, each perhaps a train of them, one call takes.
const messages = 16

// datagram is the longest, bytes; trains are not longer.
const datagram = 1 << 16

// wake is how often a receiver that hears nothing looks whether it is to end.
const wake = 50 * time.Millisecond

// quietWakes is how often a stopped receiver still wakes and finds nothing: on a busy
// host the kernel may hold packets back for a while before it delivers them.
const quietWakes = 3

// afterStop bounds how often a stopped receiver still finds something.
const afterStop = 1 << 14

// A sock receives on one socket.
type sock struct {
	s       *Source
	fd      int
	index   int32
	drops   atomic.Int64
	packets atomic.Int64
	lastNS  int64
	state   sync.Mutex // guards closed
	closed  bool       // fd is not ours any more

	head  header
	msgs  [messages]mmsg.Header
	iovs  [messages]unix.Iovec
	names [messages]unix.RawSockaddrInet6
	ctrl  [messages][128]byte
	buf   []byte
	batch *packet.Batch
	used  int // of its slab
}

// Listen opens the sockets and begins to receive. address is "host:port", ":port" or
// "[::1]:port"; port 0 lets the kernel choose.
func Listen(address string, o Options) (*Source, error) {
	addr, err := local(address)
	if err != nil {
		return nil, err
	}
	if o.Sockets <= 0 {
		o.Sockets = 1
	}
	if o.Buffer <= 0 {
		o.Buffer = 128 << 20
	}
	if o.Queue <= 0 {
		o.Queue = 256 << 20
	}
	s := &Source{addr: addr, pool: packet.NewPool(slab), out: make(chan *packet.Batch, max(2, o.Queue/slab)), errs: make(chan error, o.Sockets),
		done: make(chan struct{})}
	s.input = packet.Input{Name: "udp://" + address, Format: "live", FirstNS: packet.NoTime, LastNS: packet.NoTime}
	for i := range o.Sockets {
		k := &sock{s: s, index: int32(i)}
		if k.fd, err = s.open(o); err != nil {
			for _, k := range s.socks {
				unix.Close(k.fd)
			}
			return nil, err
		}
		s.socks = append(s.socks, k)
		s.input.Interfaces = append(s.input.Interfaces, packet.Interface{Name: "socket " + strconv.Itoa(i), Link: packet.LinkEthernet})
	}
	for _, k := range s.socks {
		s.group.Go(k.run)
	}
	return s, nil
}

// open makes a socket; the first decides the port of all.
func (s *Source) open(o Options) (int, error) {
	fam := unix.AF_INET6
	if s.addr.Addr().Is4() {
		fam = unix.AF_INET
	}
	fd, err := unix.Socket(fam, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := s.configure(fd, fam, o); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (s *Source) configure(fd, fam int, o Options) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.Buffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.Buffer); err != nil {
			return os.NewSyscallError("SO_RCVBUF", err)
		}
	}
	s.buffer, _ = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	tv := unix.NsecToTimeval(int64(wake))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return os.NewSyscallError("SO_RCVTIMEO", err)
	}
	on := func(level, option int, name string) error {
		return os.NewSyscallError(name, unix.SetsockoptInt(fd, level, option, 1))
	}
	if err := on(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, "SO_TIMESTAMPNS"); err != nil {
		return err
	}
	if err := on(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, "SO_RXQ_OVFL"); err != nil {
		return err
	}
	if o.Sockets > 1 {
		if err := on(unix.SOL_SOCKET, unix.SO_REUSEPORT, "SO_REUSEPORT"); err != nil {
			return err
		}
	}
	if !o.NoGRO {
		_ = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) // older kernels give single datagrams
	}
	var sa unix.Sockaddr = &unix.SockaddrInet6{Port: int(s.addr.Port()), Addr: s.addr.Addr().As16()}
	if fam == unix.AF_INET {
		_ = on(unix.IPPROTO_IP, unix.IP_PKTINFO, "IP_PKTINFO")
		sa = &unix.SockaddrInet4{Port: int(s.addr.Port()), Addr: s.addr.Addr().As4()}
	} else {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
		_ = on(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO")
	}
	if err := unix.Bind(fd, sa); err != nil {
		return os.NewSyscallError("bind "+s.addr.String(), err)
	}
	got, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	switch a := got.(type) {
	case *unix.SockaddrInet4:
		s.addr = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		s.addr = netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return nil
}

// run receives until the source is closed.
func (k *sock) run() {
	k.buf = make([]byte, messages*datagram)
	for i := range k.msgs {
		k.iovs[i].Base = &k.buf[i*datagram]
		k.iovs[i].SetLen(datagram)
		k.msgs[i].Iov = &k.iovs[i]
		k.msgs[i].SetIovlen(1)
		k.msgs[i].Name = (*byte)(unsafe.Pointer(&k.names[i]))
		k.msgs[i].Control = &k.ctrl[i][0]
	}
	defer k.close()
	defer k.hand()
	defer k.ask()
	after, quiet := 0, 0
	for {
		for i := range k.msgs {
			k.msgs[i].Namelen = unix.SizeofSockaddrInet6
			k.msgs[i].SetControllen(len(k.ctrl[i]))
		}
		n, err := mmsg.Receive(k.fd, k.msgs[:])
		k.s.syscalls.Add(1)
		switch err {
		case 0:
		case unix.EAGAIN, unix.EINTR:
			k.hand()
			k.ask()
			if k.s.stopped.Load() {
				if quiet++; quiet > quietWakes {
					return
				}
			}
			continue
		default:
			k.s.errs <- os.NewSyscallError("recvmmsg", err)
			return
		}
		quiet = 0
		for i := range n {
			k.take(i)
		}
		// What is there is handed on when somebody waits for it, or a good deal came.
		drained, little := n < len(k.msgs), k.batch != nil && len(k.batch.Packets) < few
		if len(k.s.out) == 0 && (drained || !little) || k.used > slab/2 {
			k.hand()
		}
		if k.s.closed.Load() {
			return
		}
		if k.s.stopped.Load() {
			// What came before the stop is taken; who still sends does not hold us up.
			if after++; after > afterStop {
				return
			}
			continue
		}
		if drained && little && k.s.buffer >= roomy {
			time.Sleep(pause)
		}
	}
}

// A batch goes through several goroutines, whatever it holds: after one with few packets,
// a pause lets more come together. It must not be longer than what the socket has room
// for, so that is made only where the room is a lot more than a pause can fill.
const (
	few   = 128
	pause = 500 * time.Microsecond
	roomy = 8 << 20 // bytes, as the kernel counts them
)

// take makes packets of the i-th message.
func (k *sock) take(i int) {
	m := &k.msgs[i]
	data := k.buf[i*datagram : i*datagram+int(m.N)]
	to, ns, seg := k.control(k.ctrl[i][:m.Controllen])
	k.head.set(source(&k.names[i]), to)
	if seg <= 0 || seg > len(data) {
		seg = max(1, len(data))
	}
	if ns == 0 {
		ns = k.lastNS
	}
	k.lastNS = ns
	count := int64(0)
	k.s.bytes.Add(int64(len(data)))
	for first := true; first || len(data) > 0; first = false {
		n := min(seg, len(data))
		k.packet(data[:n], ns)
		data = data[n:]
		count++
	}
	k.packets.Add(count)
	k.s.packets.Add(count)
}

// packet puts one datagram into the batch.
func (k *sock) packet(data []byte, ns int64) {
	n := k.head.n + len(data)
	if k.batch != nil && k.used+n > len(k.batch.Slab) {
		k.hand()
	}
	if k.batch == nil {
		k.batch, k.used = k.s.pool.Get(), 0
	}
	b := k.batch.Slab[k.used : k.used+n : k.used+n]
	k.used += n
	k.head.put(b, len(data))
	copy(b[k.head.n:], data)
	k.batch.Packets = append(k.batch.Packets, packet.Packet{Data: b, TimeNS: ns, Length: uint32(n), Interface: k.index, Link: packet.LinkEthernet, Offset: -1})
}

// hand gives the batch to Next. It waits where the queue is full: then the kernel's
// buffer takes what comes, and counts what it cannot.
func (k *sock) hand() {
	if k.batch == nil || len(k.batch.Packets) == 0 {
		return
	}
	select {
	case k.s.out <- k.batch:
	case <-k.s.done:
	}
	k.batch, k.used = nil, 0
}

// control reads the control messages of a message: the address it was sent to, its
// time, and the size of the datagrams in a train, 0 for a single one.
func (k *sock) control(b []byte) (to netip.AddrPort, ns int64, seg int) {
	to = netip.AddrPortFrom(k.s.addr.Addr(), vxlanPort)
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(b) {
			return to, ns, seg
		}
		d := b[unix.CmsgLen(0):n]
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && len(d) >= 16:
			ns = int64(binary.NativeEndian.Uint64(d))*1e9 + int64(binary.NativeEndian.Uint64(d[8:]))
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(d) >= 4:
			k.dropped(binary.NativeEndian.Uint32(d))
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(d) >= 2:
			seg = int(binary.NativeEndian.Uint16(d))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(d) >= 12:
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(d[8:12])), to.Port())
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(d) >= 20:
			to = netip.AddrPortFrom(netip.AddrFrom16([16]byte(d[:16])), to.Port())
		}
		b = b[min(len(b), unix.CmsgSpace(n-unix.CmsgLen(0))):]
	}
	return to, ns, seg
}

func (k *sock) close() {
	k.state.Lock()
	defer k.state.Unlock()
	k.closed = true
	unix.Close(k.fd)
}

// Places in what the kernel tells of a socket's memory (SK_MEMINFO_VARS).
const (
	memQueued = 0
	memBuffer = 1
	memDrops  = 8
)

// memory asks the kernel about the memory of k. It is false where older kernels have no
// answer.
func (k *sock) memory() (info [16]uint32, ok bool) {
	size := uint32(unsafe.Sizeof(info))
	_, _, err := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(k.fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, err == 0 && size > 4*memDrops
}

// ask asks the kernel for its counter of drops, which else comes with the next packet,
// and the last packet may be among the dropped.
func (k *sock) ask() {
	if info, ok := k.memory(); ok {
		k.dropped(info[memDrops])
	}
}

// queued is how full the socket's buffer is, from 0 to 1. Any goroutine may call it.
func (k *sock) queued() float64 {
	k.state.Lock()
	defer k.state.Unlock()
	if k.closed {
		return 0
	}
	info, ok := k.memory()
	if !ok || info[memBuffer] == 0 {
		return 0
	}
	return float64(info[memQueued]) / float64(info[memBuffer])
}

// dropped takes the kernel's counter, which wraps at 32 bits. A packet brings it as it
// was when the packet came, which may be before we last asked.
func (k *sock) dropped(n uint32) {
	old := k.drops.Load()
	if d := int32(n - uint32(old)); d > 0 {
		k.drops.Store(old + int64(d))
	}
}

// source is the address that a datagram came from.
func source(n *unix.RawSockaddrInet6) netip.AddrPort {
	port := n.Port<<8 | n.Port>>8
	if n.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(n.Addr).Unmap(), port)
}

// ended is why there are no more batches.
func (s *Source) ended() error {
	select {
	case err := <-s.errs:
		return err
	default:
		return io.EOF
	}
}
