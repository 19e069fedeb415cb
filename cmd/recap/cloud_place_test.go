//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"recap/reader/blob/blobtest"
)

// signature returns the query of a URL that opens a container for some time.
func signature(t *testing.T, endpoint, name string, until time.Time, p sas.ContainerPermissions) string {
	t.Helper()
	cred, err := container.NewSharedKeyCredential(blobtest.AzuriteAccount, blobtest.AzuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(endpoint+"/"+name, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	url, err := c.GetSASURL(p, until, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(url, "?")
	return query
}

// TestAzurePlaces has the commands that read output directories work on URLs.
func TestAzurePlaces(t *testing.T) {
	files := watcherCaptures(t)
	client, endpoint := azureWith(t, "caps", files)
	if _, err := client.CreateContainer(t.Context(), "out", nil); err != nil {
		t.Fatal(err)
	}
	s := newShell(t, "AZURE_STORAGE_CONNECTION_STRING="+blobtest.Connection(endpoint))
	s.write("local", files)
	s.recap(0, "extract", "-o", "azblob://out/one", "azblob://caps/subscriptions")
	s.recap(0, "extract", "-o", "one", "azblob://caps/subscriptions")

	t.Run("report", func(t *testing.T) {
		s.recap(0, "report", "-o", "far.html", "azblob://out/one")
		s.recap(0, "report", "-o", "near.html", "one")
		pages := s.files(".")
		if far := strings.ReplaceAll(pages["far.html"], "azblob://out/one", "one"); far != pages["near.html"] || far == "" {
			t.Error("the page differs from that of a directory")
		}
		if _, said := s.recap(1, "report", "-o", "none.html", "azblob://out/none"); !strings.Contains(said, "azblob://out/none: no manifest.json") {
			t.Errorf("it said:\n%s", said)
		}
	})

	t.Run("slice", func(t *testing.T) {
		const where = "request.path == '/web-1-20/1'"
		s.recap(0, "slice", "--where", where, "-o", "far.pcapng", "azblob://out/one")
		s.recap(0, "slice", "--where", where, "-o", "near.pcapng", "one")
		// The files name the directory that they were cut from.
		for _, name := range []string{"far", "near"} {
			s.recap(0, "extract", "-f", "jsonl", "-o", "of-"+name, name+".pcapng")
		}
		far, near := s.files("of-far")["pairs.jsonl"], s.files("of-near")["pairs.jsonl"]
		if strings.ReplaceAll(far, "far.pcapng", "near.pcapng") != near || !strings.Contains(far, "/web-1-20/1") {
			t.Errorf("the slice differs from that of a directory:\n%s\n%s", far, near)
		}
	})

	t.Run("bodies", func(t *testing.T) {
		s.recap(0, "extract", "-f", "jsonl", "-o", "b1", "--bodies-dir", "bodies", "local")
		_, said := s.recap(0, "extract", "-f", "jsonl", "-o", "b2", "--bodies-dir", "azblob://out/bodies", "local")
		s.same("b1", "b2")
		sameFiles(t, s.files("bodies"), download(t, client, "out", "bodies/"))
		if !strings.Contains(said, "azblob://out/bodies") {
			t.Errorf("it said:\n%s", said)
		}
		if _, said := s.recap(4, "extract", "-f", "jsonl", "-o", "b3", "--bodies-dir", "azblob://nowhere/bodies", "local"); !strings.Contains(said, "azblob://nowhere/bodies") {
			t.Errorf("it said:\n%s", said)
		}
	})

	t.Run("inputs whose signature has expired", func(t *testing.T) {
		far := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
		old := signature(t, endpoint, "caps", far, sas.ContainerPermissions{Read: true})
		fresh := signature(t, endpoint, "caps", far.AddDate(1, 0, 0), sas.ContainerPermissions{Read: true, List: true})
		url := endpoint + "/caps/" + watcherName("web-1", 20, 10)
		s.recap(0, "extract", "-o", "signed", url+"?"+old)
		_, said := s.recap(3, "verify", "signed")
		if !strings.Contains(said, "if it needs a signature, add its URL after DIR, with one that is valid now") {
			t.Errorf("it said:\n%s", said)
		}
		out, also := s.recap(0, "verify", "signed", url+"?"+fresh)
		if !strings.Contains(out, "inputs       1 of 1 as in the manifest") {
			t.Errorf("it said:\n%s", out)
		}
		_, gone := s.recap(1, "slice", "--where", "true", "-o", "cut.pcapng", "signed")
		if !strings.Contains(gone, "give its URL with one that is valid now as --inputs") {
			t.Errorf("it said:\n%s", gone)
		}
		for i, where := range []string{url + "?" + fresh, "azblob://caps/", "azblob://caps/" + watcherName("web-1", 20, 10)} {
			name := fmt.Sprint("signed-", i, ".pcapng")
			_, told := s.recap(0, "slice", "--where", "true", "--inputs", where, "-o", name, "signed")
			gone += told
			if cut := s.files(".")[name]; cut == "" || cut != s.files(".")["signed-0.pcapng"] {
				t.Errorf("--inputs %d: the slice differs from the first", i)
			}
		}
		_, told := s.recap(1, "slice", "--where", "true", "--inputs", endpoint+"/caps/x?"+fresh, "-o", "cut.pcapng", "signed")
		also += gone + told
		for query := range strings.SplitSeq(old+"&"+fresh, "&") {
			if sig, ok := strings.CutPrefix(query, "sig="); ok {
				s.hides(sig, said, out, also)
			}
		}
		if _, err := client.UploadBuffer(t.Context(), "caps", watcherName("web-1", 20, 10), []byte("other"), nil); err != nil {
			t.Fatal(err)
		}
		s.recap(1, "verify", "signed", url+"?"+fresh)
	})

	if left, _ := os.ReadDir(os.TempDir()); slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "recap-copy-") }) {
		t.Error("a copy of an output directory is left behind")
	}
	var m struct{ Options map[string]any }
	if err := json.Unmarshal([]byte(s.files("b2")["manifest.json"]), &m); err != nil || slices.Contains(slices.Collect(maps.Keys(m.Options)), "bodies-dir") {
		t.Errorf("options %v, error %v", m.Options, err)
	}
}
