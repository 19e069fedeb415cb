package pcapng

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"recap/reader/packet"
)

// A Writer writes a pcapng file of one section, little-endian, with times in
// nanoseconds. Each block goes to the underlying writer in one Write.
type Writer struct {
	w       io.Writer
	buf     []byte
	offsets []int64 // if_tsoffset of each interface, seconds
	options bool    // the block has some
	err     error
}

// A Section is what a file says of itself; empty fields are left out.
type Section struct{ Hardware, OS, Application, Comment string }

// Errors of [Writer.Packet] for what the format, or the interface, cannot hold.
var (
	ErrNoInterface = errors.New("pcapng: the packet's interface was not written")
	ErrTime        = errors.New("pcapng: the packet's time lies before that of its interface")
	ErrTooLarge    = errors.New("pcapng: the packet does not fit a block")
)

// Codes of options (sections 3.5, 4.1, 4.2 and 4.3 of the draft).
const (
	optEnd          = 0
	optHardware     = 2
	optOS           = 3
	optApplication  = 4
	optIfName       = 2
	optIfDesc       = 3
	optIfResolution = 9
	optIfFilter     = 11
	optIfOS         = 12
	optIfFCS        = 13
	optIfOffset     = 14
	optIfHardware   = 15
	optFlags        = 2
)

// NewWriter writes the section header to w. A failure shows in the first call
// after it.
func NewWriter(w io.Writer, s Section) *Writer {
	n := &Writer{w: w}
	n.begin(blockSection)
	n.u32(byteOrderMagic)
	n.buf = append(n.buf, 1, 0, 0, 0) // version 1.0
	n.buf = binary.LittleEndian.AppendUint64(n.buf, math.MaxUint64)
	n.text(optComment, s.Comment)
	n.text(optHardware, s.Hardware)
	n.text(optOS, s.OS)
	n.text(optApplication, s.Application)
	n.end()
	return n
}

// Interface writes the description of a further interface and returns its number.
// The packets of i keep their link type, snap length and texts; their clock ticks
// in nanoseconds after i.OffsetSec, which is below zero where packets are older
// than 1970.
func (n *Writer) Interface(i *packet.Interface) (int, error) {
	n.begin(blockInterface)
	n.buf = binary.LittleEndian.AppendUint16(n.buf, uint16(i.Link))
	n.buf = append(n.buf, 0, 0)
	n.u32(i.SnapLen)
	n.text(optIfName, i.Name)
	n.text(optIfDesc, i.Description)
	n.option(optIfResolution, []byte{9})
	if i.Filter != "" {
		n.text(optIfFilter, "\x00"+i.Filter) // kind 0: a libpcap expression
	}
	n.text(optIfOS, i.OS)
	if i.OffsetSec != 0 {
		n.option(optIfOffset, binary.LittleEndian.AppendUint64(nil, uint64(i.OffsetSec)))
	}
	n.text(optIfHardware, i.Hardware)
	n.end()
	n.offsets = append(n.offsets, i.OffsetSec)
	return len(n.offsets) - 1, n.err
}

// Secrets writes a TLS key log, which is for the packets behind it (section 4.7).
func (n *Writer) Secrets(text []byte) error {
	if len(text) > math.MaxUint32-1<<18 {
		return ErrTooLarge
	}
	n.begin(blockSecrets)
	n.u32(secretsTLS)
	n.u32(uint32(len(text)))
	n.buf = append(n.buf, text...)
	n.pad()
	n.end()
	return n.err
}

// Packet writes p as a packet of the interface of that number; a comment that is
// not empty goes with it. The format has no way to say that a time is unknown:
// packets without one get the last time that it can hold, which reads back as
// unknown here.
func (n *Writer) Packet(iface int, p *packet.Packet, comment string) error {
	if iface < 0 || iface >= len(n.offsets) {
		return ErrNoInterface
	}
	ticks := uint64(math.MaxUint64)
	if p.TimeNS != packet.NoTime {
		var ok bool
		if ticks, ok = since(p.TimeNS, n.offsets[iface]); !ok {
			return ErrTime
		}
	}
	if len(p.Data) > math.MaxUint32-1<<18 {
		return ErrTooLarge
	}
	n.begin(blockEnhanced)
	n.u32(uint32(iface))
	n.u32(uint32(ticks >> 32))
	n.u32(uint32(ticks))
	n.u32(uint32(len(p.Data)))
	n.u32(p.Length)
	n.buf = append(n.buf, p.Data...)
	n.pad()
	if p.FCSLen > 0 {
		n.option(optFlags, binary.LittleEndian.AppendUint32(nil, uint32(p.FCSLen&15)<<5))
	}
	n.text(optComment, comment)
	n.end()
	return n.err
}

// since returns ns as nanoseconds after offset seconds.
func since(ns, offset int64) (ticks uint64, ok bool) {
	if offset == 0 {
		return uint64(ns), ns >= 0
	}
	const limit = math.MaxInt64 / 1_000_000_000
	if offset > limit || offset < -limit {
		return 0, false
	}
	// The difference of two int64 fits uint64 where the first is the larger one.
	return uint64(ns) - uint64(offset*1e9), ns >= offset*1e9
}

func (n *Writer) begin(typ uint32) {
	n.buf, n.options = n.buf[:0], false
	n.u32(typ)
	n.u32(0) // the length, set at the end
}

// end closes the block: the end mark behind options, if there were any, then the
// length on both sides.
func (n *Writer) end() {
	if n.options {
		n.u32(optEnd)
	}
	size := len(n.buf) + 4
	binary.LittleEndian.PutUint32(n.buf[4:], uint32(size))
	n.u32(uint32(size))
	if n.err == nil {
		_, n.err = n.w.Write(n.buf)
	}
	if cap(n.buf) > 1<<20 {
		n.buf = nil
	}
}

func (n *Writer) u32(v uint32) { n.buf = binary.LittleEndian.AppendUint32(n.buf, v) }

func (n *Writer) pad() {
	for len(n.buf)&3 != 0 {
		n.buf = append(n.buf, 0)
	}
}

// option appends an option (section 3.5).
func (n *Writer) option(code uint16, v []byte) {
	n.options = true
	n.buf = binary.LittleEndian.AppendUint16(n.buf, code)
	n.buf = binary.LittleEndian.AppendUint16(n.buf, uint16(len(v)))
	n.buf = append(n.buf, v...)
	n.pad()
}

// text appends an option of text, which must be UTF-8 and fit 16 bits of length.
func (n *Writer) text(code uint16, s string) {
	if s == "" {
		return
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	const most = math.MaxUint16 &^ 3
	if len(s) > most {
		cut := most
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	n.option(code, []byte(s))
}
