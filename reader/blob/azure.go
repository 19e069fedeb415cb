package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// account is a storage account.
type account struct{ client *service.Client }

// Environment variables, as Azure's own tools name them.
const (
	envConnection = "AZURE_STORAGE_CONNECTION_STRING"
	envAccount    = "AZURE_STORAGE_ACCOUNT"
	envKey        = "AZURE_STORAGE_KEY"
	envSAS        = "AZURE_STORAGE_SAS_TOKEN"
)

func (s *Store) getenv(name string) string {
	if s.o.Getenv != nil {
		return s.o.Getenv(name)
	}
	return os.Getenv(name)
}

// clientOptions switches the library's own tries off, because a reader resumes
// where it stopped, and has it log and tell nothing.
func (s *Store) clientOptions() policy.ClientOptions {
	return policy.ClientOptions{
		Transport: s.o.Client,
		Retry:     policy.RetryOptions{MaxRetries: -1},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
}

// open returns the account that the environment names.
func (s *Store) open() (*account, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.azure != nil {
		return s.azure, nil
	}
	client, err := s.newService()
	if err != nil {
		return nil, err
	}
	s.azure = &account{client}
	return s.azure, nil
}

func (s *Store) newService() (*service.Client, error) {
	o := &service.ClientOptions{ClientOptions: s.clientOptions()}
	if text := s.getenv(envConnection); text != "" {
		c, err := service.NewClientFromConnectionString(text, o)
		if err != nil {
			return nil, fmt.Errorf("%s is malformed", envConnection) // its text holds the key
		}
		if _, err := parseEndpoint(envConnection, c.URL()); err != nil {
			return nil, err
		}
		return c, nil
	}
	name := s.getenv(envAccount)
	if name == "" {
		return nil, fmt.Errorf("no storage account is named; set %s, or %s", envAccount, envConnection)
	}
	if !accountName.MatchString(name) {
		return nil, fmt.Errorf("%s must be the bare name of an account, 3 to 24 letters and digits", envAccount)
	}
	u := "https://" + name + ".blob.core.windows.net/"
	if key := s.getenv(envKey); key != "" {
		cred, err := service.NewSharedKeyCredential(name, key)
		if err != nil {
			return nil, fmt.Errorf("%s is malformed", envKey)
		}
		return service.NewClientWithSharedKeyCredential(u, cred, o)
	}
	if sas := strings.TrimPrefix(s.getenv(envSAS), "?"); sas != "" {
		return service.NewClientWithNoCredential(u+"?"+sas, o)
	}
	cred, err := azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: s.clientOptions()})
	if err != nil {
		return nil, errors.New("no way to log in to Azure was found")
	}
	return service.NewClient(u, cred, o)
}

// findAzure takes container/prefix.
func (s *Store) findAzure(ctx context.Context, rest string) ([]Object, error) {
	name, prefix, _ := strings.Cut(rest, "/")
	if i := strings.IndexByte(prefix, '?'); i >= 0 && strings.Contains(prefix[i:], "sig=") {
		return nil, fmt.Errorf("a signature does not belong into azblob://; set %s, or use https://", envSAS)
	}
	if name == "" {
		return nil, errors.New("no container is named: azblob://container/prefix")
	}
	a, err := s.open()
	if err != nil {
		return nil, err
	}
	return s.find(ctx, &azureContainer{s, a.client.NewContainerClient(name)}, schemeAzure+"://"+name+"/", prefix)
}

// findSigned takes https://account/container/directory/?signature.
func (s *Store) findSigned(ctx context.Context, u *url.URL) ([]Object, error) {
	name, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if name == "" {
		return nil, errors.New("no container is named")
	}
	if prefix != "" {
		prefix += "/"
	}
	c, err := s.signedContainer(u, name)
	if err != nil {
		return nil, err
	}
	return s.find(ctx, c, (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/" + name + "/"}).String(), prefix)
}

// list returns the first blobs whose names begin with prefix; 0 is all of them.
func (a *azureContainer) list(ctx context.Context, prefix string, most int) ([]Object, error) {
	out, err := a.s.pages(ctx, most, func(ctx context.Context, next string) (out []Object, _ string, err error) {
		// A pager that has failed once only repeats its error: each try takes a new one.
		o := container.ListBlobsFlatOptions{Prefix: &prefix}
		if next != "" {
			o.Marker = &next
		}
		page, err := a.c.NewListBlobsFlatPager(&o).NextPage(ctx)
		if err != nil {
			return nil, "", azureError(err, 0)
		}
		if page.Segment == nil { // some other text, of a proxy perhaps
			return nil, "", errNoListing
		}
		for _, b := range page.Segment.BlobItems {
			if b.Name != nil {
				out = append(out, a.listed(*b.Name, b.Properties))
			}
		}
		if page.NextMarker == nil {
			return out, "", nil
		}
		return out, *page.NextMarker, nil
	})
	slices.SortStableFunc(out, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// listed returns a blob as a listing describes it; p may be nil.
func (a *azureContainer) listed(name string, p *container.BlobProperties) Object {
	o := a.object(name)
	if p == nil {
		return o
	}
	if p.ContentLength != nil {
		o.Size = *p.ContentLength
	}
	if p.LastModified != nil {
		o.Modified = *p.LastModified
	}
	if p.ETag != nil {
		o.ETag = quoted(string(*p.ETag))
	}
	return o
}

// quoted gives an entity tag the form that it has in headers.
func quoted(etag string) string {
	if strings.HasPrefix(etag, `"`) {
		return etag
	}
	return `"` + etag + `"`
}

func (a *azureContainer) object(name string) Object {
	return Object{Name: name, Size: -1, get: &azure{a.c.NewBlobClient(name)}}
}

// azure reads a blob by Azure's library.
type azure struct{ c *azblob.Client }

func (a *azure) get(ctx context.Context, off, n int64, etag string) (*reply, error) {
	o := &azblob.DownloadStreamOptions{Range: azblob.HTTPRange{Offset: off, Count: max(n, 0)}}
	if etag != "" {
		tag := azcore.ETag(etag)
		o.AccessConditions = &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: &tag}}
	}
	var resp *http.Response
	if _, err := a.c.DownloadStream(policy.WithCaptureResponse(ctx, &resp), o); err != nil {
		return nil, azureError(err, off)
	}
	return replyOf(resp, off)
}

// azureError keeps status and code of an answer: the library's text repeats the
// URL and what the server said.
func azureError(err error, off int64) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return explain(&statusError{e.StatusCode, e.ErrorCode, retryAfter(e.RawResponse)}, off)
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return &permanentError{errors.New("logging in to Azure failed")}
	}
	// The chain of credentials has a type of its own that is not exported; its text
	// names what was tried, and no secret.
	if strings.Contains(err.Error(), "DefaultAzureCredential") {
		return &permanentError{fmt.Errorf("no way to log in to Azure works here; set %s, %s or %s, or log in with az", envConnection, envKey, envSAS)}
	}
	return withoutURL(err)
}
