// Package textdump reads captures that are text: packets as hexadecimal digits below
// a line that tells time, length and interface. They are traces that somebody had a
// router, an analyzer or a host print: K12 text, Catapult DCT2000, Juniper NetScreen,
// CoSine, Toshiba and Lucent/Ascend routers, TCPIPTRACE and Etherwatch of VMS, and the
// communications trace of IBM i.
//
// No descriptions were published of most; the fields are those that the sources in
// wiretap of Wireshark name, one file each.
//
// Nothing is guessed: a record is a packet if its header is whole, every digit stands in
// its place, and as many bytes came as the header says, unless the format itself shows
// packets in part. Anything else costs the record, which is told with its first line.
// Lines that belong to no packet, such as prompts of the session in which a trace was
// printed, are counted.
//
// Local times are taken as UTC, whatever the zone of this machine, with the anomaly
// start_zone_unknown. Where there is no date but a time of day, or the time since the
// machine was started, times are those since 1970, with start_date_unknown.
package textdump

import (
	"bytes"

	"recap/reader/format"
	"recap/reader/packet"
)

// Formats are the entries for the list of formats. None has a magic number: a file is
// known by a record that stands near its beginning.
func Formats() []format.Format {
	var all []format.Format
	for _, s := range styles {
		all = append(all, format.Format{
			Name:  s.name,
			Weak:  true,
			Text:  true,
			Match: func(head []byte) bool { return match(s, head) },
			New: func(in *packet.Input, file int32, lim format.Limits) format.Parser {
				return newParser(s, in, file, lim)
			},
		})
	}
	return all
}

// A style is one of the formats.
type style struct {
	name string
	// partial says that dumps may end before the packet does.
	partial bool
	// perByte bounds the length of a line: characters for each byte of a packet.
	perByte    int
	resolution string
	anomalies  []string // what is to be said of every file
	dialect    func(*packet.Input) dialect
}

const (
	noZone = "start_zone_unknown"
	noDate = "start_date_unknown"
)

var styles = []style{
	{"k12text", false, 3, "10^-6", []string{noZone, noDate}, func(*packet.Input) dialect { return &k12{} }},
	{"dct2000", false, 2, "10^-4", []string{noZone}, func(*packet.Input) dialect { return &dct2000{} }},
	{"netscreen", true, 0, "10^-1", []string{noDate}, func(*packet.Input) dialect { return &netscreen{} }},
	{"cosine", true, 0, "10^-2", []string{noZone}, func(*packet.Input) dialect { return &cosine{} }},
	{"toshiba", false, 0, "10^-2", []string{noDate}, func(*packet.Input) dialect { return &toshiba{} }},
	{"ascend", true, 0, "10^-2", nil, func(in *packet.Input) dialect { return &ascend{in: in} }},
	{"tcpiptrace", false, 0, "10^-2", []string{noZone}, func(*packet.Input) dialect { return &tcpiptrace{} }},
	{"etherwatch", false, 0, "10^-2", []string{noZone}, func(*packet.Input) dialect { return &etherwatch{} }},
	{"iseries", false, 0, "10^-5", []string{noZone}, func(in *packet.Input) dialect { return &iseries{in: in} }},
}

// A dialect knows the lines of one format. Lines come without what ends them.
type dialect interface {
	// begin says what a line outside of records is; of one that begins a record it
	// fills r. It is asked of lines within records too, for they may lack their end.
	begin(line []byte, r *record) kind
	// next takes a further line of r, of which bytes are still to come. It says whether the
	// line belongs to r.
	next(line []byte, r *record) bool
	// stray says whether a line outside of records holds bytes of a packet.
	stray(line []byte) bool
}

// kind is what a line outside of records is.
type kind uint8

const (
	text   kind = iota // of no use
	known              // says something of the file
	header             // begins a record
)

// unknownLength is the length of a packet whose header tells none.
const unknownLength = -1

// A record is a packet that is being put together out of lines.
type record struct {
	data   []byte // the bytes up to now
	max    int    // how many there may be
	length int    // how many are to come, or were on the wire
	headed bool   // the header is complete
	whole  bool   // no more bytes are to come, however many there are
	timeNS int64
	link   packet.LinkType
	short  bool   // the last row was not full
	skip   int    // leading bytes that are no part of the packet
	row    []byte // the bytes of a line, for the dialect
	other  string // what it is, if it is no packet that can be used
	bad    string // why it cannot be used
}

// reset makes r an empty record.
func (r *record) reset() {
	*r = record{data: r.data[:0], row: r.row[:0], max: r.max, length: unknownLength, timeNS: packet.NoTime}
}

// fail gives the record up; the first reason counts.
func (r *record) fail(why string) {
	if r.bad == "" {
		r.bad = why
	}
}

// badDump is why a record is given up whose digits are none, or stand where none should.
const badDump = "hex dump is not valid"

// missing returns how many bytes of the packet are still to come.
func (r *record) missing() int { return r.length - len(r.data) }

// match says whether a file that begins with head is of a style: its first records must
// stand there, or one that goes beyond head.
func match(s style, head []byte) bool {
	in := &packet.Input{}
	p := newParser(s, in, 0, format.Limits{})
	deep := len(head) > format.HeadSize
	ends := !deep && len(head) < format.HeadSize || deep && len(head) < format.TextSize
	if n := bytes.IndexByte(head, 0); n >= 0 {
		head, ends = head[:n], true
	}
	p.Parse(&format.Window{Batch: &packet.Batch{Slab: head}, End: len(head), EOF: ends})
	// Far from the beginning a text may quote a record: the whole one must be there.
	return p.good > 0 || !deep && (p.known > 1 || !ends && p.open && p.rec.headed && p.rec.bad == "")
}
