package reader_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recap/reader"
	"recap/reader/blob"
)

// web serves files by name over HTTPS.
func web(t *testing.T, files map[string][]byte) (base string, o blob.Options) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.URL.Path]
		if !ok || r.URL.Query().Get("sig") != "secret" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("ETag", `"x"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	t.Cleanup(s.Close)
	return s.URL, blob.Options{Client: s.Client(), Pause: time.Millisecond}
}

func TestURLs(t *testing.T) {
	b := capture(t, 2, strings.Repeat("b", 20000))
	files := map[string][]byte{
		"/a.cap": gz(capture(t, 1, "a")), "/b.cap": b, "/c.cap": append(capture(t, 30, "c"), make([]byte, 512)...), "/notes": []byte("notes"),
	}
	base, bo := web(t, files)
	root := dir(t, map[string][]byte{"d e.cap": capture(t, 40, "d")})
	fileURL := (&url.URL{Scheme: "file", Path: filepath.Join(root, "d e.cap")}).String()
	res := read(t, reader.Options{Store: blob.NewStore(bo), Hash: true}, base+"/c.cap?sig=secret", fileURL, base+"/b.cap?sig=secret", base+"/a.cap?sig=secret")
	if want := "a" + strings.Repeat("b", 20000) + "cd"; res.err != nil || res.letters != want {
		t.Fatalf("%d packets, want %d; error %v", len(res.letters), len(want), res.err)
	}
	for i, name := range []string{"/c.cap", "", "/b.cap", "/a.cap"} {
		in := res.inputs[i]
		if name == "" {
			continue
		}
		if in.Name != base+name || !in.Hashed || in.SHA256 != sha256.Sum256(files[name]) || in.Size != int64(len(files[name])) || in.DamageCount != 0 {
			t.Errorf("%s: %d bytes, hashed %t, damage %v; want %s, %d bytes", in.Name, in.Size, in.Hashed, in.Damage, base+name, len(files[name]))
		}
	}
	for _, tt := range []struct{ input, want string }{
		{base + "/notes?sig=secret", base + `/notes: not a capture: begins with "notes"`},
		{base + "/a.cap?sig=other", base + "/a.cap: server answers 403 Forbidden"},
		{"s3://x/y?sig=secret", `s3://x/y: S3 needs a clock to sign with`},
	} {
		res := read(t, reader.Options{Store: blob.NewStore(bo)}, tt.input)
		if res.err == nil || res.err.Error() != tt.want {
			t.Errorf("error %v, want %s", res.err, tt.want)
		}
	}
}

// TestFilter leaves files out that were found, and none that was named.
func TestFilter(t *testing.T) {
	day := "virtualmachines/%/2026/11/20/"
	root := dir(t, map[string][]byte{
		strings.ReplaceAll(day, "%", "vm1") + "packetcapture_09_00_00_000.cap": capture(t, 1, "a"),
		strings.ReplaceAll(day, "%", "vm1") + "packetcapture_10_00_00_000.cap": capture(t, 2, "b"),
		strings.ReplaceAll(day, "%", "vm2") + "packetcapture_10_00_00_000.cap": capture(t, 3, "c"),
		"other.cap": capture(t, 4, "d"),
	})
	since := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	skipped := 0
	o := reader.Options{
		Filter: func(name string, size int64, modified time.Time) bool {
			p, ok := blob.ParseWatcherPath(filepath.ToSlash(name))
			return ok && p.VM == "vm1" && !p.Start.Before(since) && size > 0 && !modified.IsZero()
		},
		Skipped: func(name string, why error) {
			if errors.Is(why, reader.ErrFiltered) {
				skipped++
			}
		},
	}
	if res := read(t, o, root); res.err != nil || res.letters != "b" || skipped != 3 {
		t.Errorf("packets %q, %d left out, error %v; want b, 3", res.letters, skipped, res.err)
	}
	if res := read(t, o, filepath.Join(root, "other.cap")); res.letters != "d" {
		t.Errorf("a named file is left out: packets %q, error %v", res.letters, res.err)
	}
}
