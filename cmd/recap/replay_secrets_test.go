package main

import (
	"net/url"
	"strings"
	"testing"
)

// Secrets come out of the environment where the URL has none, and are never shown.
func TestSecretsOfTargets(t *testing.T) {
	env := map[string]string{envKafkaUser: "eve", envKafkaPassword: "hush", envIngestToken: "token"}
	for _, tt := range []struct {
		name, url      string
		user, password string
	}{
		{"a topic without a user", "kafka://b:9092/t", "eve", "hush"},
		{"a topic with a user of its own", "kafka://ann@b:9092/t", "ann", "hush"},
		{"a topic that says all itself", "kafka://ann:said@b:9092/t", "ann", "said"},
		{"an ingestor", "akto+https://b/", "", "token"},
		{"an ingestor with its own token", "metlo+http://:said@b/", "", "said"},
		{"a web server gets none", "http://b/", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			withSecrets(u, func(name string) string { return env[name] })
			password, _ := u.User.Password()
			if u.User.Username() != tt.user || password != tt.password {
				t.Errorf("withSecrets(%s) is %q and %q, want %q and %q", tt.url, u.User.Username(), password, tt.user, tt.password)
			}
			if tt.password != "" && strings.Contains(u.Redacted(), tt.password) {
				t.Errorf("%s shows the password", u.Redacted())
			}
		})
	}
}
