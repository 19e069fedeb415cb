package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"recap/replay"
	"recap/replay/wire"
)

// rateFlag is --rate. It is a pflag.Value.
type rateFlag struct {
	replay.Rate
	set bool
}

// Type names the value in --help.
func (r *rateFlag) Type() string { return "RATE" }

// Set parses text.
func (r *rateFlag) Set(text string) error {
	v, err := replay.ParseRate(text)
	if err == nil {
		r.Rate, r.set = v, true
	}
	return err
}

// runIDFlag is --run-id. It is a pflag.Value.
type runIDFlag uint32

func (r *runIDFlag) String() string {
	if *r == 0 {
		return ""
	}
	return fmt.Sprintf("%08x", uint32(*r))
}

// Type names the value in --help.
func (r *runIDFlag) Type() string { return "HEX" }

// Set parses text.
func (r *runIDFlag) Set(text string) error {
	n, err := strconv.ParseUint(text, 16, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a number of up to 8 hex digits other than 0", text)
	}
	*r = runIDFlag(n)
	return nil
}

// vniFlag is --vni. It is a pflag.Value.
type vniFlag struct{ first, last uint32 }

func (v *vniFlag) String() string {
	switch {
	case v.first == 0 && v.last == 0:
		return ""
	case v.first == v.last:
		return fmt.Sprint(v.first)
	}
	return fmt.Sprintf("%d-%d", v.first, v.last)
}

// Type names the value in --help.
func (v *vniFlag) Type() string { return "VNI" }

// Set parses text.
func (v *vniFlag) Set(text string) (err error) {
	v.first, v.last, err = wire.ParseVNI(text)
	return err
}

// allowFlag is --allow-target. It is a pflag.Value.
type allowFlag struct {
	named bool
	extra []netip.Prefix
}

func (a *allowFlag) String() string {
	var parts []string
	if a.named {
		parts = append(parts, allowNamed)
	}
	for _, p := range a.extra {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, ",")
}

// Type names the value in --help.
func (a *allowFlag) Type() string { return "LIST" }

// Set adds the addresses and networks of text.
func (a *allowFlag) Set(text string) error {
	if text == allowNamed || text == "true" {
		a.named = true
		return nil
	}
	var add []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			addr, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return fmt.Errorf("%q is neither an address nor a network such as 192.0.2.0/24", part)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		add = append(add, p.Masked())
	}
	a.extra = append(a.extra, add...)
	return nil
}
