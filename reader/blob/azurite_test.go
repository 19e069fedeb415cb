package blob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"recap/reader/blob"
	"recap/reader/blob/blobtest"
)

var quiet = log.New(io.Discard, "", 0)

func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2
	}
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		c.SetLinger(0)
	}
	conn.Close()
}

func TestAzurite(t *testing.T) {
	endpoint := blobtest.Azurite(t)
	connection := blobtest.Connection(endpoint)
	client, err := azblob.NewClientFromConnectionString(connection, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := client.CreateContainer(ctx, "caps", nil); err != nil {
		t.Fatal(err)
	}
	big := random(6<<20 + 99)
	for name, data := range map[string][]byte{"a.cap": []byte("one"), "dir/b.cap": []byte("two"), "dir/sub/c d.cap": []byte("three"), "dirx": []byte("four"), "big.cap": big, "empty": nil, "odd/q?m.cap": []byte("five"), "odd/qxm.cap": []byte("six"), "odd/a[b": []byte("seven"), "odd/h#h%2F.cap": []byte("eight")} {
		if _, err := client.UploadBuffer(ctx, "caps", name, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"AZURE_STORAGE_CONNECTION_STRING": connection}
	st := blob.NewStore(blob.Options{Getenv: func(name string) string { return env[name] }, Pause: time.Millisecond})
	for _, tt := range []struct{ in, want string }{
		{"azblob://caps/a.cap", "a.cap=one"},
		{"azblob://caps/dir", "dir/b.cap=two dir/sub/c d.cap=three"},
		{"azblob://caps/dir/", "dir/b.cap=two dir/sub/c d.cap=three"},
		{"azblob://caps/di", "dir/b.cap=two dir/sub/c d.cap=three dirx=four"},
		{"azblob://caps/dir/*.cap", "dir/b.cap=two"},
		{"azblob://caps/empty", "empty="},
		{"azblob://caps/odd", "odd/a[b=seven odd/h#h%2F.cap=eight odd/q?m.cap=five odd/qxm.cap=six"},
		{"azblob://caps/odd/q?m.cap", "odd/q?m.cap=five"},
		{"azblob://caps/odd/q?m.*", "odd/q?m.cap=five odd/qxm.cap=six"},
		{"azblob://caps/odd/a[b", "odd/a[b=seven"},
		{"azblob://caps/odd/h#h%2F.cap", "odd/h#h%2F.cap=eight"},
		{"azblob://caps/odd/a[", "error: syntax error in pattern"},
		{"azblob://caps/none", "error: no blob is there"},
		{"azblob://nowhere/x", "error: server answers 404 Not Found (ContainerNotFound)"},
	} {
		if got := readAll(ctx, st, tt.in, "azblob://caps/"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.in, got, tt.want)
		}
	}
	found, err := st.Find(ctx, "azblob://caps/big.cap")
	if err != nil {
		t.Fatal(err)
	}
	if o := found[0]; o.Size != int64(len(big)) || o.Modified.IsZero() || o.Found {
		t.Errorf("listed as %+v", o)
	}
	r := st.Open(ctx, found[0])
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d of %d bytes, error %v", len(got), len(big), err)
	}
	r.Close()

	t.Run("changed on the way", func(t *testing.T) {
		r := st.Open(ctx, found[0])
		defer r.Close()
		if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.UploadBuffer(ctx, "caps", "big.cap", big, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrChanged) {
			t.Errorf("error %v, want %v", err, blob.ErrChanged)
		}
		// Also if it changes between being found and being read.
		r = st.Open(ctx, found[0])
		defer r.Close()
		if _, err := io.ReadAll(r); !errors.Is(err, blob.ErrChanged) {
			t.Errorf("error %v, want %v", err, blob.ErrChanged)
		}
	})

	t.Run("signature", func(t *testing.T) {
		cred, err := container.NewSharedKeyCredential(blobtest.AzuriteAccount, blobtest.AzuriteKey)
		if err != nil {
			t.Fatal(err)
		}
		c, err := container.NewClientWithSharedKeyCredential(endpoint+"/caps", cred, nil)
		if err != nil {
			t.Fatal(err)
		}
		// The clock of the tests may be far from that of a signature's service.
		signed, err := c.GetSASURL(sas.ContainerPermissions{Read: true}, time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC), nil)
		if err != nil {
			t.Fatal(err)
		}
		base, query, _ := strings.Cut(signed, "?")
		if got := readAll(ctx, st, base+"/dir/b.cap?"+query, endpoint+"/caps/"); got != "dir/b.cap=two" {
			t.Errorf("read %q", got)
		}
		got := readAll(ctx, st, base+"/dir/b.cap?"+strings.Replace(query, "sig=", "sig=AAAA", 1), "")
		if !strings.HasPrefix(got, "error: server answers 403") || strings.Contains(got, "sig") {
			t.Errorf("with a wrong signature: %q", got)
		}
	})

	t.Run("wrong key", func(t *testing.T) {
		wrong := strings.Replace(connection, "Eby8", "AAAA", 1)
		st := blob.NewStore(blob.Options{Getenv: func(name string) string {
			if name == "AZURE_STORAGE_CONNECTION_STRING" {
				return wrong
			}
			return ""
		}})
		got := readAll(ctx, st, "azblob://caps/a.cap", "")
		if !strings.HasPrefix(got, "error: server answers 403") || strings.Contains(got, "AAAA") {
			t.Errorf("with a wrong key: %q", got)
		}
	})
}

// readAll returns names and contents of what an input stands for.
func readAll(ctx context.Context, st *blob.Store, input, base string) string {
	found, err := st.Find(ctx, input)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, o := range found {
		r := st.Open(ctx, o)
		data, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return "error: " + err.Error()
		}
		out = append(out, fmt.Sprintf("%s=%s", strings.TrimPrefix(o.Name, base), data))
	}
	return strings.Join(out, " ")
}
