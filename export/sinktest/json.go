package sinktest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"recap/export"
)

// JSON returns the record under c as encoding/json, told to use json.Number, would
// decode its line. It is a second way to the same values, made without the writer.
func JSON(fields []export.Field, c *export.Cursor) map[string]any {
	m := map[string]any{}
	for i := range fields {
		f := &fields[i]
		if f.Use&export.InJSON != 0 {
			continue
		}
		v := plain(f, c)
		m[f.Name] = v
		switch f.Name {
		case "body":
			m["body_encoding"] = nil
			if b, ok := f.Value(c).([]byte); ok {
				m["body"], m["body_encoding"] = string(b), "utf8"
				if !utf8.Valid(b) {
					m["body"], m["body_encoding"] = base64.StdEncoding.EncodeToString(b), "base64"
				}
			}
		case "head":
			m["head"] = nil
			if b, ok := f.Value(c).([]byte); ok && c.HeadEscaped() {
				m["head"] = base64.StdEncoding.EncodeToString(b)
			}
		}
	}
	return m
}

func plain(f *export.Field, c *export.Cursor) any {
	switch f.Type {
	case export.Struct:
		if f.Enter != nil && !f.Enter(c) {
			return nil
		}
		return JSON(f.Fields, c)
	case export.List:
		l := []any{}
		for i := range f.Len(c) {
			f.At(c, i)
			l = append(l, plain(&f.Fields[0], c))
		}
		return l
	}
	switch v := f.Value(c).(type) {
	case int32:
		return json.Number(strconv.Itoa(int(v)))
	case int64:
		if f.Type == export.Time {
			return time.Unix(0, v).UTC().Format("2006-01-02T15:04:05.000000000Z")
		}
		return json.Number(strconv.FormatInt(v, 10))
	default:
		return v
	}
}

// Diff says where got first differs from want, or nothing.
func Diff(want, got any) string { return diff("", want, got) }

func diff(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: got %.200v, want %d fields", at, got, len(w))
		}
		for k := range w {
			if _, ok := g[k]; !ok {
				return fmt.Sprintf("%s.%s is missing", at, k)
			}
			if d := diff(at+"."+k, w[k], g[k]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: got %.200v, want a list of %d", at, got, len(w))
		}
		for i := range w {
			if d := diff(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]); d != "" {
				return d
			}
		}
		return ""
	case []byte:
		g, ok := got.(string) // how parquet-go reads bytes into a map
		if b, isBytes := got.([]byte); isBytes {
			g, ok = string(b), true
		}
		if !ok || g != string(w) {
			return fmt.Sprintf("%s: got %.100q, want %.100q", at, got, w)
		}
		return ""
	}
	if want != got {
		return fmt.Sprintf("%s: got %.200v, want %.200v", at, got, want)
	}
	return ""
}
