//go:build unix

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"recap/export"
	"recap/reader/blob"
	"recap/reader/blob/blobtest"
)

// s3Env has the environment, of this process and of those it starts, lead to a server.
func s3Env(t *testing.T, endpoint string) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": blobtest.S3Key, "AWS_SECRET_ACCESS_KEY": blobtest.S3Secret,
		"AWS_REGION": "us-east-1", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
}

// makeBucket makes a bucket of a server that does not look at who asks.
func makeBucket(t *testing.T, endpoint, name string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, endpoint+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("bucket %s: status %d", name, resp.StatusCode)
	}
}

// bucketFiles returns what is below a URL by name, and puts files there first.
func bucketFiles(t *testing.T, url string, put map[string][]byte) map[string]string {
	t.Helper()
	b, err := blob.NewStore(blob.Options{Now: time.Now}).Bucket(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range put {
		u, err := b.Create(name)
		if err == nil {
			u.Write(data)
			err = u.Publish()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	names, err := b.List(0)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		f, _, err := b.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	return files
}

// TestKilledS3 kills batches from a bucket into a bucket at random instants. What stands
// under a final name is whole where the service makes objects of whole uploads only, and
// --resume ends with the bytes of a call that nobody killed with any service.
func TestKilledS3(t *testing.T) {
	kills := 15
	if testing.Short() || underRace {
		kills = 5
	}
	for _, tt := range []struct {
		name   string
		start  func(t *testing.T) (endpoint string)
		atomic bool
	}{
		{"s3rver", func(t *testing.T) string { return blobtest.S3(t, "place") }, false},
		{"moto", func(t *testing.T) string {
			endpoint := blobtest.AtomicS3(t)
			makeBucket(t, endpoint, "place")
			return endpoint
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s3Env(t, tt.start(t))
			s := newShell(t)
			bucketFiles(t, "s3://place/in", bulkyCaptures(t, 6, 150))
			args := []string{"extract", "--each", "--partition", "hive", "--jobs", "3", "s3://place/in/"}
			began := time.Now()
			s.recap(0, append(args, "-o", "s3://place/whole")...)
			took := time.Since(began)
			want := bucketFiles(t, "s3://place/whole", nil)
			killed, midway := 0, 0
			for tries := 0; (killed < kills || midway == 0) && tries < 4*kills+40; tries++ {
				out := fmt.Sprint("s3://place/killed", tries/4)
				if s.killed(took, append(args, "-o", out, "--resume")...) {
					killed++
				}
				got := bucketFiles(t, out, nil)
				if len(got) > 0 && got[export.ManifestName] == "" {
					midway++
				}
				for name, text := range got {
					if whole := want[name]; text != whole && (tt.atomic || !strings.HasPrefix(whole, text)) {
						t.Fatalf("%s stands under its name after a kill and is not whole: %d of %d bytes", name, len(text), len(whole))
					}
				}
				if tries%4 == 3 {
					s.recap(0, append(args, "-o", out, "--resume")...)
					sameFiles(t, want, bucketFiles(t, out, nil))
				}
			}
			t.Logf("%d killed, %d of them midway", killed, midway)
			if killed < kills || midway == 0 {
				t.Errorf("%d were killed and %d midway, want %d and more than none", killed, midway, kills)
			}
		})
	}
}

// bulkyCaptures have bodies that do not compress, so that files grow while recap works.
func bulkyCaptures(t *testing.T, captures, pairs int) map[string][]byte {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	files := map[string][]byte{}
	for c := range captures {
		var text strings.Builder
		for i := range pairs {
			body := make([]byte, 1200)
			for j := range body {
				body[j] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[rnd.IntN(62)]
			}
			fmt.Fprintf(&text, "10.0.0.1:%d > 10.0.0.2:80 handshake \"GET /%d HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"\n", 1024+i, i)
			fmt.Fprintf(&text, "10.0.0.2:80 > 10.0.0.1:%d \"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s\" close\n", 1024+i, len(body), body)
		}
		files[fmt.Sprintf("c%d.pcap", c)] = buildCapture(t, text.String())
	}
	return files
}

// killed runs recap, kills it at some instant within that time, and reports whether it was
// still at work.
func (s *shell) killed(within time.Duration, args ...string) bool {
	s.t.Helper()
	cmd := s.command(args...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(rand.N(within))
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
	return cmd.ProcessState.ExitCode() < 0
}
