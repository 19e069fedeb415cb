//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recap/reader"
	"recap/reader/packet"
)

func TestSets(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"dumpcap's ring buffer", "d/w_00001_20261120090000.pcapng d/w_00002_20261120090100.pcapng", "d/w_00001_20261120090000.pcapng+d/w_00002_20261120090100.pcapng"},
		{"time before number", "w_20261120090000_00001.pcap w_20261120090100_00002.pcap", "w_20261120090000_00001.pcap+w_20261120090100_00002.pcap"},
		{"two sessions of one name", "w_00001_20261120090000.pcap w_00001_20261121090000.pcap w_00002_20261120090100.pcap w_00002_20261121090100.pcap",
			"w_00001_20261120090000.pcap+w_00002_20261120090100.pcap w_00001_20261121090000.pcap+w_00002_20261121090100.pcap"},
		{"a ring that has lost its first files", "w_00007_20261120090000.pcap w_00008_20261120090100.pcap", "w_00007_20261120090000.pcap+w_00008_20261120090100.pcap"},
		{"tcpdump -C", "x.pcap x.pcap1 x.pcap10 x.pcap2", "x.pcap+x.pcap1+x.pcap2+x.pcap10"},
		{"tcpdump -W", "x.pcap00 x.pcap01", "x.pcap00+x.pcap01"},
		{"logrotate, compressed", "x.pcap x.pcap.1.gz x.pcap.2.gz", "x.pcap+x.pcap.1.gz+x.pcap.2.gz"},
		{"Network Watcher", "v/packetcapture_09_00_00_000.cap v/packetcapture_09_00_00_000_1.cap v/packetcapture_10_00_00_000.cap",
			"v/packetcapture_09_00_00_000.cap+v/packetcapture_09_00_00_000_1.cap v/packetcapture_10_00_00_000.cap"},
		{"other directories", "a/x.pcap b/x.pcap1", "a/x.pcap b/x.pcap1"},
		{"names that only look alike", "mon1.pcap mon2.pcap web_1.pcap web_2.pcap", "mon1.pcap mon2.pcap web_1.pcap web_2.pcap"},
		{"one alone", "x.pcap3 y.pcap", "x.pcap3 y.pcap"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var tasks []*task
			for name := range strings.FieldsSeq(tt.in) {
				tasks = append(tasks, &task{name: name, found: []reader.Found{{Name: name}}})
			}
			var got []string
			for _, task := range joinSets(tasks) {
				got = append(got, strings.Join(task.names(), "+"))
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("%s\ngives %s\nwant  %s", tt.in, got, tt.want)
			}
		})
	}
}

func TestLayout(t *testing.T) {
	const name = "azblob://c/subscriptions/s1/resourcegroups/rg/providers/microsoft.compute/virtualmachines/VM=1/2026/11/20/packetcapture_23_05_07_123.cap"
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixNano()
	for _, tt := range []struct {
		text, name string
		first      int64
		want       string
	}{
		{"hive", name, noon, "vm=VM%3D1/date=2026-11-20"},
		{"vm={vm}/date={date}/hour={hour}", name, noon, "vm=VM%3D1/date=2026-11-20/hour=23"},
		{"hive", "dir/tap.pcap.gz", noon, "vm=__HIVE_DEFAULT_PARTITION__/date=2026-11-21"},
		{"hive", "dir/tap.pcap", packet.NoTime, "vm=__HIVE_DEFAULT_PARTITION__/date=__HIVE_DEFAULT_PARTITION__"},
		{"source={name}", "dir/a b/../tap é.pcap.gz", noon, "source=tap%20%C3%A9"},
		{"key=x-{subscription}-{resource_group}", name, noon, "key=x-s1-rg"},
	} {
		var l layout
		if err := l.Set(tt.text); err != nil {
			t.Fatal(err)
		}
		if got := l.dir(tt.name, tt.first); got != tt.want {
			t.Errorf("%s of %s is %s, want %s", tt.text, tt.name, got, tt.want)
		}
	}
	for _, text := range []string{"", "{vm}", "vm={what}", "vm={vm}/vm={date}", "../x={vm}", "x=../{vm}", "client={vm}", "Id={vm}", "a=b/c"} {
		if err := new(layout).Set(text); err == nil {
			t.Errorf("the template %q is taken", text)
		}
	}
}

func FuzzLayout(f *testing.F) {
	f.Add("virtualmachines/../2026/11/20/packetcapture_09_05_07_123.cap", int64(0))
	f.Add("a/\x00=%2f", int64(-1))
	f.Fuzz(func(t *testing.T, name string, first int64) {
		l := layout{"vm={vm}/date={date}/source={name}"}
		dir := l.dir(name, first)
		if levels := strings.Split(dir, "/"); len(levels) != 3 || !filepath.IsLocal(dir) || len(dir) > 600 || strings.Count(dir, "=") != 3 {
			t.Errorf("%q gives %q", name, dir)
		}
	})
}

func TestShards(t *testing.T) {
	var tasks []*task
	var total int64
	for i := range 100 {
		size := int64(i*i) << 12
		total += size
		tasks = append(tasks, &task{index: i, found: []reader.Found{{Name: fmt.Sprint("f", i), Size: size}}})
	}
	seen := map[int]int{}
	for i := range 7 {
		s := shardOf{Index: i, Of: 7}
		var size int64
		for _, task := range s.choose(tasks) {
			seen[task.index]++
			size += task.size()
		}
		if size < total/7*9/10 || size > total/7*11/10 {
			t.Errorf("shard %d has %d of %d bytes", i, size, total)
		}
	}
	for i := range tasks {
		if seen[i] != 1 {
			t.Errorf("task %d is in %d shards", i, seen[i])
		}
	}
	for _, tt := range []struct{ text, env, want string }{
		{"2/8", "", "2/8"}, {"/8", "JOB_COMPLETION_INDEX=5", "5/8"}, {"/8", "AWS_BATCH_JOB_ARRAY_INDEX=0", "0/8"},
		{"/8", "", "error"}, {"/8", "JOB_COMPLETION_INDEX=8", "error"}, {"8/8", "", "error"}, {"-1/8", "", "error"}, {"1", "", "error"}, {"0/0", "", "error"}, {"x/3", "", "error"},
	} {
		var s shardOf
		name, value, _ := strings.Cut(tt.env, "=")
		err := s.Set(tt.text)
		if err == nil {
			err = s.complete(func(n string) string {
				if n == name {
					return value
				}
				return ""
			})
		}
		got := s.String()
		if err != nil {
			got = "error"
		}
		if got != tt.want {
			t.Errorf("--shard %s with %q is %s, want %s", tt.text, tt.env, got, tt.want)
		}
	}
}

// TestLine has captures that need more memory together than there is.
func TestLine(t *testing.T) { synctest.Test(t, testLine) }

func testLine(t *testing.T) {
	var live, most, given atomic.Int64
	l := newLine(8, 100)
	l.live, l.every = live.Load, time.Millisecond
	queue := make([]int, 30)
	for i := range queue {
		queue[i] = i
	}
	var mu sync.Mutex
	done := map[int]int{}
	err := l.run(t.Context(), queue, func(ctx context.Context, i int) error {
		held := int64(0)
		defer func() { live.Add(-held) }()
		for range 12 { // grows to 60 of 100
			select {
			case <-ctx.Done():
				given.Add(1)
				return errGivenUp
			case <-time.After(20 * time.Millisecond):
			}
			held += 5
			if n := live.Add(5); n > most.Load() {
				most.Store(n)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		done[i]++
		return nil
	})
	if err != nil || len(done) != 30 {
		t.Errorf("%d of 30 done, error %v", len(done), err)
	}
	for i, n := range done {
		if n != 1 {
			t.Errorf("%d was done %d times", i, n)
		}
	}
	if given.Load() == 0 || most.Load() > 180 {
		t.Errorf("given up %d times, at most %d in use; want some, and not much more than 100", given.Load(), most.Load())
	}
}

func TestLineEnds(t *testing.T) {
	broken := errors.New("disk is full")
	var begun atomic.Int64
	err := newLine(3, 1<<40).run(t.Context(), []int{0, 1, 2, 3, 4, 5}, func(ctx context.Context, i int) error {
		begun.Add(1)
		if i == 1 {
			return broken
		}
		<-ctx.Done()
		if context.Cause(ctx) != errGivenUp {
			t.Errorf("the cause is %v", context.Cause(ctx))
		}
		return errGivenUp
	})
	if err != broken || begun.Load() > 3 {
		t.Errorf("error %v after %d began", err, begun.Load())
	}
}

// batchCaptures is an input directory with all that a batch may meet.
func batchCaptures(t *testing.T) map[string][]byte {
	files := watcherCaptures(t)
	whole := smallCapture(t, "cut", 2)
	files["cut.pcap"] = whole[:len(whole)-3]
	files["ring/w_00001_20261120090000.pcap"] = smallCapture(t, "ring1", 1)
	files["ring/w_00002_20261120090100.pcap"] = smallCapture(t, "ring2", 1)
	return files
}

// TestShardsAreOneDataset: n calls and a merge give, byte for byte, what one call does.
func TestShardsAreOneDataset(t *testing.T) {
	s := newShell(t)
	s.write("in", batchCaptures(t))
	for _, layout := range []string{"", "hive"} {
		args := []string{"extract", "--each", "in"}
		if layout != "" {
			args = append(args, "--partition", layout)
		}
		one := "one" + layout
		s.recap(3, append(args, "-o", one)...)
		for _, n := range []int{1, 3, 12} {
			dir := fmt.Sprint("of", n, layout)
			for i := range n {
				cmd := s.command(append(args, "-o", dir, fmt.Sprintf("--shard=/%d", n))...)
				cmd.Env = append(cmd.Env, fmt.Sprint("JOB_COMPLETION_INDEX=", i))
				if text, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != exitIncomplete {
					t.Fatalf("shard %d of %d: %v\n%s", i, n, err, text)
				}
				if i+2 == n {
					if _, said := s.recap(1, "merge-manifests", dir); !strings.Contains(said, "1 shard of") {
						t.Errorf("it said:\n%s", said)
					}
				}
			}
			s.recap(0, "merge-manifests", dir)
			files := s.files(dir)
			maps.DeleteFunc(files, func(name, _ string) bool { return strings.HasPrefix(name, shardPrefix) })
			sameFiles(t, s.files(one), files)
			s.recap(0, "verify", dir)
		}
	}
}

// TestBatchIsDeterministic: --jobs, --workers and --resume change nothing.
func TestBatchIsDeterministic(t *testing.T) {
	s := newShell(t)
	s.write("in", batchCaptures(t))
	args := []string{"extract", "--each", "--partition", "hive", "in"}
	s.recap(3, append(args, "-o", "a")...)
	s.recap(3, append(args, "-o", "b", "--jobs", "1", "--workers", "3")...)
	s.recap(3, append(args, "-o", "c", "--jobs", "8")...)
	s.same("a", "b")
	s.same("a", "c")
	s.recap(3, append(args, "-o", "c", "--overwrite")...)
	s.same("a", "c")
	if _, said := s.recap(3, append(args, "-o", "c", "--resume")...); !strings.Contains(said, "finished before") {
		t.Errorf("it said:\n%s", said)
	}
	s.same("a", "c")
	if _, said := s.recap(1, "extract", "--each", "--partition", "hive", "in/ring", "-o", "c", "--resume"); !strings.Contains(said, "is not of these inputs") {
		t.Errorf("it said:\n%s", said)
	}
	if _, said := s.recap(1, append(args, "-o", "c", "--resume", "--body-limit", "1KiB")...); !strings.Contains(said, "another --body-limit") {
		t.Errorf("it said:\n%s", said)
	}
	var m eachManifest
	if err := json.Unmarshal([]byte(s.files("a")["manifest.json"]), &m); err != nil {
		t.Fatal(err)
	}
	if m.Total.Parts != 8 || m.Total.Complete != 7 || m.Total.Pairs != 15 || m.Complete {
		t.Errorf("the manifest sums up to %+v", m.Total)
	}
}

// TestHive reads datasets with the engines that people use.
func TestHive(t *testing.T) {
	if out, err := exec.Command("python3", "-c", "import duckdb, pyarrow.dataset").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no python3 with duckdb and pyarrow here; `pip install duckdb pyarrow` to run this test: %s", bytes.TrimSpace(out))
	}
	s := newShell(t)
	s.write("in", watcherCaptures(t))
	s.recap(0, "extract", "--each", "--partition", "hive", "-o", "data", "in")
	const script = `
import duckdb, json, pyarrow.dataset as ds
out = {}
q = lambda sql: duckdb.sql(sql).fetchall()
src = "read_parquet('data/**/*.parquet', hive_partitioning=true)"
out['all'] = q(f"select count(*) from {src}")[0][0]
out['types'] = q(f"select column_name, column_type from (describe select vm, date, request.time_ns, response.status, flow_id from {src})")
out['vms'] = q(f"select vm, date::varchar, count(*) from {src} group by all order by all")
out['pruned'] = [r[1] for r in q(f"explain analyze select count(*) from {src} where vm='web-1' and date='2026-11-20'")][0]
out['flows'] = q("select count(*) from read_parquet('data/_flows/*/*/*.pq', hive_partitioning=true) where vm='web-2'")[0][0]
out['joined'] = q(f"select count(*) from {src} p join read_parquet('data/_flows/**/*.pq', hive_partitioning=true) f using (flow_id, vm, date) where vm='web-2'")[0][0]
d = ds.dataset('data', partitioning='hive', ignore_prefixes=['_', '.', 'manifest'])
out['arrow'] = d.count_rows()
one = d.filter((ds.field('vm') == 'web-2') & (ds.field('date') == '2026-11-21'))
out['arrowPruned'] = len(list(d.get_fragments((ds.field('vm') == 'web-2') & (ds.field('date') == '2026-11-21'))))
out['arrowRows'] = one.count_rows()
print(json.dumps(out))
`
	text := python(t, s.dir, script)
	var got struct {
		All, Flows, Joined, Arrow, ArrowPruned, ArrowRows int
		Types                                             [][]string
		VMs                                               [][]any
		Pruned                                            string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.All != 12 || got.Flows != 6 || got.Joined != 6 || got.Arrow != 12 || got.ArrowPruned != 1 || got.ArrowRows != 3 {
		t.Errorf("DuckDB %d rows, %d flows, %d joined; pyarrow %d rows, %d of them in %d files; want 12, 6, 6; 12, 3 in 1",
			got.All, got.Flows, got.Joined, got.Arrow, got.ArrowRows, got.ArrowPruned)
	}
	want := [][]string{{"vm", "VARCHAR"}, {"date", "DATE"}, {"time_ns", "BIGINT"}, {"status", "INTEGER"}, {"flow_id", "VARCHAR"}}
	if !slices.EqualFunc(got.Types, want, slices.Equal) {
		t.Errorf("types %v, want %v", got.Types, want)
	}
	if len(got.VMs) != 6 || fmt.Sprint(got.VMs[0]) != "[web-0 2026-11-20 1]" {
		t.Errorf("by partition: %v", got.VMs)
	}
	if !strings.Contains(got.Pruned, "1/6") {
		t.Errorf("no sign that DuckDB has left out the other files:\n%s", got.Pruned)
	}
}

// FuzzSets: whatever files are called, each is in one capture.
func FuzzSets(f *testing.F) {
	f.Add("x.pcap\nx.pcap1\nw_00001_20261120090000.pcap\nw_00001_20261121090000.pcap")
	f.Add("packetcapture_09_00_00_000.cap\npacketcapture_09_00_00_000_1.cap\n.gz")
	f.Fuzz(func(t *testing.T, names string) {
		var tasks []*task
		want := map[string]bool{}
		for name := range strings.SplitSeq(names, "\n") {
			if !want[name] {
				want[name] = true
				tasks = append(tasks, &task{name: name, found: []reader.Found{{Name: name}}})
			}
		}
		seen := map[string]bool{}
		for _, task := range joinSets(tasks) {
			for _, name := range task.names() {
				if seen[name] || !want[name] {
					t.Errorf("%q is there twice, or came from nowhere", name)
				}
				seen[name] = true
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%d of %d files are left", len(seen), len(want))
		}
	})
}
