package replay

import (
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// ifaceCounters are the kernel's own counts of an interface.
type ifaceCounters struct {
	txPackets, txBytes, txDropped uint64
	rxPackets, rxBytes, rxDropped uint64
}

// readIface reads the counters of an interface; ok is false where the system has none.
// /proc has those of the network that this process is in; /sys may be that of another.
func readIface(name string) (c ifaceCounters, ok bool) {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil || name == "" {
		return c, false
	}
	for line := range strings.Lines(string(text)) {
		of, rest, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(of) != name {
			continue
		}
		// Eight columns of what was received, beginning with bytes, packets, errors and
		// drops, then as many of what was sent.
		f := strings.Fields(rest)
		if len(f) < 16 {
			return c, false
		}
		ok = true
		for i, v := range map[int]*uint64{0: &c.rxBytes, 1: &c.rxPackets, 3: &c.rxDropped, 8: &c.txBytes, 9: &c.txPackets, 11: &c.txDropped} {
			*v, err = strconv.ParseUint(f[i], 10, 64)
			ok = ok && err == nil
		}
		return c, ok
	}
	return c, false
}

func (c ifaceCounters) minus(b ifaceCounters) ifaceCounters {
	return ifaceCounters{c.txPackets - b.txPackets, c.txBytes - b.txBytes, c.txDropped - b.txDropped,
		c.rxPackets - b.rxPackets, c.rxBytes - b.rxBytes, c.rxDropped - b.rxDropped}
}

// A path is what lies between the sender and the target on this host: the interface
// that packets leave by and, where the target is here, the one it receives on. Names
// are empty where unknown.
type path struct {
	egress, target string
	port           uint16 // of the target's UDP socket on this host; 0 for none
	before         [2]ifaceCounters
	drops          uint64
}

// Egress returns the interface by which packets leave toward an address, "" where that is
// unknown. Asking the kernel for a route sends nothing: a UDP socket that is connected only
// chooses its own address.
func Egress(to netip.Addr) string {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return ""
	}
	defer c.Close()
	return ifaceOf(c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap())
}

// newPath finds the interfaces toward an address.
func newPath(to netip.Addr, udp uint16, egress string) *path {
	p := &path{egress: egress}
	if to.IsValid() {
		if p.egress == "" {
			p.egress = Egress(to)
		}
		p.target = ifaceOf(to)
		if p.target != "" {
			// What a host sends to itself goes through the loopback interface.
			if lo := loopback(); lo != "" {
				p.egress, p.target = lo, lo
			}
		}
	}
	if p.target != "" {
		p.port = udp
		p.drops, _ = socketDrops(udp)
	}
	p.before[0], _ = readIface(p.egress)
	p.before[1], _ = readIface(p.target)
	return p
}

// ifaceOf returns the interface that has an address. All of 127.0.0.0/8 is the host's own.
func ifaceOf(a netip.Addr) string {
	if a.IsLoopback() {
		return loopback()
	}
	list, _ := net.Interfaces()
	for _, i := range list {
		addrs, _ := i.Addrs()
		for _, b := range addrs {
			if n, ok := b.(*net.IPNet); ok {
				if own, ok := netip.AddrFromSlice(n.IP); ok && own.Unmap() == a {
					return i.Name
				}
			}
		}
	}
	return ""
}

func loopback() string {
	list, _ := net.Interfaces()
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	return ""
}

// hops returns what the interfaces counted since newPath; sent is what the target says
// that it has handed to the kernel, divided that some of it went in large pieces, which
// interfaces that do not divide them count once.
func (p *path) hops(sent Amount, divided bool) (list []Hop) {
	all := "all traffic of the interface"
	if c, ok := readIface(p.egress); ok && p.egress != "" {
		c = c.minus(p.before[0])
		h := Hop{Name: HopInterface, Where: p.egress, Packets: &c.txPackets, Bytes: &c.txBytes, Dropped: &c.txDropped, Note: all}
		if sent.Packets > 0 && c.txPackets < sent.Packets {
			switch {
			case p.egress == p.target:
				h.Note = all + "; large sends count once on loopback"
			case divided:
				h.Note = all + "; it may count large sends once, so that loss does not show here"
			default:
				lost := int64(sent.Packets - c.txPackets)
				h.Lost = &lost
			}
		}
		list = append(list, h)
	}
	if c, ok := readIface(p.target); ok && p.target != "" {
		c = c.minus(p.before[1])
		list = append(list, Hop{Name: HopTarget, Where: p.target, Packets: &c.rxPackets, Bytes: &c.rxBytes, Dropped: &c.rxDropped, Note: all})
	}
	if p.port != 0 {
		if n, ok := socketDrops(p.port); ok {
			n -= min(n, p.drops)
			list = append(list, Hop{Name: HopSocket, Where: "udp port " + strconv.Itoa(int(p.port)), Dropped: &n, Note: "did not fit the queue of the socket"})
		}
	}
	return list
}

// socketDrops sums what the UDP sockets with a local port dropped; ok is false where there
// is none. A socket that only sniffs is not among them.
func socketDrops(port uint16) (n uint64, ok bool) {
	for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st … drops: the last of 13 columns.
			f := strings.Fields(line)
			if len(f) < 13 {
				continue
			}
			_, at, _ := strings.Cut(f[1], ":")
			if own, err := strconv.ParseUint(at, 16, 16); err != nil || own != uint64(port) {
				continue
			}
			if dropped, err := strconv.ParseUint(f[len(f)-1], 10, 64); err == nil {
				n, ok = n+dropped, true
			}
		}
	}
	return n, ok
}
