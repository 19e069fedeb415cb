package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"time"

	"recap/pipeline/exchange"
	"recap/reader/packet"
)

// ManifestFormat names the layout of manifest.json; it changes when a reader of
// the old one would go wrong.
const ManifestFormat = "recap-manifest/1"

// A Manifest is manifest.json: what went in, under which options, what became of
// every packet and byte, and what came out. It holds no time of its making.
type Manifest struct {
	Format string `json:"format"` // [ManifestFormat]
	Tool   Tool   `json:"tool"`
	// Complete is false when the run was interrupted or an input was cut, corrupt
	// or met a limit; Interrupted tells the first from the others.
	Complete    bool              `json:"complete"`
	Interrupted bool              `json:"interrupted"`
	Options     map[string]any    `json:"options"` // every option in force, defaults and limits too
	Inputs      []ManifestInput   `json:"inputs"`
	Ledger      ManifestLedger    `json:"ledger"`
	Pairs       ManifestPairs     `json:"pairs"`
	Flows       int64             `json:"flows"`
	Messages    int64             `json:"messages"`   // of streaming exchanges
	Anomalies   map[string]int64  `json:"anomalies"`  // pairs, connections and messages by anomaly
	LimitsHit   map[string]int64  `json:"limits_hit"` // times that a limit was met, by its name
	Cut         []Cut             `json:"cut"`        // what is missing from the output, and where
	Outputs     []Output          `json:"outputs"`    // manifest.json itself is not among them
	Extra       map[string]string `json:"extra,omitempty"`
	Health      json.RawMessage   `json:"health,omitempty"` // how well the capture was taken, as info --json has it
}

// Tool is what made the directory.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go,omitempty"`
}

// ManifestInput is what is known of one input.
type ManifestInput struct {
	Name          string             `json:"name"`
	Size          int64              `json:"size"`           // bytes as stored
	SHA256        *string            `json:"sha256"`         // null where the input was not read to its end
	ETag          string             `json:"etag,omitempty"` // of a blob
	Format        string             `json:"format"`
	Compression   string             `json:"compression,omitempty"`
	Packets       int64              `json:"packets"`
	CapturedBytes int64              `json:"captured_bytes"`
	FirstTime     *string            `json:"first_time"` // RFC 3339, UTC; null where no packet has a time
	FirstTimeNS   *int64             `json:"first_time_ns"`
	LastTime      *string            `json:"last_time"`
	LastTimeNS    *int64             `json:"last_time_ns"`
	Sections      int                `json:"sections,omitempty"`
	Interfaces    []packet.Interface `json:"interfaces"`
	Hardware      string             `json:"hardware,omitempty"`
	OS            string             `json:"os,omitempty"`
	Application   string             `json:"application,omitempty"`
	Comments      []string           `json:"comments,omitempty"`
	NamesResolved int                `json:"names,omitempty"`         // name resolution records in it
	SecretBlocks  int                `json:"secret_blocks,omitempty"` // key logs in it, which are never copied
	UnknownBlocks map[string]int64   `json:"unknown_blocks,omitempty"`
	Anomalies     map[string]int64   `json:"anomalies,omitempty"`
	Damage        []Damage           `json:"damage"`
	DamageCount   int64              `json:"damage_count"` // all of it; damage lists the first ones
	LostBytes     int64              `json:"lost_bytes"`   // of the decompressed file
}

// Damage is one fault of an input.
type Damage struct {
	Packet int64  `json:"packet,omitempty"` // number in its file, from 1
	Offset *int64 `json:"offset"`           // byte from 0 in the decompressed file; null where unknown
	Cause  string `json:"cause"`
	Saved  string `json:"saved,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// ManifestLedger is the ledger and whether it balances.
type ManifestLedger struct {
	Balanced bool `json:"balanced"`
	*exchange.Ledger
}

// ManifestPairs counts pairs.
type ManifestPairs struct {
	Total      int64            `json:"total"`
	ByState    map[string]int64 `json:"by_state"`
	ByProtocol map[string]int64 `json:"by_protocol"`
}

// Cut is something that is not in the output although it was, or should have
// been, in the capture.
type Cut struct {
	What   string `json:"what"`             // "input", "connection", "body", …
	Where  string `json:"where"`            // name of the input, id of the connection or pair
	Packet int64  `json:"packet,omitempty"` // number in the capture, from 1
	Offset *int64 `json:"offset,omitempty"` // byte from 0 in Where
	Bytes  *int64 `json:"bytes,omitempty"`  // how much is missing, where that is known
	Cause  string `json:"cause"`
}

// Output is one file of the directory.
type Output struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Encode returns the manifest as indented JSON with a final newline: fields in the
// order of the structs, keys of maps sorted, lists and maps never null.
func (m *Manifest) Encode() ([]byte, error) {
	c := *m
	if c.Format == "" {
		c.Format = ManifestFormat
	}
	c.Options = notNil(c.Options)
	c.Anomalies, c.LimitsHit = notNil(c.Anomalies), notNil(c.LimitsHit)
	c.Pairs.ByState, c.Pairs.ByProtocol = notNil(c.Pairs.ByState), notNil(c.Pairs.ByProtocol)
	c.Inputs, c.Cut, c.Outputs = list(c.Inputs), list(c.Cut), list(c.Outputs)
	for i := range c.Inputs {
		in := &c.Inputs[i]
		in.Interfaces, in.Damage = list(in.Interfaces), list(in.Damage)
	}
	if c.Ledger.Ledger == nil {
		c.Ledger = LedgerOf(&exchange.Ledger{})
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(&c); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return buf.Bytes(), nil
}

func notNil[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// list returns a copy of s, so that filling it up leaves the caller's alone.
func list[E any](s []E) []E { return append([]E{}, s...) }

// LedgerOf returns l as the manifest holds it.
func LedgerOf(l *exchange.Ledger) ManifestLedger {
	packets, payload := l.Balance()
	c := *l
	c.Packets, c.Payload = notNil(maps.Clone(l.Packets)), notNil(maps.Clone(l.Payload))
	return ManifestLedger{Balanced: packets == 0 && payload == 0, Ledger: &c}
}

// InputOf returns in as the manifest holds it. Key logs found in it are counted, never copied.
func InputOf(in *packet.Input) ManifestInput {
	m := ManifestInput{
		Name: in.Name, Size: in.Size, ETag: in.ETag, Format: in.Format, Compression: in.Compression,
		Packets: in.Packets, CapturedBytes: in.CapturedLen,
		Sections: in.Sections, Interfaces: in.Interfaces,
		Hardware: in.Hardware, OS: in.OS, Application: in.Application, Comments: in.Comments,
		NamesResolved: len(in.Names), SecretBlocks: len(in.Secrets),
		UnknownBlocks: in.Unknown, Anomalies: in.Anomalies,
		DamageCount: in.DamageCount, LostBytes: in.LostBytes,
	}
	if in.Hashed {
		sum := fmt.Sprintf("%x", in.SHA256)
		m.SHA256 = &sum
	}
	m.FirstTime, m.FirstTimeNS = manifestTime(in.FirstNS)
	m.LastTime, m.LastTimeNS = manifestTime(in.LastNS)
	for _, e := range in.Damage {
		d := Damage{Packet: e.Packet, Saved: e.Saved, Hint: e.Hint}
		if e.Err != nil {
			d.Cause = e.Err.Error()
		}
		if e.Offset >= 0 {
			d.Offset = &e.Offset
		}
		m.Damage = append(m.Damage, d)
	}
	return m
}

func manifestTime(ns int64) (*string, *int64) {
	if ns == math.MinInt64 { // packet.NoTime
		return nil, nil
	}
	s := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
	return &s, &ns
}

// A Tally counts pairs and connections for the manifest. It is a [Sink].
type Tally struct {
	ManifestPairs
	Flows     int64
	Messages  int64
	Anomalies map[string]int64

	states    [4]int64
	anomalies [256]int64
}

// Write counts the batch.
func (t *Tally) Write(b *exchange.Batch) error {
	if t.ByProtocol == nil {
		t.ByProtocol = make(map[string]int64)
	}
	count := func(a exchange.Anomaly) { t.anomalies[a]++ }
	for _, p := range b.Pairs {
		t.Total++
		t.states[p.State&3]++
		if n, ok := t.ByProtocol[p.Protocol]; ok {
			t.ByProtocol[p.Protocol] = n + 1
		} else {
			t.ByProtocol[string(append([]byte(nil), p.Protocol...))] = 1
		}
		p.Anomalies.Each(count)
	}
	for _, m := range b.Messages {
		t.Messages++
		m.Anomalies.Each(count)
	}
	for _, f := range b.Flows {
		t.Flows++
		f.Anomalies.Each(count)
	}
	return nil
}

// Close fills the maps.
func (t *Tally) Close() error {
	t.ByState, t.Anomalies = make(map[string]int64), make(map[string]int64)
	for i, n := range t.states {
		if n > 0 {
			t.ByState[exchange.State(i).String()] = n
		}
	}
	for _, a := range exchange.AllAnomalies() {
		if n := t.anomalies[a]; n > 0 {
			t.Anomalies[a.String()] = n
		}
	}
	return nil
}
