// Package ingest sends pairs to the HTTP endpoints of ingestors, in batches of their
// own form and within their limits: Akto's data ingestion service and Metlo's
// collector.
//
//	akto+http://host:8080/     POST /api/ingestData
//	metlo+http://host:8081/    POST /api/v1/log-request/batch (v=2 in the query: v2)
//
// The answer's status decides, never its text: Akto says success:false where it has
// succeeded. A batch is sent again only where the receiver has surely not taken it: no
// connection was made, nothing was written, or the answer is 429 or 503; each time is
// counted. Where the answer got lost, the batch counts as failed with its fate unknown.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"recap/replay"
	"recap/replay/record"
)

// Defaults of Options.
const (
	DefaultBatch   = 100
	DefaultLinger  = 50 * time.Millisecond
	DefaultLanes   = 4
	DefaultRetries = 3
	DefaultTimeout = 30 * time.Second
)

// Options of Open; the zero value works. What the URL's query says comes first: batch,
// lanes, linger, retries, timeout, account, vni, preflight (hold or send), ca, insecure,
// v (Metlo). Its password, if it has one, is the Token.
type Options struct {
	// Token is the value of the Authorization header: Akto's JWT, Metlo's API key.
	Token   string
	Account string // Akto's; "" is 1000000
	VNI     int64  // Akto's; 0 is that of the pair's tunnel
	// Batch is the most pairs of a request. Pairs wait Linger for others.
	Batch  int
	Linger time.Duration
	// Lanes is how many requests may be under way. The pairs of a connection keep to
	// one lane and so their order.
	Lanes   int
	Retries int // of a batch that was surely not taken; negative for none
	Timeout time.Duration
	// Refused sends pairs too that the receiver would drop without telling.
	Refused bool
	replay.TrustOptions
}

// A shape is what an ingestor wants its batches to be.
type shape struct {
	form           string
	path           string
	prefix, suffix string
	limit          int // of a request's body, bytes
	most           int // pairs of a batch
	longStrings    bool
}

func shapeOf(scheme string, version string) (shape, error) {
	switch {
	case scheme == "akto" && version == "":
		return shape{form: record.AktoJSON, path: "/api/ingestData", prefix: `{"batchData":[`, suffix: "]}",
			limit: record.MaxAktoBody, most: record.MaxAktoBody, longStrings: true}, nil
	case scheme == "metlo" && (version == "" || version == "1" || version == "2"):
		if version == "" {
			version = "1"
		}
		return shape{form: record.Metlo, path: "/api/v" + version + "/log-request/batch", prefix: "[", suffix: "]",
			limit: record.MaxMetloBody, most: record.MaxMetloQueue}, nil
	}
	return shape{}, fmt.Errorf("%s has no version %q", scheme, version)
}

// Open returns the target of akto+http, akto+https, metlo+http or metlo+https.
func Open(ctx context.Context, u *url.URL, o Options, env replay.Env) (replay.Target, error) {
	ingestor, scheme, _ := strings.Cut(u.Scheme, "+")
	if scheme != "http" && scheme != "https" || ingestor != "akto" && ingestor != "metlo" {
		return nil, fmt.Errorf("%s: want akto+http, akto+https, metlo+http or metlo+https", u.Scheme)
	}
	q := u.Query()
	s, err := shapeOf(ingestor, q.Get("v"))
	if err != nil {
		return nil, err
	}
	if err := o.query(q); err != nil {
		return nil, err
	}
	if token, ok := u.User.Password(); ok {
		o.Token = token
	}
	o.defaults(s)
	if _, err := replay.Resolve(ctx, env, u.Hostname()); err != nil {
		return nil, err
	}
	client, err := newClient(&o, env)
	if err != nil {
		return nil, err
	}
	to := url.URL{Scheme: scheme, Host: u.Host, Path: strings.TrimSuffix(u.Path, "/") + s.path}
	return newTarget(to.String(), s, o, client, env), nil
}

// query takes what the URL's query says.
func (o *Options) query(q url.Values) error {
	for name, values := range q {
		v := values[len(values)-1]
		var err error
		switch name {
		case "batch":
			o.Batch, err = strconv.Atoi(v)
		case "lanes":
			o.Lanes, err = strconv.Atoi(v)
		case "retries":
			if o.Retries, err = strconv.Atoi(v); o.Retries == 0 {
				o.Retries = -1
			}
		case "linger":
			o.Linger, err = time.ParseDuration(v)
		case "timeout":
			o.Timeout, err = time.ParseDuration(v)
		case "account":
			o.Account = v
		case "vni":
			o.VNI, err = strconv.ParseInt(v, 10, 32)
		case "preflight":
			o.Refused, err = record.ParsePreflight(v)
		case "ca":
			o.CAFile = v
		case "insecure":
			o.Insecure, err = strconv.ParseBool(v)
		case "v":
		default:
			err = errors.New("is not known; there are account, batch, ca, insecure, lanes, linger, preflight, retries, timeout, v and vni")
		}
		if err != nil {
			return fmt.Errorf("query %s=%s: %w", name, v, err)
		}
	}
	return nil
}

func (o *Options) defaults(s shape) {
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	o.Batch = min(o.Batch, s.most)
	if o.Linger <= 0 {
		o.Linger = DefaultLinger
	}
	if o.Lanes <= 0 {
		o.Lanes = DefaultLanes
	}
	if o.Retries == 0 {
		o.Retries = DefaultRetries
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
}

// handshakeTimeout bounds that of TLS.
const handshakeTimeout = 10 * time.Second

// newClient returns a client that goes nowhere but to the target: no proxies, no
// redirects, no address that env refuses.
func newClient(o *Options, env replay.Env) (*http.Client, error) {
	config, err := replay.ClientTLS(o.TrustOptions)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         replay.DialContext(env),
			TLSClientConfig:     config,
			TLSHandshakeTimeout: handshakeTimeout,
			DisableCompression:  true,
			MaxIdleConnsPerHost: o.Lanes,
			IdleConnTimeout:     o.Timeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
