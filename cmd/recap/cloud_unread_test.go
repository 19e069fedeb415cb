//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveS3 serves one bucket of S3. refuse, if not nil, is asked about every request for an
// object, of which it is given the name and the range.
func serveS3(t *testing.T, files map[string][]byte, refuse *atomic.Pointer[func(name, span string) bool]) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/caps/")
		if f := refuse.Load(); f != nil && name != "" && (*f)(name, r.Header.Get("Range")) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>ExpiredToken</Code></Error>")
			return
		}
		if name != "" {
			w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(files[name]))))
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(files[name]))
			return
		}
		type object struct {
			Key, ETag string
			Size      int
		}
		list := struct {
			XMLName  xml.Name `xml:"ListBucketResult"`
			Contents []object
		}{}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			list.Contents = append(list.Contents, object{name, fmt.Sprintf("%q", fmt.Sprint(len(files[name]))), len(files[name])})
		}
		xml.NewEncoder(w).Encode(list)
	}))
	t.Cleanup(s.Close)
	s3Env(t, s.URL)
}

// TestUnread takes the right to read away while a batch runs, as it goes when a signature
// runs out. What could not be read is named and no success, and --resume reads it.
func TestUnread(t *testing.T) {
	files := map[string][]byte{"notes.txt": []byte("nothing of interest")}
	for i := range 3 {
		files[fmt.Sprintf("c%d.pcap", i)] = smallCapture(t, fmt.Sprint("c", i), 400+i)
	}
	for _, tt := range []struct {
		name, flags string
		refuse      func(name, span string) bool
		said        []string
	}{
		{"one of many from its beginning", "--each", func(name, _ string) bool { return name == "c1.pcap" },
			[]string{"s3://caps/c1.pcap: server answers 403 Forbidden (ExpiredToken)", "2 whole, 1 failed"}},
		{"one of many from its middle", "--each --partition hive", func(name, span string) bool { return name == "c1.pcap" && !strings.HasPrefix(span, "bytes=0-") },
			[]string{"s3://caps/c1.pcap: byte 65536: server answers 403 Forbidden (ExpiredToken)", "2 whole, 1 with damage"}},
		{"one of a capture from its beginning", "", func(name, _ string) bool { return name == "c1.pcap" },
			[]string{"s3://caps/c1.pcap: server answers 403 Forbidden (ExpiredToken)", "1 damaged place"}},
		{"one of a capture from its middle", "", func(name, span string) bool { return name == "c1.pcap" && !strings.HasPrefix(span, "bytes=0-") },
			[]string{"s3://caps/c1.pcap: byte 65536: server answers 403 Forbidden (ExpiredToken)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var refuse atomic.Pointer[func(name, span string) bool]
			serveS3(t, files, &refuse)
			s := newShell(t)
			args := append([]string{"extract", "s3://caps/"}, strings.Fields(tt.flags)...)
			s.recap(0, append(args, "-o", "whole")...)
			refuse.Store(&tt.refuse)
			_, said := s.recap(3, append(args, "-o", "out")...)
			for _, want := range append(tt.said, "notes.txt") {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if strings.Contains(said, "copy it again") {
				t.Errorf("it advises to copy what is whole:\n%s", said)
			}
			text := s.files("out")["manifest.json"]
			var m struct{ Complete bool }
			if err := json.Unmarshal([]byte(text), &m); err != nil || m.Complete || !strings.Contains(text, "c1.pcap") || !strings.Contains(text, "notes.txt") {
				t.Errorf("the manifest is called complete, or does not name all: %v\n%s", err, text)
			}
			refuse.Store(nil)
			s.recap(0, append(args, "-o", "out", "--resume")...)
			s.same("whole", "out")
		})
	}

	t.Run("all", func(t *testing.T) {
		var refuse atomic.Pointer[func(name, span string) bool]
		serveS3(t, files, &refuse)
		all := func(string, string) bool { return true }
		refuse.Store(&all)
		s := newShell(t)
		s.recap(1, "extract", "s3://caps/", "-o", "one")
		s.recap(1, "extract", "--each", "s3://caps/", "-o", "each")
		s.recap(1, "info", "s3://caps/")
	})
}
