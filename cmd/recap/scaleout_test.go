//go:build unix

package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"recap/reader/blob/blobtest"
)

// TestScaleOut runs what docs/scale-out.md has Kubernetes run, index by index, against
// a real blob service, and the loop of its shell.
func TestScaleOut(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "scale-out.md"))
	if err != nil {
		t.Fatal(err)
	}
	find := func(re string) string {
		m := regexp.MustCompile(re).FindSubmatch(text)
		if m == nil {
			t.Fatalf("docs/scale-out.md has nothing like %s", re)
		}
		return string(m[1])
	}
	files := watcherCaptures(t)

	t.Run("shell", func(t *testing.T) {
		s := newShell(t)
		s.write("captures", files)
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(s.dir, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(self, filepath.Join(s.dir, "bin", "recap")); err != nil {
			t.Fatal(err)
		}
		cmd := s.command()
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-e", "-c", find("(?s)```sh\n(.*?)```")}
		cmd.Env = append(cmd.Env, "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s.recap(0, "extract", "--each", "--partition", "hive", "-o", "one", "captures/")
		got := s.files("dataset")
		maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, shardPrefix) })
		sameFiles(t, s.files("one"), got)
	})

	t.Run("kubernetes", func(t *testing.T) {
		client, endpoint := azureWith(t, "insights-logs", nil)
		for name, data := range files {
			if !strings.HasPrefix(name, "subscriptions/") {
				continue
			}
			if _, err := client.UploadBuffer(t.Context(), "insights-logs", name, data, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.CreateContainer(t.Context(), "results", nil); err != nil {
			t.Fatal(err)
		}
		s := newShell(t, "AZURE_STORAGE_CONNECTION_STRING="+blobtest.Connection(endpoint))
		var args []string
		for a := range strings.SplitSeq(find(`args: \[(.*)\]`), ",") {
			args = append(args, strings.Trim(strings.TrimSpace(a), `"`))
		}
		var completions int
		fmt.Sscan(find(`completions: (\d+)`), &completions)
		if completions < 2 {
			t.Fatalf("%d completions", completions)
		}
		for i := range completions {
			cmd := s.command(args...)
			cmd.Env = append(cmd.Env, fmt.Sprint("JOB_COMPLETION_INDEX=", i))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("index %d: %v\n%s", i, err, out)
			}
		}
		s.recap(0, "merge-manifests", "azblob://results/2026-11-20")
		s.recap(0, "verify", "azblob://results/2026-11-20")
		s.recap(0, "extract", "--each", "--partition", "hive", "-o", "one", "azblob://insights-logs/subscriptions/")
		got := download(t, client, "results", "2026-11-20/")
		maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(name, shardPrefix) })
		sameFiles(t, s.files("one"), got)
	})
}
