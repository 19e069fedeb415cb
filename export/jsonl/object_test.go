package jsonl_test

import (
	"math"
	"testing"

	"recap/export"
	"recap/export/jsonl"
	"recap/export/sinktest"
	"recap/pipeline/exchange"
)

func TestObjectLeavesOutWhatIsEmpty(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write func(o *jsonl.Object)
		want  string
	}{
		{"nothing", func(*jsonl.Object) {}, `{}`},
		{"an empty string", func(o *jsonl.Object) { o.Str("a", ""); o.Int("b", 0) }, `{"b":0}`},
		{"an empty string that is wanted", func(o *jsonl.Object) { o.Text("a", "") }, `{"a":""}`},
		{"an empty object", func(o *jsonl.Object) { o.Int("a", 1); o.Open("b"); o.CloseAny(); o.Int("c", 2) }, `{"a":1,"c":2}`},
		{"an empty object that is wanted", func(o *jsonl.Object) { o.Open("b"); o.Close() }, `{"b":{}}`},
		{"empty objects in each other", func(o *jsonl.Object) {
			o.Open("a")
			o.OpenList("b")
			o.Open("")
			o.CloseAny()
			o.CloseAny()
			o.CloseAny()
		}, `{}`},
		{"a list", func(o *jsonl.Object) {
			o.OpenList("l")
			o.Int("", 1)
			o.Open("")
			o.Close()
			o.Str("", "x")
			o.CloseAny()
		}, `{"l":[1,{},"x"]}`},
		{"a string that ends like an open object", func(o *jsonl.Object) { o.Open("a"); o.Str("b", "{"); o.CloseAny(); o.Raw("c", "[]") }, `{"a":{"b":"{"},"c":[]}`},
		{"a time that is not known", func(o *jsonl.Object) { o.Time("t", exchange.NoTime); o.Stamp("u", 0, 3, "+0000") }, `{"u":"1970-01-01T00:00:00.000+0000"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o jsonl.Object
			o.Begin([]byte("before"))
			tt.write(&o)
			if got := string(o.End()); got != "before"+tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		v        int64
		decimals int
		want     string
	}{
		{0, 6, "0"}, {1, 6, "0.000001"}, {1_000_000, 6, "1"}, {1_200_000, 6, "1.2"}, {-1, 6, "-0.000001"}, {-1_500_000, 6, "-1.5"},
		{1_700_000_000_123_456, 6, "1700000000.123456"}, {math.MaxInt64, 6, "9223372036854.775807"}, {math.MinInt64, 6, "-9223372036854.775808"},
	} {
		var o jsonl.Object
		o.Begin(nil)
		o.Decimal("n", tt.v, tt.decimals)
		if got := string(o.End()); got != `{"n":`+tt.want+`}` {
			t.Errorf("Decimal(%d, %d) = %s, want %s", tt.v, tt.decimals, got, tt.want)
		}
	}
}

// TestFacts: what has a value in the whole record is among the facts, the rest is not.
func TestFacts(t *testing.T) {
	schema := export.PairSchema()
	f := jsonl.NewFacts("", schema)
	for i, p := range sinktest.Tricky() {
		var c export.Cursor
		c.Pair(p)
		want := sparse(sinktest.JSON(schema, &c))
		got := decode(t, append(f.Append([]byte("{"), p), '}'))
		if want == nil {
			want = map[string]any{}
		}
		if diff := sinktest.Diff(want, got); diff != "" {
			t.Errorf("pair %d: %s", i, diff)
		}
	}
}

// sparse takes nulls and what is empty out of a value, as encoding/json has decoded it.
func sparse(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for k, e := range v {
			e = sparse(e)
			empty, _ := e.([]any)
			object, isObject := e.(map[string]any)
			if e != nil && (empty == nil || len(empty) > 0) && (!isObject || len(object) > 0) {
				m[k] = e
			}
		}
		return m
	case []any:
		l := []any{}
		for _, e := range v {
			l = append(l, sparse(e))
		}
		return l
	}
	return v
}
