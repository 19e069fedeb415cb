// Package packet is the vocabulary between capture readers and everything that
// consumes packets: what a packet is, who owns its bytes, and how a reader
// reports what it could not read.
//
// It is a leaf: it imports nothing of recap.
package packet

import (
	"io"
	"sync"
	"sync/atomic"
)

// A LinkType says what the first byte of a packet belongs to. Values are those
// of the LINKTYPE_ registry (https://www.tcpdump.org/linktypes.html).
type LinkType uint16

// Link types that recap reads; others are carried and counted.
const (
	LinkNull       LinkType = 0 // BSD loopback, 4 bytes of address family in the writer's byte order
	LinkEthernet   LinkType = 1 // Ethernet II or 802.3 without preamble and FCS
	LinkTokenRing  LinkType = 6
	LinkPPP        LinkType = 9 // PPP, with or without HDLC framing
	LinkFDDI       LinkType = 10
	LinkRawBSD     LinkType = 12  // raw IP as some BSDs number it
	LinkRawOBSD    LinkType = 14  // raw IP as OpenBSD numbers it
	LinkATM        LinkType = 100 // LLC, as frames of ATM begin (RFC 2684)
	LinkRaw        LinkType = 101 // raw IPv4 or IPv6, told apart by the version nibble
	LinkCHDLC      LinkType = 104
	LinkWiFi       LinkType = 105
	LinkFrameRelay LinkType = 107
	LinkLoop       LinkType = 108 // OpenBSD loopback, address family in network order
	LinkSLL        LinkType = 113 // Linux "cooked" capture v1
	LinkRadiotap   LinkType = 127
	LinkPPI        LinkType = 192
	LinkIPv4       LinkType = 228
	LinkIPv6       LinkType = 229
	LinkNFLOG      LinkType = 239
	LinkMPacket    LinkType = 274
	LinkSLL2       LinkType = 276 // Linux "cooked" capture v2

	// LinkUnassigned begins a range outside the registry, for media that formats
	// with numbers of their own name and the registry does not.
	LinkUnassigned LinkType = 0xf000
)

// NoTime is the TimeNS of a packet whose time is unknown (a pcapng simple packet
// block) or does not fit int64 nanoseconds since the epoch.
const NoTime = -1 << 63

// A Packet is one captured frame. Data points into memory of the [Batch] that
// carries it and is valid until that batch is released.
type Packet struct {
	Data      []byte   // the captured bytes; len(Data) is the captured length
	TimeNS    int64    // nanoseconds since the epoch, or NoTime
	RawTicks  uint64   // timestamp as stored, where TimeNS is NoTime
	Number    int64    // place in the capture from 1; in a merged capture, place in the merged order
	FileIndex int32    // which input, index into [Source.Inputs]
	Dropped   uint32   // packets that the capture says were dropped since the one before
	FileNum   int64    // place in its own file, from 1
	Offset    int64    // byte offset of the packet's record in its (decompressed) file
	Length    uint32   // length on the wire; may be more than len(Data), less only in damaged captures
	Interface int32    // index into the Input's Interfaces
	Link      LinkType // what Data starts with
	BigEndian bool     // byte order of the writer, for LinkNull
	FCSLen    uint8    // bytes of frame check sequence at the end of Data, 0 if unknown
}

// Truncated reports whether the capture holds fewer bytes than were on the wire.
func (p *Packet) Truncated() bool { return int64(p.Length) > int64(len(p.Data)) }

// A Batch is a run of packets and the memory their Data points into. Batches,
// never packets, cross goroutines. A batch is handed on with one reference;
// whoever keeps it longer calls Retain, and everybody calls Release once. After
// the last Release its memory is used again.
type Batch struct {
	Packets []Packet
	// Slab is the memory most packets point into. Only the Source that fills the
	// batch may use it.
	Slab []byte
	// Decoded is memory for packets that do not stand in the file as they are, used up
	// to its length; it belongs to the Source like Slab.
	Decoded []byte
	// Parts are batches whose memory Packets of this batch point into too (a
	// merge interleaves several files without copying).
	Parts []*Batch

	refs atomic.Int32
	pool *Pool
}

// Retain adds a reference.
func (b *Batch) Retain() { b.refs.Add(1) }

// Release drops a reference; the last one gives the memory back.
func (b *Batch) Release() {
	n := b.refs.Add(-1)
	if n > 0 {
		return
	}
	if n < 0 {
		panic("packet: batch released too often")
	}
	for i, p := range b.Parts {
		p.Release()
		b.Parts[i] = nil
	}
	b.Parts = b.Parts[:0]
	b.Packets = b.Packets[:0]
	b.Decoded = b.Decoded[:0]
	if b.pool != nil {
		b.pool.put(b)
	}
}

// A Pool recycles batches; make one with NewPool.
type Pool struct {
	// SlabSize is the size of a new batch's slab in bytes; 0 means [DefaultSlab].
	SlabSize int
	mu       sync.Mutex
	free     []*Batch // the one released last is used first: it is still in the cache
}

// DefaultSlab is the slab size where none is asked for: large enough that a
// hand-over costs nothing per packet, small enough to stay in the second-level
// cache between reading, decapsulation and hashing.
const DefaultSlab = 1 << 18

// maxFree bounds how many idle batches a pool keeps.
const maxFree = 64

// NewPool returns a pool of batches with slabs of the given size in bytes (0: DefaultSlab).
func NewPool(slab int) *Pool {
	if slab <= 0 {
		slab = DefaultSlab
	}
	return &Pool{SlabSize: slab}
}

// NewHeaderPool returns a pool of batches without slabs of their own, for a merge
// whose packets point into the memory of Parts.
func NewHeaderPool() *Pool { return &Pool{} }

// Get returns an empty batch with one reference.
func (p *Pool) Get() *Batch {
	var b *Batch
	p.mu.Lock()
	if n := len(p.free) - 1; n >= 0 {
		b, p.free[n] = p.free[n], nil
		p.free = p.free[:n]
	}
	p.mu.Unlock()
	if b == nil {
		b = &Batch{Slab: make([]byte, p.SlabSize), pool: p}
	}
	b.refs.Store(1)
	return b
}

func (p *Pool) put(b *Batch) {
	// A slab that grew for one huge record is not kept: otherwise a single
	// hostile length would be paid for by every later batch.
	if cap(b.Slab) > 4*p.SlabSize {
		return
	}
	if cap(b.Decoded) > 4*p.SlabSize {
		b.Decoded = nil
	}
	b.Slab = b.Slab[:cap(b.Slab)]
	p.mu.Lock()
	if len(p.free) < maxFree {
		p.free = append(p.free, b)
	}
	p.mu.Unlock()
}

// A Source yields the packets of a capture in order.
type Source interface {
	// Next returns the next batch with one reference, which the caller releases.
	// The batch holds at least one packet. io.EOF ends the capture; damage that
	// could be stepped over is in Inputs and is not an error here. Any other
	// error ends the capture too; batches already returned stay good.
	Next() (*Batch, error)
	// Inputs tells what is known of each input so far; complete after Next
	// returned an error. The slice and what it points to belong to the Source.
	Inputs() []*Input
	io.Closer
}

// An Interface describes where packets of an input were captured.
type Interface struct {
	Name        string   `json:"name,omitempty"`
	Description string   `json:"description,omitempty"`
	Hardware    string   `json:"hardware,omitempty"`
	OS          string   `json:"os,omitempty"`
	Filter      string   `json:"filter,omitempty"`
	Link        LinkType `json:"link_type"`
	SnapLen     uint32   `json:"snaplen"`
	Section     int      `json:"section"`
	// Resolution is ticks per second as a text: "10^-6", "2^-20".
	Resolution string `json:"resolution,omitempty"`
	OffsetSec  int64  `json:"offset_seconds,omitempty"`
	Packets    int64  `json:"packets"`
	// Drops, by the interface and by the operating system, as the capture itself
	// reports them (pcapng statistics and packets, snoop, ERF); -1 where it does not.
	Received int64 `json:"received"`
	Drops    int64 `json:"drops"`
}

// Input tells what a Source learned of one input.
type Input struct {
	Name        string // as the user gave it
	Format      string // "pcap", "pcap-ns", "pcapng", …
	Compression string // "gzip", "zstd", or empty
	Size        int64  // bytes read from the input as stored
	ETag        string // of a blob: what its server calls this version of it
	SHA256      [32]byte
	Hashed      bool // SHA256 is that of the whole input
	Packets     int64
	CapturedLen int64 // sum of captured lengths, bytes
	FirstNS     int64 // earliest and latest usable time; NoTime if none
	LastNS      int64
	Sections    int
	Interfaces  []Interface
	Hardware    string
	OS          string
	Application string
	Comments    []string
	Names       []Name   // name resolution blocks
	Secrets     [][]byte // TLS key log texts of decryption secrets blocks; never written to an output
	// SecretsAfter tells how many packets of the input stand before each of Secrets.
	SecretsAfter []int64
	Unknown      map[string]int64 // blocks that were stepped over, by kind
	// Anomalies counts oddities that cost nothing ("snaplen_lie", "caplen_exceeds_len", "zero_padding").
	Anomalies map[string]int64
	// Damage lists what was cut, corrupt or skipped, in file order; at most
	// MaxDamage are kept, DamageCount counts all.
	Damage      []*Error
	DamageCount int64
	LostBytes   int64 // bytes of the (decompressed) file that could not be used
	// Bytes is how much of the (decompressed) file was read; it is the sum of what
	// was used, LostBytes and Padding.
	Bytes   int64
	Padding int64 // zero bytes after the last record
}

// Name is an address and one name that the capture itself gives for it.
type Name struct{ Addr, Name string }

// MaxDamage bounds Input.Damage.
const MaxDamage = 100

// AddDamage records e.
func (in *Input) AddDamage(e *Error) {
	in.DamageCount++
	if len(in.Damage) < MaxDamage {
		in.Damage = append(in.Damage, e)
	}
}

// AddAnomaly counts one oddity.
func (in *Input) AddAnomaly(name string) { in.CountAnomaly(name, 1) }

// CountAnomaly counts an oddity that came up n times; n may be 0.
func (in *Input) CountAnomaly(name string, n int64) {
	if n == 0 {
		return
	}
	if in.Anomalies == nil {
		in.Anomalies = make(map[string]int64)
	}
	in.Anomalies[name] += n
}
