package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A sample is one run of one command.
type sample struct {
	wall time.Duration
	cpu  time.Duration // user and system
	rss  int64         // peak, bytes
}

// A result is what a tool did on a capture.
type result struct {
	tool    *tool
	capture *capture
	samples []sample
	err     error
}

func (r *result) wall() time.Duration {
	return median(r.samples, func(s sample) time.Duration { return s.wall })
}
func (r *result) cpu() time.Duration {
	return median(r.samples, func(s sample) time.Duration { return s.cpu })
}
func (r *result) rss() int64 { return median(r.samples, func(s sample) int64 { return s.rss }) }

// rate is the capture's size over the wall time, in 10^6 bytes a second.
func (r *result) rate() float64 { return per(float64(r.capture.size)/1e6, r.wall()) }

// median returns the middle value, the lower one of two.
func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	list := make([]T, len(samples))
	for i, s := range samples {
		list[i] = of(s)
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

func per(n float64, d time.Duration) float64 { return n / max(d.Seconds(), 1e-9) }

// print writes the tables: one for each capture, then plain against VXLAN.
func (b *bench) print(w io.Writer) {
	fmt.Fprintf(w, "%s; medians of %d rounds in turn; files in the page cache; 1 MB = 10^6 bytes.\n", machine(), b.o.runs)
	if len(b.missing) > 0 {
		fmt.Fprintf(w, "Left out: %s.\n", strings.Join(b.missing, ", "))
	}
	for _, c := range b.captures {
		fmt.Fprintf(w, "\n`%s` (%s): %.1f MB, %d packets, %d pairs\n\n", filepath.Base(c.path), c.title, float64(c.size)/1e6, c.packets, c.pairs)
		fmt.Fprintln(w, "| command | wall s | MB/s | CPU s | MB per CPU s | peak RSS MB | × sha256sum | × httpry | kpackets/s | ns/packet |")
		fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
		for _, r := range b.results {
			if r.capture == c {
				b.row(w, r)
			}
		}
	}
	b.compare(w)
}

func (b *bench) row(w io.Writer, r *result) {
	if r.err != nil || len(r.samples) == 0 {
		fmt.Fprintf(w, "| %s | failed: %v | | | | | | | | |\n", r.tool.name, r.err)
		return
	}
	wall, cpu, n := r.wall(), r.cpu(), float64(r.capture.packets)
	fmt.Fprintf(w, "| %s | %.3f | %.0f | %.3f | %.0f | %.0f | %s | %s | %.0f | %.0f |\n", r.tool.name,
		wall.Seconds(), r.rate(), cpu.Seconds(), per(float64(r.capture.size)/1e6, cpu), float64(r.rss())/1e6,
		b.ratio(r, "sha256sum"), b.ratio(r, "httpry"), per(n/1e3, wall), wall.Seconds()*1e9/n)
}

// ratio is how many times as fast as the peer r is on the same capture.
func (b *bench) ratio(r *result, peer string) string {
	p := b.find(r.capture, func(t *tool) bool { return strings.HasPrefix(t.name, peer) })
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%.2f", r.rate()/p.rate())
}

func (b *bench) find(c *capture, want func(*tool) bool) *result {
	for _, r := range b.results {
		if r.capture == c && want(r.tool) && len(r.samples) > 0 {
			return r
		}
	}
	return nil
}

// compare shows what the tunnel costs for each packet.
func (b *bench) compare(w io.Writer) {
	if len(b.captures) != 2 {
		return
	}
	fmt.Fprint(w, "\nTime for each packet, plain against VXLAN\n\n")
	fmt.Fprintln(w, "| command | plain ns | VXLAN ns | ratio | plain CPU ns | VXLAN CPU ns | ratio |")
	fmt.Fprintln(w, "|---|---:|---:|---:|---:|---:|---:|")
	for i := range b.tools {
		t := &b.tools[i]
		same := func(u *tool) bool { return u == t }
		p, v := b.find(b.captures[0], same), b.find(b.captures[1], same)
		if p == nil || v == nil {
			continue
		}
		each := func(r *result, d time.Duration) float64 { return d.Seconds() * 1e9 / float64(r.capture.packets) }
		pw, vw, pc, vc := each(p, p.wall()), each(v, v.wall()), each(p, p.cpu()), each(v, v.cpu())
		fmt.Fprintf(w, "| %s | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f |\n", t.name, pw, vw, vw/pw, pc, vc, vc/pc)
	}
}

// machine describes where this runs, as far as the system tells.
func machine() string {
	text := fmt.Sprintf("%d CPU, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return text
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, _ := strings.Cut(s.Text(), ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value) + ", " + text
		}
	}
	return text
}
