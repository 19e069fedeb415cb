package main

import (
	"fmt"
	"io"
	"maps"
	"time"

	"recap/pipeline/exchange"
	"recap/replay/record"
	"recap/replay/sink"
)

// A sinkReport is what a sink tells at its end; with --json as it stands here.
type sinkReport struct {
	TookNS int64            `json:"took_ns"`
	VXLAN  *sinkUDP         `json:"vxlan"`
	Places []sinkPlace      `json:"places"`
	Ledger *exchange.Ledger `json:"ledger"`
	sink.Counts
}

// sinkUDP counts what came by UDP.
type sinkUDP struct {
	Packets int64 `json:"packets"`
	Bytes   int64 `json:"bytes"` // UDP payload
	// KernelDrops are datagrams that the kernel dropped for want of buffer.
	KernelDrops int64 `json:"kernel_drops"`
	Syscalls    int64 `json:"syscalls"`
	Buffer      int   `json:"socket_buffer"`
}

// A sinkPlace is where a sink listens, or reads.
type sinkPlace struct {
	What    string `json:"what"`
	Address string `json:"address"`
}

// places returns where s listens, as a sender would name it.
func (s *sinking) places() []sinkPlace {
	var list []sinkPlace
	if s.source != nil {
		list = append(list, sinkPlace{"vxlan", "vxlan://" + s.source.Addr().String()})
	}
	for _, d := range s.doubles {
		list = append(list, sinkPlace{d.name, d.name + "+http://" + d.listener.Addr().String() + "/"})
	}
	if s.tail != nil {
		list = append(list, sinkPlace{"kafka", s.topic})
	}
	if s.stream != nil {
		list = append(list, sinkPlace{"serve", "sink://" + s.stream.Addr().String()})
	}
	return list
}

func (s *sinking) report() *sinkReport {
	r := &sinkReport{TookNS: int64(s.took), Places: s.places(), Counts: s.hub.Counts()}
	if s.source != nil {
		t := s.source.Stats()
		r.VXLAN = &sinkUDP{Packets: t.Packets, Bytes: t.Bytes, KernelDrops: t.Drops, Syscalls: t.Syscalls, Buffer: t.Buffer}
	}
	if s.stats != nil {
		r.Ledger = &s.stats.Ledger
	}
	return r
}

// show draws counts while the sink works, until stop is called.
func (s *sinking) show() (stop func()) {
	if s.sinkCommand.progress.value == "never" || s.sinkCommand.progress.value == "auto" && !isTerminal(s.u.err) {
		return func() {}
	}
	bar := newBar(s.u.err, -1)
	return drawOften(bar, -1, func() (int64, string) {
		packets, bytes, drops := int64(0), int64(0), int64(0)
		if s.source != nil {
			t := s.source.Stats()
			packets, bytes, drops = t.Packets, t.Bytes, t.Drops
		}
		return bytes, sinkProgressText(packets, drops, s.hub.Counts().Pairs, time.Since(s.start))
	})
}

func sinkProgressText(packets, drops, pairs int64, took time.Duration) string {
	text := many(pairs, "pair", "pairs")
	if packets > 0 {
		text += ", " + many(packets, "packet", "packets")
	}
	if drops > 0 {
		text += ", " + many(drops, "kernel drop", "kernel drops")
	}
	return fmt.Sprintf("%s, %.0f pairs/s", text, float64(pairs)/max(took.Seconds(), 0.001))
}

// sinkListens tells where a sink can be reached: scripts wait for these lines.
func (u *ui) sinkListens(places []sinkPlace) {
	for _, p := range places {
		fmt.Fprintf(u.err, "recap: sink: %s\n", printable(p.What+" "+p.Address))
	}
	fmt.Fprintln(u.err, "recap: sink: ready")
}

// sinkSummary tells what a sink saw.
func (u *ui) sinkSummary(r *sinkReport) {
	var t sheet
	if v := r.VXLAN; v != nil {
		t.row("received", many(v.Packets, "packet", "packets")+",", bytesText(v.Bytes)+",", many(v.KernelDrops, "kernel drop", "kernel drops"))
	}
	t.row("pairs", count(r.Pairs)+",", count(r.Marked)+" with a marker;", count(r.Given)+" given out")
	if r.Ledger != nil {
		ledgerRows(&t, r.Ledger)
	}
	t.row("answers", counted(r.Answers, 8)...)
	t.row("dropped", counted(r.Dropped, 8)...)
	if r.Undecodable > 0 {
		t.row("undecodable", many(r.Undecodable, "record", "records"))
	}
	done := map[string]int64{}
	for name := range maps.Keys(r.Faults) {
		done[name] = r.Faults[name].Pairs
	}
	t.row("faults", counted(done, 0)...)
	if r.Holds > 0 {
		t.row("held", "senders were asked to wait", many(r.Holds, "time", "times"))
	}
	if r.Overruns > 0 {
		t.row("cut off", many(r.Overruns, "collector", "collectors")+" that read too slowly")
	}
	t.row("took", time.Duration(r.TookNS).Round(time.Millisecond).String())
	io.WriteString(u.err, t.b.String())
}

// Errors of sink.

func errNoWayIn() error {
	return wrong("name at least one of --vxlan, --akto, --metlo and --kafka, as in recap sink --vxlan :4789", "nothing to receive")
}

func errSinkTime() error { return wrong("as in --for 60s", "--for must not be negative") }

func errTwoOutputs() error {
	return wrong("leave --json out, or write the pairs into a directory", "--json and --out - would both write to standard output")
}

func errFault(err error) error { return wrong("", "--fault: %w", err) }

func errListen(flag string, err error) error {
	return wrong("choose another port, or end what listens there; :PORT is on loopback", "--%s: %w", flag, err)
}

func errTopic(err error) error {
	return wrong("as in --kafka 127.0.0.1:9092/topic", "--kafka: %w", err)
}

func errTopicFormat(form string) error {
	return wrong("leave ?format= out to have it guessed", "--kafka: format %q is not known; there are %s", form, andList(record.Formats()))
}
