package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"recap/replay"
	"recap/replay/report"
)

// This file owns the words of replay that are not in its report.

func errNoSource() error {
	return wrong("name what extract wrote, a HAR, a .gor file, or captures: recap replay recap-out --to vxlan://127.0.0.1:4789", "no SOURCE given")
}

func errNoTarget() error {
	return wrong("an example: --to vxlan://127.0.0.1:4789; recap replay --help lists the kinds of targets", "no --to given")
}

func errTarget(err error) error {
	return wrong("an example: --to http://127.0.0.1:8080/; recap replay --help lists the kinds of targets", "--to: %w", err)
}

func errCollect(err error) error {
	return wrong("recap replay --help lists what --collect takes", "--collect: %w", err)
}

func errFindNeedsCollector() error {
	return wrong("name with --collect where the system leaves what it has seen", "--find-rate needs --collect: without, nobody knows what was lost")
}

func errFindRate(err error) error {
	return wrong("an example: --find-rate loss=0", "--find-rate: %w", err)
}

func errFindFrom(rate string) error {
	return wrong("begin with bits, packets or pairs, as in --rate 100mbps", "--find-rate cannot begin at --rate %s", rate)
}

func errFailIf(err error) error {
	return wrong("an example: --fail-if 'loss>0,dup>0'", "--fail-if: %w", err)
}

func errSetHeader(text string) error {
	return wrong("an example: --set-header 'X-Env: test'", "--set-header %s: want NAME: VALUE", text)
}

func errHostMap(text string) error {
	return wrong("an example: --host-map shop.example=shop.test", "--host-map %s: want FROM=TO", text)
}

func errReplayTimes() error {
	return wrong("recap replay --help lists the flags", "--for and --quiet must not be negative, --trial must be more than 0")
}

func errNoPackets(scheme string) error {
	return wrong("leave --packets out, or send to vxlan://, file: or iface:", "%s takes pairs, not packets", scheme)
}

func errPacketsWhere() error {
	return wrong("choose packets with --bpf, or leave --packets out", "--where chooses pairs: it does not go with --packets")
}

func errPacketsSource(name string) error {
	return wrong("name the captures themselves, or leave --packets out", "%s holds no packets: --packets needs captures", name)
}

func errPacketsFind() error {
	return wrong("leave --packets out: pairs have markers, packets have none", "--find-rate does not go with --packets: nobody knows what was lost")
}

func errRefused(err error) error {
	return &failure{code: exitRefused, err: fmt.Errorf("refused: %w", err),
		hint: "only what --to names is sent to, at loopback and private addresses; if that is really meant, --allow-target allows it elsewhere"}
}

func errReplay(err error) error { return &failure{code: exitFailure, err: err} }

func errVerdict(v *replay.Verdict) error {
	f := &failure{code: exitVerdict, err: errors.New("verdict: " + v.Reason)}
	if v.State == replay.VerdictFailed {
		f.hint = "--fail-if says how much may go wrong, as in --fail-if 'loss>1%,failed>0'"
	}
	return f
}

func errReplayInterrupted(dir string) error {
	hint := "the figures above are true for what was sent until then"
	if dir != "" {
		hint = filepath.Join(dir, report.JSONName) + " holds what was sent until then"
	}
	return &failure{code: exitInterrupted, err: errors.New("interrupted"), hint: hint}
}

func errReportDir(dir string, err error) error {
	if isExists(err) {
		return &failure{code: exitOutput, err: fmt.Errorf("%s holds a report already", dir), hint: "choose another directory with --report, or replace it with --overwrite"}
	}
	return errOutput(err)
}

func errMetrics(err error) error {
	return wrong("an example: --metrics 127.0.0.1:9100", "--metrics: %w", err)
}

func (u *ui) metricsAt(address string) {
	fmt.Fprintf(u.err, "recap: metrics at http://%s/metrics\n", printable(address))
}

func (u *ui) warnPacketsRaw() {
	u.warnf("--packets sends what was captured as it is: passwords, cookies and tokens in it are not taken out. --keep-secrets says that this is meant")
}

// warnNothingSent keeps a run that tested nothing from being taken for one that found
// nothing. requestsOnly says that there were requests without responses.
func (u *ui) warnNothingSent(requestsOnly bool) {
	text := "nothing was sent: whatever the verdict says, nothing was tested"
	if requestsOnly {
		text += ". The source has requests without responses, which --incomplete send sends"
	}
	u.warnf("%s", text)
}

func (u *ui) warnPacketsCollect() {
	u.warnf("packets have no markers: --collect can only count the pairs that come out, not tell which were lost")
}

// replayReport tells where the report is.
func (u *ui) replayReport(dir string) {
	var t sheet
	t.row("wrote", filepath.Join(dir, report.JSONName)+",", filepath.Join(dir, report.PageName))
	io.WriteString(u.err, t.b.String())
}

// replayPassedOver tells of pairs that --where did not choose.
func (u *ui) replayPassedOver(passedOver uint64) {
	var t sheet
	t.row("--where", whereParts(passedOver)...)
	io.WriteString(u.err, t.b.String())
}

func whereParts(passedOver uint64) []string {
	if passedOver == 0 {
		return nil
	}
	return []string{"passed over " + many(int64(passedOver), "pair", "pairs")}
}

func leftOutParts(s *replay.ScheduleStat) []string {
	m := map[string]int64{}
	for reason, n := range s.LeftOut {
		m[reason] = int64(n)
	}
	return counted(m, 0)
}

// dryRun tells what a run would send.
func (u *ui) dryRun(d *replay.DryRun, o *replay.Options, passedOver uint64) {
	var t sheet
	t.row("from", separated(",", slices.Clone(o.Sources))...)
	t.row("to", o.To)
	addrs := "no address"
	if o.Address.IsValid() {
		addrs = o.Address.String()
	}
	t.row("address", addrs)
	if !d.OfPackets {
		t.row("read", many(int64(d.Schedule.Read), "pair", "pairs"))
	}
	t.row("--where", whereParts(passedOver)...)
	t.row("left out", leftOutParts(&d.Schedule)...)
	if d.OfPackets {
		t.row("would send", many(int64(d.Packets), "packet", "packets")+",", bytesText(int64(d.Bytes)), "as captured, credentials in them too; the target leaves out what it cannot send")
		u.dryEnd(&t, d, o)
		return
	}
	t.row("would send", many(int64(d.Events), "pair", "pairs")+",", many(int64(d.Conns), "connection", "connections")+",", bytesText(int64(d.HTTPBytes))+" of heads and bodies")
	u.dryEnd(&t, d, o)
}

func (u *ui) dryEnd(t *sheet, d *replay.DryRun, o *replay.Options) {
	takes := "as long as the target takes"
	if d.TakesNS >= 0 {
		takes = durationText(time.Duration(d.TakesNS))
	}
	t.row("rate", o.Rate.String()+":", takes)
	t.row("out of order", orderParts(&d.Schedule)...)
	t.row("sent", "nothing: this was a dry run")
	io.WriteString(u.err, t.b.String())
}

func orderParts(s *replay.ScheduleStat) []string {
	var parts []string
	for _, x := range []struct {
		n    uint64
		text string
	}{{s.Late, "behind the read-ahead"}, {s.Moved, "moved into the order of their connection"}, {s.NoTime, "without a time"}} {
		if x.n > 0 {
			parts = append(parts, count(int64(x.n))+" "+x.text)
		}
	}
	return separated(",", parts)
}
