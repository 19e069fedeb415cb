package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// viewLine is what the views have in common with the record, each under its own names.
type viewLine struct {
	// zeek
	UID     string `json:"uid"`
	Depth   int32  `json:"trans_depth"`
	Method  string `json:"method"`
	URI     string `json:"uri"`
	Length  int64  `json:"response_body_len"`
	Code    any    `json:"status_code"` // text in ocsf
	Message string `json:"status_msg"`
	// eve
	TX        *int32 `json:"tx_id"`
	Community string `json:"community_id"`
	// eve and ecs
	HTTP struct {
		Method   string `json:"http_method"`
		URL      string `json:"url"`
		Status   int32  `json:"status"`
		Length   int64  `json:"length"`
		Headers  []any  `json:"request_headers"`
		Request  struct{ Method string }
		Response struct {
			Code int32 `json:"status_code"`
			Body struct{ Bytes int64 }
		}
	} `json:"http"`
	Event    struct{ ID string }                          `json:"event"`
	Source   struct{ IP string }                          `json:"source"`
	URL      struct{ Original, Full, Path, Query string } `json:"url"`
	Recap    struct{ ID, State string }                   `json:"recap"`
	Metadata struct{ UID string }                         `json:"metadata"`
	Request  struct {
		Method  string `json:"http_method"`
		Headers []any  `json:"http_headers"`
		URL     struct {
			Text string `json:"url_string"`
		} `json:"url"`
	} `json:"http_request"`
	Response struct {
		Code int32
		Body int64 `json:"body_length"`
	} `json:"http_response"`
	Unmapped struct {
		Recap struct{ State string }
	} `json:"unmapped"`
}

// TestViewsOfCaptures: line by line, the views of the committed captures say what the
// record does. That the record is right is tested elsewhere, tshark beside it.
func TestViewsOfCaptures(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join("..", "..", "testdata", "captures", "*.pcap*"))
	if err != nil || len(captures) == 0 {
		t.Fatal(captures, err)
	}
	for _, name := range fewUnderRace(captures) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			extractQuietly(t, "-f", "jsonl,zeek,eve,ecs,ocsf", "-o", out, name)
			rows := linesOf[pairRow](t, filepath.Join(out, pairsJSONL))
			views := map[string][]*viewLine{}
			for _, v := range []string{"zeek", "eve", "ecs", "ocsf"} {
				views[v] = linesOf[viewLine](t, filepath.Join(out, v+"_http.jsonl"))
				if len(views[v]) != len(rows) {
					t.Fatalf("%s has %d lines, want %d", v, len(views[v]), len(rows))
				}
			}
			for i, r := range rows {
				sameView(t, i, r, views["zeek"][i], views["eve"][i], views["ecs"][i], views["ocsf"][i])
			}
		})
	}
}

func sameView(t *testing.T, i int, r *pairRow, zeek, eve, ecs, ocsf *viewLine) {
	t.Helper()
	q, s := r.Request, r.Response
	if q == nil {
		q = &messageRow{}
	}
	if s == nil {
		s = &messageRow{}
	}
	var code any
	if s.Status != 0 {
		code = float64(s.Status)
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"zeek uid", zeek.UID, r.FlowID}, {"zeek trans_depth", zeek.Depth, r.Ordinal + 1}, {"zeek method", zeek.Method, q.Method},
		{"zeek uri", zeek.URI, q.Target}, {"zeek status_code", zeek.Code, code}, {"zeek status_msg", zeek.Message, s.Reason},
		{"zeek response_body_len", zeek.Length, s.BodySize}, {"zeek recap.id", zeek.Recap.ID, r.ID}, {"zeek recap.state", zeek.Recap.State, r.State},
		{"eve tx_id", *eve.TX, r.Ordinal}, {"eve community_id", eve.Community, r.CommunityID}, {"eve method", eve.HTTP.Method, q.Method},
		{"eve url", eve.HTTP.URL, q.Target}, {"eve status", eve.HTTP.Status, s.Status}, {"eve length", eve.HTTP.Length, s.BodyWireSize},
		{"eve headers", len(eve.HTTP.Headers), len(q.Headers)}, {"eve recap.id", eve.Recap.ID, r.ID},
		{"ecs event.id", ecs.Event.ID, r.ID}, {"ecs source.ip", ecs.Source.IP, r.Client.IP}, {"ecs method", ecs.HTTP.Request.Method, q.Method},
		{"ecs url.original", ecs.URL.Original, q.Target}, {"ecs url.full", ecs.URL.Full, q.URL}, {"ecs url.path", ecs.URL.Path, q.Path},
		{"ecs url.query", ecs.URL.Query, q.Query}, {"ecs status_code", ecs.HTTP.Response.Code, s.Status},
		{"ecs body.bytes", ecs.HTTP.Response.Body.Bytes, s.BodyWireSize}, {"ecs recap.state", ecs.Recap.State, r.State},
		{"ocsf metadata.uid", ocsf.Metadata.UID, r.ID}, {"ocsf method", ocsf.Request.Method, q.Method}, {"ocsf url_string", ocsf.Request.URL.Text, q.URL},
		{"ocsf headers", len(ocsf.Request.Headers), len(q.Headers)}, {"ocsf code", ocsf.Response.Code, s.Status},
		{"ocsf body_length", ocsf.Response.Body, s.BodyWireSize}, {"ocsf recap.state", ocsf.Unmapped.Recap.State, r.State},
	} {
		if tt.got != tt.want {
			t.Errorf("pair %d: %s is %v, want %v", i, tt.name, tt.got, tt.want)
		}
	}
}

// linesOf reads a file of JSON lines.
func linesOf[T any](t *testing.T, name string) []*T {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var list []*T
	if err := decodeLines(name, bufio.NewReader(f), func(v *T) error {
		list = append(list, v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// python runs a script in dir and returns what it printed.
func python(t *testing.T, dir, script string) []byte {
	t.Helper()
	cmd := exec.Command("python3", "-c", script)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return text
}

// TestOCSFSchema has the events of the committed captures checked against the schema
// that the Python package ocsf-json-schema brings.
func TestOCSFSchema(t *testing.T) {
	if exec.Command("python3", "-c", "import ocsf_json_schema, jsonschema").Run() != nil {
		t.Skip("SKIPPED: the Python packages ocsf-json-schema and jsonschema are not installed, so the OCSF events were not checked against the schema")
	}
	captures, _ := filepath.Glob(filepath.Join("..", "..", "testdata", "captures", "*.pcap*"))
	dir := t.TempDir()
	for i, name := range captures {
		extractQuietly(t, "-f", "ocsf", "-o", filepath.Join(dir, string(rune('a'+i))), name)
	}
	out := python(t, dir, `
import json, glob, jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
check = jsonschema.Draft202012Validator(OcsfJsonSchemaEmbedded(get_ocsf_schema("1.7.0")).get_class_schema("http_activity"))
n = 0
for name in glob.glob("*/ocsf_http.jsonl"):
    for line in open(name):
        n += 1
        for e in check.iter_errors(json.loads(line)):
            print(name, n, list(e.absolute_path), e.message[:200])
broken = json.loads(line)
del broken["metadata"]
broken["activity_id"] = "3"
print(n > 100, len(list(check.iter_errors(broken))) >= 2)`)
	if got := strings.TrimSpace(string(out)); got != "True True" {
		t.Errorf("%.2000s", out)
	}
}

// fewUnderRace returns all of list, or every eighth where the race detector is on.
func fewUnderRace(list []string) []string {
	if !underRace {
		return list
	}
	var few []string
	for i := 0; i < len(list); i += 8 {
		few = append(few, list[i])
	}
	return few
}
