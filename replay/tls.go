package replay

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// TrustOptions say whom a client believes over TLS. The zero value believes the
// authorities of the system.
type TrustOptions struct {
	CAFile   string // a PEM file of the only authorities to believe
	Insecure bool   // any certificate is believed
}

// ClientTLS returns the configuration of a client that checks certificates for the name
// of the server it dials; where the caller dials, it sets ServerName.
func ClientTLS(o TrustOptions) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: o.Insecure, MinVersion: tls.VersionTLS12}
	if o.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("certificate authorities: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authorities: %s holds no certificate in PEM form", o.CAFile)
	}
	return c, nil
}
