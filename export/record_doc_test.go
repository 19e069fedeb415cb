package export_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"recap/export"
	"recap/pipeline/exchange"
)

var updateDocs = flag.Bool("update-docs", false, "write the tables of docs/record.md again")

// recordTables are the tables of docs/record.md, by the names in the comments
// around them.
func recordTables() map[string]string {
	pairs, flows := export.PairSchema(), export.FlowSchema()
	request, response := sub(pairs, "request"), sub(pairs, "response")
	message := common(request, response)
	toServer := sub(flows, "to_server")
	return map[string]string{
		"pairs":     fieldTable(pairs, "request", "response"),
		"request":   fieldTable(without(request, message)),
		"response":  fieldTable(without(response, message)),
		"message":   fieldTable(message),
		"flows":     fieldTable(flows, "to_server", "to_client"),
		"side":      fieldTable(toServer),
		"messages":  fieldTable(export.MessageSchema()),
		"anomalies": anomalyTable(),
	}
}

func sub(fields []export.Field, name string) []export.Field {
	i := slices.IndexFunc(fields, func(f export.Field) bool { return f.Name == name })
	return fields[i].Fields
}

// common returns the fields that a and b both have.
func common(a, b []export.Field) (list []export.Field) {
	for _, f := range a {
		if slices.ContainsFunc(b, func(g export.Field) bool { return g.Name == f.Name && g.Type == f.Type && g.Doc == f.Doc }) {
			list = append(list, f)
		}
	}
	return list
}

func without(a, b []export.Field) (list []export.Field) {
	for _, f := range a {
		if !slices.ContainsFunc(b, func(g export.Field) bool { return g.Name == f.Name }) {
			list = append(list, f)
		}
	}
	return list
}

// fieldTable lists fields by path, group.field and list[].field; what is in the
// groups named closed stands elsewhere.
func fieldTable(fields []export.Field, closed ...string) string {
	var b strings.Builder
	b.WriteString("| field | type | may be null | meaning |\n|---|---|---|---|\n")
	fieldRows(&b, "", fields, closed)
	return b.String()
}

func fieldRows(b *strings.Builder, prefix string, fields []export.Field, closed []string) {
	for i := range fields {
		f := &fields[i]
		path, kind, null, inside := prefix+f.Name, f.Type.String(), "", f.Fields
		switch f.Type {
		case export.Struct:
			path += "."
		case export.List:
			kind, path, inside = "list of "+f.Fields[0].Type.String(), path+"[].", f.Fields[0].Fields
		}
		if f.Null {
			null = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", prefix+f.Name, kind, null, strings.ReplaceAll(f.Doc, "|", "\\|"))
		if !slices.Contains(closed, f.Name) {
			fieldRows(b, path, inside, nil)
		}
	}
}

func anomalyTable() string {
	var b strings.Builder
	b.WriteString("| anomaly | meaning |\n|---|---|\n")
	for _, a := range exchange.AllAnomalies() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", a, strings.ReplaceAll(a.Meaning(), "|", "\\|"))
	}
	return b.String()
}

// TestRecordDoc holds the tables of docs/record.md against the schema and the
// anomalies: none may be missing, and none named that is not there.
func TestRecordDoc(t *testing.T) {
	path := filepath.Join("..", "docs", "record.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc, stale := string(text), []string{}
	for name, want := range recordTables() {
		begin, end := "<!-- table "+name+" -->\n", "<!-- end of "+name+" -->\n"
		before, rest, found := strings.Cut(doc, begin)
		got, after, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Errorf("%s lacks the lines around the table %q:\n%s%s", path, name, begin, end)
			continue
		}
		if got != want {
			stale = append(stale, name)
			doc = before + begin + want + end + after
		}
	}
	slices.Sort(stale)
	switch {
	case len(stale) == 0 || t.Failed():
	case *updateDocs:
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: the tables %v are not as the code has it; write them again with\n\tgo test ./export -run RecordDoc -update-docs", path, stale)
	}
}
