// Package pipeline turns the packets of a capture into HTTP exchanges.
package pipeline

import (
	"cmp"
	"context"
	"hash/maphash"
	"runtime"
	"sync"

	"recap/pipeline/app"
	"recap/pipeline/decap"
	"recap/pipeline/tcp"
	"recap/pipeline/tls"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// Run reads src to its end and calls out with finished pairs and connections in
// output order, from one goroutine. out takes over the batch's reference. Run
// returns what it counted, also beside an error: pairs already given out stay
// good. The result depends on the packets and on opt, but not on opt.Workers, the
// size of batches or timing. When ctx ends, Run stops reading, gives out what is
// finished and returns ctx's error.
func Run(ctx context.Context, src packet.Source, opt Options, out func(*exchange.Batch) error) (*Stats, error) {
	r, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	quics := newQUICFinder(opt.Resolved().Mem)
	dec := decap.NewDecoder(decap.Options{TunnelPorts: opt.TunnelPorts, MaxDepth: opt.Depth, FragmentBytes: r.fragments,
		MergeTunnels: opt.MergeTunnels, May: quics.may, Datagram: quics.claim})
	reuse := cmp.Or(opt.Reuse, NewReuse())
	depth := 4 // batches waiting for each worker; more of them leave the cache, with their pairs
	if opt.CountPairs {
		depth = 16
	}
	d := &dispatcher{
		src: src, dec: dec, filter: opt.Filter, keys: opt.Keys, prog: opt.Progress, gate: newGate(opt.Resolved().Mem / 8),
		ordered: make(chan *work, 2*depth), free: make(chan *work, 4*depth),
		firstNS: exchange.NoTime, lastNS: exchange.NoTime,
		reuse: reuse,
	}
	var group sync.WaitGroup
	workers := make([]*worker, r.workers)
	for i := range workers {
		in := make(chan *work, depth)
		d.workers = append(d.workers, in)
		w := newWorker(i, len(workers), r, dec, reuse)
		workers[i] = w
		group.Go(func() { w.run(in) })
	}
	o := &order{free: d.free, gate: d.gate, out: out, prog: opt.Progress, pairs: reuse.pairs, horizon: r.history, prompt: r.prompt}
	group.Go(func() { o.run(d.ordered, cancel) })

	err = d.run(ctx)
	d.finish()
	group.Wait()
	if o.err != nil {
		err = o.err
	}
	reuse.take(d.free, workers)
	workers[0].anomalies[exchange.AnomalyOverlapConflict] += o.learnt
	workers[0].anomalies[exchange.AnomalyRetransmissionDiffers] += o.learnt
	s := stats(d, dec, workers)
	s.Health = health(&d.health, &o.health, workers, dec)
	return s, err
}

// resolved are Options with every default in place, divided over the partitions.
type resolved struct {
	workers   int
	limits    app.Limits
	policy    tcp.Policy
	budget    int64 // of each partition
	span      int64
	history   int64
	fragments int64
	checksums bool
	keys      *tls.Keys
	split     bool // leave connections of different tunnels apart
	counting  bool // pairs are counted and not given out
	prompt    bool // pairs are given out when they are complete
	seed      maphash.Seed
}

// Defaults of Options.
const (
	DefaultMem           = 1 << 30
	DefaultBody          = 16 << 20
	DefaultHead          = 1 << 20
	DefaultFields        = 10_000
	DefaultOutOfOrder    = 64 << 20
	DefaultOpenExchanges = 10_000
	DefaultDecode        = 64 << 20
	DefaultLayers        = 4
	DefaultZstdWindow    = 8 << 20
	DefaultFragments     = 64 << 20
	DefaultDepth         = 16
)

func orDefault[T int | int64](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// Resolved returns o as Run will act on it: defaults in place, and limits that one
// partition's share of Mem could not hold brought down to what it can.
func (o Options) Resolved() Options {
	o.Mem = orDefault(o.Mem, DefaultMem)
	budget := o.forConnections() / partitions
	o.BodyLimit = min(orDefault(o.BodyLimit, DefaultBody), budget/2)
	o.HeadLimit = min(orDefault(o.HeadLimit, DefaultHead), budget/4)
	o.HeaderFields = orDefault(o.HeaderFields, DefaultFields)
	o.OutOfOrder = orDefault(o.OutOfOrder, DefaultOutOfOrder)
	o.OpenExchanges = orDefault(o.OpenExchanges, DefaultOpenExchanges)
	o.DecodeLimit = orDefault(o.DecodeLimit, DefaultDecode)
	o.DecodeLayers = orDefault(o.DecodeLayers, DefaultLayers)
	o.ZstdWindow = orDefault(o.ZstdWindow, DefaultZstdWindow)
	o.FragmentMemory = min(orDefault(o.FragmentMemory, DefaultFragments), o.Mem/8)
	o.Depth = orDefault(o.Depth, DefaultDepth)
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	o.Workers = min(o.Workers, partitions)
	return o
}

// forConnections returns the part of Mem that is for connections. The rest is for
// batches on their way, sinks and the collector's slack, which need about as much
// whatever Mem is: so it is half of a large budget and a quarter of a small one.
func (o Options) forConnections() int64 {
	return max(o.Mem/4, min(o.Mem/2, o.Mem/4*3-DefaultMem/4))
}

func (o Options) resolve() (*resolved, error) {
	policy, err := tcp.ParsePolicy(o.Overlap)
	if err != nil {
		return nil, err
	}
	o = o.Resolved()
	return &resolved{
		workers: o.Workers,
		limits: app.Limits{Body: o.BodyLimit, Head: o.HeadLimit, Fields: o.HeaderFields, OpenExchanges: o.OpenExchanges,
			Decode: o.DecodeLimit, DecodeLayers: o.DecodeLayers, ZstdWindow: o.ZstdWindow,
			Hash: o.HashBodies, DecodeBodies: o.DecodeBodies},
		policy:    policy,
		budget:    o.forConnections() / partitions,
		span:      o.OutOfOrder,
		history:   min(o.Mem/256, 4<<20),
		fragments: o.FragmentMemory,
		checksums: o.VerifyChecksums,
		keys:      o.Keys,
		split:     o.SplitTunnels,
		counting:  o.CountPairs,
		prompt:    o.Prompt,
		seed:      maphash.MakeSeed(),
	}, nil
}

// stats adds up what everybody counted.
func stats(d *dispatcher, dec *decap.Decoder, workers []*worker) *Stats {
	s := &Stats{
		States: make(map[string]int64), Protocols: make(map[string]int64), Anomalies: make(map[string]int64),
		Reasons: make(map[string]int64), FirstNS: d.firstNS, LastNS: d.lastNS,
	}
	l := &s.Ledger
	l.PacketsRead = d.packets
	l.Packets = make(map[string]int64)
	dec.AddTo(l.Packets)
	if d.filtered > 0 {
		l.Packets[exchange.PacketFiltered] = d.filtered
	}
	l.Payload = make(map[string]int64)
	for _, w := range workers {
		w.ledger.addTo(l)
		s.Pairs += w.npairs
		s.Flows += w.nflows
		for i, n := range w.states {
			addCount(s.States, exchange.State(i).String(), n)
		}
		for k, n := range w.protocols {
			addCount(s.Protocols, k, n)
		}
		for _, a := range exchange.AllAnomalies() {
			addCount(s.Anomalies, a.String(), w.anomalies[a])
		}
	}
	s.Tunnels = tunnels(dec, workers)
	for _, a := range lossy {
		addCount(s.Reasons, a.String(), s.Anomalies[a.String()])
	}
	addCount(s.Reasons, reasonFragments, dec.Counts().Fragments.Evicted)
	s.Incomplete = len(s.Reasons) > 0
	return s
}

// addCount adds n to what m has of k. What did not occur is not in m.
func addCount(m map[string]int64, k string, n int64) {
	if n != 0 {
		m[k] += n
	}
}

// addTo adds the counts of a worker to the ledger.
func (t *tally) addTo(l *exchange.Ledger) {
	addCount(l.Packets, exchange.PacketTCPHTTP, t.http)
	addCount(l.Packets, exchange.PacketTCPOther, t.other)
	addCount(l.Packets, exchange.PacketTLSOpaque, t.tls)
	addCount(l.Packets, exchange.PacketQUICHTTP, t.quicHTTP)
	addCount(l.Packets, exchange.PacketQUICOther, t.quicOther)
	addCount(l.Packets, exchange.PacketQUICOpaque, t.quic)
	addCount(l.Packets, exchange.PacketDuplicate, t.duplicate)
	l.PayloadBytes += t.payload
	addCount(l.Payload, exchange.BytesHTTP, t.bHTTP)
	addCount(l.Payload, exchange.BytesOther, t.bOther)
	addCount(l.Payload, exchange.BytesTLS, t.bTLS)
	addCount(l.Payload, exchange.BytesQUIC, t.bQUIC)
	addCount(l.Payload, exchange.BytesTLSOverhead, t.bTLSOver)
	addCount(l.Payload, exchange.BytesDuplicate, t.bDup)
	addCount(l.Payload, exchange.BytesConflict, t.bConflict)
	addCount(l.Payload, exchange.BytesUnparsed, t.bUnpar)
	addCount(l.Payload, exchange.BytesDiscarded+"before_start", t.beforeStart)
	addCount(l.Payload, exchange.BytesDiscarded+"out_of_window", t.outOfWindow)
	addCount(l.Payload, exchange.BytesDiscarded+"after_close", t.afterClose)
	addCount(l.Payload, exchange.BytesDiscarded+"late", t.late)
}

// tunnels lists the stacks of tunnels that segments came in, in the order in which they were
// met; number 0 is that of none.
func tunnels(dec *decap.Decoder, workers []*worker) (list []TunnelCount) {
	var stacks []int64
	for _, w := range workers {
		stacks = append(stacks, make([]int64, max(0, len(w.stacks)-len(stacks)))...)
		for i, n := range w.stacks {
			stacks[i] += n
		}
	}
	for i, n := range stacks {
		if i > 0 && n > 0 {
			list = append(list, TunnelCount{dec.Stack(uint32(i)), n})
		}
	}
	return list
}

// reasonFragments counts datagrams whose fragments were dropped at [Options.FragmentMemory].
const reasonFragments = "fragments_evicted"

// lossy are the anomalies that mean something of the input is missing from the
// result: lost to the capture, or left out at a limit.
var lossy = []exchange.Anomaly{
	exchange.AnomalyLostSegment, exchange.AnomalySnaplenCut, exchange.AnomalyMirrorTruncated,
	exchange.AnomalyOutOfOrderLimit, exchange.AnomalyEvicted, exchange.AnomalyHeadLimit,
	exchange.AnomalyBodyLimit, exchange.AnomalyDecodeLimit, exchange.AnomalyOpenExchangeLimit,
	exchange.AnomalyStreamLimit, exchange.AnomalyHeaderListLimit, exchange.AnomalyEventFieldLimit,
}
