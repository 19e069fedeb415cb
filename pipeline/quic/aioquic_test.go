package quic_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"recap/pipeline"
)

// python is an interpreter that has aioquic: RECAP_AIOQUIC_PYTHON, or python3.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("RECAP_AIOQUIC_PYTHON")
	if name == "" {
		name = "python3"
	}
	if err := exec.Command(name, "-c", "import aioquic").Run(); err != nil {
		t.Skipf("no peer that uses QPACK's dynamic table: %s has no aioquic (pip install aioquic)", name)
	}
	return name
}

// ofAioquic runs a script of testdata, a server and its clients, and returns the datagrams
// between them, what the script said, and the key log.
func ofAioquic(t *testing.T, script string) (list []datagram, out, keys string) {
	t.Helper()
	name := python(t)
	dir := t.TempDir()
	id := identity(t)
	key, err := x509.MarshalPKCS8PrivateKey(id.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"cert": {Type: "CERTIFICATE", Bytes: id.Certificate[0]}, "key": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server := free.LocalAddr().(*net.UDPAddr)
	free.Close()
	r := newRelay(t, server)
	port := r.conn.LocalAddr().(*net.UDPAddr).Port
	cmd := exec.Command(name, script, filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "keys"), strconv.Itoa(server.Port), strconv.Itoa(port))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	said, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	log, err := os.ReadFile(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all, string(said), string(log)
}

// A client that begins anew with another ClientHello, after a Retry and after the server has
// told of its versions: both exchanges are read.
func TestBeginsAnew(t *testing.T) {
	list, _, keys := ofAioquic(t, "testdata/anew.py")
	got := extract(t, capture(t, list), keys, pipeline.Options{})
	for _, path := range []string{"/retry", "/versions"} {
		if !slices.ContainsFunc(got.rows, func(row string) bool {
			return strings.Contains(row, " HTTP/3 complete [] ") && strings.Contains(row, "{:path "+path+"}")
		}) {
			t.Errorf("no pair of %s in\n%s", path, strings.Join(got.rows, "\n"))
		}
	}
}

// A client and a server that use QPACK's dynamic table: every field that they sent, and in
// captures that lack a datagram none that they did not.
func TestDynamicTableOfAioquic(t *testing.T) {
	list, out, keys := ofAioquic(t, "testdata/peer.py")
	sent := make(map[string]bool) // fields of a request or a response
	var want []string
	for line := range strings.Lines(out) {
		var both [2][]string
		if err := json.Unmarshal([]byte(line), &both); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("[{%s}] [{%s}]", strings.Join(both[0], "} {"), strings.Join(both[1], "} {")))
		for _, f := range slices.Concat(both[0], both[1]) {
			sent["{"+f+"}"] = true
		}
	}
	got := extract(t, capture(t, list), keys, pipeline.Options{})
	all := strings.Join(got.rows, "\n")
	for _, w := range want {
		if !strings.Contains(all, " HTTP/3 complete [] "+w) {
			t.Errorf("no pair %s", w)
		}
	}
	if len(got.pairs) != 30 || len(want) != 30 {
		t.Errorf("%d pairs of %d", len(got.pairs), len(want))
	}
	unknown := 0
	for i := range list {
		without := extract(t, capture(t, slices.Delete(slices.Clone(list), i, i+1)), keys, pipeline.Options{})
		for _, row := range without.rows {
			fields := fieldsOf(row)
			for _, f := range fields {
				if strings.Contains(f, "?idx=") {
					unknown++
				} else if !sent[f] {
					t.Errorf("without datagram %d: %s, which nobody sent, in %s", i, f, row)
				}
			}
		}
	}
	if unknown == 0 {
		t.Error("no field was ever unknown: the dynamic table was not used")
	}
}

// fieldsOf returns the header fields in a row of a pair.
func fieldsOf(row string) (list []string) {
	if !strings.Contains(row, " HTTP/3 ") {
		return nil
	}
	for {
		i := strings.IndexByte(row, '{')
		if i < 0 {
			return list
		}
		k := strings.IndexByte(row[i:], '}')
		list = append(list, row[i:i+k+1])
		row = row[i+k+1:]
	}
}
