package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"recap/replay"
)

// Parameters lists what the query of a URL may say about connections, for whoever reads
// the rest of it: further brokers, TLS, and who we are.
func Parameters() []string {
	return []string{"broker", "ca", "cert", "insecure", "key", "sasl", "tls"}
}

// Mechanisms of SASL (RFC 4616; RFC 5802 and 7677).
const (
	saslPlain  = "plain"
	saslSHA256 = "scram-sha-256"
	saslSHA512 = "scram-sha-512"
)

// security is how a client connects: in the clear or over TLS, as nobody or somebody.
// It holds a password: it is never printed.
type security struct {
	tls  *tls.Config // nil without TLS
	sasl sasl.Mechanism
}

// parseSecurity reads what u says: user and password, and the parameters tls, ca, cert,
// key, insecure and sasl.
func parseSecurity(u *url.URL) (s security, err error) {
	q := u.Query()
	on := func(name string) bool {
		if !q.Has(name) || err != nil {
			return false
		}
		v, perr := strconv.ParseBool(q.Get(name))
		if perr != nil {
			err = fmt.Errorf("query %s=%s: is neither 1 nor 0", name, q.Get(name))
		}
		return v
	}
	wanted, insecure := on("tls"), on("insecure")
	switch {
	case err != nil:
		return s, err
	case wanted:
		if s.tls, err = clientTLS(q, insecure); err != nil {
			return s, err
		}
	case slices.ContainsFunc([]string{"ca", "cert", "key", "insecure"}, q.Has):
		return s, errors.New("ca, cert, key and insecure are about TLS: add tls=1")
	}
	s.sasl, err = mechanism(u.User, q.Get("sasl"), s.tls != nil)
	return s, err
}

// clientTLS returns the configuration with the certificate that a client shows, if any.
func clientTLS(q url.Values, insecure bool) (*tls.Config, error) {
	c, err := replay.ClientTLS(replay.TrustOptions{CAFile: q.Get("ca"), Insecure: insecure})
	if err != nil || !q.Has("cert") && !q.Has("key") {
		return c, err
	}
	own, err := tls.LoadX509KeyPair(q.Get("cert"), q.Get("key"))
	if err != nil {
		return nil, fmt.Errorf("certificate of the client (cert= and key=): %w", err)
	}
	c.Certificates = []tls.Certificate{own}
	return c, nil
}

// mechanism finds how to say who we are; nil where nobody asked for it. A password in the
// clear must be asked for by name.
func mechanism(who *url.Userinfo, name string, private bool) (sasl.Mechanism, error) {
	if who == nil {
		if name != "" {
			return nil, fmt.Errorf("sasl=%s needs a user: kafka://USER@broker/topic, with its password in the environment", name)
		}
		return nil, nil
	}
	user := who.Username()
	password, has := who.Password()
	if user == "" || !has {
		return nil, errors.New("a user and a password are needed, one of them is missing")
	}
	if name == "" {
		if !private {
			return nil, errors.New("without tls=1, say by sasl= how to log in: scram-sha-256, scram-sha-512, or plain, which anybody on the way can read")
		}
		name = saslPlain
	}
	switch name {
	case saslPlain:
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case saslSHA256:
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case saslSHA512:
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("sasl=%s is not known; there are %s, %s and %s", name, saslPlain, saslSHA256, saslSHA512)
}

// options returns what a client is told. Every connection is made by dial.
func (s security) options(dial replay.Dialer) []kgo.Opt {
	var list []kgo.Opt
	if s.tls != nil {
		dial = dialTLS(dial, s.tls)
	}
	if s.sasl != nil {
		list = append(list, kgo.SASL(s.sasl))
	}
	return append(list, kgo.Dialer(dial))
}

// dialTLS shakes hands over what dial connects, for the name that was dialled.
func dialTLS(dial replay.Dialer, config *tls.Config) replay.Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		named := config.Clone()
		named.ServerName = host
		c := tls.Client(raw, named)
		if err := c.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, fmt.Errorf("TLS with %s: %w", address, err)
		}
		return c, nil
	}
}
