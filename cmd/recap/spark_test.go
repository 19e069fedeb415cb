//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestSpark reads a dataset as docs/scale-out.md says.
func TestSpark(t *testing.T) {
	if underRace {
		t.Skip("SKIPPED: Spark would watch for races of another program; the test runs without the detector")
	}
	if out, err := exec.Command("python3", "-c", "import pyspark").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no python3 with pyspark here; `pip install pyspark` to run this test: %s", bytes.TrimSpace(out))
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("SKIPPED: no java here, which Spark needs; install a JRE of version 17 or later to run this test")
	}
	s := newShell(t)
	s.write("in", watcherCaptures(t))
	s.recap(0, "extract", "--each", "--partition", "hive", "-o", "data", "in")
	const script = `
import json
from pyspark.sql import SparkSession
b = SparkSession.builder.master('local[1]')
for k, v in {'ui.enabled': 'false', 'driver.bindAddress': '127.0.0.1', 'driver.host': '127.0.0.1'}.items():
    b = b.config('spark.' + k, v)
spark = b.getOrCreate()
d = spark.read.option('pathGlobFilter', '*.parquet').parquet('data')
f = spark.read.option('pathGlobFilter', '*.pq').option('basePath', 'data/_flows').parquet('data/_flows/vm=*')
one = d.filter("vm = 'web-2' and date = '2026-11-21'")
out = {'all': d.count(), 'one': one.count(), 'flows': f.count(), 'joined': d.join(f, ['vm', 'date', 'flow_id']).count()}
typed = d.select('vm', 'date', 'request.time', 'request.time_ns', 'response.status', 'response.body', 'anomalies')
out['types'] = [x.dataType.simpleString() for x in typed.schema.fields]
out['plan'] = one.select('id')._jdf.queryExecution().executedPlan().toString()
row = d.filter("request.path = '/web-1-20/1'").select('request.time_ns', 'response.status', 'response.body').first()
out['status'], out['body'] = row.status, bytes(row.body).decode()
print(json.dumps(out))
`
	text := python(t, s.dir, script)
	var got struct {
		All, One, Flows, Joined, Status int
		Types                           []string
		Plan, Body                      string
	}
	if err := json.Unmarshal(text[bytes.LastIndexByte(bytes.TrimSpace(text), '\n')+1:], &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got.All != 12 || got.One != 3 || got.Flows != 12 || got.Joined != 12 || got.Status != 200 || got.Body != "ok" {
		t.Errorf("%d rows, %d of one partition, %d flows, %d joined, status %d, body %q; want 12, 3, 12, 12, 200, \"ok\"",
			got.All, got.One, got.Flows, got.Joined, got.Status, got.Body)
	}
	if want := []string{"string", "date", "timestamp", "bigint", "int", "binary", "array<string>"}; !slices.Equal(got.Types, want) {
		t.Errorf("types %v, want %v", got.Types, want)
	}
	_, filters, ok := strings.Cut(got.Plan, "PartitionFilters: ")
	if filters, _, _ = strings.Cut(filters, "PushedFilters"); !ok || !strings.Contains(filters, "web-2") || !strings.Contains(filters, "date") {
		t.Errorf("no sign that Spark leaves out other partitions:\n%s", got.Plan)
	}
}
