package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"sync"

	"recap/pipeline/bpf"
	"recap/pipeline/decap"
	"recap/pipeline/exchange"
	"recap/pipeline/tls"
	"recap/reader/packet"
)

// partitions is how many independent sets of connections there are. It is fixed:
// memory limits act in each of them, and so do not depend on how many workers
// share them out.
const partitions = 16

// work is one batch on its way: the segments in it and what came out of them.
type work struct {
	batch *packet.Batch
	// memory is what batch takes, bytes; sparse says that little of it is packets.
	memory int64
	sparse bool
	segs   []decap.Segment
	lists  [][]dealt // for each worker its segments
	names  *names

	views []viewAt // TLS secrets that become known

	end    bool // nothing comes after: give out everything
	number int64
	clock  int64
	cum    int64
	mirror int64 // number of the first packet that shows that there may be several taps; 0: none yet

	done    sync.WaitGroup
	results []result // by worker
}

// dealt is a segment of a work as a worker is to take it.
type dealt struct {
	cum  int64 // captured bytes of the whole capture up to it
	at   uint32
	slot uint8 // of the connection, in partition.recent
	part uint8
}

// result is what one worker made of a work.
type result struct {
	pairs  []*exchange.Pair
	npairs int64 // those that are only counted too
	flows  []*exchange.Flow
	msgs   []*exchange.StreamMessage
	late   []late
	arena  *arena
}

// room returns the place of the next segment, which add then takes in.
func (w *work) room() *decap.Segment {
	n := len(w.segs)
	if n == cap(w.segs) {
		w.segs = append(w.segs, decap.Segment{})[:n]
	}
	return &w.segs[:n+1][n]
}

// add takes in the segment that was filled; cum is captured bytes up to its packet.
func (w *work) add(cum int64) {
	at := len(w.segs)
	w.segs = w.segs[:at+1]
	h := spread(&w.segs[at].Key)
	part := partitionOfHash(h)
	k := int(part) % len(w.lists)
	w.lists[k] = append(w.lists[k], dealt{cum, uint32(at), slotOf(h), part})
}

// names are those of inputs and interfaces, as far as they are known.
type names struct {
	files  []string
	ifaces [][]string
}

func (n *names) file(i int32) string {
	if n == nil || int(i) >= len(n.files) {
		return ""
	}
	return n.files[i]
}

func (n *names) iface(file, i int32) string {
	if n == nil || int(file) >= len(n.ifaces) || i < 0 {
		return ""
	}
	if l := n.ifaces[file]; int(i) < len(l) && l[i] != "" {
		return l[i]
	}
	return strconv.Itoa(int(i))
}

// dispatcher reads the source, peels packets and deals the segments to the workers.
type dispatcher struct {
	src     packet.Source
	reuse   *Reuse
	dec     *decap.Decoder
	filter  *bpf.Filter // nil for none
	prog    *Progress
	workers []chan *work
	ordered chan *work
	free    chan *work
	gate    *gate

	cum     int64
	packets int64
	// filtered of them did not pass the filter
	filtered int64
	number   int64
	clock    int64
	mirror   int64 // see work.mirror
	copies   copyWatch
	firstNS  int64
	lastNS   int64
	names    *names
	health   frameHealth

	keys    *tls.Keys
	ownKeys bool       // keys is a copy that may grow
	secret  []secretAt // found in the capture, not reached yet
	taken   []int      // secrets taken from each input
}

func (d *dispatcher) run(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := d.src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		d.deal(b)
	}
}

// deal peels the packets of b and hands the segments out.
func (d *dispatcher) deal(b *packet.Batch) {
	w := d.take()
	w.batch, w.memory = b, memoryOf(b)
	d.gate.take(w.memory)
	d.look()
	w.names = d.names
	var bytes int64
	for i := range b.Packets {
		p := &b.Packets[i]
		bytes += int64(len(p.Data))
		if d.filter != nil && !d.filter.Match(p.Link, p.Data, int(p.Length)) {
			d.filtered++
			continue
		}
		d.time(p.TimeNS)
		if len(d.secret) > 0 {
			d.unlock(w, p, len(w.segs))
		}
		s := w.room()
		disp := d.dec.Decode(p, s)
		d.clock = s.Clock
		d.health.packet(p, s, disp, d.dec)
		if disp != decap.DispTCP && disp != decap.DispDatagram {
			continue
		}
		w.add(d.cum + bytes)
		if d.mirror == 0 && (s.Stack != 0 || d.copies.shows(s)) {
			d.mirror = p.Number
		}
		for d.dec.More() && d.dec.Next(w.room()) {
			w.add(d.cum + bytes)
		}
	}
	d.cum += bytes
	w.sparse = bytes < w.memory/4
	d.packets += int64(len(b.Packets))
	d.number = b.Packets[len(b.Packets)-1].Number
	if d.prog != nil {
		d.prog.Packets.Add(int64(len(b.Packets)))
		d.prog.Bytes.Add(bytes)
	}
	d.send(w)
}

func (d *dispatcher) time(ns int64) {
	if ns == exchange.NoTime {
		return
	}
	if d.firstNS == exchange.NoTime || ns < d.firstNS {
		d.firstNS = ns
	}
	if d.lastNS == exchange.NoTime || ns > d.lastNS {
		d.lastNS = ns
	}
}

// finish tells the workers that nothing more comes.
func (d *dispatcher) finish() {
	w := d.take()
	w.end = true
	w.names = d.names
	d.send(w)
	for _, c := range d.workers {
		close(c)
	}
	close(d.ordered)
}

func (d *dispatcher) send(w *work) {
	w.number, w.clock, w.cum, w.mirror = d.number, d.clock, d.cum, d.mirror
	w.done.Add(len(d.workers))
	d.ordered <- w
	for _, c := range d.workers {
		c <- w
	}
}

// take returns an empty work.
func (d *dispatcher) take() *work {
	select {
	case w := <-d.free:
		w.reset()
		return w
	default:
		n := len(d.workers)
		if w := d.reuse.takeWork(n); w != nil {
			return w
		}
		return &work{lists: make([][]dealt, n), results: make([]result, n)}
	}
}

// reset empties w for the next batch.
func (w *work) reset() {
	w.segs, w.batch, w.end = w.segs[:0], nil, false
	w.memory, w.sparse, w.views = 0, false, w.views[:0]
	for i := range w.lists {
		w.lists[i] = w.lists[i][:0]
	}
}

// forget empties w and keeps nothing of the capture that it points to.
func (w *work) forget() {
	w.reset()
	clear(w.segs[:cap(w.segs)])
	clear(w.views[:cap(w.views)])
	w.names = nil
}

// look notes names that the source has learned since the last batch. Only this
// goroutine may ask the source; workers get lists that do not change.
func (d *dispatcher) look() {
	in := d.src.Inputs()
	d.secrets(in)
	same := d.names != nil && len(d.names.files) == len(in)
	for i := 0; same && i < len(in); i++ {
		same = len(d.names.ifaces[i]) == len(in[i].Interfaces)
	}
	if same {
		return
	}
	n := &names{}
	for _, i := range in {
		n.files = append(n.files, i.Name)
		l := make([]string, len(i.Interfaces))
		for j := range l {
			l[j] = i.Interfaces[j].Name
		}
		n.ifaces = append(n.ifaces, l)
	}
	d.names = n
}

// partitionOf returns the partition of a connection. Tunnels stay out of it, so that
// copies of a conversation taken at two places meet in one partition. The function is
// fixed: which connections share a memory budget must not change from run to run.
func partitionOf(k *exchange.FlowKey) uint8 { return partitionOfHash(spread(k)) }

func partitionOfHash(h uint64) uint8 { return uint8((h >> 7) % partitions) }

// slotOf returns where in [partition.recent] a connection stands.
func slotOf(h uint64) uint8 { return uint8(h >> 16) }

// spread hashes the innermost addresses and ports.
func spread(k *exchange.FlowKey) uint64 {
	const m1, m2 = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f
	le := binary.LittleEndian
	h := uint64(k.LoPort)<<16 | uint64(k.HiPort)
	h = (h ^ le.Uint64(k.Lo[8:])) * m1
	h = (h ^ h>>29 ^ le.Uint64(k.Hi[8:])) * m2
	h = (h ^ h>>31 ^ le.Uint64(k.Lo[:8])) * m1
	h = (h ^ h>>29 ^ le.Uint64(k.Hi[:8])) * m2
	return h ^ h>>32
}
