package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"recap/export"
	"recap/pipeline/exchange"
	"recap/reader/blob"
)

const reportHelp = `Write one HTML page about an output directory: summary, health of the capture,
inputs, ledger, anomalies, and the first 1,000 pairs, which can be filtered.

The page is whole in itself: it loads nothing, and its policy forbids it to. What
captures hold stands in it as text only. It shows what the directory holds, with
whatever extract was told to keep back.`

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

// pagePairs bounds the pairs of a page, pageRows its other lists.
const (
	pagePairs = 1000
	pageRows  = 200
	pageHosts = 20
)

type reportCommand struct {
	u         *ui
	out       string
	overwrite bool
}

func newReport(u *ui) *cobra.Command {
	c := &reportCommand{u: u}
	cmd := &cobra.Command{
		Use:     "report [flags] DIR",
		Short:   "Write an HTML page about an output directory",
		Long:    reportHelp,
		Example: "  recap report recap-out\n  recap report recap-out -o incident.html",
		RunE:    oneDir(c.run),
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&c.out, "out", "o", "recap-report.html", "write this `FILE`; - is standard output")
	f.BoolVar(&c.overwrite, "overwrite", false, "replace FILE if it is there")
	_ = cmd.MarkFlagFilename("out", "html")
	return cmd
}

func (c *reportCommand) run(ctx context.Context, dir string) error {
	at, err := openReadable(ctx, dir)
	dir = blob.SafeName(dir)
	if err != nil {
		return errNoManifest(dir, err)
	}
	defer at.Close()
	root := at.Root
	m, err := readManifest(root)
	if err != nil {
		return errNoManifest(dir, err)
	}
	if c.out != "-" && !c.overwrite {
		if _, err := os.Lstat(c.out); err == nil {
			return errExists(c.out)
		}
	}
	p := newPage(dir, m)
	if err := p.readPairs(ctx, root); err != nil {
		if ctx.Err() != nil {
			return errInterrupted("")
		}
		return errRows(dir, err)
	}
	var b bytes.Buffer
	if err := p.write(&b); err != nil {
		return err
	}
	if c.out == "-" {
		if _, err := export.NamedWriter("standard output", c.u.out).Write(b.Bytes()); err != nil {
			return errOutput(err)
		}
		return nil
	}
	out, err := createWhole(c.out, c.overwrite)
	if err != nil {
		return err
	}
	defer out.abandon()
	if _, err := export.NamedWriter(c.out, out.f).Write(b.Bytes()); err != nil {
		return errOutput(err)
	}
	if err := out.finish(); err != nil {
		return err
	}
	c.u.reported(c.out, p)
	return nil
}

// A page is what the template shows. Numbers are texts by then.
type page struct {
	Policy     string
	Style      template.CSS
	Script     template.JS
	Title      string
	Made       string
	Verdict    string
	Complete   bool
	Tiles      []pageItem
	Findings   []pageFinding
	Inputs     []pageInput
	MoreInputs string
	Balanced   bool
	Ledger     []pageLedger
	Anomalies  []pageItem
	Protocols  []pageItem
	Hosts      []pageItem
	States     []string
	Pairs      []pagePair
	Shown      string
	Total      string
	Cut        bool
}

type pageItem struct {
	Name, Value, Count, Why    string
	Connections, Packets, Wire string
}

type pageFinding struct{ What, Where, Cause, Advice string }

type pageInput struct{ Name, Format, Size, Packets, Time, Damage string }

type pageLedger struct {
	Name, Total string
	Rows        []pageLedgerRow
}

type pageLedgerRow struct {
	Name, Count, Share, Why string
	Width                   int // of 96
}

type pagePair struct {
	ID, Time, Client, Server, Method, URL, Status, Class, Size, Latency, State string
	Anomalies                                                                  []string
}

func newPage(dir string, m *export.Manifest) *page {
	p := &page{Title: printable(dir), Complete: m.Complete, Balanced: m.Ledger.Balanced,
		Style: template.CSS(pageCSS), Script: template.JS(pageJS)}
	p.Policy = "default-src 'none'; style-src '" + pageHash(pageCSS) + "'; script-src '" + pageHash(pageJS) + "'; base-uri 'none'; form-action 'none'"
	p.Made, p.Verdict = pageWords(m)
	p.Tiles = pageTiles(m)
	for i := range m.Inputs {
		if i == pageRows {
			p.MoreInputs = many(len(m.Inputs)-i, "more", "more")
			break
		}
		p.Inputs = append(p.Inputs, pageInputOf(&m.Inputs[i]))
	}
	if l := m.Ledger.Ledger; l != nil {
		p.Ledger = []pageLedger{pageLedgerOf("Packets", l.PacketsRead, "", l.Packets), pageLedgerOf("Payload", l.PayloadBytes, " B", l.Payload)}
	}
	for _, name := range ranked(m.Anomalies) {
		if len(p.Anomalies) == pageRows {
			break
		}
		item := pageItem{Name: name, Count: count(m.Anomalies[name])}
		if a, ok := anomalyOf(name); ok {
			item.Why = a.Meaning()
		}
		p.Anomalies = append(p.Anomalies, item)
	}
	p.health(m.Health)
	for s := exchange.Complete; s <= exchange.Partial; s++ {
		p.States = append(p.States, s.String())
	}
	p.Total = count(m.Pairs.Total)
	return p
}

// health takes over what the manifest says of the capture itself; a manifest without
// it, or with something else in its place, says nothing.
func (p *page) health(text json.RawMessage) {
	var h healthReport
	if json.Unmarshal(text, &h) != nil {
		return
	}
	for _, f := range h.Findings[:min(len(h.Findings), pageRows)] {
		where := ""
		if len(f.Packets) > 0 {
			where = packetsText(f.Packets[:min(len(f.Packets), shownPackets)], f.Count)
		}
		p.Findings = append(p.Findings, pageFinding{f.What, where, f.Cause, f.Advice})
	}
	for _, q := range h.Protocols[:min(len(h.Protocols), pageRows)] {
		p.Protocols = append(p.Protocols, pageItem{Name: q.Name, Connections: count(q.Connections), Packets: count(q.Packets), Wire: bytesText(q.Wire)})
	}
	for _, t := range h.Hosts.Top[:min(len(h.Hosts.Top), pageHosts)] {
		p.Hosts = append(p.Hosts, pageItem{Name: t.Addr, Packets: count(t.Packets), Wire: bytesText(t.Wire)})
	}
}

func pageInputOf(in *export.ManifestInput) pageInput {
	i := pageInput{Name: in.Name, Format: in.Format, Size: bytesText(in.Size), Packets: count(in.Packets), Damage: count(in.DamageCount)}
	if in.Compression != "" {
		i.Format += " in " + in.Compression
	}
	i.Time = rangeText(orNoTime(in.FirstTimeNS), orNoTime(in.LastTimeNS))
	return i
}

func pageLedgerOf(name string, total int64, unit string, of map[string]int64) pageLedger {
	l := pageLedger{Name: name, Total: count(total) + unit}
	for _, name := range ranked(of) {
		n := of[name]
		if n == 0 || len(l.Rows) == pageRows {
			continue
		}
		row := pageLedgerRow{Name: name, Count: count(n), Share: shareText(n, total), Width: int(max(0, min(96, 96*ratio(n, total))))}
		if isUnused(name) {
			row.Why = whyUnused(name)
		}
		l.Rows = append(l.Rows, row)
	}
	return l
}

// pageHash is how a content security policy names an inline style or script.
func pageHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// A pageRow is the part of a pair's row that the page shows; no bodies.
type pageRow struct {
	ID        string        `json:"id" parquet:"id"`
	State     string        `json:"state" parquet:"state"`
	Anomalies []string      `json:"anomalies" parquet:"anomalies,list"`
	Client    endRow        `json:"client" parquet:"client"`
	Server    endRow        `json:"server" parquet:"server"`
	Request   *pageRequest  `json:"request" parquet:"request"`
	Response  *pageResponse `json:"response" parquet:"response"`
	LatencyNS *int64        `json:"latency_ns" parquet:"latency_ns"`
}

type pageRequest struct {
	Method string `json:"method" parquet:"method"`
	Target string `json:"target" parquet:"target"`
	URL    string `json:"url" parquet:"url,optional"`
	TimeNS *int64 `json:"time_ns" parquet:"time_ns"`
}

type pageResponse struct {
	Status   int32  `json:"status" parquet:"status"`
	TimeNS   *int64 `json:"time_ns" parquet:"time_ns"`
	BodySize int64  `json:"body_size" parquet:"body_size"`
}

// readPairs takes the first pairs of the directory.
func (p *page) readPairs(ctx context.Context, dir *os.Root) error {
	err := readPairs(dir, func(r *pageRow) error {
		if len(p.Pairs) == pagePairs {
			p.Cut = true
			return io.EOF
		}
		p.Pairs = append(p.Pairs, r.pair())
		return ctx.Err()
	})
	p.Shown = count(len(p.Pairs))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// maxShownText bounds a text of the pairs table.
const maxShownText = 500

func (r *pageRow) pair() pagePair {
	p := pagePair{ID: printable(r.ID), State: printable(r.State), Client: r.Client.text(), Server: r.Server.text(), Class: "-"}
	for _, a := range r.Anomalies[:min(len(r.Anomalies), 20)] {
		p.Anomalies = append(p.Anomalies, printable(a))
	}
	at := int64(exchange.NoTime)
	if s := r.Response; s != nil {
		p.Status, p.Size = strconv.Itoa(int(s.Status)), bytesText(s.BodySize)
		if s.Status >= 100 && s.Status < 600 {
			p.Class = strconv.Itoa(int(s.Status / 100))
		}
		at = orNoTime(s.TimeNS)
	}
	if q := r.Request; q != nil {
		p.Method, p.URL = shortened(q.Method), shortened(q.URL)
		if p.URL == "" {
			p.URL = shortened(q.Target)
		}
		at = orNoTime(q.TimeNS)
	}
	if at != exchange.NoTime {
		p.Time = time.Unix(0, at).UTC().Format("2006-01-02 15:04:05.000")
	}
	if r.LatencyNS != nil {
		p.Latency = durationText(time.Duration(*r.LatencyNS))
	}
	return p
}

func (r *endRow) text() string {
	e := r.endpoint()
	if !e.IP.IsValid() {
		return ""
	}
	if e.IP.Is6() {
		return "[" + e.IP.String() + "]:" + strconv.Itoa(int(e.Port))
	}
	return e.IP.String() + ":" + strconv.Itoa(int(e.Port))
}

func shortened(s string) string {
	if runes := []rune(s); len(runes) > maxShownText {
		return string(runes[:maxShownText]) + "…"
	}
	return s
}

func (p *page) write(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{"p": printable}).Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return t.Execute(w, p)
}
