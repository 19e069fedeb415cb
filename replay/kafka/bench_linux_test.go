package kafka

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"recap/replay"
	"recap/replay/kafka/kafkatest"
	"recap/replay/record"
	"recap/replay/targettest"
)

// BenchmarkRealKafka sends the same bytes with a bare producer and with the target, in turn; the figures are medians.
func BenchmarkRealKafka(b *testing.B) {
	const pairs, body = 100_000, 1000
	broker := kafkatest.Start(b)
	events := targettest.Events(pairs, body)
	var maker record.Maker
	values := make([][]byte, pairs)
	var size int64
	env := new(targettest.Env)
	for i := range events {
		values[i] = maker.Append(nil, record.AktoJSON, events[i].Pair, env.Marker(nil, &events[i], 0), env.Start())
		size += int64(len(values[i]))
	}
	bare := func() error {
		client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("pairs"), kgo.RequiredAcks(kgo.AllISRAcks()),
			kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(DefaultInFlight/len(values[0])), kgo.DisableClientMetrics())
		if err != nil {
			return err
		}
		defer client.Close()
		for _, v := range values {
			client.Produce(b.Context(), &kgo.Record{Value: v}, func(_ *kgo.Record, err error) {
				if err != nil {
					b.Error(err)
				}
			})
		}
		return client.Flush(b.Context())
	}
	ours := func() error {
		target, err := open(b, "kafka://"+broker+"/pairs", Options{}, new(quietEnv))
		if err != nil {
			return err
		}
		return errors.Join(target.Send(b.Context(), events), target.Close(b.Context()))
	}
	// A broker that has just been started is slow, and both share its moods: they take turns, and the
	// rounds before the clock starts do not count.
	round := func(produce func() error) (rate, cpu float64) {
		kafkatest.MakeTopic(b, broker, "pairs", 3)
		start, used := time.Now(), cpuTime(b)
		if err := produce(); err != nil {
			b.Fatal(err)
		}
		return pairs / time.Since(start).Seconds(), float64(cpuTime(b)-used) / pairs
	}
	for range 3 {
		round(bare)
		round(ours)
	}
	var rates, cpus [2][]float64
	b.SetBytes(2 * size)
	for i := 0; b.Loop(); i++ {
		// Who comes second pays for what the broker still writes of the first.
		for _, k := range [][]int{{0, 1}, {1, 0}}[i%2] {
			rate, cpu := round([]func() error{bare, ours}[k])
			rates[k], cpus[k] = append(rates[k], rate), append(cpus[k], cpu)
		}
	}
	for k, who := range []string{"bare", "target"} {
		slices.Sort(rates[k])
		slices.Sort(cpus[k])
		b.ReportMetric(rates[k][len(rates[k])/2], who+"-pairs/s")
		b.ReportMetric(cpus[k][len(cpus[k])/2], who+"-cpu-ns/pair")
	}
}

// cpuTime is the processor time of this process, without the broker's.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Error(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A quietEnv notes nothing, so that a benchmark measures the target.
type quietEnv struct{ targettest.Env }

func (*quietEnv) Wait(_ context.Context, at time.Duration, _ replay.Amount) (time.Duration, error) {
	return at, nil
}
func (*quietEnv) Sent(uint64)         {}
func (*quietEnv) Count(string, int64) {}
