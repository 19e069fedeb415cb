package blob

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// accountName is what Azure gives as names of accounts, and of their second places.
var accountName = regexp.MustCompile(`^[A-Za-z0-9]{3,24}(-secondary)?$`)

// parseEndpoint takes the URL of a service that the variable called name holds. What is
// no URL shows here, and not after tries that cannot succeed. Errors do not repeat text,
// which may hold credentials.
func parseEndpoint(name, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != schemeHTTP && u.Scheme != schemeHTTPS || u.Opaque != "" || !hostName.MatchString(u.Hostname()) || !validPort(u.Port()) {
		return nil, fmt.Errorf("%s: the endpoint is not a URL as in https://host or http://127.0.0.1:10000", name)
	}
	return u, nil
}

// hostName has names and addresses of hosts. Underscores are in no name of the public
// system, but in some of private ones.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9_-]*\.?)+$|^[0-9A-Fa-f:.]+(%.+)?$`)

func validPort(port string) bool {
	if port == "" {
		return true
	}
	_, err := net.LookupPort("tcp", port)
	return err == nil
}

// misdirected reports whether err says that the endpoint is wrong, and not that something
// on the way to it has failed: no such host or port, no certificate for that name, or not
// the protocol that its URL names. Once an endpoint has answered, such errors pass.
func misdirected(err error) bool {
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e.IsNotFound
	}
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return strings.Contains(err.Error(), "unsupported protocol scheme") || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}
