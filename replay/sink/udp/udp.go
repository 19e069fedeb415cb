// Package udp receives mirrored traffic as an ingestor would: VXLAN on a UDP port. It
// is a live [packet.Source], so that the pipeline reads it like a capture.
//
// Each datagram becomes a packet with the Ethernet, IP and UDP headers that it had on
// its way, as far as a socket knows them, so that tunnels are told by the same code as
// in captures. The destination port in it is always that of VXLAN: what is sent here is
// taken for VXLAN, whatever port is listened on.
package udp

import (
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"recap/reader/packet"
)

// Options of Listen; the zero value works.
type Options struct {
	// Sockets share the port by the hash of the senders' addresses; 1.
	Sockets int
	// Buffer is that of each socket in the kernel, bytes; 128 MiB, or what it allows.
	Buffer int
	// Queue bounds the memory of packets that nobody has taken yet, bytes; 256 MiB. When
	// it is full the kernel's buffer fills, and then the kernel drops, and counts.
	Queue int
	// NoGRO takes each datagram by itself.
	NoGRO bool
}

// Stats are counters of a Source, which may be read at any time.
type Stats struct {
	Packets  int64
	Bytes    int64 // UDP payload
	Syscalls int64
	// Drops are what the kernel dropped for want of buffer: datagrams, or trains of them
	// where it did not divide what it got.
	Drops int64
	// Buffer is what the kernel gave each socket, bytes.
	Buffer int
}

// A Source is a [packet.Source] over UDP sockets. Stop and Close may be called while
// Next waits, which nothing else but a packet ends.
type Source struct {
	addr    netip.AddrPort
	out     chan *packet.Batch
	pool    *packet.Pool
	socks   []*sock
	group   sync.WaitGroup
	stopped atomic.Bool
	closed  atomic.Bool
	done    chan struct{} // closed with closed
	number  int64
	buffer  int
	input   packet.Input
	errs    chan error

	packets, bytes, syscalls atomic.Int64
}

// vxlanPort is that of VXLAN (RFC 7348, section 5).
const vxlanPort = 4789

// slab is the size of a batch's memory, bytes: a few of the largest that a socket gives
// at once, with headers.
const slab = 1 << 20

// Addr is where the source listens.
func (s *Source) Addr() netip.AddrPort { return s.addr }

// Next implements [packet.Source].
func (s *Source) Next() (*packet.Batch, error) {
	b, ok := <-s.out
	if !ok {
		return nil, s.ended()
	}
	for i := range b.Packets {
		s.number++
		b.Packets[i].Number, b.Packets[i].FileNum = s.number, s.number
	}
	s.note(b)
	return b, nil
}

// note keeps the input's totals.
func (s *Source) note(b *packet.Batch) {
	in := &s.input
	in.Packets += int64(len(b.Packets))
	for i := range b.Packets {
		in.CapturedLen += int64(len(b.Packets[i].Data))
	}
	if first, last := b.Packets[0].TimeNS, b.Packets[len(b.Packets)-1].TimeNS; in.FirstNS == packet.NoTime {
		in.FirstNS, in.LastNS = first, last
	} else {
		in.FirstNS, in.LastNS = min(in.FirstNS, first), max(in.LastNS, last)
	}
	for i, k := range s.socks {
		in.Interfaces[i].Drops = k.drops.Load()
		in.Interfaces[i].Received = k.packets.Load()
		in.Interfaces[i].Packets = k.packets.Load()
	}
}

// Inputs implements [packet.Source].
func (s *Source) Inputs() []*packet.Input { return []*packet.Input{&s.input} }

// Stats returns the counters.
func (s *Source) Stats() Stats {
	t := Stats{Packets: s.packets.Load(), Bytes: s.bytes.Load(), Syscalls: s.syscalls.Load(), Buffer: s.buffer}
	for _, k := range s.socks {
		t.Drops += k.drops.Load()
	}
	return t
}

// Backlog is how much of the room for packets that nobody has taken yet is full, in the
// kernel or behind it, from 0 to 1. It may be called at any time.
func (s *Source) Backlog() float64 {
	most := float64(len(s.out)) / float64(cap(s.out))
	for _, k := range s.socks {
		most = max(most, k.queued())
	}
	return most
}

// Stop ends the receiving when nothing has come for 150 ms: what the kernel holds is
// still taken, Next gives all that is left, and then io.EOF.
func (s *Source) Stop() {
	if s.stopped.Swap(true) {
		return
	}
	go func() {
		s.group.Wait()
		close(s.out)
	}()
}

// Close implements [packet.Source]: what Next has not given is dropped.
func (s *Source) Close() error {
	if !s.closed.Swap(true) {
		close(s.done)
		s.Stop()
	}
	return nil
}

// local returns what "host:port" or ":port" means.
func local(address string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip := netip.IPv6Unspecified()
	if host != "" {
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), nil
}
