package main

import (
	"bytes"
	"cmp"
	"context"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"recap/reader"
	"recap/reader/pcap"
)

// This file is about what tcpdump -G writes: one capture in files that are named after
// the time at which each began. So are captures that have nothing to do with each other,
// taken every day; so names alone join nothing. Two files are one capture where the
// second began, by its packets, when its name says and when the first ended.

// A rotation is a file whose name may be one that tcpdump -G gives.
type rotation struct {
	stem string        // the name but for the time, directory included
	at   time.Time     // as the name tells, in a time zone that it does not tell
	unit time.Duration // that the name counts in
}

// rotationNames are the times of strftime that tell the day and at least the minute,
// most often used with -G, and seconds since 1970 (%s).
var rotationNames = []struct {
	form   *regexp.Regexp
	layout string
	unit   time.Duration
}{
	{regexp.MustCompile(`^(.*?)(\d{4})[-_]?(\d\d)[-_]?(\d\d)[-_T]?(\d\d)[-_:.]?(\d\d)[-_:.]?(\d\d)(\D*)$`), "20060102150405", time.Second},
	{regexp.MustCompile(`^(.*?)(\d{4})[-_]?(\d\d)[-_]?(\d\d)[-_T]?(\d\d)[-_:.]?(\d\d)(\D*)$`), "200601021504", time.Minute},
	{regexp.MustCompile(`^(.*?\D|)(1\d{9})(\D*)$`), "", time.Second},
}

// rotationOf reads a name.
func rotationOf(name string) (rotation, bool) {
	dir, base := path.Split(filepath.ToSlash(name))
	for _, n := range rotationNames {
		m := n.form.FindStringSubmatch(base)
		if m == nil {
			continue
		}
		last := len(m) - 1
		r := rotation{stem: dir + m[1] + "\x00" + m[last], unit: n.unit}
		digits := strings.Join(m[2:last], "")
		if n.layout == "" {
			sec, err := strconv.ParseInt(digits, 10, 64)
			r.at = time.Unix(sec, 0).UTC()
			return r, err == nil
		}
		at, err := time.Parse(n.layout, digits)
		r.at = at
		return r, err == nil
	}
	return rotation{}, false
}

const (
	// borderGap is how long nothing may be captured between the last packet of a file
	// and the first of the next.
	borderGap = time.Second
	// nameLag is by how much a name, which has the time of the machine that captured
	// when the first packet was written, may be off the time of that packet.
	nameLag = 2 * time.Second
	// zoneStep is what all differences from UTC are multiples of.
	zoneStep = 15 * time.Minute
)

// zone returns by how much the clock in the name is off UTC, or false where the first
// packet does not come when the name says.
func (r *rotation) zone(firstNS int64) (time.Duration, bool) {
	late := time.Unix(0, firstNS).Sub(r.at)
	zone := (late + nameLag).Truncate(zoneStep)
	if late+nameLag < zone { // Truncate goes toward 0
		zone -= zoneStep
	}
	return zone, late-zone < r.unit+nameLag && zone.Abs() <= 14*time.Hour
}

// joinRotations makes one task of those whose files are one capture of tcpdump -G, in
// the place of the first. It reads the ends of files whose names look like it.
func (r *reading) joinRotations(ctx context.Context, tasks []*task) []*task {
	type entry struct {
		rotation
		t *task
	}
	stems := map[string][]entry{}
	for _, t := range tasks {
		if n, ok := rotationOf(t.name); ok && t.err == nil && len(t.found) == 1 {
			stems[n.stem] = append(stems[n.stem], entry{n, t})
		}
	}
	gone := map[*task]bool{}
	for _, list := range stems {
		if len(list) < 2 {
			continue
		}
		slices.SortStableFunc(list, func(a, b entry) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.t.name, b.t.name)) })
		head, before := list[0], fileEnds{}
		for i, e := range list {
			now := r.endsOf(ctx, e.t.found[0], e.rotation)
			if i > 0 && now.follows(before) {
				head.t.found = append(head.t.found, e.t.found...)
				gone[e.t] = true
			} else {
				head = e
			}
			before = now
		}
	}
	return slices.DeleteFunc(tasks, func(t *task) bool { return gone[t] })
}

// fileEnds are the two ends of a file, where ok.
type fileEnds struct {
	pcap.Ends
	ok    bool
	named bool          // it begins when its name says
	zone  time.Duration // of the clock in the name
}

// follows reports whether b goes on where a ends.
func (b fileEnds) follows(a fileEnds) bool {
	gap := time.Duration(b.FirstNS - a.LastNS)
	return a.ok && b.ok && b.named && (!a.named || a.zone == b.zone) && bytes.Equal(a.Header, b.Header) && gap >= 0 && gap <= borderGap
}

// endsOf reads the ends of a file. What cannot be read has none: extracting it will tell.
func (r *reading) endsOf(ctx context.Context, f reader.Found, n rotation) (e fileEnds) {
	o := r.readerOptions(ctx)
	head := make([]byte, pcap.HeadBytes)
	if got, err := reader.ReadAt(ctx, f, head, 0, o); err != nil || got < len(head) || f.Size < 0 {
		return e
	}
	off := max(0, f.Size-pcap.TailBytes)
	tail := make([]byte, f.Size-off)
	got, err := reader.ReadAt(ctx, f, tail, off, o)
	if err != nil || got < len(tail) {
		return e
	}
	if e.Ends, e.ok = pcap.EndsOf(head, tail, off); e.ok {
		e.zone, e.named = n.zone(e.FirstNS)
	}
	return e
}
