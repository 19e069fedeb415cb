// Package collect reads what came out of an ingestor: a Kafka topic, files of JSON
// lines that grow, what is posted to an HTTP endpoint, or the stream of a recap sink.
// Every one of them is a [replay.Collector].
//
//	kafka://broker:9092/topic?format=akto-json
//	jsonl:FILE-OR-DIRECTORY
//	http://127.0.0.1:9200/        listens there
//	sink://127.0.0.1:4790
//
// The form of a record (package record) is told by the query's format, or guessed from
// each record. What is no record of a pair is counted and is never an observation.
package collect

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"recap/replay"
	"recap/replay/record"
)

// Counters of collectors.
const (
	CountUndecodable = "collector: records that are no pairs"
	CountRecords     = "collector: records"
)

// formatOf returns the form that the URL asks for, "" for a guess.
func formatOf(u *url.URL, more ...string) (string, error) {
	for name := range u.Query() {
		if name != "format" && !slices.Contains(more, name) {
			return "", fmt.Errorf("query %s is not known", name)
		}
	}
	form := u.Query().Get("format")
	if form != "" && !slices.Contains(record.Formats(), form) {
		return "", fmt.Errorf("format %q is not known; there are akto-json, akto-proto, goreplay, metlo and recap", form)
	}
	return form, nil
}

// A feed is what collectors share: observations come in at one end as they are found,
// and go out of the other in one goroutine, until nothing has come for long enough.
type feed struct {
	form string
	env  replay.Env

	items chan []replay.Observation
	quiet chan time.Duration
	err   error // why items was closed; nil where that was the end of all
}

func newFeed(form string, env replay.Env) *feed {
	return &feed{form: form, env: env, items: make(chan []replay.Observation, 64), quiet: make(chan time.Duration, 1)}
}

// Drain implements [replay.Collector]. The first call counts.
func (f *feed) Drain(quiet time.Duration) {
	select {
	case f.quiet <- max(quiet, time.Millisecond):
	default:
	}
}

// read appends the observation of a record to list.
func (f *feed) read(list []replay.Observation, b []byte) []replay.Observation {
	f.env.Count(CountRecords, 1)
	p, err := record.Decode(f.form, b)
	switch {
	case err == record.ErrNotARecord:
		return list
	case err != nil:
		f.env.Count(CountUndecodable, 1)
		return list
	}
	list = append(list, replay.Observation{})
	record.Observe(p, &list[len(list)-1])
	return list
}

// give hands observations over; false where nobody takes them any more.
func (f *feed) give(ctx context.Context, list []replay.Observation) bool {
	if len(list) == 0 {
		return ctx.Err() == nil
	}
	select {
	case f.items <- list:
		return true
	case <-ctx.Done():
		return false
	}
}

// alive says that more will come: silence counts anew. Where items wait to be taken,
// they say as much.
func (f *feed) alive() {
	select {
	case f.items <- nil:
	default:
	}
}

// run calls produce in a goroutine of its own, which gives until its context ends, and
// out for all it gives. settled, if not nil, is asked before silence is believed.
func (f *feed) run(ctx context.Context, produce func(context.Context) error, settled func(context.Context) (bool, error), out func(*replay.Observation)) error {
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		for range f.items { // until produce has ended
		}
	}()
	go func() {
		defer close(f.items)
		if err := produce(ctx); ctx.Err() == nil {
			f.err = err
		}
	}()
	var quiet time.Duration
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case list, ok := <-f.items:
			if !ok {
				return f.err
			}
			for i := range list {
				out(&list[i])
			}
			if quiet > 0 {
				timer.Reset(quiet)
			}
		case quiet = <-f.quiet:
			timer.Reset(quiet)
		case <-timer.C:
			if len(f.items) > 0 {
				timer.Reset(quiet)
				continue
			}
			done, err := true, error(nil)
			if settled != nil {
				done, err = settled(ctx)
			}
			if done || err != nil {
				return err
			}
			timer.Reset(quiet)
		case <-ctx.Done():
			return nil
		}
	}
}
