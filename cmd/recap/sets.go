package main

import (
	"cmp"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// This file recognizes files that are one capture: tools that capture for long cut
// what they write into files, and connections go on from one to the next.

// A member is the place of a file in a set, as its name tells.
type member struct {
	set string // names the set, directory included
	run string // sorts the sessions that used the same name; empty where names do not tell
	n   int    // place in the session
}

// compressions are what is taken off a name before it is looked at.
var compressions = []string{".gz", ".zst", ".lz4", ".xz", ".bz2"}

const captureSuffix = `\.(?:pcap|pcapng|cap|ntar|dmp|dump|trc|snoop|erf|ncfx?|5vw|enc|fdc|syc|bfr|trc[01]|tr[1-9a-z])`

// setNames are the forms of names that tools give to rotated files, with the groups
// set, n, run and tail.
var setNames = []*regexp.Regexp{
	// dumpcap -b: web_00001_20261120090507.pcapng, or the other way round
	regexp.MustCompile(`^(?P<set>.+)_(?P<n>\d{5,9})_(?P<run>\d{14})(?P<tail>\.[A-Za-z0-9]+)?$`),
	regexp.MustCompile(`^(?P<set>.+)_(?P<run>\d{14})_(?P<n>\d{5,9})(?P<tail>\.[A-Za-z0-9]+)?$`),
	// Network Watcher: packetcapture_09_05_07_123.cap, packetcapture_09_05_07_123_1.cap
	regexp.MustCompile(`^(?i)(?P<set>packetcapture_\d+_\d+_\d+_\d+)(?:_(?P<n>\d{1,9}))?(?P<tail>\.[A-Za-z0-9]+)$`),
	// tcpdump -C: web.pcap, web.pcap1; with -W web.pcap00, web.pcap01; logrotate: web.pcap.1
	regexp.MustCompile(`^(?P<set>.+` + captureSuffix + `)\.?(?P<n>\d{1,9})?$`),
}

// memberOf tells of what set a file may be.
func memberOf(name string) (m member, ok bool) {
	dir, base := path.Split(filepath.ToSlash(name))
	for _, c := range compressions {
		base = strings.TrimSuffix(base, c)
	}
	for i, re := range setNames {
		found := re.FindStringSubmatch(base)
		if found == nil {
			continue
		}
		group := func(name string) string {
			if i := re.SubexpIndex(name); i >= 0 {
				return found[i]
			}
			return ""
		}
		m = member{set: strconv.Itoa(i) + " " + dir + group("set") + group("tail"), run: group("run")}
		if text := group("n"); text != "" {
			m.n, _ = strconv.Atoi(text) // nine digits at most
		} else {
			m.n = -1 // before all others
		}
		return m, true
	}
	return m, false
}

// joinSets makes one task of those whose inputs belong together, in the place of the
// first of them.
func joinSets(tasks []*task) []*task {
	type entry struct {
		member
		t *task
	}
	sets := map[string][]entry{}
	for _, t := range tasks {
		if m, ok := memberOf(t.name); ok && t.err == nil {
			sets[m.set] = append(sets[m.set], entry{m, t})
		}
	}
	gone := map[*task]bool{}
	for _, set := range sets {
		slices.SortStableFunc(set, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.n, b.n), cmp.Compare(a.t.name, b.t.name))
		})
		head := set[0]
		for i, e := range set[1:] {
			// A number that does not grow while the time does: another session.
			if before := set[i]; e.run != before.run && e.n <= before.n {
				head = e
				continue
			}
			head.t.found = append(head.t.found, e.t.found...)
			gone[e.t] = true
		}
	}
	return slices.DeleteFunc(tasks, func(t *task) bool { return gone[t] })
}
