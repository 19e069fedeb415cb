package exchange

import (
	"slices"
	"strings"
)

// Clone returns a copy of p that shares no memory with the batch that carries it: only
// what never changes, its connection, is the same.
func (p *Pair) Clone() *Pair {
	c := *p
	c.Scratch = nil
	c.Protocol, c.Kind = strings.Clone(p.Protocol), strings.Clone(p.Kind)
	c.Vantages = slices.Clone(p.Vantages)
	c.Files = cloneStrings(p.Files)
	if p.Call != nil {
		call := *p.Call
		for _, s := range []*string{&call.Operation, &call.Type, &call.Version} {
			*s = strings.Clone(*s)
		}
		c.Call = &call
	}
	q := &c.Request
	for _, s := range []*string{&q.Method, &q.Target, &q.Scheme, &q.Host, &q.Path, &q.Query, &q.URL, &c.Response.Reason} {
		*s = strings.Clone(*s)
	}
	c.Response.Interim = slices.Clone(p.Response.Interim)
	for i := range c.Response.Interim {
		c.Response.Interim[i].Headers = cloneHeaders(c.Response.Interim[i].Headers)
	}
	q.Message.own()
	c.Response.Message.own()
	return &c
}

// own gives m memory of its own.
func (m *Message) own() {
	for _, s := range []*string{&m.Version, &m.ContentType, &m.ContentEncoding} {
		*s = strings.Clone(*s)
	}
	m.Headers, m.Trailers = cloneHeaders(m.Headers), cloneHeaders(m.Trailers)
	m.Head, m.Packets, m.Gaps = slices.Clone(m.Head), slices.Clone(m.Packets), slices.Clone(m.Gaps)
	for i := range m.Gaps {
		m.Gaps[i].Reason = strings.Clone(m.Gaps[i].Reason)
	}
	if m.Alt != nil {
		alt := *m.Alt
		alt.Framing = strings.Clone(alt.Framing)
		alt.Body, alt.StartLines = slices.Clone(alt.Body), cloneStrings(alt.StartLines)
		m.Alt = &alt
	}
	if !m.Shared {
		m.Body = slices.Clone(m.Body)
	}
}

func cloneHeaders(list []Header) []Header {
	list = slices.Clone(list)
	for i := range list {
		list[i] = Header{strings.Clone(list[i].Name), strings.Clone(list[i].Value)}
	}
	return list
}

func cloneStrings(list []string) []string {
	list = slices.Clone(list)
	for i := range list {
		list[i] = strings.Clone(list[i])
	}
	return list
}
