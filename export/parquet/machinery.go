package parquet

import (
	"github.com/parquet-go/parquet-go/format"

	"recap/export"
)

// machinery is what a sink works with, and what the next one of its kind can use:
// columns with their pages and dictionaries, row groups, encoders. What is written
// does not depend on who used it before.
type machinery struct {
	layout   *layout
	groups   []*rowGroup
	encoders []*encoder
}

// machineryOf is the key of an [export.Reuse]: what fits together.
type machineryOf struct {
	kind    kind
	workers int
}

// newMachinery takes idle machinery, or makes some.
func newMachinery(k kind, workers int, fields func() []export.Field, r *export.Reuse) *machinery {
	if m, ok := r.Take(machineryOf{k, workers}).(*machinery); ok {
		return m
	}
	m := &machinery{layout: newLayout(fields())}
	// Pages that may wait, be encoded or be open at once are kept for later. Few are
	// large at once, so that what makes them so is kept in common: for bulky columns
	// apart, whose pages are larger.
	large, bulky := make(chan []byte, 2*workers+4), make(chan []byte, 2*workers+4)
	for i, c := range m.layout.columns {
		c.index, c.limit, c.large = i, pageBytes, large
		if c.field.Use&export.Bulky != 0 {
			c.limit, c.large = bulkyBytes, bulky
		}
		c.free = make(chan *page, workers+2)
		if c.field.Use&export.Dict != 0 && c.kind != format.Boolean {
			c.dict = newDict(c.kind != format.ByteArray)
		}
	}
	memory := &blocks{}
	for range groupsAlive {
		m.groups = append(m.groups, newRowGroup(len(m.layout.columns), memory))
	}
	for range workers {
		m.encoders = append(m.encoders, newEncoder())
	}
	return m
}

// leave gives the sink's machinery to the next; nothing of the sink is at work any more.
func (s *Sink) leave() {
	for _, c := range s.layout.columns {
		if c.page != nil {
			c.page.reset()
			c.recycle(c.page)
			c.page = nil
		}
	}
	s.machinery.groups = s.machinery.groups[:0]
	for {
		select {
		case g := <-s.idle:
			s.machinery.groups = append(s.machinery.groups, g)
			continue
		default:
		}
		break
	}
	if s.group != nil { // it was not written
		s.group.reset()
		s.machinery.groups = append(s.machinery.groups, s.group)
		s.group = nil
	}
	s.reuse.Give(machineryOf{s.kind, len(s.machinery.encoders)}, s.machinery)
}
