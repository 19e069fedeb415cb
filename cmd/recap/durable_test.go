//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"recap/export"
)

// TestKilled kills a batch at random instants. Whatever stands under a final name is
// whole, a directory that has a manifest is what it says, and --resume ends with the
// same bytes as a call that nobody killed.
func TestKilled(t *testing.T) {
	kills := 100
	if testing.Short() || underRace {
		kills = 10
	}
	s := newShell(t)
	s.write("in", bulkyCaptures(t, 6, 150))
	for _, layout := range []string{"", "hive"} {
		args := []string{"extract", "--each", "--jobs", "3", "in"}
		if layout != "" {
			args = append(args, "--partition", layout)
		}
		whole := "whole" + layout
		began := time.Now()
		s.recap(0, append(args, "-o", whole)...)
		took := time.Since(began)
		want := s.files(whole)
		killed, resumes := 0, 0
		dir := "killed" + layout
		for tries := 0; killed < kills/2 && tries < 2*kills; tries++ {
			more := []string{"-o", dir, "--resume"}
			if s.killed(took, append(args, more...)...) {
				killed++
			}
			if _, err := os.Stat(filepath.Join(s.dir, dir)); err != nil {
				continue // killed before it began
			}
			for name, text := range s.files(dir) {
				if !export.IsTemporary(name) && text != want[name] {
					t.Fatalf("%s stands under its name after a kill and is not whole: %d of %d bytes", name, len(text), len(want[name]))
				}
			}
			if _, err := os.Stat(filepath.Join(s.dir, dir, export.ManifestName)); err == nil {
				s.same(whole, dir)
				resumes++
				os.RemoveAll(filepath.Join(s.dir, dir))
			}
		}
		s.recap(0, append(args, "-o", dir, "--resume")...)
		s.same(whole, dir)
		t.Logf("layout %q: %d killed, %d times all was done", layout, killed, resumes)
		if killed < kills/2 {
			t.Errorf("only %d of %d were killed in time", killed, kills/2)
		}
	}
}

var fullMessage = regexp.MustCompile(`recap: error: cannot write (\S+): (no space left on device|disk quota exceeded)(, after [\d,]+ bytes)?\n`)

// TestFullDisk writes to file systems of many small sizes.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount small file systems: full disks of many sizes were not tried")
	}
	s := newShell(t)
	s.write("in", bulkyCaptures(t, 3, 150))
	mount := filepath.Join(s.dir, "small")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	full, fits := 0, 0
	for _, each := range []bool{false, true} {
		for kib := 16; kib <= 4096; kib = kib*5/4 + 4 {
			if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dk", kib), "tmpfs", mount).CombinedOutput(); err != nil {
				t.Skipf("SKIPPED: no file system can be mounted here: %s", out)
			}
			if s.extractInto("small/out", each, kib, "no space left on device") {
				fits++
			} else {
				full++
			}
			if err := syscall.Unmount(mount, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if full < 4 || fits < 2 {
		t.Errorf("%d sizes were too small, %d large enough: choose others", full, fits)
	}
}

// extractInto extracts into a directory with room for so many KiB. It reports whether that
// was enough; else it wants exit code 4, the path and the cause, and nothing left behind.
func (s *shell) extractInto(dir string, each bool, kib int, cause string) (fits bool) {
	s.t.Helper()
	args := []string{"extract", "-o", dir, "in"}
	if each {
		args = append(args, "--each", "--jobs", "2")
	}
	cmd := s.command(args...)
	said, _ := cmd.CombinedOutput()
	_, err := os.Stat(filepath.Join(s.dir, dir, export.ManifestName))
	m := fullMessage.FindSubmatch(said)
	switch code := cmd.ProcessState.ExitCode(); {
	case code == exitOK && err == nil:
		fits = true
		if out, err := s.command("verify", dir).CombinedOutput(); err != nil {
			s.t.Errorf("%d KiB: %v\n%s", kib, err, out)
		}
	case code == exitOutput && err != nil && m != nil && string(m[2]) == cause:
	default:
		s.t.Errorf("%d KiB, --each %t: exit code %d, manifest: %v; it said:\n%s", kib, each, code, err, said)
	}
	for _, e := range temporaries(s.t, filepath.Join(s.dir, dir)) {
		s.t.Errorf("%d KiB: %s was left", kib, e)
	}
	return fits
}

// TestQuota writes under quotas of many small sizes, which btrfs has for root as well.
func TestQuota(t *testing.T) {
	for _, tool := range []string{"mkfs.btrfs", "btrfs"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: no %s here; `apt-get install btrfs-progs` to try disk quotas", tool)
		}
	}
	s := newShell(t)
	s.write("in", bulkyCaptures(t, 3, 150))
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = s.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
	run("truncate", "-s", "256M", "image")
	run("mkfs.btrfs", "-q", "image")
	mount := filepath.Join(s.dir, "small")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop", filepath.Join(s.dir, "image"), mount).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no btrfs can be mounted here: %s", out)
	}
	defer syscall.Unmount(mount, 0)
	run("btrfs", "quota", "enable", mount)
	full, fits := 0, 0
	for _, each := range []bool{false, true} {
		for kib := 32; kib <= 8192; kib = kib*3/2 + 4 {
			sub := fmt.Sprintf("small/%d-%t", kib, each)
			run("btrfs", "subvolume", "create", sub)
			run("btrfs", "qgroup", "limit", fmt.Sprint(kib<<10), sub)
			if s.extractInto(sub+"/out", each, kib, "disk quota exceeded") {
				fits++
			} else {
				full++
			}
			run("btrfs", "subvolume", "delete", sub)
		}
	}
	if full < 4 || fits < 2 {
		t.Errorf("%d quotas were too small, %d large enough: choose others", full, fits)
	}
}

func temporaries(t *testing.T, dir string) (names []string) {
	t.Helper()
	filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if err == nil && export.IsTemporary(name) {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// TestReadOnly writes where nothing may be written.
func TestReadOnly(t *testing.T) {
	s := newShell(t)
	s.write("in", bulkyCaptures(t, 1, 2))
	mount := filepath.Join(s.dir, "ro")
	if err := os.Mkdir(mount, 0o555); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // permissions do not bind
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", mount).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: no file system can be mounted here: %s", out)
		}
		defer syscall.Unmount(mount, 0)
	}
	for _, args := range [][]string{{"-o", "ro/out"}, {"-o", "ro"}, {"--each", "-o", "ro/out"}, {"--each", "--partition", "hive", "-o", "ro"}} {
		_, said := s.recap(exitOutput, append([]string{"extract", "in"}, args...)...)
		if !strings.Contains(said, "cannot write ro") {
			t.Errorf("%q: it said:\n%s", args, said)
		}
	}
}

// TestBatchInterrupted ends a batch by a signal: what is listed is there, and --resume
// does the rest.
func TestBatchInterrupted(t *testing.T) {
	s := newShell(t)
	s.write("in", bulkyCaptures(t, 12, 150))
	args := []string{"extract", "--each", "--partition", "hive", "--jobs", "2", "in"}
	began := time.Now()
	s.recap(0, append(args, "-o", "whole")...)
	took := time.Since(began)
	interrupted := 0
	for i := range 12 {
		dir := fmt.Sprint("out", i)
		cmd := s.command(append(args, "-o", dir)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(took / 12 * time.Duration(i))
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
		switch cmd.ProcessState.ExitCode() {
		case exitInterrupted:
			text, err := os.ReadFile(filepath.Join(s.dir, dir, export.ManifestName))
			if err != nil {
				break // nothing was begun, perhaps not even the directory
			}
			interrupted++
			var m eachManifest
			if err := json.Unmarshal(text, &m); err != nil || !m.Interrupted || m.Complete {
				t.Errorf("the manifest says interrupted %t, complete %t; %v", m.Interrupted, m.Complete, err)
			}
			// What the signal fell into is listed as unfinished, which verify says.
			if out, err := s.command("verify", dir).CombinedOutput(); err != nil && !strings.Contains(string(out), "was not read to its end") &&
				!strings.Contains(string(out), "was not finished: interrupted") {
				t.Errorf("%v\n%s", err, out)
			}
		case exitOK, -1: // it came too late, or before recap listened
		default:
			t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
		}
		s.recap(0, append(args, "-o", dir, "--resume")...)
		s.same("whole", dir)
	}
	if interrupted == 0 {
		t.Error("no signal came in time")
	}
}

// TestOtherPartition has an earlier call end before it knew when its packets were taken: what it wrote stands
// in another partition, and gives way to what the call that finishes writes, also where other shards are at work.
func TestOtherPartition(t *testing.T) {
	for _, shard := range []bool{false, true} {
		for _, how := range []string{"--resume", "--overwrite"} {
			s := newShell(t)
			s.write("in", bulkyCaptures(t, 2, 2))
			args := []string{"extract", "--each", "--partition", "hive", "in"}
			if shard {
				args = append(args, "--shard", "0/1")
			}
			s.recap(0, append(args, "-o", "whole")...)
			s.recap(0, append(args, "-o", "out")...)
			moved := 0
			for name, text := range s.files("out") {
				full := filepath.Join(s.dir, "out", name)
				switch to := regexp.MustCompile(`date=[-0-9]+`).ReplaceAllString(full, "date=__HIVE_DEFAULT_PARTITION__"); {
				case strings.HasPrefix(name, manifestsDir+"/"):
					text = regexp.MustCompile(`date=[-0-9]+`).ReplaceAllString(text, "date=__HIVE_DEFAULT_PARTITION__")
					text = strings.Replace(text, `"interrupted": false`, `"interrupted": true`, 1)
					if !strings.Contains(text, `"interrupted": true`) {
						t.Fatalf("no manifest of the kind expected:\n%s", text)
					}
					if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				case to != full:
					if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.Rename(full, to)); err != nil {
						t.Fatal(err)
					}
					moved++
				}
			}
			if moved < 4 {
				t.Fatalf("%d files moved", moved)
			}
			s.recap(0, append(args, "-o", "out", how)...)
			s.same("whole", "out")
		}
	}
}
