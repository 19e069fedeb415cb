package decap

import (
	"fmt"
	"testing"

	"recap/reader/packet"
)

func TestStacksAreBounded(t *testing.T) {
	d := NewDecoder(Options{MaxStacks: 10})
	var s Segment
	for round := range 2 {
		for vni := range 20 {
			want := DispTCP
			if vni >= 5 { // each takes a stack as seen and a canonical one
				want = dispTunnelTable
			}
			if got := d.Decode(pkt(packet.LinkEthernet, over4(17, udp(1, 4789, vxlan(uint32(vni), inE)))), &s); got != want {
				t.Errorf("round %d, VNI %d: Decode = %v, want %v", round, vni, got, want)
			}
		}
		for id := range 20 {
			want := DispTCP
			if id >= 10 {
				want = dispVLANTable
			}
			if got := d.Decode(pkt(packet.LinkEthernet, eth(0x8100, vlanTag(id, 0x0800, in4))), &s); got != want {
				t.Errorf("round %d, VLAN %d: Decode = %v, want %v", round, id, got, want)
			}
		}
	}
	t.Run("a stack without a canonical one is not used", func(t *testing.T) {
		d := NewDecoder(Options{MaxStacks: 3})
		for i, want := range []Disposition{DispTCP, dispTunnelTable, dispTunnelTable, DispTCP} {
			if got := d.Decode(pkt(packet.LinkEthernet, over4(17, udp(1, 4789, vxlan(uint32(i%3), inE)))), &s); got != want {
				t.Errorf("packet %d: Decode = %v, want %v", i, got, want)
			}
		}
	})
}

func TestManyStacksKeepTheirNumbers(t *testing.T) {
	d := NewDecoder(Options{})
	var s Segment
	nums := make([][2]uint32, 5000)
	for round := range 2 {
		for i := range nums {
			d.Decode(pkt(packet.LinkEthernet, over4(17, udp(1, 4789, vxlan(uint32(i), eth(0x8100, vlanTag(i&0xfff, 0x8100, vlanTag(i>>12, 0x0800, in4))))))), &s)
			if got := [2]uint32{s.Stack, s.VLANs}; round == 0 {
				nums[i] = got
			} else if got != nums[i] {
				t.Fatalf("VNI %d: stacks %v, before %v", i, got, nums[i])
			}
			if got, want := stackText(d.Stack(s.Stack)), fmt.Sprintf("vxlan:%d(192.0.2.1>192.0.2.2)", i); got != want {
				t.Fatalf("Stack = %s, want %s", got, want)
			}
			if got, want := fmt.Sprint(d.VLANStack(s.VLANs)), fmt.Sprintf("[%d %d]", i&0xfff, i>>12); got != want {
				t.Fatalf("VLANStack = %s, want %s", got, want)
			}
		}
	}
}

// Workers read stacks while the dispatcher goes on; the race detector watches.
func TestStacksAreReadElsewhere(t *testing.T) {
	d := NewDecoder(Options{})
	ch, done := make(chan [2]uint32, 16), make(chan int)
	go func() {
		n := 0
		for i := range ch {
			n += len(d.Stack(i[0])) + len(d.VLANStack(i[1]))
		}
		done <- n
	}()
	var s Segment
	for i := range 3000 {
		b := over4(17, udp(1, 4789, vxlan(uint32(i), eth(0x8100, vlanTag(i&0xfff, 0x0800, in4)))))
		if i%3 == 0 {
			b = over4(47, join(be16(0x2000), be16(0x6558), be32(i), b))
		}
		d.Decode(pkt(packet.LinkEthernet, b), &s)
		ch <- [2]uint32{s.Stack, s.VLANs}
	}
	close(ch)
	if got := <-done; got != 7000 {
		t.Errorf("read %d elements, want 7000", got)
	}
}
