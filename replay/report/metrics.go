package report

import (
	"bytes"
	"context"
	"fmt"
	"net"
	nethttp "net/http"
	"strconv"
	"time"

	"recap/replay"
)

// Metrics returns a handler that gives the state of a run in the text format of
// Prometheus (version 0.0.4). There are no foreign strings in it.
func Metrics(live *replay.Live) nethttp.Handler {
	return nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if r.URL.Path != "/metrics" && r.URL.Path != "/" {
			nethttp.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		s := live.Snapshot()
		_, _ = w.Write(metrics(&s))
	})
}

var phases = []string{"starting", "sending", "closing", "collecting", "done"}

func metrics(s *replay.Snapshot) []byte {
	var b bytes.Buffer
	put := func(name, kind, help string, v float64) {
		fmt.Fprintf(&b, "# HELP recap_replay_%s %s\n# TYPE recap_replay_%s %s\nrecap_replay_%s %s\n", name, help, name, kind, name, strconv.FormatFloat(v, 'g', -1, 64))
	}
	counter := func(name, help string, n uint64) { put(name, "counter", help, float64(n)) }
	put("elapsed_seconds", "gauge", "Time since the start of the run.", s.Elapsed.Seconds())
	put("behind_seconds", "gauge", "How late the unit sent last has left.", s.Behind.Seconds())
	counter("pairs_scheduled_total", "Pairs taken from the source.", s.Scheduled)
	counter("pairs_sent_total", "Pairs noted as sent.", s.Sent.Pairs)
	counter("pairs_failed_total", "Pairs that could not be sent.", s.Failed)
	counter("packets_sent_total", "Packets sent.", s.Sent.Packets)
	counter("bytes_sent_total", "Bytes sent, as the rate counts them.", s.Sent.Bytes)
	counter("units_late_total", "Units that left late.", s.Late)
	put("loop", "gauge", "Pass over the source, from 0.", float64(s.Loop))
	if s.Collecting {
		counter("observations_total", "Pairs that the collector saw.", s.Observations)
		counter("pairs_seen_total", "Different pairs of this run that the collector saw.", s.Seen)
		counter("pairs_duplicated_total", "Observations of a pair after its first.", s.Duplicated)
		counter("pairs_mispaired_total", "Observations whose messages belong to different pairs.", s.Mispaired)
		counter("pairs_truncated_total", "Pairs that came out cut.", s.Truncated)
	}
	b.WriteString("# HELP recap_replay_phase What the run is doing: 1 for the phase it is in.\n# TYPE recap_replay_phase gauge\n")
	for _, p := range phases {
		v := 0
		if p == s.Phase {
			v = 1
		}
		fmt.Fprintf(&b, "recap_replay_phase{phase=%q} %d\n", p, v)
	}
	return b.Bytes()
}

// ServeMetrics answers at an address such as ":9100" until stop is called, and returns
// the address that it listens at.
func ServeMetrics(address string, live *replay.Live) (at string, stop func(), err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, err
	}
	server := &nethttp.Server{Handler: Metrics(live), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	return l.Addr().String(), func() {
		// A scrape that is under way still gets its answer.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
		<-done
	}, nil
}
