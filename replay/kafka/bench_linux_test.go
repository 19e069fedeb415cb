package kafka

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

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
		env := new(targettest.FreeEnv)
		target, err := open(b, "kafka://"+broker+"/pairs", Options{}, env)
		if err != nil {
			return err
		}
		err = errors.Join(target.Send(b.Context(), events), target.Close(b.Context()))
		if n := env.Accepted.Load(); n != pairs {
			b.Errorf("%d of %d pairs were accepted", n, pairs)
		}
		return err
	}
	// A broker that has just been started is slow, and both share its moods: they take turns, and the
	// rounds before the clock starts do not count.
	round := func(produce func() error) (rate, cpu float64) {
		kafkatest.MakeTopic(b, broker, "pairs", 3)
		start, used := time.Now(), targettest.CPU(b, unix.RUSAGE_SELF)
		if err := produce(); err != nil {
			b.Fatal(err)
		}
		return pairs / time.Since(start).Seconds(), float64(targettest.CPU(b, unix.RUSAGE_SELF)-used) / pairs
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
