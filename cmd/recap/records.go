package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"recap/export"
	"recap/pipeline/exchange"
)

// This file reads what extract wrote: rows of pairs.parquet, pairs.jsonl and
// flows.parquet, in full or only the part that says where a pair stands. The
// structs name fields as export/schema.go does; a test holds them against it.

// A pairPlace is where a pair stands in its capture.
type pairPlace struct {
	ID       string         `json:"id" parquet:"id"`
	State    string         `json:"state" parquet:"state"`
	FlowID   string         `json:"flow_id" parquet:"flow_id"`
	Tunnels  []tunnelRow    `json:"tunnels" parquet:"tunnels,list"`
	Vantages []vantageRow   `json:"vantages" parquet:"vantages,list"`
	TLS      *tlsPlace      `json:"tls" parquet:"tls"`
	Request  *messagePlace  `json:"request" parquet:"request"`
	Response *messagePlace  `json:"response" parquet:"response"`
	Capture  captureNumbers `json:"capture" parquet:"capture"`
}

type tlsPlace struct {
	Decrypted bool `json:"decrypted" parquet:"decrypted"`
}

type messagePlace struct {
	Packets []int64 `json:"packets" parquet:"packets,list"`
}

type captureNumbers struct {
	FirstPacket int64 `json:"first_packet" parquet:"first_packet"`
	LastPacket  int64 `json:"last_packet" parquet:"last_packet"`
}

// A flowRow is what slice needs of a row of flows.parquet.
type flowRow struct {
	FlowID   string         `parquet:"flow_id"`
	Protocol string         `parquet:"protocol"`
	Client   endRow         `parquet:"client"`
	Server   endRow         `parquet:"server"`
	Tunnels  []tunnelRow    `parquet:"tunnels,list"`
	Vantages []vantageRow   `parquet:"vantages,list"`
	FirstNS  *int64         `parquet:"time_ns"`
	LastNS   *int64         `parquet:"end_time_ns"`
	Capture  captureNumbers `parquet:"capture"`
}

type endRow struct {
	IP   string `json:"ip" parquet:"ip,optional"`
	Port int32  `json:"port" parquet:"port"`
	MAC  string `json:"mac" parquet:"mac,optional"`
}

type tunnelRow struct {
	Type    string   `json:"type" parquet:"type"`
	ID      *int64   `json:"id" parquet:"id"`
	Src     string   `json:"src" parquet:"src,optional"`
	Dst     string   `json:"dst" parquet:"dst,optional"`
	Options []string `json:"options" parquet:"options,list"`
}

type vantageRow struct {
	Tunnels   []tunnelRow `json:"tunnels" parquet:"tunnels,list"`
	VLANs     []int32     `json:"vlans" parquet:"vlans,list"`
	Interface string      `json:"interface" parquet:"interface,optional"`
	DelayNS   int64       `json:"delay_ns" parquet:"delay_ns"`
}

// A pairRow is a whole row of pairs.
type pairRow struct {
	ID          string       `json:"id" parquet:"id"`
	State       string       `json:"state" parquet:"state"`
	Anomalies   []string     `json:"anomalies" parquet:"anomalies,list"`
	Protocol    string       `json:"protocol" parquet:"protocol"`
	Kind        string       `json:"kind" parquet:"kind"`
	FlowID      string       `json:"flow_id" parquet:"flow_id"`
	Ordinal     int32        `json:"ordinal" parquet:"ordinal"`
	CommunityID string       `json:"community_id" parquet:"community_id,optional"`
	Client      endRow       `json:"client" parquet:"client"`
	Server      endRow       `json:"server" parquet:"server"`
	Tunnels     []tunnelRow  `json:"tunnels" parquet:"tunnels,list"`
	VLANs       []int32      `json:"vlans" parquet:"vlans,list"`
	Vantages    []vantageRow `json:"vantages" parquet:"vantages,list"`
	TLS         *tlsRow      `json:"tls" parquet:"tls"`
	Request     *messageRow  `json:"request" parquet:"request"`
	Response    *messageRow  `json:"response" parquet:"response"`
	LatencyNS   *int64       `json:"latency_ns" parquet:"latency_ns"`
	DurationNS  *int64       `json:"duration_ns" parquet:"duration_ns"`
	Capture     captureRow   `json:"capture" parquet:"capture"`
	Call        *callRow     `json:"call" parquet:"call"`
}

type callRow struct {
	Operation string `json:"operation" parquet:"operation,optional"`
	Type      string `json:"type" parquet:"type,optional"`
	Version   string `json:"version" parquet:"version,optional"`
	Batch     int32  `json:"batch" parquet:"batch"`
}

type captureRow struct {
	FirstPacket int64    `json:"first_packet" parquet:"first_packet"`
	LastPacket  int64    `json:"last_packet" parquet:"last_packet"`
	Files       []string `json:"files" parquet:"files,list"`
	Interface   string   `json:"interface" parquet:"interface,optional"`
}

type tlsRow struct {
	Version   string `json:"version" parquet:"version,optional"`
	Cipher    string `json:"cipher" parquet:"cipher,optional"`
	SNI       string `json:"sni" parquet:"sni,optional"`
	ALPN      string `json:"alpn" parquet:"alpn,optional"`
	JA3       string `json:"ja3" parquet:"ja3,optional"`
	JA4       string `json:"ja4" parquet:"ja4,optional"`
	Decrypted bool   `json:"decrypted" parquet:"decrypted"`
}

type headerRow struct {
	Name  string `json:"name" parquet:"name"`
	Value string `json:"value" parquet:"value"`
}

type gapRow struct {
	Offset int64  `json:"offset" parquet:"offset"`
	Length *int64 `json:"length" parquet:"length"`
	Reason string `json:"reason" parquet:"reason"`
}

type interimRow struct {
	Status  int32       `json:"status" parquet:"status"`
	TimeNS  *int64      `json:"time_ns" parquet:"time_ns"`
	Headers []headerRow `json:"headers" parquet:"headers,list"`
}

// messageRow is a request or a response: fields that one of them lacks stay empty.
// (One struct inside the other would be neater; the library loses nulls there.)
type messageRow struct {
	Method          string       `json:"method" parquet:"method,optional"`
	Target          string       `json:"target" parquet:"target,optional"`
	Scheme          string       `json:"scheme" parquet:"scheme,optional"`
	Host            string       `json:"host" parquet:"host,optional"`
	Path            string       `json:"path" parquet:"path,optional"`
	Query           string       `json:"query" parquet:"query,optional"`
	URL             string       `json:"url" parquet:"url,optional"`
	Status          int32        `json:"status" parquet:"status,optional"`
	Reason          string       `json:"reason" parquet:"reason,optional"`
	Interim         []interimRow `json:"interim" parquet:"interim,list"`
	TimeNS          *int64       `json:"time_ns" parquet:"time_ns"`
	EndTimeNS       *int64       `json:"end_time_ns" parquet:"end_time_ns"`
	Version         string       `json:"version" parquet:"version"`
	Headers         []headerRow  `json:"headers" parquet:"headers,list"`
	Trailers        []headerRow  `json:"trailers" parquet:"trailers,list"`
	Head            []byte       `json:"head" parquet:"head,optional"` // encoding/json undoes base64
	ContentType     string       `json:"content_type" parquet:"content_type,optional"`
	ContentEncoding string       `json:"content_encoding" parquet:"content_encoding,optional"`
	Body            bodyRow      `json:"body" parquet:"body,optional"`
	BodyEncoding    string       `json:"body_encoding" parquet:"-"`
	BodySize        int64        `json:"body_size" parquet:"body_size"`
	BodyWireSize    int64        `json:"body_wire_size" parquet:"body_wire_size"`
	BodySHA256      string       `json:"body_sha256" parquet:"body_sha256,optional"`
	AltFraming      *altRow      `json:"alt_framing" parquet:"alt_framing"`
	Gaps            []gapRow     `json:"gaps" parquet:"gaps,list"`
	Packets         []int64      `json:"packets" parquet:"packets,list"`
}

type altRow struct {
	Framing      string   `json:"framing" parquet:"framing"`
	BodySize     *int64   `json:"body_size" parquet:"body_size"`
	BodySHA256   string   `json:"body_sha256" parquet:"body_sha256,optional"`
	Body         bodyRow  `json:"body" parquet:"body,optional"`
	BodyEncoding string   `json:"body_encoding" parquet:"-"`
	NextOffset   *int64   `json:"next_offset" parquet:"next_offset"`
	StartLines   []string `json:"start_lines" parquet:"start_lines,list"`
}

// bodyRow is a body; in JSON a string, of base64 where body_encoding says so.
type bodyRow []byte

// UnmarshalJSON implements [json.Unmarshaler].
func (b *bodyRow) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if *b = nil; s != nil {
		*b = append(bodyRow{}, *s...)
	}
	return nil
}

// Names of the files that rows are read from.
const (
	pairsParquet = "pairs.parquet"
	pairsJSONL   = "pairs.jsonl"
	pairsHAR     = "pairs.har"
	flowsParquet = "flows.parquet"
)

// errNoRows says that a directory has no file of the rows wanted.
var errNoRows = errors.New("has neither pairs.parquet nor pairs.jsonl")

// readPairs calls f with each pair of the directory, as far as T names its fields:
// of pairs.parquet, which is quicker to read in part, or of pairs.jsonl. f may keep
// the row.
func readPairs[T any](dir *os.Root, f func(*T) error) error {
	err := readParquet(dir, pairsParquet, f)
	if errors.Is(err, fs.ErrNotExist) {
		err = readLines(dir, f)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errNoRows
	}
	return err
}

func readLines[T any](dir *os.Root, f func(*T) error) error {
	file, err := openRegular(dir.Open, dir.Lstat, pairsJSONL)
	if err != nil {
		return err
	}
	defer file.Close()
	return decodeLines(pairsJSONL, bufio.NewReaderSize(file, 1<<20), f)
}

// decodeLines calls f with each row of JSON lines; name is for errors.
func decodeLines[T any](name string, r io.Reader, f func(*T) error) error {
	d := json.NewDecoder(r)
	for n := 1; ; n++ {
		row := new(T)
		switch err := d.Decode(row); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s: row %d: %w", name, n, err)
		}
		if err := f(row); err != nil {
			return err
		}
	}
}

// parquetRows and parquetBytes bound how much is read at a time: bodies may be large.
const (
	parquetRows  = 64
	parquetBytes = 8 << 20
)

// rowsAtATime is how many rows of a table, of middling size, keep to the bounds.
func rowsAtATime(table *parquet.File) int64 {
	var rows, size int64
	for _, g := range table.Metadata().RowGroups {
		rows, size = rows+g.NumRows, size+g.TotalByteSize
	}
	if rows <= 0 || size <= 0 {
		return parquetRows
	}
	return min(max(parquetBytes/(size/rows+1), 1), parquetRows)
}

func readParquet[T any](dir *os.Root, name string, f func(*T) error) (err error) {
	file, err := openRegular(dir.Open, dir.Lstat, name)
	if err != nil {
		return err
	}
	defer file.Close()
	// The file may be anybody's, and the library panics on some of what it may hold.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: not readable: %v", name, p)
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	table, err := parquet.OpenFile(file, info.Size(), parquet.SkipBloomFilters(true), parquet.SkipPageIndex(true))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	rows := parquet.NewGenericReader[T](table)
	defer rows.Close()
	for at, size := int64(1), rowsAtATime(table); ; {
		page := make([]T, size)
		n, err := rows.Read(page)
		for i := range page[:n] {
			if err := f(&page[i]); err != nil {
				return err
			}
		}
		at += int64(n)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s: row %d: %w", name, at, err)
		}
	}
}

// pair returns the row as the pipeline gave it out, as far as rows tell.
func (r *pairRow) pair() (*exchange.Pair, error) {
	id, err := parseID(r.ID)
	if err != nil {
		return nil, err
	}
	flow, err := parseID(r.FlowID)
	if err != nil {
		return nil, err
	}
	p := &exchange.Pair{
		ID: id, State: stateOf(r.State), Protocol: r.Protocol, Kind: r.Kind, Ordinal: r.Ordinal,
		LatencyNS: orNoTime(r.LatencyNS), DurationNS: orNoTime(r.DurationNS),
		FirstPacket: r.Capture.FirstPacket, LastPacket: r.Capture.LastPacket, Files: r.Capture.Files,
		Conn: &exchange.Conn{
			ID: flow, CommunityID: r.CommunityID, Client: r.Client.endpoint(), Server: r.Server.endpoint(),
			Tunnels: tunnelsOf(r.Tunnels), VLANs: r.VLANs, Interface: r.Capture.Interface,
		},
	}
	for _, name := range r.Anomalies {
		if a, ok := anomalyOf(name); ok {
			p.Anomalies.Add(a)
		}
	}
	for _, v := range r.Vantages {
		p.Vantages = append(p.Vantages, exchange.Vantage{Tunnels: tunnelsOf(v.Tunnels), VLANs: v.VLANs, Interface: v.Interface, DelayNS: v.DelayNS})
	}
	if c := r.Call; c != nil {
		p.Call = (*exchange.Call)(c)
	}
	if t := r.TLS; t != nil {
		p.Conn.TLS = &exchange.TLS{Version: t.Version, Cipher: t.Cipher, SNI: t.SNI, ALPN: t.ALPN, JA3: t.JA3, JA4: t.JA4, Decrypted: t.Decrypted}
	}
	if q := r.Request; q != nil {
		p.Request = exchange.Request{Method: q.Method, Target: q.Target, Scheme: q.Scheme, Host: q.Host, Path: q.Path, Query: q.Query, URL: q.URL}
		if err := q.message(&p.Request.Message); err != nil {
			return nil, err
		}
	}
	if s := r.Response; s != nil {
		p.Response = exchange.Response{Status: s.Status, Reason: s.Reason}
		for _, i := range s.Interim {
			p.Response.Interim = append(p.Response.Interim, exchange.Interim{Status: i.Status, TimeNS: orNoTime(i.TimeNS), Headers: headersOf(i.Headers)})
		}
		if err := s.message(&p.Response.Message); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (r *messageRow) message(m *exchange.Message) error {
	*m = exchange.Message{
		Present: true, TimeNS: orNoTime(r.TimeNS), EndTimeNS: orNoTime(r.EndTimeNS), Version: r.Version,
		Headers: headersOf(r.Headers), Trailers: headersOf(r.Trailers), Head: r.Head,
		ContentType: r.ContentType, ContentEncoding: r.ContentEncoding,
		Body: r.Body, HasBody: r.Body != nil, BodySize: r.BodySize, BodyWireSize: r.BodyWireSize, Packets: r.Packets,
	}
	var err error
	if m.Body, err = r.Body.stored(r.BodyEncoding); err != nil {
		return err
	}
	if m.BodySHA256, m.Hashed, err = sumOf(r.BodySHA256); err != nil {
		return err
	}
	for _, g := range r.Gaps {
		m.Gaps = append(m.Gaps, exchange.Gap{Offset: g.Offset, Length: orUnknown(g.Length), Reason: g.Reason})
	}
	if r.AltFraming != nil {
		m.Alt, err = r.AltFraming.framing()
	}
	return err
}

func (r *altRow) framing() (*exchange.AltFraming, error) {
	a := &exchange.AltFraming{Framing: r.Framing, BodySize: orUnknown(r.BodySize), Next: orUnknown(r.NextOffset), StartLines: r.StartLines}
	var err error
	if a.Body, err = r.Body.stored(r.BodyEncoding); err != nil {
		return nil, err
	}
	a.BodySHA256, a.Hashed, err = sumOf(r.BodySHA256)
	return a, err
}

// stored returns the bytes that b stands for.
func (b bodyRow) stored(encoding string) ([]byte, error) {
	if encoding != "base64" {
		return b, nil
	}
	body, err := base64.StdEncoding.DecodeString(string(b))
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return body, nil
}

// sumOf reads a SHA-256 in hexadecimal digits; an empty one is none.
func sumOf(text string) (sum [32]byte, ok bool, err error) {
	if text == "" {
		return sum, false, nil
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return sum, false, fmt.Errorf("body_sha256 %q is no SHA-256", text)
	}
	return [32]byte(b), true, nil
}

// orUnknown is -1 for a null.
func orUnknown(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

func headersOf(rows []headerRow) []exchange.Header {
	var list []exchange.Header
	for _, h := range rows {
		list = append(list, exchange.Header(h))
	}
	return list
}

func (r *endRow) endpoint() exchange.Endpoint {
	e := exchange.Endpoint{IP: addrOf(r.IP), Port: uint16(r.Port)}
	if b, err := hex.DecodeString(strings.ReplaceAll(r.MAC, ":", "")); err == nil && len(b) == len(e.MAC) {
		e.HasMAC = true
		copy(e.MAC[:], b)
	}
	return e
}

func tunnelsOf(rows []tunnelRow) []exchange.Tunnel {
	var list []exchange.Tunnel
	for _, r := range rows {
		t := exchange.Tunnel{Type: r.Type, ID: -1, Src: addrOf(r.Src), Dst: addrOf(r.Dst)}
		if r.ID != nil {
			t.ID = *r.ID
		}
		for _, text := range r.Options {
			t.Options = append(t.Options, tunnelOption(text))
		}
		list = append(list, t)
	}
	return list
}

// tunnelOption is the inverse of exchange.TunnelOption.String.
func tunnelOption(text string) exchange.TunnelOption {
	name, data, _ := strings.Cut(text, "=")
	var o exchange.TunnelOption
	o.Data, _ = hex.DecodeString(data)
	if class, typ, ok := strings.Cut(name, ":"); ok {
		c, _ := strconv.ParseUint(class, 0, 16)
		t, _ := strconv.ParseUint(typ, 0, 8)
		o.Class, o.Type = uint16(c), uint8(t)
		return o
	}
	// Named options: few classes have any.
	for _, o.Class = range []uint16{0x0108, 0x0132} {
		for o.Type = range uint8(128) {
			if o.Name() == name {
				return o
			}
		}
	}
	return o
}

// addrOf returns the address that text names; an invalid one where it names none.
func addrOf(text string) netip.Addr {
	a, _ := netip.ParseAddr(text)
	return a
}

func parseID(text string) (id exchange.ID, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no id: %d hex digits", text, 2*len(id))
	}
	copy(id[:], b)
	return id, nil
}

func stateOf(name string) exchange.State {
	for s := exchange.Complete; s <= exchange.Partial; s++ {
		if s.String() == name {
			return s
		}
	}
	return exchange.Partial
}

func anomalyOf(name string) (exchange.Anomaly, bool) {
	for _, a := range exchange.AllAnomalies() {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}

func orNoTime(ns *int64) int64 {
	if ns == nil {
		return exchange.NoTime
	}
	return *ns
}

// matching returns a function that reports whether a row is chosen by filter.
func matching(filter *export.Filter) func(*pairRow) (bool, error) {
	return func(r *pairRow) (bool, error) {
		p, err := r.pair()
		if err != nil {
			return false, err
		}
		return filter.Match(p)
	}
}
