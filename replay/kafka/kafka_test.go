package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/kafka/kafkatest"
	"recap/replay/record"
	"recap/replay/targettest"
)

func fake(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "pairs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func open(t testing.TB, text string, o Options, env replay.Env) (replay.Target, error) {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return Open(t.Context(), u, o, env)
}

// consume returns the next n records of the topic from its beginning.
func consume(t testing.TB, broker string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("pairs"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var list []*kgo.Record
	for len(list) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(list), n, err)
		}
		list = append(list, fetches.Records()...)
	}
	return list
}

// checkRecords wants each of n pairs once.
func checkRecords(t *testing.T, list []*kgo.Record, form string, n int) {
	t.Helper()
	seen := map[uint64]int{}
	for _, r := range list {
		if r.Key != nil {
			t.Fatalf("a record has the key %q", r.Key)
		}
		p, err := record.Decode(form, r.Value)
		if err != nil {
			t.Fatalf("%v: %q", err, r.Value)
		}
		m, err := replay.ParseMarker(replay.FindMarker(p.Request.Headers))
		if err != nil {
			t.Fatalf("%v: %q", err, r.Value)
		}
		if form != record.GoReplay && !bytes.Equal(replay.FindMarker(p.Response.Headers), replay.FindMarker(p.Request.Headers)) {
			t.Fatalf("request and response differ in their markers: %q", r.Value)
		}
		if want := fmt.Sprintf("/api/cars/%d?x=1", m.Seq); p.Request.Target != want {
			t.Fatalf("target %q is marked as %d", p.Request.Target, m.Seq)
		}
		seen[m.Seq]++
	}
	for seq := range uint64(n) {
		if seen[seq] != 1 {
			t.Errorf("pair %d came %d times", seq, seen[seq])
		}
	}
}

func line(dst []byte, p *exchange.Pair) []byte {
	dst = fmt.Appendf(dst, `{"id":%q,"state":"complete"`, p.ID)
	for _, m := range []struct {
		name string
		*exchange.Message
	}{{"request", &p.Request.Message}, {"response", &p.Response.Message}} {
		dst = fmt.Appendf(dst, `,%q:{"method":%q,"target":%q,"status":200,"headers":[{"name":"X-Replay-Id","value":%q}],"body_size":%d}`,
			m.name, p.Request.Method, p.Request.Target, replay.FindMarker(m.Headers), m.BodySize)
	}
	return append(dst, '}')
}

func TestEveryFormArrivesOnce(t *testing.T) {
	for _, form := range []string{record.AktoJSON, record.AktoProto, record.GoReplay, record.Recap} {
		t.Run(form, func(t *testing.T) {
			broker := fake(t).ListenAddrs()[0]
			var env targettest.Env
			target, err := open(t, "kafka://"+broker+"/pairs?format="+form, Options{Recap: line}, &env)
			if err != nil {
				t.Fatal(err)
			}
			events := targettest.Events(500, 100)
			for part := range slices.Chunk(events, 64) {
				if err := target.Send(t.Context(), part); err != nil {
					t.Fatal(err)
				}
			}
			if err := target.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := env.Balance(len(events)); err != nil {
				t.Error(err)
			}
			if n := len(env.Failures()); n != 0 {
				t.Errorf("%d failed: %v", n, env.Failures())
			}
			if n := len(env.Waits()); n != len(events) {
				t.Errorf("%d units were waited for, want %d", n, len(events))
			}
			checkRecords(t, consume(t, broker, len(events)), form, len(events))
		})
	}
}

// What the receiver would drop is counted by reason and not sent.
func TestPairsThatTheReceiverWouldDrop(t *testing.T) {
	broker := fake(t).ListenAddrs()[0]
	var env targettest.Env
	target, err := open(t, "kafka://"+broker+"/pairs", Options{}, &env)
	if err != nil {
		t.Fatal(err)
	}
	events := targettest.Events(3, 10)
	events[1].Pair.Response = exchange.Response{}
	events[2].Pair.Response.Body = []byte("\xff")
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(3); err != nil {
		t.Error(err)
	}
	if f := env.Left(); len(f) != 1 || f[1][0] != record.ReasonNoResponse || len(env.Failures()) > 0 || env.Counted(record.CountRefused+record.ReasonNoResponse) != 1 {
		t.Errorf("left out %v, failures %v", f, env.Failures())
	}
	if env.Counted(record.CountChanged+record.NoteNotUTF8) != 1 {
		t.Error("a body that is not UTF-8 was not counted")
	}
}

// A record that the broker or the client refuses is counted to its pair alone.
func TestDeliveryErrorsAreCountedPerPair(t *testing.T) {
	cluster := fake(t)
	var env targettest.Env
	target, err := open(t, "kafka://"+cluster.ListenAddrs()[0]+"/pairs?max-record=2000", Options{}, &env)
	if err != nil {
		t.Fatal(err)
	}
	events := targettest.Events(10, 10)
	events[4] = targettest.Events(5, 4000)[4]
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(len(events)); err != nil {
		t.Error(err)
	}
	if f := env.Failures(); len(f) != 1 || len(f[4]) != 1 || f[4][0].Hop != replay.HopAccepted {
		t.Errorf("failures are %v", f)
	}
}

func TestABrokerThatRefusesEverything(t *testing.T) {
	cluster := fake(t)
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		req := r.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range req.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = p.Partition, kerr.TopicAuthorizationFailed.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
	var env targettest.Env
	target, err := open(t, "kafka://"+cluster.ListenAddrs()[0]+"/pairs", Options{}, &env)
	if err != nil {
		t.Fatal(err)
	}
	events := targettest.Events(20, 10)
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(len(events)); err != nil {
		t.Error(err)
	}
	if n := len(env.Failures()); n != len(events) {
		t.Errorf("%d failed, want all", n)
	}
}

// Brokers that never answer do not hold Close longer than its context, and nothing is
// forgotten; nor is more in flight than the room allows.
func TestABrokerThatDoesNotAnswer(t *testing.T) {
	cluster := fake(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { <-stop })
		return nil, io.EOF, true
	})
	var env targettest.Env
	target, err := open(t, "kafka://"+cluster.ListenAddrs()[0]+"/pairs", Options{InFlight: 4000}, &env)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	events := targettest.Events(100, 10)
	if err := target.Send(ctx, events); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v, want the end of its context", err)
	}
	if used := roomOf(target); used > 4000 {
		t.Errorf("%d bytes are in flight", used)
	}
	closing, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := target.Close(closing); err == nil {
		t.Error("Close says nothing of what is left")
	}
	failed := len(env.Failures())
	if failed == 0 || failed > 10 || len(env.SentOrder()) != 0 {
		t.Errorf("%d failed, %d were sent; want the few that were in flight", failed, len(env.SentOrder()))
	}
	if err := env.Balance(failed); err != nil {
		t.Error(err)
	}
}

func roomOf(t replay.Target) int64 {
	r := t.(*target).room
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used
}

func TestOpenRefuses(t *testing.T) {
	broker, small := fake(t).ListenAddrs()[0], fake(t).ListenAddrs()[0]
	limitTopic(t, small, 300)
	for _, tt := range []struct{ name, url, want string }{
		{"a URL without a topic", "kafka://" + broker, "names no topic"},
		{"a topic that is not there", "kafka://" + broker + "/nothing", "create=true"},
		{"a format that is not known", "kafka://" + broker + "/pairs?format=xml", "akto-json"},
		{"a compression that is not known", "kafka://" + broker + "/pairs?compression=rar", "lz4"},
		{"an option that is not known", "kafka://" + broker + "/pairs?vxlan=1", "vni"},
		{"recap's record without a writer", "kafka://" + broker + "/pairs?format=recap", "writer"},
		{"records smaller than the client makes batches", "kafka://" + broker + "/pairs?max-record=511", "511"},
		{"records that nothing takes", "kafka://" + broker + "/pairs?max-record=99999999999", "2147483647"},
		{"a topic that takes less than a batch", "kafka://" + small + "/pairs", "no pair fits"},
		{"records larger than the topic takes", "kafka://" + small + "/pairs?max-record=600", "no more than 300 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, tt.url, Options{}, new(targettest.Env))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Open(%q) = %v, want %q in it", tt.url, err, tt.want)
			}
		})
	}
}

// The addresses that a cluster names for its brokers are put to the guard too.
func TestBrokersGoThroughTheGuard(t *testing.T) {
	broker := fake(t).ListenAddrs()[0]
	env := &targettest.Env{Refuse: []string{"127.0.0.1"}}
	if _, err := open(t, "kafka://"+broker+"/pairs", Options{}, env); err == nil || !strings.Contains(err.Error(), "may not be sent to") {
		t.Errorf("Open = %v, want a refusal", err)
	}
	if len(env.Asked()) == 0 {
		t.Error("nobody was asked")
	}
}

func TestRealKafka(t *testing.T) {
	broker := kafkatest.Start(t)
	for _, form := range []string{record.AktoJSON, record.AktoProto, record.GoReplay, record.Recap} {
		t.Run(form, func(t *testing.T) {
			kafkatest.MakeTopic(t, broker, "pairs", 3)
			var env targettest.Env
			target, err := open(t, "kafka://"+broker+"/pairs?compression=lz4&format="+form, Options{Recap: line}, &env)
			if err != nil {
				t.Fatal(err)
			}
			events := targettest.Events(20_000, 300)
			if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
				t.Fatal(err)
			}
			if err := env.Balance(len(events)); err != nil {
				t.Error(err)
			}
			checkRecords(t, consume(t, broker, len(events)), form, len(events))
		})
	}
}

// limitTopic sets the size of the largest batch that the topic takes, bytes.
func limitTopic(t testing.TB, broker string, limit int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	value := strconv.Itoa(limit)
	admin := kadm.NewClient(client)
	if r, err := admin.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "max.message.bytes", Value: &value}}, "pairs"); err != nil || r[0].Err != nil {
		t.Fatal(err, r)
	}
	for range 100 { // the broker answers before it knows
		if maxMessageBytes(t.Context(), admin, "pairs") == limit {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the topic does not take on a limit of %d bytes", limit)
}

// A topic that takes small records only costs the large one, not those that go with it.
func TestARealTopicsLimitCostsTheRecordAboveItAlone(t *testing.T) {
	const limit = 20_000
	broker := kafkatest.Start(t)
	kafkatest.MakeTopic(t, broker, "pairs", 3)
	limitTopic(t, broker, limit)
	if _, err := open(t, "kafka://"+broker+"/pairs?max-record=30000", Options{}, new(targettest.Env)); err == nil || !strings.Contains(err.Error(), "no more than 20000 bytes") {
		t.Errorf("Open = %v, want a refusal of max-record", err)
	}
	var env targettest.Env
	target, err := open(t, "kafka://"+broker+"/pairs", Options{}, &env)
	if err != nil {
		t.Fatal(err)
	}
	events := targettest.Events(2000, 1000)
	events[77] = targettest.Events(78, limit)[77]
	if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := env.Balance(len(events)); err != nil {
		t.Error(err)
	}
	if f := env.Failures(); len(f) != 1 || len(f[77]) != 1 {
		t.Errorf("%d failed, want the large record alone", len(f))
	}
	if n := len(consume(t, broker, len(events)-1)); n != len(events)-1 {
		t.Errorf("%d records arrived, want %d", n, len(events)-1)
	}
}

func TestConformance(t *testing.T) {
	broker := fake(t).ListenAddrs()[0]
	targettest.Run(t, "127.0.0.1", func(ctx context.Context, env replay.Env) (replay.Target, error) {
		u, err := url.Parse("kafka://" + broker + "/pairs")
		if err != nil {
			return nil, err
		}
		return Open(ctx, u, Options{}, env)
	})
}
