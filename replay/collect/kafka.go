package collect

import (
	"context"
	"net/url"

	"recap/replay"
	"recap/replay/kafka"
)

// topic reads a Kafka topic from where it ended at Ready.
type topic struct {
	*feed
	topic kafka.Topic
	tail  *kafka.Tail
}

// OpenKafka returns the collector of kafka://broker:9092/topic.
func OpenKafka(_ context.Context, u *url.URL, env replay.Env) (replay.Collector, error) {
	form, err := formatOf(u, kafka.Parameters()...)
	if err != nil {
		return nil, err
	}
	t, err := kafka.ParseURL(u)
	if err != nil {
		return nil, err
	}
	return &topic{feed: newFeed(form, env), topic: t}, nil
}

// Ready implements [replay.Collector].
func (t *topic) Ready(ctx context.Context) (err error) {
	t.tail, err = kafka.NewTail(ctx, t.topic, replay.DialContext(t.env))
	return err
}

// Collect implements [replay.Collector].
func (t *topic) Collect(ctx context.Context, out func(*replay.Observation)) error {
	defer t.tail.Close()
	return t.run(ctx, t.poll, t.tail.Settled, out)
}

func (t *topic) poll(ctx context.Context) error {
	for {
		var list []replay.Observation
		if err := t.tail.Poll(ctx, func(b []byte) { list = t.read(list, b) }); err != nil {
			return err
		}
		if !t.give(ctx, list) {
			return nil
		}
	}
}
