// Rewrite makes a damaged copy of a capture: packets dropped, sent twice and out of order.
// The kernel's netem does that to live traffic; this does it to a file, and the same seed
// gives the same file.
//
//	go run testdata/captures/rewrite/main.go -drop 0.02 -dup 0.02 -reorder 0.03 IN.pcap OUT.pcap
//
// IN is classic pcap with microseconds or nanoseconds, in either byte order.  Each packet meets
// one fate at most: drop, else dup (the copy follows 1 to -span packets later), else reorder (it
// is moved 1 to -span packets later).  A record that was moved or repeated gets the time of the
// record before it, so that capture times never run backwards, as in a real recording.  What was
// done is printed, one line for each packet, with packet numbers of IN counted from 1.
package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sort"
)

const (
	fileHeader   = 24
	recordHeader = 16
)

// A record is one packet of the input with its header.
type record struct {
	number int // in the input, from 1
	bytes  []byte
	place  float64 // sort key: where the record goes, in input packet numbers
	fate   string
}

// time returns the record's timestamp as one number that grows with time.
func (r record) time(o binary.ByteOrder) uint64 {
	return uint64(o.Uint32(r.bytes))<<32 | uint64(o.Uint32(r.bytes[4:]))
}

// read splits a pcap file into its header and its records.
func read(file []byte) (head []byte, recs []record, order binary.ByteOrder, err error) {
	if len(file) < fileHeader {
		return nil, nil, nil, errors.New("shorter than a pcap file header")
	}
	switch binary.LittleEndian.Uint32(file) {
	case 0xa1b2c3d4, 0xa1b23c4d:
		order = binary.LittleEndian
	case 0xd4c3b2a1, 0x4d3cb2a1:
		order = binary.BigEndian
	default:
		return nil, nil, nil, fmt.Errorf("magic number %#x is not classic pcap", file[:4])
	}
	head = file[:fileHeader]
	for at := fileHeader; at < len(file); {
		if len(file)-at < recordHeader {
			return nil, nil, nil, fmt.Errorf("packet %d at byte %d: cut in the record header", len(recs)+1, at)
		}
		n := recordHeader + int(order.Uint32(file[at+8:]))
		if n > len(file)-at {
			return nil, nil, nil, fmt.Errorf("packet %d at byte %d: cut in the packet", len(recs)+1, at)
		}
		recs = append(recs, record{number: len(recs) + 1, bytes: file[at : at+n]})
		at += n
	}
	return head, recs, order, nil
}

// damage decides each packet's fate.  Three numbers are drawn for each packet whatever
// its fate, so that changing one rate leaves the other packets as they were.
func damage(in []record, drop, dup, reorder float64, span int, seed uint64) (out []record, log []string) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, r := range in {
		p, q, later := rnd.Float64(), rnd.Float64(), 1+rnd.IntN(span)
		r.place = float64(r.number)
		switch {
		case p < drop:
			log = append(log, fmt.Sprintf("drop %d", r.number))
			continue
		case p < drop+dup:
			twin := r
			twin.place, twin.fate = r.place+float64(later)+0.5, "dup"
			out = append(out, twin)
			log = append(log, fmt.Sprintf("dup %d after %d", r.number, r.number+later))
		case q < reorder:
			r.place, r.fate = r.place+float64(later)+0.25, "move"
			log = append(log, fmt.Sprintf("move %d after %d", r.number, r.number+later))
		}
		out = append(out, r)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].place < out[j].place })
	return out, log
}

// write sends the records, with times that never run backwards.
func write(w io.Writer, head []byte, recs []record, order binary.ByteOrder) error {
	if _, err := w.Write(head); err != nil {
		return err
	}
	var last [8]byte
	var lastTime uint64
	for _, r := range recs {
		b := append([]byte(nil), r.bytes...)
		if t := r.time(order); t < lastTime || r.fate != "" && lastTime != 0 {
			copy(b, last[:])
		} else {
			lastTime = t
			copy(last[:], b)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func run() error {
	drop := flag.Float64("drop", 0.01, "share of packets that are left out")
	dup := flag.Float64("dup", 0.01, "share of packets that come twice")
	reorder := flag.Float64("reorder", 0.02, "share of packets that come later than they were sent")
	span := flag.Int("span", 6, "how many packets later at most")
	seed := flag.Uint64("seed", 1, "the same seed gives the same file")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: rewrite [flags] IN.pcap OUT.pcap")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 || *span < 1 || *drop < 0 || *dup < 0 || *reorder < 0 || *drop+*dup > 1 || *reorder > 1 {
		flag.Usage()
		os.Exit(2)
	}
	file, err := os.ReadFile(flag.Arg(0))
	if err != nil {
		return err
	}
	head, in, order, err := read(file)
	if err != nil {
		return fmt.Errorf("%s: %w", flag.Arg(0), err)
	}
	out, log := damage(in, *drop, *dup, *reorder, *span, *seed)
	f, err := os.Create(flag.Arg(1))
	if err != nil {
		return err
	}
	if err := errors.Join(write(f, head, out, order), f.Close()); err != nil {
		return err
	}
	for _, line := range log {
		fmt.Println(line)
	}
	fmt.Printf("packets %d in, %d out\n", len(in), len(out))
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rewrite: error:", err)
		os.Exit(1)
	}
}
