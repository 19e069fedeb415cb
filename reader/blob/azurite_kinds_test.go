package blob_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/pageblob"

	"recap/reader"
	ours "recap/reader/blob"
	"recap/reader/blob/blobtest"
	"recap/reader/packet"
	"recap/reader/pcaptest"
)

// pages writes data as a page blob, whose size is a multiple of 512: zeros follow.
func pages(t *testing.T, c *container.Client, name string, data []byte, size int64) {
	t.Helper()
	b := c.NewPageBlobClient(name)
	if _, err := b.Create(t.Context(), size, nil); err != nil {
		t.Fatal(err)
	}
	data = append(bytes.Clone(data), make([]byte, (512-len(data)%512)%512)...)
	_, err := b.UploadPages(t.Context(), streaming.NopCloser(bytes.NewReader(data)), blob.HTTPRange{Count: int64(len(data))}, &pageblob.UploadPagesOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// appended writes data as an append blob, in blocks of n bytes.
func appended(t *testing.T, c *container.Client, name string, data []byte, n int) {
	t.Helper()
	b := c.NewAppendBlobClient(name)
	if _, err := b.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		k := min(n, len(data))
		if _, err := b.AppendBlock(t.Context(), streaming.NopCloser(bytes.NewReader(data[:k])), &appendblob.AppendBlockOptions{}); err != nil {
			t.Fatal(err)
		}
		data = data[k:]
	}
}

// TestKindsOfBlobs reads what block, append and page blobs hold, and a capture in each.
func TestKindsOfBlobs(t *testing.T) {
	endpoint := blobtest.Azurite(t)
	ctx := t.Context()
	cred, err := container.NewSharedKeyCredential(blobtest.AzuriteAccount, blobtest.AzuriteKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(endpoint+"/kinds", cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(ctx, nil); err != nil {
		t.Fatal(err)
	}
	file := pcaptest.Build(t, "10.0.0.1:4000 > 10.0.0.2:80 handshake \"GET / HTTP/1.1\\r\\n\\r\\n\"\n"+
		"10.0.0.2:80 > 10.0.0.1:4000 fill=70000 close\n")
	if _, err := c.NewBlockBlobClient("block.cap").UploadBuffer(ctx, file, nil); err != nil {
		t.Fatal(err)
	}
	appended(t, c, "append.cap", file, 9999)
	pages(t, c, "page.cap", file, int64(len(file)+511)/512*512)
	pages(t, c, "page-large.cap", file, 6<<20) // made for a longer capture than came

	env := map[string]string{"AZURE_STORAGE_CONNECTION_STRING": blobtest.Connection(endpoint)}
	st := ours.NewStore(ours.Options{Getenv: func(name string) string { return env[name] }, Pause: time.Millisecond, PartSize: 32 << 10})
	packets := map[string]int64{}
	for _, name := range []string{"block.cap", "append.cap", "page.cap", "page-large.cap"} {
		found, err := st.Find(ctx, "azblob://kinds/"+name)
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", name, found, err)
		}
		r := st.Open(ctx, found[0])
		data, err := io.ReadAll(r)
		r.Close()
		if rest, ok := bytes.CutPrefix(data, file); err != nil || !ok || len(bytes.Trim(rest, "\x00")) > 0 || int64(len(data)) != found[0].Size {
			t.Errorf("%s: %d bytes of %d, error %v", name, len(data), found[0].Size, err)
		}
		mid := make([]byte, 5000)
		if n, err := st.ReadAt(ctx, &found[0], mid, 40_000); err != nil || n != len(mid) || !bytes.Equal(mid, file[40_000:45_000]) {
			t.Errorf("%s: bytes from 40,000 on: %d, error %v", name, n, err)
		}
		src, err := reader.Open(ctx, []string{"azblob://kinds/" + name}, reader.Options{Store: st})
		if err != nil {
			t.Fatal(err)
		}
		in, err := drain(src)
		if err != nil || in.DamageCount != 0 {
			text, _ := json.Marshal(in)
			t.Errorf("%s: error %v, damage: %s", name, err, text)
		}
		packets[name] = in.Packets
		if strings.HasPrefix(name, "page") != (len(data) > len(file)) {
			t.Errorf("%s is not padded as it should be", name)
		}
	}
	for name, n := range packets {
		if n != packets["block.cap"] || n == 0 {
			t.Errorf("%s: %d packets, block.cap has %d", name, n, packets["block.cap"])
		}
	}
}

// drain reads a capture of one input to its end.
func drain(src packet.Source) (*packet.Input, error) {
	defer src.Close()
	for {
		b, err := src.Next()
		if err == io.EOF {
			return src.Inputs()[0], nil
		}
		if err != nil {
			return src.Inputs()[0], err
		}
		b.Release()
	}
}
