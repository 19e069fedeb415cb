// Bench times whole commands on a capture: recap beside the tools that people use
// for the same work, in turn (A B C, A B C, …), and prints a Markdown table.
//
//	go run ./cmd/bench --capture http.pcap --wrap
//
// docs/performance.md says what the figures mean.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

type options struct {
	capture string
	vxlan   string
	wrap    bool
	taps    bool
	recap   string
	runs    int
	slow    bool
	timeout time.Duration
}

const howToCapture = `bench: no capture given.
Make one (Linux, as root; nginx, wrk, tcpdump, ip and ethtool must be there):

  sudo cmd/bench/capture.sh http.pcap 300

and give it to the harness:

  go run ./cmd/bench --capture http.pcap --wrap
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		if !errors.Is(err, pflag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench: error:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	f := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	f.SortFlags = false
	f.StringVar(&o.capture, "capture", "", "plain `FILE`: HTTP over TCP over Ethernet")
	f.StringVar(&o.vxlan, "vxlan", "", "the same traffic in VXLAN, `FILE`")
	f.BoolVar(&o.wrap, "wrap", false, "make the VXLAN capture out of --capture")
	f.BoolVar(&o.taps, "taps", false, "also make a capture of --capture mirrored at both ends: each frame twice, in two VXLANs")
	f.IntVar(&o.runs, "runs", 5, "rounds; the table shows medians")
	f.BoolVar(&o.slow, "slow", false, "also the peers that take minutes: tshark, goreplay")
	f.StringVar(&o.recap, "recap", "", "use this `BINARY` instead of building one")
	f.DurationVar(&o.timeout, "timeout", 15*time.Minute, "give up on one run of one command after this time")
	if err := f.Parse(os.Args[1:]); err != nil {
		return err
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.runs < 1:
		return errors.New("--runs must be at least 1")
	case o.capture == "" && o.vxlan == "":
		fmt.Fprint(os.Stderr, howToCapture)
		return errors.New("nothing to measure")
	case o.taps && o.capture == "":
		return errors.New("--taps wants --capture")
	case o.wrap && (o.capture == "" || o.vxlan != ""):
		return errors.New("--wrap wants --capture and no --vxlan")
	}
	tmp, err := os.MkdirTemp("", "recap-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if o.recap == "" {
		if o.recap, err = build(ctx, tmp); err != nil {
			return err
		}
	}
	if o.wrap {
		o.vxlan = filepath.Join(tmp, "vxlan-"+filepath.Base(o.capture))
		if err := wrap(o.capture, o.vxlan, taps[:1]); err != nil {
			return fmt.Errorf("wrapping %s: %w", o.capture, err)
		}
	}
	mirrored := ""
	if o.taps {
		mirrored = filepath.Join(tmp, "twice-"+filepath.Base(o.capture))
		if err := wrap(o.capture, mirrored, taps[:]); err != nil {
			return fmt.Errorf("wrapping %s: %w", o.capture, err)
		}
	}
	b := &bench{o: o, tmp: tmp, mirrored: mirrored}
	if err := b.load(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx); err != nil {
		return err
	}
	b.print(os.Stdout)
	return nil
}

// build compiles recap as it is released: without cgo.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "recap")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "recap/cmd/recap")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("building recap: %w", err)
	}
	return bin, nil
}

// A capture is a file to read and what is in it.
type capture struct {
	path    string
	title   string
	vxlan   bool
	size    int64
	packets int64
	pairs   int64
}

type bench struct {
	o        options
	tmp      string
	mirrored string // path of the capture that was mirrored at both ends, empty for none
	captures []*capture
	tools    []tool
	missing  []string
	results  []*result
}

// load looks at the captures. Reading them once also brings them into the page cache.
func (b *bench) load(ctx context.Context) error {
	for _, c := range []*capture{{path: b.o.capture, title: "plain"}, {path: b.o.vxlan, title: "VXLAN", vxlan: true},
		{path: b.mirrored, title: "VXLAN at both ends", vxlan: true}} {
		if c.path == "" {
			continue
		}
		var err error
		if c.path, err = filepath.Abs(c.path); err != nil { // peers run in a directory of their own
			return err
		}
		info, err := os.Stat(c.path)
		if err != nil {
			return err
		}
		c.size = info.Size()
		out, err := exec.CommandContext(ctx, b.o.recap, "info", "--json", c.path).Output()
		if err != nil && len(out) == 0 {
			return fmt.Errorf("recap info %s: %w", c.path, err)
		}
		var report struct {
			Pairs  int64 `json:"pairs"`
			Ledger struct {
				Packets int64 `json:"packets_read"`
			} `json:"ledger"`
		}
		if err := json.Unmarshal(out, &report); err != nil {
			return fmt.Errorf("recap info %s: %w", c.path, err)
		}
		if c.packets, c.pairs = report.Ledger.Packets, report.Pairs; c.packets == 0 {
			return fmt.Errorf("%s: no packets", c.path)
		}
		b.captures = append(b.captures, c)
	}
	b.tools, b.missing = tools(b.o)
	return nil
}

// measure runs everything in turn, so that whatever else the machine does hits all alike.
func (b *bench) measure(ctx context.Context) error {
	for _, c := range b.captures {
		for i := range b.tools {
			if t := &b.tools[i]; !c.vxlan || t.vxlan {
				b.results = append(b.results, &result{tool: t, capture: c})
			}
		}
	}
	// Round 0 does not count: the first to write pays for memory that the machine has not used yet.
	for round := range b.o.runs + 1 {
		for _, r := range b.results {
			if r.err != nil {
				continue
			}
			fmt.Fprintf(os.Stderr, "bench: round %d of %d: %s, %s\n", round, b.o.runs, r.tool.name, r.capture.title)
			s, err := b.once(ctx, r)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				r.err = err
				fmt.Fprintf(os.Stderr, "bench: %s: %v\n", r.tool.name, err)
				continue
			}
			if round > 0 {
				r.samples = append(r.samples, s)
			}
		}
	}
	return nil
}

// once runs a tool in a directory of its own, which is gone afterwards.
func (b *bench) once(ctx context.Context, r *result) (sample, error) {
	dir, err := os.MkdirTemp(b.tmp, "run-")
	if err != nil {
		return sample{}, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, b.o.timeout)
	defer cancel()
	args := r.tool.args(r.capture.path, dir)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	// No Stdout and Stderr: both go to the null device.
	start := time.Now()
	err = cmd.Run()
	s := sample{wall: time.Since(start)}
	if ctx.Err() != nil {
		return s, fmt.Errorf("stopped after %v", b.o.timeout)
	}
	if err != nil && !(r.tool.mayFail && cmd.ProcessState != nil) {
		return s, err
	}
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	s.rss = peakRSS(cmd.ProcessState)
	return s, nil
}
