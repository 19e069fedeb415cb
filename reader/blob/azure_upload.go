package blob

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// azureContainer keeps files in a container.
type azureContainer struct {
	s *Store
	c *container.Client
}

func (s *Store) azureBucket(name string) (keeper, error) {
	a, err := s.open()
	if err != nil {
		return nil, err
	}
	return &azureContainer{s, a.client.NewContainerClient(name)}, nil
}

// signedContainer is the container that a URL with a signature names.
func (s *Store) signedContainer(u *url.URL, name string) (keeper, error) {
	c, err := container.NewClientWithNoCredential((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: name, RawQuery: u.RawQuery}).String(),
		&container.ClientOptions{ClientOptions: s.clientOptions()})
	if err != nil {
		return nil, errors.New("URL cannot be used")
	}
	return &azureContainer{s, c}, nil
}

func (a *azureContainer) remove(ctx context.Context, name string) error {
	_, err := a.c.NewBlobClient(name).Delete(ctx, nil)
	return azureError(err, 0)
}

func (a *azureContainer) upload(name string) uploader {
	return &azureUpload{a.c.NewBlockBlobClient(name)}
}

// azureUpload writes a block blob. Blocks that are in no list are thrown away by the
// service after a week.
type azureUpload struct{ c *blockblob.Client }

func blockID(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "recap-%08d", n))
}

func (u *azureUpload) part(ctx context.Context, n int, data []byte) error {
	_, err := u.c.StageBlock(ctx, blockID(n), streaming.NopCloser(bytes.NewReader(data)), nil)
	return azureError(err, 0)
}

func (u *azureUpload) commit(ctx context.Context, n int, last []byte) error {
	var ids []string
	for i := range n {
		ids = append(ids, blockID(i))
	}
	if len(last) > 0 {
		if err := u.part(ctx, n, last); err != nil {
			return err
		}
		ids = append(ids, blockID(n))
	}
	_, err := u.c.CommitBlockList(ctx, ids, nil)
	return azureError(err, 0)
}

func (u *azureUpload) abort(context.Context) {}
