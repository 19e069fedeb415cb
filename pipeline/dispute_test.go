package pipeline

import (
	"encoding/binary"
	"slices"
	"testing"

	"recap/pipeline/exchange"
)

// A segment comes again with one byte changed: the exchange that has the byte says so, and
// no other, under multiplexing and under TLS as well.
func TestBytesThatDifferAreToldToTheirExchange(t *testing.T) {
	for _, talk := range talks {
		t.Run(talk.name, func(t *testing.T) {
			list, opt := readTalk(t, talk.file, talk.keys)
			told := 0
			for i, p := range list {
				_, payload, ok := tcpOf(p.frame)
				if !ok || len(p.frame) <= payload+1 || len(list) > 150 && i%3 > 0 || len(list) > 400 && i%2 > 0 {
					continue
				}
				f := slices.Clone(p.frame)
				f[len(f)-1-i%(len(f)-payload)] ^= 0x55
				binary.BigEndian.PutUint16(f[18:], binary.BigEndian.Uint16(f[18:])+7)
				again := slices.Insert(slices.Clone(list), i+1, tapped{p.at, f, len(f)})
				got := extract(t, inOrder(t, again), opt, 0)
				of, others, asks := 0, 0, 0
				for _, p := range got.pairs {
					if !p.Anomalies.Has(exchange.AnomalyOverlapConflict) {
						continue
					}
					if slices.Contains(p.Request.Packets, int64(i+1)) || slices.Contains(p.Response.Packets, int64(i+1)) {
						of++
						if p.Response.Status == 101 {
							asks++ // its request is that of stream 1 too (RFC 7540, section 3.2)
						}
					} else if p.Ordinal > 0 || p.FirstPacket < int64(i) { // else before anything could be read
						others++
					}
				}
				rows := 0
				for _, f := range got.flows {
					if f.Anomalies.Has(exchange.AnomalyOverlapConflict) {
						rows++
					}
				}
				if rows != 1 || of-asks > 1 || others > 0 {
					t.Errorf("a copy of packet %d that differs: %d connections, %d exchanges that are in it and %d others", i+1, rows, of, others)
				}
				told += of
			}
			if told < 8 {
				t.Errorf("%d copies that differ were told to their exchange", told)
			}
		})
	}
}

// Two copies that differ wait for what is before them: the exchange that gets one of them
// says so.
func TestBytesThatDifferBeforeTheyAreRead(t *testing.T) {
	list, _ := readTalk(t, "h2c.pcap", "")
	told := 0
	for i, a := range list {
		_, payload, ok := tcpOf(a.frame)
		if !ok || len(a.frame) <= payload || a.frame[36] != 0x1f || a.frame[payload] == 'P' {
			continue // of the client, behind what the protocol is known by
		}
		k := i + 1
		for k < len(list) && string(list[k].frame[26:38]) != string(a.frame[26:38]) {
			k++
		}
		if k == len(list) || len(list[k].frame) < 120 {
			continue
		}
		b, other := list[k], list[k]
		other.frame = slices.Clone(b.frame)
		other.frame[len(b.frame)-1] ^= 0x55
		b.at, other.at = a.at, a.at
		moved := slices.Concat(list[:i], []tapped{b, other, a}, slices.Delete(slices.Clone(list[i+1:]), k-i-1, k-i))
		got := extract(t, inOrder(t, moved), full, 0)
		for _, p := range got.pairs {
			if !p.Anomalies.Has(exchange.AnomalyOverlapConflict) {
				continue
			}
			told++
			if list := p.Request.Packets; !slices.Contains(list, int64(i+1)) && !slices.Contains(list, int64(i+2)) {
				t.Errorf("a copy of packet %d that differs and waits is told to %s, of the packets %v", k+1, p.Request.Target, list)
			}
		}
	}
	if told < 3 {
		t.Errorf("%d were told", told)
	}
}
