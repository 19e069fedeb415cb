package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"recap/replay"
)

// A Tail reads a topic from where it ended when the Tail was made. It joins no group
// and commits nothing.
type Tail struct {
	topic  Topic
	client *kgo.Client
	other  *kgo.Client // for questions, which must not wait behind a poll
	admin  *kadm.Client

	mu   sync.Mutex
	next map[int32]int64 // of each partition: the offset to be read next
}

// NewTail notes where each partition of the topic ends. Connections are made by
// dial alone.
func NewTail(ctx context.Context, topic Topic, dial replay.Dialer) (*Tail, error) {
	t := &Tail{topic: topic}
	var err error
	if t.other, err = kgo.NewClient(topic.Client(dial)...); err != nil {
		return nil, err
	}
	t.admin = kadm.NewClient(t.other)
	if t.next, err = t.ends(ctx); err != nil {
		t.other.Close()
		return nil, err
	}
	offsets := map[int32]kgo.Offset{}
	for partition, at := range t.next {
		offsets[partition] = kgo.NewOffset().At(at)
	}
	t.client, err = kgo.NewClient(append(topic.Client(dial), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic.Name: offsets}))...)
	if err != nil {
		t.other.Close()
		return nil, err
	}
	return t, nil
}

// Close ends the connections.
func (t *Tail) Close() {
	t.client.Close()
	t.other.Close()
}

// ends returns the offset behind the last record of each partition.
func (t *Tail) ends(ctx context.Context) (map[int32]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultConnecting)
	defer cancel()
	list, err := t.admin.ListEndOffsets(ctx, t.topic.Name)
	if err == nil {
		err = list.Error()
	}
	if err == nil && len(list[t.topic.Name]) == 0 {
		err = errors.New("there is no such topic")
	}
	if err != nil {
		return nil, t.failed(err)
	}
	ends := map[int32]int64{}
	for partition, o := range list[t.topic.Name] {
		ends[partition] = o.Offset
	}
	return ends, nil
}

func (t *Tail) failed(err error) error { return fmt.Errorf("kafka topic %q: %w", t.topic.Name, err) }

// Poll waits for records and calls f with the value of each, which f may keep. It
// returns without an error when ctx ends.
func (t *Tail) Poll(ctx context.Context, f func(value []byte)) error {
	fetches := t.client.PollFetches(ctx)
	if ctx.Err() != nil {
		return nil
	}
	var failed error
	fetches.EachError(func(_ string, _ int32, err error) { failed = t.failed(err) })
	if failed != nil {
		return failed
	}
	next := map[int32]int64{}
	fetches.EachRecord(func(r *kgo.Record) {
		f(r.Value)
		next[r.Partition] = r.Offset + 1
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.Copy(t.next, next)
	return nil
}

// Settled reports whether all that the topic holds has been read: a slow broker is not
// a silent one.
func (t *Tail) Settled(ctx context.Context) (bool, error) {
	ends, err := t.ends(ctx)
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for partition, end := range ends {
		if at, known := t.next[partition]; known && at < end {
			return false, nil
		}
	}
	return true, nil
}
