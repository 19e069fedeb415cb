package decap

import (
	"fmt"
	"testing"

	"recap/reader/packet"
)

func geneveOption(class, typ int, data ...byte) []byte {
	return join(be16(class), []byte{byte(typ), byte(len(data) / 4)}, data)
}

func TestGENEVEOptions(t *testing.T) {
	cookie := func(c byte) []byte {
		return join(geneveOption(0x108, 1, 1, 2, 3, 4, 5, 6, 7, 8), geneveOption(0x108, 0x82, 0, 0, 0, 0, 0, 0, 0, 9), geneveOption(0x108, 3, 0, 0, 0, c))
	}
	in := func(opts []byte, typ int, b []byte) []byte { return over4(17, udp(1, 6081, geneve(7, typ, opts, b))) }
	const aws = "[aws_endpoint_id=0102030405060708 aws_attachment_id=0000000000000009 aws_flow_cookie=000000%02x]"
	for _, tt := range []struct {
		name  string
		frame []byte
		want  string
	}{
		{"none", in(nil, 0x0800, in4), "[]"},
		{"of a load balancer of AWS", in(cookie(5), 0x0800, in4), fmt.Sprintf(aws, 5)},
		{"of a mirror of Google", in(geneveOption(0x132, 1, 0, 1, 2, 3), 0x6558, inE), "[gcp_network_id=00010203]"},
		{"unknown and empty ones", in(join(geneveOption(0x0102, 0x80), geneveOption(0xffff, 9, 1, 2, 3, 4)), 0x0800, in4), "[0x0102:0x00= 0xffff:0x09=01020304]"},
		{"one past its header", in(join(geneveOption(0xffff, 9, 1, 2, 3, 4), []byte{0, 1, 1, 4, 0, 0, 0, 0}), 0x0800, in4), "[0xffff:0x09=01020304]"},
		{"of two tunnels", in(cookie(1), 0x6558, over4(17, udp(1, 6081, geneve(8, 0x0800, cookie(2), in4)))), fmt.Sprintf(aws+" "+aws, 1, 2)},
		{"of the inner tunnel only", in(nil, 0x6558, over4(17, udp(1, 6081, geneve(7, 0x0800, cookie(2), in4)))), "[] " + fmt.Sprintf(aws, 2)},
		{"beside VXLAN", in(cookie(1), 0x0800, over4(17, udp(1, 4789, vxlan(3, inE)))[14:]), fmt.Sprintf(aws, 1) + " []"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, slow := NewDecoder(Options{}), NewDecoder(Options{})
			slow.slowOnly = true
			disp, s := checkDecode(t, d, slow, pkt(packet.LinkEthernet, exact(tt.frame)))
			got := ""
			for i, tunnel := range d.Tunnels(s.Stack, s.Outer()) {
				if i > 0 {
					got += " "
				}
				var texts []string
				for _, o := range tunnel.Options {
					texts = append(texts, o.String())
				}
				got += fmt.Sprint(texts)
			}
			if disp != DispTCP || got != tt.want {
				t.Errorf("Decode = %v, options %s; want %s", disp, got, tt.want)
			}
		})
	}
	t.Run("they make no stacks and no keys", func(t *testing.T) {
		d := NewDecoder(Options{})
		var s, first Segment
		for i := range 100 {
			if got := d.Decode(pkt(packet.LinkEthernet, in(cookie(byte(i)), 0x0800, in4)), &s); got != DispTCP {
				t.Fatalf("Decode = %v", got)
			}
			if i == 0 {
				first = s
			}
			if s.Key != first.Key || s.Stack != first.Stack {
				t.Fatalf("flow cookie %d: key %v, stack %d; before %v, %d", i, s.Key, s.Stack, first.Key, first.Stack)
			}
		}
	})
	t.Run("a plain packet after one with options has none", func(t *testing.T) {
		d := NewDecoder(Options{})
		var s Segment
		for range 2 {
			d.Decode(pkt(packet.LinkEthernet, in(cookie(1), 0x0800, in4)), &s)
			if d.Decode(pkt(packet.LinkEthernet, inE), &s); s.Outer() != nil {
				t.Errorf("options %x", s.Outer())
			}
			d.Decode(pkt(packet.LinkRaw, in4), &s)
			if s.Outer() != nil {
				t.Errorf("options %x", s.Outer())
			}
		}
	})
}
