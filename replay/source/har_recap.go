package source

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"recap/pipeline/exchange"
)

// This file reads what recap itself writes beside the fields of a HAR: extra fields
// with an underscore in front. With them an entry is the pair that it was made of,
// where HAR alone rounds, guesses or has no word.

// harExtras are the extra fields of an entry. An entry without an ID is not recap's.
type harExtras struct {
	ID          string        `json:"_id"`
	State       string        `json:"_state"`
	Anomalies   []string      `json:"_anomalies"`
	Protocol    string        `json:"_protocol"`
	Kind        string        `json:"_kind"`
	Ordinal     int32         `json:"_ordinal"`
	CommunityID string        `json:"_community_id"`
	Client      harEndpoint   `json:"_client"`
	Server      harEndpoint   `json:"_server"`
	Tunnels     []harTunnel   `json:"_tunnels"`
	VLANs       []int32       `json:"_vlans"`
	TLS         *exchange.TLS `json:"_tls"` // its names differ from the fields' in case only
	Latency     *int64        `json:"_latency_ns"`
	Duration    *int64        `json:"_duration_ns"`
	Capture     struct {
		First     int64    `json:"first_packet"`
		Last      int64    `json:"last_packet"`
		Files     []string `json:"files"`
		Interface string   `json:"interface"`
	} `json:"_capture"`
}

type harEndpoint struct {
	IP   string `json:"ip"`
	Port uint16 `json:"port"`
	MAC  string `json:"mac"`
}

type harTunnel struct {
	Type string `json:"type"`
	ID   *int64 `json:"id"`
	Src  string `json:"src"`
	Dst  string `json:"dst"`
}

// harMessage are the extra fields of a request or a response.
type harMessage struct {
	Absent   bool        `json:"_absent"`
	Begin    *int64      `json:"_time_ns"`
	End      *int64      `json:"_end_time_ns"`
	Trailers []harHeader `json:"_trailers"`
	Head     []byte      `json:"_head"`
	Coding   string      `json:"_content_encoding"`
	Size     *int64      `json:"_body_size"`
	SHA256   string      `json:"_body_sha256"`
	Gaps     []struct {
		Offset int64  `json:"offset"`
		Length *int64 `json:"length"`
		Reason string `json:"reason"`
	} `json:"_gaps"`
	Packets []int64 `json:"_packets"`
}

// harTarget are the extra fields of a request alone.
type harTarget struct {
	Target string `json:"_target"`
	Scheme string `json:"_scheme"`
	Host   string `json:"_host"`
	Path   string `json:"_path"`
	Query  string `json:"_query"`
	NoURL  bool   `json:"_no_url"` // the target stands in for one
}

type harInterim struct {
	Status  int32       `json:"status"`
	Time    *int64      `json:"time_ns"`
	Headers []harHeader `json:"headers"`
}

// recorded returns the pair that recap made the entry of.
func (e *harEntry) recorded() (*exchange.Pair, error) {
	id, err := harID(e.harExtras.ID)
	if err != nil {
		return nil, err
	}
	p := &exchange.Pair{
		ID: id, Protocol: e.Protocol, Kind: e.Kind, Ordinal: e.Ordinal,
		LatencyNS: orUnknown(e.Latency), DurationNS: orUnknown(e.Duration),
		FirstPacket: e.Capture.First, LastPacket: e.Capture.Last, Completed: e.Capture.Last, Files: e.Capture.Files,
	}
	for p.State < exchange.Partial && p.State.String() != e.State {
		p.State++
	}
	for _, a := range exchange.AllAnomalies() {
		for _, name := range e.Anomalies {
			if a.String() == name {
				p.Anomalies.Add(a)
			}
		}
	}
	if e.Request.Absent && e.Response.Absent {
		return nil, errors.New("it holds neither request nor response")
	}
	if p.Conn, err = e.recordedConn(); err != nil {
		return nil, err
	}
	if q := &e.Request; !q.Absent {
		t := q.harTarget
		p.Request = exchange.Request{Method: q.Method, Target: t.Target, Scheme: t.Scheme, Host: t.Host, Path: t.Path, Query: t.Query}
		if !t.NoURL {
			p.Request.URL = q.URL
		}
		if err := q.recorded(&p.Request.Message); err != nil {
			return nil, err
		}
	}
	if s := &e.Response; !s.Absent {
		p.Response = exchange.Response{Status: int32(s.Status), Reason: s.Reason}
		for _, i := range s.Interim {
			p.Response.Interim = append(p.Response.Interim, exchange.Interim{Status: i.Status, TimeNS: orUnknown(i.Time), Headers: harList(i.Headers)})
		}
		if err := s.recorded(&p.Response.Message); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (e *harEntry) recordedConn() (*exchange.Conn, error) {
	id, err := harID(string(e.Connection))
	if err != nil {
		return nil, err
	}
	c := &exchange.Conn{
		ID: id, CommunityID: e.CommunityID, Client: e.Client.endpoint(), Server: e.Server.endpoint(),
		VLANs: e.VLANs, TLS: e.TLS, Interface: e.Capture.Interface,
	}
	for _, t := range e.Tunnels {
		u := exchange.Tunnel{Type: t.Type, ID: -1}
		if t.ID != nil {
			u.ID = *t.ID
		}
		u.Src, _ = netip.ParseAddr(t.Src) // below IP there are none
		u.Dst, _ = netip.ParseAddr(t.Dst)
		c.Tunnels = append(c.Tunnels, u)
	}
	return c, nil
}

func (q *harRequest) recorded(m *exchange.Message) error {
	q.harMessage.fill(m)
	m.Version, m.Headers, m.BodyWireSize = q.Version, harList(q.Headers), int64(q.BodySize)
	if q.Size != nil {
		m.BodySize = *q.Size
	}
	if d := q.PostData; d != nil {
		m.HasBody, m.ContentType = true, d.MIME
		var err error
		if m.Body, err = harBody(d.Text, d.Encoding); err != nil {
			return err
		}
	}
	return q.hash(m)
}

func (s *harResponse) recorded(m *exchange.Message) error {
	s.harMessage.fill(m)
	m.Version, m.Headers, m.BodyWireSize, m.BodySize = s.Version, harList(s.Headers), int64(s.BodySize), int64(s.Content.Size)
	m.ContentType = s.Content.MIME
	if text := s.Content.Text; text != nil {
		m.HasBody = true
		var err error
		if m.Body, err = harBody(*text, s.Content.Encoding); err != nil {
			return err
		}
	}
	return s.hash(m)
}

// fill sets what the extra fields tell of a message.
func (h *harMessage) fill(m *exchange.Message) {
	*m = exchange.Message{
		Present: true, TimeNS: orUnknown(h.Begin), EndTimeNS: orUnknown(h.End), Trailers: harList(h.Trailers),
		Head: h.Head, HeadEscaped: len(h.Head) > 0, ContentEncoding: h.Coding, Packets: h.Packets,
	}
	for _, g := range h.Gaps {
		length := int64(-1)
		if g.Length != nil {
			length = *g.Length
		}
		m.Gaps = append(m.Gaps, exchange.Gap{Offset: g.Offset, Length: length, Reason: g.Reason})
	}
}

// hash sets the hash of a body, and finds a body that cannot be the size it has.
func (h *harMessage) hash(m *exchange.Message) error {
	if int64(len(m.Body)) > m.BodySize {
		return fmt.Errorf("a body of %d bytes has a size of %d", len(m.Body), m.BodySize)
	}
	if h.SHA256 == "" {
		return nil
	}
	sum, err := hex.DecodeString(h.SHA256)
	if err != nil || len(sum) != len(m.BodySHA256) {
		return fmt.Errorf("_body_sha256 %q is no SHA-256", h.SHA256)
	}
	m.Hashed = true
	copy(m.BodySHA256[:], sum)
	return nil
}

func (e *harEndpoint) endpoint() exchange.Endpoint {
	out := exchange.Endpoint{Port: e.Port}
	out.IP, _ = netip.ParseAddr(e.IP) // one that is not told is invalid there too
	if b, err := hex.DecodeString(strings.ReplaceAll(e.MAC, ":", "")); err == nil && len(b) == len(out.MAC) {
		out.HasMAC = true
		copy(out.MAC[:], b)
	}
	return out
}

func harID(text string) (id exchange.ID, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no id: %d hex digits", text, 2*len(id))
	}
	copy(id[:], b)
	return id, nil
}

// harList returns the fields of a list as they are, nil for an empty list, as pairs have it.
func harList(list []harHeader) (out []exchange.Header) {
	for _, h := range list {
		out = append(out, exchange.Header(h))
	}
	return out
}

func orUnknown(ns *int64) int64 {
	if ns == nil {
		return exchange.NoTime
	}
	return *ns
}
