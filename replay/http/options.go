package http

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"recap/pipeline/exchange"
)

// Options says how requests are sent again. The zero value is good for use: safe
// methods only, credentials left out, everything bounded.
type Options struct {
	// AllowUnsafe sends requests of every method but CONNECT; without it those that
	// may change something at the target are left out and counted.
	AllowUnsafe bool
	// KeepSecrets sends credentials as they were recorded. Without it Strip takes
	// them out of a copy of each request, whose list of fields it must not change in
	// place; where Strip is nil, [StripCredentials] does.
	KeepSecrets bool
	Strip       func(*exchange.Request)

	// Insecure accepts any certificate; CAFile names a PEM file of authorities to
	// trust in place of the system's. As parameters: insecure, ca.
	Insecure bool
	CAFile   string
	// Version is "1", "2" or "auto", which is also "": as recorded, where the target
	// can. As a parameter: version.
	Version string

	// HostMap gives the value of the Host field by the recorded one, in lower case;
	// "*" is any other. A host that is not in it is kept. As a parameter: host=FROM=TO.
	HostMap map[string]string
	// SetHeaders are given to each request in place of those of the same name,
	// RemoveHeaders taken away. As parameters: set=NAME:VALUE, remove=NAME.
	SetHeaders    []exchange.Header
	RemoveHeaders []string

	// MaxConns bounds the connections open at the same time (1000), MaxPending the
	// requests that wait for their connection (8192), MaxPendingBytes their bodies
	// (256 MiB). What a bound holds back is sent later, and counted as late. As a
	// parameter: connections.
	MaxConns        int
	MaxPending      int
	MaxPendingBytes int64
	// Timeout bounds a request and its response (30 s), ConnectTimeout a connection's
	// making, TLS included (10 s). As parameters: timeout, connect-timeout.
	Timeout        time.Duration
	ConnectTimeout time.Duration

	// IgnoreHeaders are names of response fields that are not compared; nil is
	// [IgnoredHeaders]. As a parameter, beside those: ignore-header.
	IgnoreHeaders []string
	// IgnorePaths are places in JSON bodies that are not compared, such as
	// $.items[*].id. As a parameter: ignore-path.
	IgnorePaths []string
	// Examples bounds the examples given for each kind of difference and of failure (10).
	Examples int
}

// IgnoredHeaders returns the response fields that differ between two answers to one
// request by their nature, or that belong to the connection or the body's framing.
func IgnoredHeaders() []string {
	return []string{"age", "alt-svc", "cf-ray", "connection", "content-encoding", "content-length", "date", "expires",
		"keep-alive", "server-timing", "set-cookie", "traceparent", "transfer-encoding", "via", "x-amz-cf-id",
		"x-amzn-trace-id", "x-correlation-id", "x-replay-id", "x-request-id", "x-response-time", "x-runtime", "x-trace-id"}
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// filled returns o with its defaults, and with what the query of u says.
func (o Options) filled(u *url.URL) (Options, error) {
	o.MaxConns = orDefault(o.MaxConns, 1000)
	o.MaxPending = orDefault(o.MaxPending, 8192)
	o.MaxPendingBytes = orDefault(o.MaxPendingBytes, 256<<20)
	o.Timeout = orDefault(o.Timeout, 30*time.Second)
	o.ConnectTimeout = orDefault(o.ConnectTimeout, 10*time.Second)
	o.Examples = orDefault(o.Examples, 10)
	o.Version = orDefault(o.Version, "auto")
	if o.IgnoreHeaders == nil {
		o.IgnoreHeaders = IgnoredHeaders()
	}
	if o.Strip == nil {
		o.Strip = StripCredentials
	}
	hosts := make(map[string]string, len(o.HostMap))
	for from, to := range o.HostMap {
		hosts[strings.ToLower(from)] = to
	}
	o.HostMap = hosts
	o.SetHeaders, o.RemoveHeaders = slices.Clone(o.SetHeaders), slices.Clone(o.RemoveHeaders)
	o.IgnoreHeaders, o.IgnorePaths = slices.Clone(o.IgnoreHeaders), slices.Clone(o.IgnorePaths)

	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, fmt.Errorf("parameters of %s: %w", u.Redacted(), err)
	}
	for name, values := range query {
		for _, v := range values {
			if err := o.set(name, v); err != nil {
				return o, fmt.Errorf("parameter %s=%s: %w", name, v, err)
			}
		}
	}
	return o, o.check()
}

// set takes over one parameter of the target's URL.
func (o *Options) set(name, v string) (err error) {
	switch name {
	case "insecure":
		o.Insecure, err = strconv.ParseBool(v)
	case "ca":
		o.CAFile = v
	case "version":
		o.Version = v
	case "host":
		from, to, ok := strings.Cut(v, "=")
		if !ok {
			return fmt.Errorf("want FROM=TO")
		}
		o.HostMap[strings.ToLower(from)] = to
	case "set":
		field, value, ok := strings.Cut(v, ":")
		if !ok {
			return fmt.Errorf("want NAME:VALUE")
		}
		o.SetHeaders = append(o.SetHeaders, exchange.Header{Name: field, Value: strings.TrimSpace(value)})
	case "remove":
		o.RemoveHeaders = append(o.RemoveHeaders, v)
	case "connections":
		o.MaxConns, err = strconv.Atoi(v)
	case "timeout":
		o.Timeout, err = time.ParseDuration(v)
	case "connect-timeout":
		o.ConnectTimeout, err = time.ParseDuration(v)
	case "ignore-header":
		o.IgnoreHeaders = append(o.IgnoreHeaders, v)
	case "ignore-path":
		o.IgnorePaths = append(o.IgnorePaths, v)
	default:
		return fmt.Errorf("unknown: known are ca, connect-timeout, connections, host, ignore-header, ignore-path, insecure, remove, set, timeout, version")
	}
	return err
}

func (o *Options) check() error {
	switch {
	case o.Version != "auto" && o.Version != "1" && o.Version != "2":
		return fmt.Errorf("HTTP version %q: known are 1, 2 and auto", o.Version)
	case o.MaxConns < 0 || o.MaxPending < 0 || o.MaxPendingBytes < 0:
		return fmt.Errorf("a bound below 0")
	case o.Timeout < 0 || o.ConnectTimeout < 0:
		return fmt.Errorf("a timeout below 0")
	}
	for _, h := range o.SetHeaders {
		if !isToken(h.Name) || !isFieldValue(h.Value) {
			return fmt.Errorf("header field %q: %q cannot be sent", h.Name, h.Value)
		}
		if strings.EqualFold(h.Name, "Host") {
			return fmt.Errorf("header field %q: a map of hosts (*=%s) gives requests another one", h.Name, h.Value)
		}
		if isOwn(h.Name) {
			return fmt.Errorf("header field %q is the sender's own: it follows from what is sent", h.Name)
		}
	}
	for from, to := range o.HostMap {
		if !isHost(to) {
			return fmt.Errorf("host %q for %q cannot be sent", to, from)
		}
	}
	return nil
}
