package pcaptest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"recap/reader/packet"
)

// DefaultStart is the time of the first packet, nanoseconds since the epoch
// (2020-01-01T00:00:00.001Z is the first packet's, one step later).
const DefaultStart = 1577836800_000_000_000

// line is one parsed packet line.
type line struct {
	n        int
	src, dst netip.AddrPort
	frame    bool // payload is a whole frame
	payload  []byte

	udp      bool
	proto    int // IP protocol, -1 for TCP or UDP
	flags    string
	hasFlags bool
	add      string // flags named by words

	handshake, close bool
	seq, ack         override
	skip             int64
	isn              *uint32
	mss              int
	reverse, drop    bool
	dropSegs         []int
	dup, late        int
	win, urgptr      int
	options          []byte
	badSum, noSum    bool
	flow             string

	ip     ipFields
	frag   int
	ofrag  int
	layers []layer
	mac    *[2][6]byte
	omac   *[2][6]byte

	advance int64
	hasTime bool
	at      int64
	hasAt   bool
	cut     int
	mirror  int
	origLen int64
	pad     int
	iface   int
	link    packet.LinkType
	noTime  bool
}

type override struct {
	set, relative bool
	n             int64
}

func (o override) apply(tracked uint32) uint32 {
	switch {
	case !o.set:
		return tracked
	case o.relative:
		return tracked + uint32(o.n)
	default:
		return uint32(o.n)
	}
}

// Packets returns the records that the text describes.
func Packets(text string, opts ...Option) ([]Packet, error) {
	c := configure(opts)
	b := newBuilder()
	var defaults []string
	auto := false
	for _, l := range joinLines(text) {
		toks, err := tokens(l.text)
		if err == nil && len(toks) > 0 {
			switch toks[0] {
			case "default":
				defaults = toks[1:]
			case "handshake":
				auto = len(toks) < 2 || toks[1] != "off"
			case "start":
				if len(toks) != 2 {
					err = fmt.Errorf("start wants seconds")
					break
				}
				var at int64
				if at, err = parseSeconds(toks[1]); err == nil {
					b.clock, b.fresh = at, true
				}
			case "step":
				if len(toks) != 2 {
					err = fmt.Errorf("step wants a duration")
					break
				}
				var d time.Duration
				if d, err = time.ParseDuration(toks[1]); err == nil {
					b.step = int64(d)
				}
			default:
				var ln *line
				if ln, err = parseLine(toks, defaults, c); err == nil {
					ln.n = l.n
					err = b.add(ln, auto)
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.n, err)
		}
	}
	b.flush()
	return b.out, nil
}

type textLine struct {
	n    int
	text string
}

// joinLines drops comments and blank lines and joins continuation lines.
func joinLines(text string) []textLine {
	var out []textLine
	for i, s := range strings.Split(text, "\n") {
		s = strings.TrimRight(s, " \t\r")
		bare := strings.TrimLeft(s, " \t")
		if bare == "" || bare[0] == '#' {
			continue
		}
		// An indented line that does not start with an address or a directive
		// continues: tests indent whole texts, so indentation alone is no sign.
		if len(out) > 0 && bare != s && continues(bare) {
			out[len(out)-1].text += " " + bare
			continue
		}
		out = append(out, textLine{i + 1, bare})
	}
	return out
}

func continues(s string) bool {
	if s[0] == '"' || s[0] == '`' {
		return true
	}
	word, _, _ := strings.Cut(s, " ")
	switch word {
	case "default", "handshake", "start", "step", "frame":
		return false
	}
	_, err1 := netip.ParseAddrPort(word)
	_, err2 := netip.ParseAddr(word)
	return err1 != nil && err2 != nil
}

// tokens splits a line at blanks, keeping quoted strings whole.
func tokens(s string) ([]string, error) {
	var out []string
	for s = strings.TrimLeft(s, " \t"); s != ""; s = strings.TrimLeft(s, " \t") {
		if s[0] == '"' || s[0] == '`' {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("bad string at %q", s)
			}
			out, s = append(out, q), s[len(q):]
			continue
		}
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			i = len(s)
		}
		out, s = append(out, s[:i]), s[i:]
	}
	return out, nil
}

func parseLine(toks, defaults []string, c config) (*line, error) {
	l := &line{proto: -1, cut: -1, mirror: -1, origLen: -1, win: 65535, link: c.link}
	l.ip = ipFields{ttl: 64, id: -1}
	rest := toks
	if toks[0] == "frame" {
		l.frame, rest = true, toks[1:]
	} else {
		if len(toks) < 3 || toks[1] != ">" {
			return nil, fmt.Errorf("want SOURCE > DESTINATION, got %q", strings.Join(toks, " "))
		}
		var err error
		if l.src, err = endpoint(toks[0]); err != nil {
			return nil, err
		}
		if l.dst, err = endpoint(toks[2]); err != nil {
			return nil, err
		}
		if l.src.Addr().Is4() != l.dst.Addr().Is4() {
			return nil, fmt.Errorf("addresses of two families")
		}
		rest = toks[3:]
	}
	p := lineParser{l: l, outer: defaultOuter}
	for _, t := range slices.Concat(defaults, rest) {
		if err := p.word(t); err != nil {
			return nil, fmt.Errorf("%q: %w", t, err)
		}
	}
	if l.proto >= 0 && l.udp {
		return nil, fmt.Errorf("udp and proto exclude each other")
	}
	return l, nil
}

func endpoint(s string) (netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap, nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no address", s)
	}
	return netip.AddrPortFrom(a, 0), nil
}

var defaultOuter = [2]netip.AddrPort{
	netip.MustParseAddrPort("192.0.2.1:49152"),
	netip.MustParseAddrPort("192.0.2.2:0"),
}

type lineParser struct {
	l     *line
	outer [2]netip.AddrPort
}

func (p *lineParser) word(t string) error {
	l := p.l
	if t[0] == '"' || t[0] == '`' {
		s, err := strconv.Unquote(t)
		l.payload = append(l.payload, s...)
		return err
	}
	if t[0] == '@' {
		d, err := time.ParseDuration(t[1:])
		if t == "@0" {
			d, err = 0, nil
		}
		l.advance, l.hasTime = int64(d), true
		return err
	}
	key, val, has := strings.Cut(t, "=")
	if f, ok := flagWords[t]; ok {
		l.add += f
		return nil
	}
	if k, ok := layerWords[key]; ok {
		return p.layer(k, val, has)
	}
	if set, ok := plainWords[key]; ok && !has {
		set(l)
		return nil
	}
	if set, ok := valueWords[key]; ok && has {
		return set(p, val)
	}
	return fmt.Errorf("unknown word")
}

var flagWords = map[string]string{
	"syn": "S", "synack": "SA", "fin": "FA", "rst": "R", "ack": "A", "psh": "P", "urg": "U",
}

var plainWords = map[string]func(*line){
	"handshake": func(l *line) { l.handshake = true },
	"close":     func(l *line) { l.close = true },
	"reverse":   func(l *line) { l.reverse = true },
	"drop":      func(l *line) { l.drop = true },
	"dup":       func(l *line) { l.dup = 1 },
	"badsum":    func(l *line) { l.badSum = true },
	"nosum":     func(l *line) { l.noSum = true },
	"badipsum":  func(l *line) { l.ip.badSum = true },
	"df":        func(l *line) { l.ip.df = true },
	"udp":       func(l *line) { l.udp = true },
	"notime":    func(l *line) { l.noTime = true },
	"sackok":    func(l *line) { l.options = append(l.options, 4, 2) },
}

var valueWords = makeValueWords()

func makeValueWords() map[string]func(*lineParser, string) error {
	m := map[string]func(*lineParser, string) error{
		"flags": func(p *lineParser, v string) error {
			if strings.Trim(v, "FSRPAUEC-") != "" {
				return fmt.Errorf("flags are letters of FSRPAUEC")
			}
			p.l.flags, p.l.hasFlags = v, true
			return nil
		},
		"seq":  func(p *lineParser, v string) error { return parseOverride(&p.l.seq, v) },
		"ack":  func(p *lineParser, v string) error { return parseOverride(&p.l.ack, v) },
		"skip": func(p *lineParser, v string) (err error) { p.l.skip, err = strconv.ParseInt(v, 0, 64); return err },
		"isn": func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 32)
			u := uint32(n)
			p.l.isn = &u
			return err
		},
		"drop": func(p *lineParser, v string) error {
			for _, s := range strings.Split(v, ",") {
				n, err := strconv.Atoi(s)
				if err != nil || n < 1 {
					return fmt.Errorf("packets of a line count from 1")
				}
				p.l.dropSegs = append(p.l.dropSegs, n)
			}
			return nil
		},
		"wscale": func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 8)
			p.l.options = append(p.l.options, 3, 3, byte(n))
			return err
		},
		"mssopt": func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 16)
			p.l.options = append(p.l.options, 2, 4, byte(n>>8), byte(n))
			return err
		},
		"ts": func(p *lineParser, v string) error {
			var a, b uint32
			if _, err := fmt.Sscanf(v, "%d:%d", &a, &b); err != nil {
				return fmt.Errorf("want VALUE:ECHO")
			}
			p.l.options = append(p.l.options, 1, 1, 8, 10)
			p.l.options = be.AppendUint32(p.l.options, a)
			p.l.options = be.AppendUint32(p.l.options, b)
			return nil
		},
		"tcpopt": func(p *lineParser, v string) error {
			b, err := hex.DecodeString(v)
			p.l.options = append(p.l.options, b...)
			return err
		},
		"flow": func(p *lineParser, v string) error { p.l.flow = v; return nil },
		"hex": func(p *lineParser, v string) error {
			b, err := hex.DecodeString(v)
			p.l.payload = append(p.l.payload, b...)
			return err
		},
		"fill": func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 31)
			p.l.payload = append(p.l.payload, Fill(int(n))...)
			return err
		},
		"rep": func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 31)
			if err == nil {
				p.l.payload = bytes.Repeat(p.l.payload, int(n))
			}
			return err
		},
		"at": func(p *lineParser, v string) (err error) {
			p.l.at, err = parseSeconds(v)
			p.l.hasAt = true
			return err
		},
		"mac":      func(p *lineParser, v string) (err error) { p.l.mac, err = parseMACs(v); return err },
		"outermac": func(p *lineParser, v string) (err error) { p.l.omac, err = parseMACs(v); return err },
		"outer": func(p *lineParser, v string) (err error) {
			a, b, ok := strings.Cut(v, ">")
			if !ok {
				return fmt.Errorf("want A>B")
			}
			if p.outer[0], err = endpoint(a); err != nil {
				return err
			}
			if p.outer[0].Port() == 0 {
				p.outer[0] = netip.AddrPortFrom(p.outer[0].Addr(), defaultOuter[0].Port())
			}
			p.outer[1], err = endpoint(b)
			if err == nil && p.outer[0].Addr().Is4() != p.outer[1].Addr().Is4() {
				err = fmt.Errorf("addresses of two families")
			}
			return err
		},
		"link": func(p *lineParser, v string) error {
			l, ok := linkNames[v]
			if !ok {
				return fmt.Errorf("want one of %s", strings.Join(slices.Sorted(maps.Keys(linkNames)), " "))
			}
			p.l.link = l
			return nil
		},
		"origlen": func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 32)
			p.l.origLen = int64(n)
			return err
		},
	}
	ints := map[string]func(*line) *int{
		"mss": func(l *line) *int { return &l.mss }, "dup": func(l *line) *int { return &l.dup },
		"late": func(l *line) *int { return &l.late }, "win": func(l *line) *int { return &l.win },
		"urgptr": func(l *line) *int { return &l.urgptr }, "proto": func(l *line) *int { return &l.proto },
		"ttl": func(l *line) *int { return &l.ip.ttl }, "ipid": func(l *line) *int { return &l.ip.id },
		"frag": func(l *line) *int { return &l.frag }, "outerfrag": func(l *line) *int { return &l.ofrag },
		"cut": func(l *line) *int { return &l.cut }, "mirror": func(l *line) *int { return &l.mirror },
		"pad": func(l *line) *int { return &l.pad }, "if": func(l *line) *int { return &l.iface },
	}
	for k, field := range ints {
		m[k] = func(p *lineParser, v string) error {
			n, err := strconv.ParseUint(v, 0, 31)
			*field(p.l) = int(n)
			return err
		}
	}
	return m
}

func parseOverride(o *override, v string) error {
	o.set = true
	o.relative = v != "" && (v[0] == '+' || v[0] == '-')
	n, err := strconv.ParseInt(v, 0, 64)
	o.n = n
	return err
}

func parseMACs(v string) (*[2][6]byte, error) {
	a, b, ok := strings.Cut(v, ">")
	x, err1 := net.ParseMAC(a)
	y, err2 := net.ParseMAC(b)
	if !ok || err1 != nil || err2 != nil || len(x) != 6 || len(y) != 6 {
		return nil, fmt.Errorf("want MAC>MAC")
	}
	return &[2][6]byte{[6]byte(x), [6]byte(y)}, nil
}

// parseSeconds reads seconds with up to nine decimals, exactly.
func parseSeconds(v string) (int64, error) {
	whole, frac, _ := strings.Cut(v, ".")
	s, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(frac) > 9 || s > math.MaxInt64/1_000_000_000-1 || s < math.MinInt64/1_000_000_000+1 {
		return 0, fmt.Errorf("%q is no time in seconds", v)
	}
	n, err := strconv.ParseUint((frac + "000000000")[:9], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no time in seconds", v)
	}
	if strings.HasPrefix(whole, "-") {
		return s*1e9 - int64(n), nil
	}
	return s*1e9 + int64(n), nil
}

// Fill returns n bytes of text in which every place can be told from its
// neighbours: "abc…z" with the running number of the row.
func Fill(n int) []byte {
	b := make([]byte, 0, n+40)
	for row := 0; len(b) < n; row++ {
		b = append(b, "abcdefghijklmnopqrstuvwxyz"...)
		b = strconv.AppendInt(b, int64(row), 10)
	}
	return b[:n]
}
