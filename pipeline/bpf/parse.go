package bpf

import (
	"math/bits"
	"net/netip"
	"strings"
)

// maxNesting bounds parentheses and operators inside each other.
const maxNesting = 1000

type parser struct {
	expr   string
	tokens []token
	at     int
	depth  int
}

// quals are the words before an identifier. Identifiers after and and or have those
// of the one before where they bring none: port 80 or 443.
type quals struct {
	p    proto
	d    dir
	kind string // "host", "net", "port", "portrange", "proto", "protochain", or "" for host
}

// parse returns the expression, or nil for an empty one.
func parse(expr string) (n node, err error) {
	p := &parser{expr: expr}
	if p.tokens, err = lex(expr); err != nil {
		return nil, err
	}
	defer func() {
		if e, ok := recover().(*Error); ok {
			n, err = nil, e
		}
	}()
	if p.tok().kind == tokEnd {
		return nil, nil
	}
	n, _ = p.or(nil)
	if p.tok().kind != tokEnd {
		p.fail("and, or, or the end must come here")
	}
	return n, nil
}

func (p *parser) tok() *token   { return &p.tokens[p.at] }
func (p *parser) ahead() *token { return &p.tokens[min(p.at+1, len(p.tokens)-1)] }

// fail ends the parsing.
func (p *parser) fail(msg string) { panic(&Error{p.expr, p.tok().pos, msg}) }

func (t *token) isOp(ops ...string) bool {
	for _, o := range ops {
		if t.kind == tokOp && t.text == o {
			return true
		}
	}
	return false
}

func (t *token) isWord(w string) bool { return t.kind == tokWord && t.text == w }

// op takes one of the operators, or returns "".
func (p *parser) op(ops ...string) string {
	if t := p.tok(); t.isOp(ops...) {
		p.at++
		return t.text
	}
	return ""
}

func (p *parser) want(op string) {
	if p.op(op) == "" {
		p.fail("there must be " + op)
	}
}

func (p *parser) nest() {
	if p.depth++; p.depth > maxNesting {
		p.fail("the expression is nested too deeply")
	}
}

// joins tells whether the next token is and (1), or (2) or neither.
func (p *parser) joins() int {
	t := p.tok()
	switch {
	case t.isOp("&&") || t.isWord("and"):
		return 1
	case t.isOp("||") || t.isWord("or"):
		return 2
	}
	return 0
}

// or reads terms joined by and and or, which bind equally.
func (p *parser) or(q *quals) (node, *quals) {
	p.nest()
	n, q := p.term(q)
	for j := p.joins(); j != 0; j = p.joins() {
		p.at++
		var r node
		r, q = p.term(q)
		n = &junction{and: j == 1, l: n, r: r}
	}
	p.depth--
	return n, q
}

// term reads one term. q are the qualifiers of the one before, or nil.
func (p *parser) term(q *quals) (node, *quals) {
	switch t := p.tok(); {
	case t.isOp("!") || t.isWord("not"):
		p.at++
		p.nest()
		n, q := p.term(q)
		p.depth--
		return &not{n}, q
	case p.startsNumber():
		return p.relation(), nil
	case t.isOp("("):
		p.at++
		n, q := p.or(q)
		p.want(")")
		return n, q
	case t.kind == tokWord:
		return p.word(q)
	case t.kind == tokEnd || t.kind == tokOp:
		p.fail("a condition must come here")
	}
	return p.inherits(q)
}

// inherits reads an identifier without qualifiers of its own.
func (p *parser) inherits(q *quals) (node, *quals) {
	if q == nil {
		switch t := p.tok(); t.kind {
		case tokWord, tokName:
			p.fail("the word is not known here")
		case tokNumber:
			p.fail("a number needs a word like port or net before it")
		}
		p.fail("an address needs a word like host or net before it")
	}
	return p.id(q), q
}

// startsNumber reports whether a comparison of numbers starts here.
func (p *parser) startsNumber() bool {
	t := p.tok()
	switch t.kind {
	case tokNumber:
		return p.ahead().calculates()
	case tokWord:
		_, named := constants[t.text]
		return named || t.text == "len" || protoWords[t.text] != none && p.ahead().isOp("[")
	case tokOp:
		return t.text == "-" || t.text == "(" && p.tokens[t.pair+1].calculates()
	}
	return false
}

// calculates reports whether t stands between two numbers.
func (t *token) calculates() bool {
	return t.isOp("+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "<", ">", "<=", ">=", "=", "==", "!=")
}

// relation reads a comparison.
func (p *parser) relation() node {
	l := p.arith(0)
	op := p.op("=", "==", "!=", "<", "<=", ">", ">=")
	switch op {
	case "":
		p.fail("a comparison must come here")
	case "==":
		op = "="
	}
	return &relation{op, l, p.arith(0)}
}

// levels are the operators of arithmetic, those that bind most last.
var levels = [...][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) arith(level int) arith {
	if level == len(levels) {
		return p.factor()
	}
	l := p.arith(level + 1)
	deep := p.depth
	for {
		at := p.tok()
		op := p.op(levels[level]...)
		if op == "" {
			p.depth = deep
			return l
		}
		p.nest()
		r := p.arith(level + 1)
		if c, ok := r.(constant); ok {
			switch {
			case c == 0 && (op == "/" || op == "%"):
				panic(&Error{p.expr, at.pos, "division by zero"})
			case c > 31 && (op == "<<" || op == ">>"):
				panic(&Error{p.expr, at.pos, "shift by more than 31 bits"})
			}
		}
		l = &calc{op: op, l: l, r: r}
	}
}

func (p *parser) factor() arith {
	p.nest()
	defer func() { p.depth-- }()
	t := p.tok()
	switch {
	case p.op("-") != "":
		return &calc{op: "-", l: constant(0), r: p.factor(), sign: true}
	case p.op("(") != "":
		a := p.arith(0)
		p.want(")")
		return a
	case t.kind == tokNumber:
		p.at++
		return constant(t.num)
	case t.kind != tokWord:
		p.fail("a number must come here")
	}
	p.at++
	if t.text == "len" {
		return length{}
	}
	if c, ok := constants[t.text]; ok {
		return constant(c)
	}
	if of := protoWords[t.text]; of != none && p.op("[") != "" {
		l := &load{p: of, at: p.arith(0), size: 1}
		if p.op(":") != "" {
			if t := p.tok(); t.kind != tokNumber || t.num != 1 && t.num != 2 && t.num != 4 {
				p.fail("the size must be 1, 2 or 4 bytes")
			}
			l.size = p.tok().num
			p.at++
		}
		p.want("]")
		if of == stp || of == iso || of == netbeui || of == ipx {
			panic(&Error{p.expr, t.pos, "bytes of this cannot be looked at"})
		}
		return l
	}
	p.at--
	p.fail("a number must come here")
	return nil
}

// word reads what starts with a keyword.
func (p *parser) word(inherited *quals) (node, *quals) {
	t := p.tok()
	switch t.text {
	case "vlan":
		return p.inside(0xfff), nil
	case "mpls":
		return p.inside(0xfffff), nil
	case "pppoes":
		return p.inside(0xffff), nil
	case "geneve", "vxlan":
		return p.inside(0xffffff), nil
	case "pppoed":
		p.at++
		return &protoNumber{p: link, n: 0x8863}, nil
	case "greater", "less":
		p.at++
		op := ">="
		if t.text == "less" {
			op = "<="
		}
		return &relation{op, length{}, constant(p.number())}, nil
	case inbound, outbound:
		p.at++
		return &whence{word: t.text}, nil
	case ifindex:
		p.at++
		return &whence{ifindex, p.number()}, nil
	case "llc":
		return p.llc(), nil
	case "clnp", "esis", "isis":
		p.at++
		for n, word := range isoNames {
			if word == t.text {
				return &protoNumber{p: iso, n: n}, nil
			}
		}
	case "ifname", "on", "rulenum", "rnr", "rset", "ruleset", "reason", "action", "type", "subtype", "direction",
		"gateway", "lane", "radio", "addr1", "addr2", "addr3", "addr4", "ra", "ta":
		p.fail("this word of the language is not supported")
	}
	var q quals
	if of := protoWords[t.text]; of != none {
		q.p = of
		p.at++
	}
	if n := p.cast(q.p); n != nil {
		return n, nil
	}
	var directed bool
	q.d, directed = p.dir()
	switch w := p.tok(); w.text {
	case "host", "net", "port", "portrange", "proto", "protochain":
		if w.kind == tokWord {
			q.kind = w.text
			p.at++
		}
	case "gateway":
		p.fail("this word of the language is not supported")
	}
	if q.kind == "" && !directed {
		switch q.p {
		case none:
			return p.inherits(inherited)
		case link:
			p.fail("proto, host, src, dst, broadcast or multicast must come here")
		}
		return &isProto{q.p}, nil
	}
	return p.ids(&q), &q
}

// number takes a number.
func (p *parser) number() uint32 {
	t := p.tok()
	if t.kind != tokNumber {
		p.fail("a number must come here")
	}
	p.at++
	return t.num
}

// llc reads llc and perhaps the kind of frame.
func (p *parser) llc() node {
	p.at++
	if k, ok := llcKinds[p.tok().text]; ok && p.tok().kind == tokWord {
		p.at++
		return &k
	}
	return &llcKind{}
}

// dir reads src and dst, alone or joined, and reports whether there was one.
func (p *parser) dir() (dir, bool) {
	one := func(t *token) dir {
		switch {
		case t.isWord("src"):
			return src
		case t.isWord("dst"):
			return dst
		}
		return either
	}
	d := one(p.tok())
	if d == either {
		return d, false
	}
	p.at++
	if j := p.joins(); j != 0 && one(p.ahead()) == src+dst-d {
		p.at += 2
		return [...]dir{1: both, 2: either}[j], true // "src or dst" is what no word means
	}
	return d, true
}

// cast reads broadcast and multicast.
func (p *parser) cast(of proto) node {
	t := p.tok()
	if !t.isWord("broadcast") && !t.isWord("multicast") {
		return nil
	}
	n := &cast{of, t.text == "multicast"}
	if of == none {
		n.p = link
	}
	switch {
	case n.p == ip && !n.multicast:
		p.fail("the netmask of the network is not known, so that neither are its broadcasts")
	case n.p != link && n.p != ip && (n.p != ip6 || !n.multicast):
		p.fail("only ether, ip and ip6 have this")
	}
	p.at++
	return n
}

// inside reads a word that moves what follows into the next header, and its number.
func (p *parser) inside(limit uint32) node {
	n := &inside{what: p.tok().text, any: true}
	p.at++
	if t := p.tok(); t.kind == tokNumber && !p.ahead().calculates() {
		if t.num > limit {
			p.fail("the number is too large")
		}
		n.id, n.any = t.num, false
		p.at++
	}
	return n
}

// ids reads an identifier, or several in parentheses.
func (p *parser) ids(q *quals) node {
	if t := p.tok(); t.isOp("!") || t.isWord("not") {
		p.at++
		p.nest()
		defer func() { p.depth-- }()
		return &not{p.ids(q)}
	}
	if p.op("(") == "" {
		return p.id(q)
	}
	p.nest()
	n := p.ids(q)
	for j := p.joins(); j != 0; j = p.joins() {
		p.at++
		n = &junction{and: j == 1, l: n, r: p.ids(q)}
	}
	p.want(")")
	p.depth--
	return n
}

// id reads one identifier.
func (p *parser) id(q *quals) node {
	switch q.kind {
	case "port", "portrange":
		return p.port(q)
	case "proto", "protochain":
		return p.proto(q)
	}
	t := p.tok()
	if t.kind != tokMAC && q.p == link {
		p.fail("ether needs an address like 00:11:22:33:44:55")
	}
	switch t.kind {
	case tokNumber, tokDotted:
		return p.host4(q)
	case tokIPv6:
		return p.host6(q)
	case tokMAC:
		if q.p != link || q.kind == "net" {
			p.fail("an Ethernet address needs ether before it")
		}
		p.at++
		return &hostMAC{q.d, t.mac}
	case tokWord, tokName:
		p.fail("names are not looked up: give the address")
	}
	p.fail("an address must come here")
	return nil
}

func (p *parser) host4(q *quals) node {
	t := p.tok()
	n := &host4{p: q.p, d: q.d, addr: t.num, mask: 1<<32 - 1}
	if q.p != none && q.p != ip && q.p != arp && q.p != rarp {
		p.fail("only ip, arp and rarp have IPv4 addresses")
	}
	p.at++
	switch slash, mask := q.kind == "net" && p.op("/") != "", false; {
	case slash:
		b := p.tok()
		if b.kind != tokNumber || b.num > 32 {
			p.fail("a number up to 32 must come here")
		}
		p.at++
		n.mask = ^uint32(0) << (32 - b.num)
		mask = true
		fallthrough
	case q.kind == "net" && p.tok().isWord("mask"):
		if !mask {
			p.at++
			m := p.tok()
			if m.kind != tokDotted {
				p.fail("a netmask must come here")
			}
			p.at++
			n.mask = m.num
		}
		if t.kind == tokNumber { // 10/8
			n.addr = t.num << (8 * (bits.LeadingZeros32(t.num|1) / 8))
		}
		if n.addr&^n.mask != 0 {
			panic(&Error{p.expr, t.pos, "the address has bits outside the network"})
		}
	case t.kind == tokDotted:
		n.mask <<= 32 - t.bits
	case q.kind == "net": // 10 is 10.0.0.0/8
		for n.addr != 0 && n.addr>>24 == 0 {
			n.addr, n.mask = n.addr<<8, n.mask<<8
		}
	}
	return n
}

func (p *parser) host6(q *quals) node {
	t := p.tok()
	if q.p != none && q.p != ip6 {
		p.fail("only ip6 has IPv6 addresses")
	}
	p.at++
	bits := 128
	if q.kind == "net" && p.op("/") != "" {
		b := p.tok()
		if b.kind != tokNumber || b.num > 128 {
			p.fail("a number up to 128 must come here")
		}
		p.at++
		bits = int(b.num)
	}
	n := netip.PrefixFrom(t.addr, bits)
	if n.Masked() != n {
		panic(&Error{p.expr, t.pos, "the address has bits outside the network"})
	}
	return &host6{q.d, n}
}

// port reads a port, or two with a hyphen between them.
func (p *parser) port(q *quals) node {
	if q.p != none && q.p != tcp && q.p != udp && q.p != sctp {
		p.fail("only tcp, udp and sctp have ports")
	}
	one := func() uint32 {
		t := p.tok()
		switch v, named := ports[strings.ToLower(t.text)]; {
		case (t.kind == tokWord || t.kind == tokName) && named:
			p.at++
			return v
		case t.kind != tokNumber:
			p.fail("a port must come here")
		case t.num > 0xffff:
			p.fail("a port is at most 65535")
		}
		p.at++
		return t.num
	}
	n := &portRange{p: q.p, d: q.d, lo: one()}
	n.hi = n.lo
	if q.kind == "portrange" && p.op("-") != "" {
		n.hi = one()
	}
	n.lo, n.hi = min(n.lo, n.hi), max(n.lo, n.hi)
	return n
}

func (p *parser) proto(q *quals) node {
	names := ipProtos
	switch {
	case q.p == link:
		names = etherProtos
	case q.p != none && q.p != ip && q.p != ip6 || q.d != either:
		p.fail("only ether, ip and ip6 have a proto")
	}
	t := p.tok()
	n := &protoNumber{p: q.p, n: t.num, chain: q.kind == "protochain"}
	if n.chain && q.p == link {
		p.fail("only ip and ip6 have a protochain")
	}
	switch v, named := names[t.text]; {
	case (t.kind == tokWord || t.kind == tokName) && named:
		n.n = v
	case t.kind != tokNumber:
		p.fail("a protocol must come here")
	case q.p == link && t.num > 0xffff || q.p != link && t.num > 0xff:
		p.fail("the number is too large")
	}
	p.at++
	return n
}
