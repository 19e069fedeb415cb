package app

import (
	"fmt"
	"slices"
	"testing"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

func TestTouch(t *testing.T) {
	type pos = packet.Pos
	for _, tt := range []struct {
		name       string
		at         []pos
		packets    []int64
		first, end int64
		files      []string
		anomalies  []exchange.Anomaly
	}{
		{"two pieces of one packet", []pos{{Number: 3, TimeNS: 30}, {Number: 3, TimeNS: 30}}, []int64{3}, 30, 30, []string{"file 0"}, nil},
		{"packets out of order", []pos{{Number: 3, TimeNS: 30}, {Number: 7, TimeNS: 70}, {Number: 5, TimeNS: 50}, {Number: 3, TimeNS: 30}},
			[]int64{3, 5, 7}, 30, 70, []string{"file 0"}, nil},
		{"inputs by turns", []pos{{Number: 1, FileIndex: 2}, {Number: 2, FileIndex: 4}, {Number: 3, FileIndex: 2}},
			[]int64{1, 2, 3}, 0, 0, []string{"file 2", "file 4"}, nil},
		{"a bad checksum in an input that was there before", []pos{{Number: 1, FileIndex: 2}, {Number: 2}, {Number: 3, FileIndex: 2, BadChecksum: true}},
			[]int64{1, 2, 3}, 0, 0, []string{"file 2", "file 0"}, []exchange.Anomaly{exchange.AnomalyBadChecksum}},
		{"a bad checksum in the second piece", []pos{{Number: 1}, {Number: 1, FragmentConflict: true}},
			[]int64{1}, 0, 0, []string{"file 0"}, []exchange.Anomaly{exchange.AnomalyOverlapConflict}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Env{FileName: func(i int32) string { return fmt.Sprint("file ", i) }}
			var p exchange.Pair
			var last LastFile
			m := &p.Request.Message
			for i := range tt.at {
				tt.at[i].Clock = tt.at[i].TimeNS + 1
				e.Touch(&p, m, &last, &tt.at[i])
			}
			if !slices.Equal(m.Packets, tt.packets) || m.TimeNS != tt.first || m.Clock != tt.first+1 || m.EndTimeNS != tt.end {
				t.Errorf("packets %v from %d (clock %d) to %d, want %v from %d to %d", m.Packets, m.TimeNS, m.Clock, m.EndTimeNS, tt.packets, tt.first, tt.end)
			}
			if !slices.Equal(p.Files, tt.files) {
				t.Errorf("files %q, want %q", p.Files, tt.files)
			}
			var got []exchange.Anomaly
			p.Anomalies.Each(func(a exchange.Anomaly) { got = append(got, a) })
			if !slices.Equal(got, tt.anomalies) {
				t.Errorf("anomalies %v, want %v", got, tt.anomalies)
			}
		})
	}
}

func TestAddGap(t *testing.T) {
	for reason, want := range map[string]exchange.Anomaly{
		exchange.GapLost:            exchange.AnomalyLostSegment,
		exchange.GapSnaplen:         exchange.AnomalySnaplenCut,
		exchange.GapMirrorTruncated: exchange.AnomalyMirrorTruncated,
	} {
		var got, one exchange.Anomalies
		AddGap(&got, reason)
		if one.Add(want); got != one {
			t.Errorf("AddGap(%q) adds %v, want %v", reason, got, one)
		}
	}
}

func TestEndBody(t *testing.T) {
	lost := exchange.Gap{Offset: 2, Length: 3, Reason: exchange.GapLost}
	unknown := exchange.Gap{Offset: 2, Length: -1, Reason: exchange.GapLost}
	limit := func(offset, n int64) exchange.Gap {
		return exchange.Gap{Offset: offset, Length: n, Reason: exchange.GapLimit}
	}
	for _, tt := range []struct {
		name         string
		limit        int64
		size, stored int
		gaps, want   []exchange.Gap
	}{
		{"all of it is stored", 10, 10, 10, nil, nil},
		{"the end is not stored", 6, 10, 6, nil, []exchange.Gap{limit(6, 4)}},
		{"what is missing is not over the limit", 10, 10, 7, []exchange.Gap{lost}, []exchange.Gap{lost}},
		{"a hole and an end that is not stored", 4, 10, 4, []exchange.Gap{lost}, []exchange.Gap{lost, limit(7, 3)}},
		{"a hole of unknown length", 4, 6, 4, []exchange.Gap{unknown}, []exchange.Gap{unknown, limit(4, 2)}},
		{"nothing is to be stored", -1, 10, 0, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := exchange.Message{BodySize: int64(tt.size), Body: make([]byte, tt.stored), Gaps: slices.Clone(tt.gaps)}
			var a exchange.Anomalies
			(&Limits{Body: tt.limit}).EndBody(&m, &a)
			if !slices.Equal(m.Gaps, tt.want) || a.Has(exchange.AnomalyBodyLimit) != (len(tt.want) > len(tt.gaps)) {
				t.Errorf("gaps %v, body_limit %t, want %v", m.Gaps, a.Has(exchange.AnomalyBodyLimit), tt.want)
			}
		})
	}
}
