// Package file writes pairs as the packets of a capture file: pcap with nanoseconds,
// Ethernet.
package file

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"recap/replay"
	"recap/replay/wire"
)

// Options of Open; the zero value works. Parameters of the URL come before them.
type Options struct {
	wire.Options
	// MTU is the largest IP packet, bytes; 1500.
	MTU int
}

// snapLen is what the file says of its longest packet, bytes.
const snapLen = 1 << 18

// ErrName is for names that promise another format.
var ErrName = errors.New("the file is written as pcap: give it a name that ends in .pcap")

// Open returns the target for file:out.pcap. The file must not exist: what stands
// there may be evidence. Its times are those of the capture, loops behind each other.
// Parameters: mtu, and those of [wire.Options.Parameter].
func Open(_ context.Context, u *url.URL, o Options, env replay.Env) (replay.Target, error) {
	name := u.Opaque
	if name == "" {
		name = u.Path
	}
	if text, err := url.PathUnescape(name); err == nil {
		name = text
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".pcapng", ".ntar", ".gz", ".zst", ".cap":
		return nil, fmt.Errorf("%s: %w", name, ErrName)
	}
	for key, v := range u.Query() {
		if key == "mtu" {
			if _, err := fmt.Sscanf(v[0], "%d", &o.MTU); err != nil || o.MTU < 128 || o.MTU > 65535 {
				return nil, fmt.Errorf("parameter mtu: %q is not a number from 128 to 65535", v[0])
			}
			continue
		}
		if err := o.Parameter(key, v[0]); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", key, err)
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return wire.NewTarget(env, newPort(f, o.MTU, env.Start()), o.Options), nil
}

// A port writes frames to a file.
type port struct {
	w     *bufio.Writer
	c     io.Closer
	mtu   int
	epoch int64
	frame []byte // the last one, with its record header; it is written with the next call
}

const (
	fileHead   = 24
	recordHead = 16
)

func newPort(f io.WriteCloser, mtu int, start time.Time) *port {
	if mtu == 0 {
		mtu = 1500
	}
	p := &port{w: bufio.NewWriterSize(f, 1<<20), c: f, mtu: mtu, epoch: start.UnixNano()}
	le := binary.LittleEndian
	h := make([]byte, 0, fileHead)
	h = le.AppendUint32(h, 0xa1b23c4d) // nanoseconds
	h = le.AppendUint16(h, 2)
	h = le.AppendUint16(h, 4)
	h = append(h, 0, 0, 0, 0, 0, 0, 0, 0)
	h = le.AppendUint32(h, snapLen)
	h = le.AppendUint32(h, 1) // Ethernet
	p.w.Write(h)
	return p
}

// Epoch implements [wire.Epocher].
func (p *port) Epoch(ns int64) { p.epoch = ns }

func (p *port) MTU() int    { return p.mtu }
func (p *port) Around() int { return 0 }

// Frame writes the frame before and makes room for the next.
func (p *port) Frame(r *wire.Route, n int, _ int32) []byte {
	p.w.Write(p.frame) // a failure stays with the writer
	if cap(p.frame) < recordHead+n {
		p.frame = make([]byte, 2*(recordHead+n))
	}
	p.frame = p.frame[:recordHead+n]
	// Times before 1970 do not fit the format.
	ns := uint64(max(0, p.epoch+int64(r.At)))
	le := binary.LittleEndian
	le.PutUint32(p.frame, uint32(ns/1e9))
	le.PutUint32(p.frame[4:], uint32(ns%1e9))
	le.PutUint32(p.frame[8:], uint32(n))
	le.PutUint32(p.frame[12:], uint32(n))
	return p.frame[recordHead:]
}

// Flush implements [wire.Port]; what it writes may wait in memory.
func (p *port) Flush(context.Context, func(int32, error)) error {
	_, err := p.w.Write(p.frame)
	p.frame = p.frame[:0]
	return err
}

// Close writes what is left.
func (p *port) Close() error {
	return errors.Join(p.w.Flush(), p.c.Close())
}
