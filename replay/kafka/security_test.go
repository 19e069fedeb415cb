package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"recap/replay/kafka/kafkatest"
	"recap/replay/record"
	"recap/replay/targettest"
)

// certificate makes one for 127.0.0.1 that is its own authority, and returns files with
// the certificate alone and with its key in front.
func certificate(t testing.TB) (ca, both string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "broker"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	dir := t.TempDir()
	ca, both = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "both.pem")
	for name, text := range map[string][]byte{ca: cert, both: append(private, cert...)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return ca, both
}

// secureURL names the topic at a broker for a user.
func secureURL(broker, user, password, query string) string {
	u := url.URL{Scheme: "kafka", Host: broker, Path: "/pairs", User: url.UserPassword(user, password), RawQuery: query}
	return u.String()
}

// sendSome sends pairs to where text points.
func sendSome(t *testing.T, text string) error {
	var env targettest.Env
	target, err := open(t, text, Options{}, &env)
	if err != nil {
		return err
	}
	events := targettest.Events(50, 100)
	if err := target.Send(t.Context(), events); err != nil {
		t.Error(err)
	}
	if err := target.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return env.Balance(len(events))
}

// checkLogin sends over each way to log in, and finds that nobody else gets in, and that
// no error holds a password.
func checkLogin(t *testing.T, broker, query string, mechanisms []string) {
	t.Helper()
	for _, m := range mechanisms {
		if err := sendSome(t, secureURL(broker, kafkatest.User, kafkatest.Password, query+"&sasl="+m)); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		err := sendSome(t, secureURL(broker, kafkatest.User, "xyzzy", query+"&sasl="+m))
		if err == nil || strings.Contains(err.Error(), "xyzzy") {
			t.Errorf("%s with a wrong password: %v", m, err)
		}
	}
}

func TestLogin(t *testing.T) {
	ca, both := certificate(t)
	pair, err := tls.LoadX509KeyPair(both, both)
	if err != nil {
		t.Fatal(err)
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(3, "pairs"), kfake.EnableSASL()}
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		opts = append(opts, kfake.Superuser(m, kafkatest.User, kafkatest.Password))
	}
	for _, tt := range []struct {
		name, query string
		more        []kfake.Opt
	}{
		{"in the clear", "format=akto-json", nil},
		{"over TLS", "tls=1&ca=" + url.QueryEscape(ca), []kfake.Opt{kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}})}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := kfake.NewCluster(append(tt.more, opts...)...)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			checkLogin(t, c.ListenAddrs()[0], tt.query, []string{saslPlain, saslSHA256, saslSHA512})
		})
	}
}

// The same with Apache Kafka itself; what was sent is read back without TLS, and over it.
func TestLoginAtApacheKafka(t *testing.T) {
	ca, both := certificate(t)
	broker, secure := kafkatest.StartSecure(t, both)
	kafkatest.MakeTopic(t, broker, "pairs", 1)
	tls := "tls=1&ca=" + url.QueryEscape(ca)
	u, err := url.Parse(secureURL(secure, kafkatest.User, kafkatest.Password, tls))
	if err != nil {
		t.Fatal(err)
	}
	topic, err := ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	tail, err := NewTail(t.Context(), topic, (&net.Dialer{}).DialContext)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	if err := sendSome(t, secureURL(secure, kafkatest.User, kafkatest.Password, tls)); err != nil {
		t.Fatal(err)
	}
	checkRecords(t, consume(t, broker, 50), record.AktoJSON, 50)
	read := 0
	for read < 50 {
		if err := tail.Poll(t.Context(), func([]byte) { read++ }); err != nil {
			t.Fatal(err)
		}
	}
	checkLogin(t, secure, tls, []string{saslPlain, saslSHA256, saslSHA512})
	if err := sendSome(t, secureURL(secure, kafkatest.User, kafkatest.Password, "tls=1")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an authority that is not known: %v", err)
	}
}

func TestSecurityIsRefused(t *testing.T) {
	for _, tt := range []struct{ name, url, want string }{
		{"a password that anybody could read", "kafka://u:hush@b:9092/t", "without tls=1"},
		{"a mechanism without a user", "kafka://b:9092/t?sasl=plain", "needs a user"},
		{"a user without a password", "kafka://u@b:9092/t?sasl=plain", "one of them is missing"},
		{"a mechanism that is not known", "kafka://u:hush@b:9092/t?sasl=gssapi", "is not known"},
		{"authorities without TLS", "kafka://b:9092/t?ca=x.pem", "add tls=1"},
		{"authorities that are not there", "kafka://b:9092/t?tls=1&ca=/nowhere.pem", "certificate authorities"},
		{"a key without a certificate", "kafka://b:9092/t?tls=1&key=/nowhere.pem", "certificate of the client"},
		{"neither yes nor no", "kafka://b:9092/t?tls=maybe", "neither 1 nor 0"},
		{"a topic that is missing", "kafka://u:hush@b:9092/", "names no topic"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseURL(u); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("ParseURL(%s): %v, want %q", tt.url, err, tt.want)
			}
		})
	}
}
