// Package blobtest starts blob services on the loopback interface, for tests.
package blobtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The account and key that every Azurite has; they are in its documentation.
const (
	AzuriteAccount = "devstoreaccount1"
	AzuriteKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azurite starts an emulator of Azure's blob service and returns its endpoint. The
// test is skipped where there is none.
func Azurite(t testing.TB) (endpoint string) {
	t.Helper()
	name := tool(t, "azurite-blob", "AZURITE_BIN", "npm install -g azurite")
	port := freePort(t)
	start(t, port, name, "--skipApiVersionCheck", "--loose", "--silent", "--disableTelemetry", "--location", t.TempDir(),
		"--blobHost", "127.0.0.1", "--blobPort", fmt.Sprint(port))
	return fmt.Sprintf("http://127.0.0.1:%d/%s", port, AzuriteAccount)
}

// Connection is the connection string for an endpoint of [Azurite].
func Connection(endpoint string) string {
	return "DefaultEndpointsProtocol=http;AccountName=" + AzuriteAccount + ";AccountKey=" + AzuriteKey + ";BlobEndpoint=" + endpoint + ";"
}

// The credentials that every s3rver has; it checks signatures made with them.
const (
	S3Key    = "S3RVER"
	S3Secret = "S3RVER"
)

// S3 starts an S3-compatible server with one bucket and returns its endpoint. The
// test is skipped where there is none.
func S3(t testing.TB, bucket string) (endpoint string) {
	t.Helper()
	name := tool(t, "s3rver", "S3RVER_BIN", "npm install -g s3rver")
	port := freePort(t)
	start(t, port, name, "--silent", "--directory", t.TempDir(), "--address", "127.0.0.1", "--port", fmt.Sprint(port), "--configure-bucket", bucket)
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// AtomicS3 starts an S3-compatible server that, as Amazon's does, makes an object only of
// a whole upload, and returns its endpoint; it has no bucket yet. The test is skipped where
// there is none. That of [S3] keeps what had come of an upload when its sender died.
func AtomicS3(t testing.TB) (endpoint string) {
	t.Helper()
	name := tool(t, "moto_server", "MOTO_BIN", "pip install 'moto[server,s3]'")
	port := freePort(t)
	start(t, port, name, "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// GCS starts an emulator of Google Cloud Storage and returns its host and port, as
// STORAGE_EMULATOR_HOST has them. The test is skipped where there is none.
func GCS(t testing.TB, bucket string) (host string) {
	t.Helper()
	name := tool(t, "gcp-storage-emulator", "GCP_STORAGE_EMULATOR_BIN", "pip install gcp-storage-emulator")
	port := freePort(t)
	start(t, port, name, "start", "--host=127.0.0.1", fmt.Sprintf("--port=%d", port), "--in-memory", "--default-bucket="+bucket)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// tool finds a command on the path or in the directory that a variable names.
func tool(t testing.TB, command, variable, install string) string {
	t.Helper()
	if dir := os.Getenv(variable); dir != "" {
		if name, err := exec.LookPath(filepath.Join(dir, command)); err == nil {
			return name
		}
	}
	name, err := exec.LookPath(command)
	if err != nil {
		t.Skipf("SKIPPED: no %s here; `%s`, or set %s to the directory of its commands, to run this test", command, install, variable)
	}
	return name
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start runs a server until the test ends, and waits until it takes connections.
func start(t testing.TB, port int, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 300 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s did not start", name)
}
