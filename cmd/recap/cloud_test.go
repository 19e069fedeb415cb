//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"recap/reader/blob/blobtest"
	"recap/reader/pcaptest"
)

// A place to run the real command in.
type shell struct {
	t   *testing.T
	dir string
	env []string
}

func newShell(t *testing.T, env ...string) *shell { return &shell{t, t.TempDir(), env} }

// command returns recap with arguments, to be run by whoever asked.
func (s *shell) command(args ...string) *exec.Cmd {
	s.t.Helper()
	self, err := os.Executable()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"recap"}, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// recap runs the command, wants an exit code, and returns what it said.
func (s *shell) recap(code int, args ...string) (stdout, stderr string) {
	s.t.Helper()
	cmd := s.command(args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Fatalf("recap %q: exit code %d, want %d; it said:\n%s", args, got, code, said.String())
	}
	return out.String(), said.String()
}

// files returns what is below a directory by name.
func (s *shell) files(dir string) map[string]string {
	s.t.Helper()
	files := map[string]string{}
	root := filepath.Join(s.dir, dir)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		rel, _ := filepath.Rel(root, name)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// same wants two directories to hold the same, but for files named.
func (s *shell) same(a, b string, but ...string) {
	s.t.Helper()
	sameFiles(s.t, s.files(a), s.files(b), but...)
}

func sameFiles(t *testing.T, x, y map[string]string, but ...string) {
	t.Helper()
	names := maps.Clone(x)
	maps.Copy(names, y)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a, inX := x[name]; !slices.Contains(but, name) {
			if b, inY := y[name]; inX != inY || a != b {
				t.Errorf("%s: there %t and %t, %d and %d bytes; want the same", name, inX, inY, len(a), len(b))
			}
		}
	}
}

// watcherName is a name as Network Watcher gives.
func watcherName(vm string, day, hour int) string {
	return fmt.Sprintf("subscriptions/s/resourcegroups/rg/providers/microsoft.compute/virtualmachines/%s/2026/11/%02d/packetcapture_%02d_00_00_000.cap", vm, day, hour)
}

// smallCapture has n pairs whose targets begin with name.
func smallCapture(t *testing.T, name string, n int) []byte {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "10.0.0.1:%d > 10.0.0.2:80 handshake \"GET /%s/%d HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n", 4000+i, name, i)
		fmt.Fprintf(&text, "10.0.0.2:80 > 10.0.0.1:%d \"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok\" close\n", 4000+i)
	}
	return pcaptest.Build(t, text.String())
}

// watcherCaptures are captures of three machines over two days.
func watcherCaptures(t *testing.T) map[string][]byte {
	files := map[string][]byte{}
	for vm := range 3 {
		for _, day := range []int{20, 21} {
			name := watcherName(fmt.Sprintf("web-%d", vm), day, 9+vm)
			files[name] = smallCapture(t, fmt.Sprintf("web-%d-%d", vm, day), 1+vm)
		}
	}
	files["notes.txt"] = []byte("nothing of interest")
	return files
}

func (s *shell) write(dir string, files map[string][]byte) {
	s.t.Helper()
	for name, data := range files {
		name = filepath.Join(s.dir, dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// azureWith starts Azurite with a container of these blobs.
func azureWith(t *testing.T, container string, files map[string][]byte) (client *azblob.Client, endpoint string) {
	t.Helper()
	endpoint = blobtest.Azurite(t)
	client, err := azblob.NewClientFromConnectionString(blobtest.Connection(endpoint), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateContainer(t.Context(), container, nil); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if _, err := client.UploadBuffer(t.Context(), container, name, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	return client, endpoint
}

// hides wants a secret in nothing that was written or said.
func (s *shell) hides(secret string, said ...string) {
	s.t.Helper()
	for name, text := range s.files(".") {
		if strings.Contains(text, secret) {
			s.t.Errorf("%s holds the secret", name)
		}
	}
	for _, text := range said {
		if strings.Contains(text, secret) {
			s.t.Errorf("the secret is said:\n%s", text)
		}
	}
}

// TestAzure reads from a container and writes to it with the real command.
func TestAzure(t *testing.T) {
	files := watcherCaptures(t)
	client, endpoint := azureWith(t, "caps", files)
	s := newShell(t, "AZURE_STORAGE_CONNECTION_STRING="+blobtest.Connection(endpoint))
	s.write("local", files)

	t.Run("listed first", func(t *testing.T) {
		out, _ := s.recap(0, "info", "--list", "azblob://caps/")
		for name, data := range files {
			if !strings.Contains(out, fmt.Sprintf("%15s  azblob://caps/%s\n", count(len(data)), name)) {
				t.Errorf("%s is not listed with its size:\n%s", name, out)
			}
		}
		out, _ = s.recap(0, "info", "azblob://caps/subscriptions")
		if list, report, ok := strings.Cut(out, "to read  6 files"); !ok || !strings.Contains(list, "web-2") || !strings.Contains(report, "12 pairs") && !strings.Contains(report, "12") {
			t.Errorf("no list before the report:\n%s", out)
		}
	})

	t.Run("as from files", func(t *testing.T) {
		s.recap(0, "extract", "-f", "jsonl", "-o", "one", "azblob://caps/")
		s.recap(0, "extract", "-f", "jsonl", "-o", "onelocal", "local")
		blobs, local := s.files("one")["pairs.jsonl"], s.files("onelocal")["pairs.jsonl"]
		if got := strings.ReplaceAll(blobs, "azblob://caps/", "local/"); got != local || local == "" {
			t.Errorf("pairs differ:\n%.500s\n%.500s", got, local)
		}
		s.recap(0, "verify", "one")
	})

	t.Run("selection", func(t *testing.T) {
		for _, tt := range []struct {
			flags string
			want  int
		}{
			{"--vm web-1", 2}, {"--vm WEB-*", 6}, {"--vm web-0,web-2", 4}, {"--vm web-9", -1},
			{"--since 2026-11-21 --vm *", 3}, {"--until 2026-11-20", 3}, {"--since 2026-11-20T10:00 --until 2026-11-20T11:00 --vm *", 1},
		} {
			args := append([]string{"info", "--list", "--json", "azblob://caps/"}, strings.Fields(tt.flags)...)
			if tt.want < 0 {
				if _, said := s.recap(1, args...); !strings.Contains(said, "the selection leaves nothing to read: 7 files left out") {
					t.Errorf("%s: it said %s", tt.flags, said)
				}
				continue
			}
			out, _ := s.recap(0, args...)
			var l listing
			if err := json.Unmarshal([]byte(out), &l); err != nil || len(l.Files) != tt.want {
				t.Errorf("%s: %d files, want %d; %v", tt.flags, len(l.Files), tt.want, err)
			}
		}
	})

	t.Run("a signature is shown nowhere", func(t *testing.T) {
		const secret = "c2VjcmV0c2VjcmV0"
		url := endpoint + "/caps/" + watcherName("web-0", 20, 9) + "?sv=2021-08-06&sig=" + secret
		var said []string
		for _, args := range [][]string{
			{"extract", "-o", "x1", url}, {"extract", "--each", "-o", "x2", url}, {"extract", "--each", "-o", "x3", url, "local"},
			{"extract", "-o", url, "local"}, {"info", url}, {"info", "--list", url}, {"verify", url}, {"extract", "--resume", "-o", "x2", url},
			{"extract", "--bodies-dir", url, "-o", "x5", "local"}, {"report", "-o", "x6.html", url}, {"slice", "--where", "true", "-o", "x7.pcapng", url},
			{"verify", "x2", url}, {"verify", "x2", url + "&se=%zz"}, {"extract", "--each", "--partition", "hive", "-o", "x4", url, "local"},
		} {
			cmd := s.command(args...)
			text, _ := cmd.CombinedOutput()
			said = append(said, string(text))
		}
		s.hides(secret, said...)
		s.hides(blobtest.AzuriteKey, said...)
	})

	t.Run("cache", func(t *testing.T) {
		s.recap(0, "extract", "-f", "jsonl", "--cache", "kept", "-o", "c1", "azblob://caps/subscriptions")
		if n := len(s.files("kept")); n != 6 {
			t.Fatalf("%d files in the cache, want 6", n)
		}
		s.recap(0, "extract", "-f", "jsonl", "--cache", "kept", "-o", "c2", "azblob://caps/subscriptions")
		s.same("c1", "c2")
	})

	t.Run("resumed without reading", func(t *testing.T) {
		s.recap(0, "extract", "--each", "-f", "jsonl", "-o", "each", "azblob://caps/")
		before := s.files("each")
		_, said := s.recap(0, "extract", "--each", "--resume", "-f", "jsonl", "-o", "each", "azblob://caps/")
		if !strings.Contains(said, "6 inputs were finished before") {
			t.Errorf("it said:\n%s", said)
		}
		sameFiles(t, before, s.files("each"))
		name := watcherName("web-0", 20, 9)
		if _, err := client.UploadBuffer(t.Context(), "caps", name, append(files[name], 0), nil); err != nil {
			t.Fatal(err)
		}
		_, said = s.recap(1, "extract", "--each", "--resume", "-f", "jsonl", "-o", "each", "azblob://caps/")
		if !strings.Contains(said, "cannot be resumed: input azblob://caps/"+name+" differs") {
			t.Errorf("it said:\n%s", said)
		}
		if _, err := client.UploadBuffer(t.Context(), "caps", name, files[name], nil); err != nil {
			t.Fatal(err)
		}
		// Written anew, but the same: it is read to know.
		s.recap(0, "extract", "--each", "--resume", "-f", "jsonl", "-o", "each", "azblob://caps/")
		s.recap(0, "verify", "each")
	})

	t.Run("written to", func(t *testing.T) {
		if _, err := client.CreateContainer(t.Context(), "out", nil); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ name, flags string }{
			{"single", ""}, {"folders", "--each"}, {"dataset", "--each --partition hive"},
		} {
			args := append([]string{"extract", "local/subscriptions"}, strings.Fields(tt.flags)...)
			s.recap(0, append(args, "-o", "disk-"+tt.name)...)
			s.recap(0, append(args, "-o", "azblob://out/deep/"+tt.name)...)
			sameFiles(t, s.files("disk-"+tt.name), download(t, client, "out", "deep/"+tt.name+"/"))
			s.recap(0, "verify", "azblob://out/deep/"+tt.name)
			if _, said := s.recap(1, append(args, "-o", "azblob://out/deep/"+tt.name)...); !strings.Contains(said, "is not empty") {
				t.Errorf("it said:\n%s", said)
			}
			_, said := s.recap(0, append(args, "--resume", "-o", "azblob://out/deep/"+tt.name)...)
			if !strings.Contains(said, "finished before") {
				t.Errorf("it said:\n%s", said)
			}
			s.recap(0, append(args, "--overwrite", "-o", "azblob://out/deep/"+tt.name)...)
			sameFiles(t, s.files("disk-"+tt.name), download(t, client, "out", "deep/"+tt.name+"/"))
		}
		_, said := s.recap(4, "extract", "local", "-o", "azblob://nowhere/x")
		if !strings.Contains(said, "cannot write azblob://nowhere/x") {
			t.Errorf("it said:\n%s", said)
		}
	})
}

// download returns what is below a prefix, by the rest of the name.
func download(t *testing.T, client *azblob.Client, container, prefix string) map[string]string {
	t.Helper()
	files := map[string]string{}
	pager := client.NewListBlobsFlatPager(container, &azblob.ListBlobsFlatOptions{Prefix: &prefix})
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.Segment.BlobItems {
			resp, err := client.DownloadStream(t.Context(), container, *b.Name, nil)
			if err != nil {
				t.Fatal(err)
			}
			var text bytes.Buffer
			if _, err := text.ReadFrom(resp.Body); err != nil {
				t.Fatal(err)
			}
			files[strings.TrimPrefix(*b.Name, prefix)] = text.String()
		}
	}
	return files
}

func buildCapture(t *testing.T, text string) []byte {
	t.Helper()
	return pcaptest.Build(t, text)
}
