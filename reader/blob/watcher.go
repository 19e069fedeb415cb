package blob

import (
	"strconv"
	"strings"
	"time"
)

// A WatcherPath is what the name of a capture of Azure Network Watcher tells. It
// puts captures below
//
//	…/subscriptions/S/resourcegroups/G/providers/microsoft.compute/virtualmachines/VM/2026/11/20/packetcapture_09_05_07_123.cap
//
// also with y=2026/m=11/d=20, and for scale sets with
// virtualmachinescalesets/SET/virtualmachines/VM. Case does not matter.
type WatcherPath struct {
	Subscription  string
	ResourceGroup string
	ScaleSet      string
	VM            string
	Start         time.Time // when the capture began, UTC, to the millisecond
}

// ParseWatcherPath takes the name of a blob, or a URL, apart. ok is false where the
// name does not tell machine and time.
func ParseWatcherPath(name string) (p WatcherPath, ok bool) {
	if strings.HasPrefix(name, schemeHTTP) {
		name = SafeName(name)
	} // elsewhere a question mark is part of a blob's name
	parts := strings.Split(name, "/")
	at := -1
	for i := 0; i+1 < len(parts); i++ {
		switch v := parts[i+1]; strings.ToLower(parts[i]) {
		case "subscriptions":
			p.Subscription = v
		case "resourcegroups":
			p.ResourceGroup = v
		case "virtualmachinescalesets":
			p.ScaleSet = v
		case "virtualmachines":
			p.VM, at = v, i+2
		}
	}
	if at < 0 || p.VM == "" || len(parts) != at+4 {
		return p, false
	}
	var n [7]int
	for i, name := range []string{"y", "m", "d"} {
		v := strings.ToLower(parts[at+i])
		if n[i], ok = number(strings.TrimPrefix(v, name+"=")); !ok {
			return p, false
		}
	}
	file := strings.ToLower(parts[at+3])
	clock, ok := strings.CutPrefix(file, "packetcapture_")
	fields := strings.FieldsFunc(clock, func(r rune) bool { return r == '_' || r == '.' })
	if !ok || len(fields) < 4 {
		return p, false
	}
	for i := range 4 {
		if n[3+i], ok = number(fields[i]); !ok {
			return p, false
		}
	}
	p.Start = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6]*1e6, time.UTC)
	// Date carries over what is out of range; a name that needs that tells no time.
	same := p.Start.Year() == n[0] && int(p.Start.Month()) == n[1] && p.Start.Day() == n[2] &&
		p.Start.Hour() == n[3] && p.Start.Minute() == n[4] && p.Start.Second() == n[5] && n[6] < 1000
	return p, same
}

func number(s string) (int, bool) {
	if len(s) == 0 || len(s) > 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil
}
