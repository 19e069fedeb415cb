package main

import (
	"net/url"
	"strings"
)

// What logs in at a target may stand in the environment, where no list of processes and
// no history of a shell shows it. A URL that says it itself comes first. Either way it is
// the user information of the URL from here on, which nothing prints but Redacted.
const (
	envKafkaUser     = "RECAP_KAFKA_USER"
	envKafkaPassword = "RECAP_KAFKA_PASSWORD"
	envIngestToken   = "RECAP_INGEST_TOKEN"
)

// withSecrets completes u by what the environment holds for its kind of target.
func withSecrets(u *url.URL, env func(string) string) {
	user := u.User.Username()
	password, has := u.User.Password()
	if has {
		return
	}
	switch {
	case u.Scheme == "kafka":
		if user == "" {
			user = env(envKafkaUser)
		}
		password = env(envKafkaPassword)
	case strings.HasPrefix(u.Scheme, "akto+"), strings.HasPrefix(u.Scheme, "metlo+"):
		password = env(envIngestToken)
	}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
}
