package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/kafka"
	"recap/replay/kafka/kafkatest"
	"recap/replay/record"
	"recap/replay/sink"
	"recap/replay/targettest"
)

const quiet = 200 * time.Millisecond

type opener func(context.Context, *url.URL, replay.Env) (replay.Collector, error)

// A collection is a collector at work in a test.
type collection struct {
	c    replay.Collector
	done chan error

	mu   sync.Mutex
	seqs []uint64 // of the requests' markers
	all  []replay.Observation
}

// collect opens a collector and begins to collect.
func collect(t testing.TB, open opener, text string, env replay.Env) *collection {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	c, err := open(t.Context(), u, env)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	k := &collection{c: c, done: make(chan error, 1)}
	go func() { k.done <- c.Collect(t.Context(), k.see) }()
	return k
}

func (k *collection) see(o *replay.Observation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, *o)
	if m, err := replay.ParseMarker(o.Request); err == nil {
		k.seqs = append(k.seqs, m.Seq)
	}
}

// await waits until so many requests have been seen.
func (k *collection) await(t testing.TB, n int) {
	t.Helper()
	seen := 0
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(pollEvery) {
		k.mu.Lock()
		seen = len(k.seqs)
		k.mu.Unlock()
		if seen >= n {
			return
		}
	}
	t.Fatalf("saw %d after 30 s, want %d", seen, n)
}

// end drains and wants these numbers, each once, in any order.
func (k *collection) end(t testing.TB, want []uint64) {
	t.Helper()
	k.c.Drain(quiet)
	select {
	case err := <-k.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end")
	}
	slices.Sort(k.seqs)
	if !slices.Equal(k.seqs, want) {
		t.Errorf("saw %d, want %d; the first that differs is %v", len(k.seqs), len(want), firstDifference(k.seqs, want))
	}
}

func upTo(from, to uint64) (list []uint64) {
	for ; from < to; from++ {
		list = append(list, from)
	}
	return list
}

// records returns n records in a form.
func records(form string, n int) [][]byte {
	var maker record.Maker
	maker.Recap = func(dst []byte, p *exchange.Pair) []byte {
		dst = fmt.Appendf(dst, `{"id":%q,"state":%q`, p.ID, p.State)
		for i, m := range []*exchange.Message{&p.Request.Message, &p.Response.Message} {
			dst = fmt.Appendf(dst, `,%q:{"method":"GET","status":200,"headers":[{"name":"X-Replay-Id","value":%q}],"body":"\u007b\n","body_size":%d}`,
				[]string{"request", "response"}[i], replay.FindMarker(m.Headers), m.BodySize)
		}
		return append(dst, '}')
	}
	var list [][]byte
	for _, e := range targettest.Events(n, 20) {
		list = append(list, maker.Append(nil, form, e.Pair, replay.Marker{Run: 1, Seq: e.Seq}.Append(nil), time.Unix(1, 0)))
	}
	return list
}

func lineForms() []string {
	return []string{record.AktoJSON, record.GoReplay, record.Metlo, record.Recap}
}

// A file that grows gives what is written to it from then on, in whatever pieces it is
// written.
func TestAFileThatGrows(t *testing.T) {
	for _, form := range lineForms() {
		for _, size := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s in pieces of %d", form, size), func(t *testing.T) {
				t.Parallel()
				name := filepath.Join(t.TempDir(), "out.jsonl")
				list := records(form, 30)
				text := slices.Concat(bytes.Join(list[:10], []byte("\n")), []byte("\n"), list[10][:20])
				if err := os.WriteFile(name, text, 0o600); err != nil {
					t.Fatal(err)
				}
				var env targettest.Env
				k := collect(t, OpenFile, "jsonl:"+name, &env)
				f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				// Record 10 was half written at Ready: it is older.
				rest := slices.Concat(list[10][20:], []byte("\n"), bytes.Join(list[11:], []byte("\r\n")), []byte("\n"))
				for piece := range slices.Chunk(rest, size) {
					if _, err := f.Write(piece); err != nil {
						t.Fatal(err)
					}
				}
				k.end(t, upTo(11, 30))
				if n := env.Counted(CountUndecodable); n != 0 {
					t.Errorf("%d records could not be read", n)
				}
				for _, o := range k.all {
					if o.RequestBody < 7 || form != record.GoReplay && o.ResponseBody != 20 {
						t.Fatalf("sizes are %d and %d", o.RequestBody, o.ResponseBody)
					}
				}
			})
		}
	}
}

// Files come later, are replaced, and begin anew.
func TestADirectoryThatChanges(t *testing.T) {
	dir := t.TempDir()
	list := records(record.AktoJSON, 40)
	write := func(name string, flag int, records [][]byte) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, name), flag|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(append(bytes.Join(records, []byte("\n")), '\n')); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("a.jsonl", os.O_TRUNC, list[:5])
	var env targettest.Env
	k := collect(t, OpenFile, "jsonl:"+dir, &env)
	write("a.jsonl", os.O_APPEND, list[5:10])
	write("sub/b.jsonl", os.O_TRUNC, list[10:20])
	k.await(t, 15)
	// Rotation: the file moves away, and a new one has its name.
	if err := os.Rename(filepath.Join(dir, "a.jsonl"), filepath.Join(t.TempDir(), "a.1")); err != nil {
		t.Fatal(err)
	}
	write("a.jsonl", os.O_TRUNC, list[20:30])
	k.await(t, 25)
	write("sub/b.jsonl", os.O_TRUNC, list[30:33]) // shorter than before: from its beginning
	k.await(t, 28)
	write("sub/b.jsonl", os.O_APPEND, append([][]byte{[]byte("no record")}, list[33:40]...))
	k.end(t, upTo(5, 40))
	if n := env.Counted(CountUndecodable); n != 1 {
		t.Errorf("%d records could not be read, want 1", n)
	}
}

// A file that moves inside the directory is the same file: nothing in it is seen twice.
func TestAFileThatMovesInside(t *testing.T) {
	dir := t.TempDir()
	list := records(record.AktoJSON, 20)
	name := filepath.Join(dir, "a.jsonl")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k := collect(t, OpenFile, "jsonl:"+dir, new(targettest.Env))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(append(bytes.Join(list[:10], []byte("\n")), '\n'))
	time.Sleep(3 * pollEvery)
	if err := os.Rename(name, filepath.Join(dir, "a.1")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * pollEvery)
	f.Write(append(bytes.Join(list[10:], []byte("\n")), '\n'))
	k.end(t, upTo(0, 20))
}

func TestAFileThatIsNotThereYet(t *testing.T) {
	name := filepath.Join(t.TempDir(), "later.jsonl")
	k := collect(t, OpenFile, "jsonl:"+name, new(targettest.Env))
	time.Sleep(2 * pollEvery)
	if err := os.WriteFile(name, append(bytes.Join(records(record.Metlo, 5), []byte("\n")), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	k.end(t, upTo(0, 5))
}

func TestAnEndpoint(t *testing.T) {
	address := targettest.FreeAddress(t)
	var env targettest.Env
	k := collect(t, OpenHTTP, "http://"+address+"/", &env)
	post := func(want int, body []byte) {
		t.Helper()
		resp, err := http.Post("http://"+address+"/any/path", "", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != want {
			text, _ := io.ReadAll(resp.Body)
			t.Fatalf("status %d, want %d: %s", resp.StatusCode, want, text)
		}
	}
	list := records(record.AktoJSON, 40)
	post(204, list[0])
	post(204, bytes.Join(list[1:10], []byte("\n")))
	post(204, slices.Concat([]byte("["), bytes.Join(list[10:20], []byte(",")), []byte("]")))
	post(204, slices.Concat([]byte(`{"batchData":[`), bytes.Join(list[20:29], []byte(",")), []byte("]}")))
	post(204, records(record.AktoProto, 30)[29])
	post(204, nil)
	post(400, list[30][:50])
	for _, b := range records(record.Recap, 40)[30:] {
		post(204, b)
	}
	k.end(t, upTo(0, 40))
	if n := env.Counted(CountUndecodable); n != 1 {
		t.Errorf("%d records could not be read, want 1", n)
	}
}

func TestATopic(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "pairs"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	testTopic(t, cluster.ListenAddrs()[0])
}

func TestATopicOfRealKafka(t *testing.T) {
	broker := kafkatest.Start(t)
	kafkatest.MakeTopic(t, broker, "pairs", 3)
	testTopic(t, broker)
}

// What stood in the topic before Ready is not seen; all that comes after it is, in all
// forms, also when it comes while the collector is drained.
func testTopic(t *testing.T, broker string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("pairs"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	produce := func(list ...[]byte) {
		t.Helper()
		for _, b := range list {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Value: b}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	produce(records(record.AktoJSON, 10)...)
	var env targettest.Env
	k := collect(t, OpenKafka, "kafka://"+broker+"/pairs", &env)
	produce([]byte(`{"testConnectionString":"kafkaInit"}`), []byte("garbage"))
	produce(records(record.AktoJSON, 20)[10:]...)
	produce(records(record.AktoProto, 30)[20:]...)
	produce(records(record.Recap, 40)[30:]...)
	k.end(t, upTo(10, 40))
	if n := env.Counted(CountUndecodable); n != 1 {
		t.Errorf("%d records could not be read, want 1", n)
	}
}

// slowBroker gives out nothing of the topic pairs for 5 times as long as a collector
// here believes in.
func slowBroker(t *testing.T) (broker string) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "pairs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	slow := time.Now().Add(5 * quiet)
	cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		cluster.SleepControl(func() { time.Sleep(time.Until(slow)) })
		return nil, nil, false
	})
	return cluster.ListenAddrs()[0]
}

func produceTen(t *testing.T, broker string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("pairs"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, b := range records(record.AktoJSON, 10) {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Value: b}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// A broker that is slow to give out what it holds is not one that holds nothing.
func TestASlowBroker(t *testing.T) {
	broker := slowBroker(t)
	k := collect(t, OpenKafka, "kafka://"+broker+"/pairs", new(targettest.Env))
	produceTen(t, broker)
	k.end(t, upTo(0, 10))
}

// Nor is a sink that consumes such a topic one that has seen everything.
func TestASinkBehindASlowBroker(t *testing.T) {
	broker := slowBroker(t)
	topic, err := kafka.ParseURL(&url.URL{Scheme: "kafka", Host: broker, Path: "/pairs"})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := kafka.NewTail(t.Context(), topic, (&net.Dialer{}).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := sink.NewStream(l)
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- sink.NewHub(sink.Faults{}, s).Consume(ctx, tail, "", func([]*exchange.Pair) {})
	}()
	k := collect(t, OpenSink, "sink://"+l.Addr().String(), new(targettest.Env))
	produceTen(t, broker)
	k.end(t, upTo(0, 10))
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestASink(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := sink.NewStream(l)
	defer s.Close()
	h := sink.NewHub(sink.Faults{}, s)
	k := collect(t, OpenSink, "sink://"+l.Addr().String(), new(targettest.Env))
	for _, b := range records(record.AktoJSON, 5000) {
		p, err := record.Decode(record.AktoJSON, b)
		if err != nil {
			t.Fatal(err)
		}
		h.Pass([]*exchange.Pair{p})
	}
	k.end(t, upTo(0, 5000))
}

// A sink that is started together with the sender may listen a little later.
func TestASinkThatIsJustStarting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	go func() {
		time.Sleep(300 * time.Millisecond)
		l, err := net.Listen("tcp", address)
		if err != nil {
			return
		}
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "recap sink 2\n")
			c.Close()
		}
	}()
	u := &url.URL{Scheme: "sink", Host: address}
	c, err := OpenSink(t.Context(), u, new(targettest.Env))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// A sink that breaks off is an error, never a silence.
func TestASinkThatBreaksOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			io.WriteString(c, "recap sink 2\n")
			c.Close()
		}
	}()
	k := collect(t, OpenSink, "sink://"+l.Addr().String(), new(targettest.Env))
	if err := <-k.done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Collect = %v, want an unexpected end", err)
	}
}

// Collect ends with its context, whatever is collected.
func TestCollectEndsWithItsContext(t *testing.T) {
	for name, c := range map[string]struct {
		open opener
		url  string
	}{"file": {OpenFile, "jsonl:" + t.TempDir()}, "endpoint": {OpenHTTP, "http://" + targettest.FreeAddress(t)}} {
		t.Run(name, func(t *testing.T) {
			u, _ := url.Parse(c.url)
			col, err := c.open(t.Context(), u, new(targettest.Env))
			if err != nil {
				t.Fatal(err)
			}
			if err := col.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := col.Collect(ctx, func(*replay.Observation) {}); err != nil {
				t.Errorf("Collect = %v", err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		open      opener
		url, want string
	}{
		{OpenFile, "jsonl:", "names no file"},
		{OpenFile, "jsonl:a?format=xml", "akto-json"},
		{OpenHTTP, "http://127.0.0.1/", "port"},
		{OpenKafka, "kafka://127.0.0.1:1", "topic"},
		{OpenKafka, "kafka://127.0.0.1:1/a?from=start", "not known"},
		{OpenSink, "sink://127.0.0.1", "host:port"},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tt.open(t.Context(), u, new(targettest.Env)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", tt.url, err, tt.want)
		}
	}
}

// FuzzLines: how a file was written, in what pieces, changes nothing of what is seen, and
// every line is either one observation or counted.
func FuzzLines(f *testing.F) {
	f.Add(append(bytes.Join(records(record.AktoJSON, 3), []byte("\n")), '\n'), uint8(3))
	f.Add([]byte("{\n\n}\r\n{\"testConnectionString\":\"\"}\n"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		read := func(size int) (list []replay.Observation, env *targettest.Env) {
			env = new(targettest.Env)
			l := &lines{feed: newFeed("", env)}
			var file follower
			for part := range slices.Chunk(b, size) {
				list = append(list, l.lines(&file, part)...)
			}
			return list, env
		}
		want, env := read(len(b) + 1)
		got, _ := read(int(piece) + 1)
		if len(want) != len(got) {
			t.Fatalf("%d observations in one piece, %d in pieces of %d", len(want), len(got), int(piece)+1)
		}
		for i := range want {
			if !bytes.Equal(want[i].Request, got[i].Request) || !bytes.Equal(want[i].Response, got[i].Response) || want[i].RequestBody != got[i].RequestBody {
				t.Fatalf("observation %d differs: %+v, %+v", i, want[i], got[i])
			}
		}
		if n := env.Counted(CountRecords); int64(len(want))+env.Counted(CountUndecodable) > n || n > int64(bytes.Count(b, []byte("\n"))) {
			t.Fatalf("%d records, %d observations, %d undecodable", n, len(want), env.Counted(CountUndecodable))
		}
	})
}

func firstDifference(a, b []uint64) []uint64 {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return []uint64{a[i], b[i]}
		}
	}
	return nil
}
