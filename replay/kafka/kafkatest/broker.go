// Package kafkatest starts a real Apache Kafka for a test: one node, on loopback,
// gone when the test ends.
package kafkatest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"recap/replay/targettest"
)

// JarsVariable names the directory with Kafka's jars.
const JarsVariable = "RECAP_KAFKA_JARS"

// A clusterID is 16 bytes in base64.
const clusterID = "cmVjYXAta2Fma2EtdGVzdA"

// Start returns the address of a broker. It skips the test where there are no jars
// or there is no Java.
func Start(t testing.TB) string {
	t.Helper()
	return start(t, "", "", nil)
}

// Login of StartSecure.
const (
	User     = "recap"
	Password = "open sesame"
)

// StartSecure returns two addresses of a broker: one like that of Start, and one where
// clients must come over TLS and log in by PLAIN or SCRAM. pemFile holds the broker's key,
// in PKCS #8, and its certificate.
func StartSecure(t testing.TB, pemFile string) (open, secure string) {
	t.Helper()
	secure = targettest.FreeAddress(t)
	config := fmt.Sprintf(`ssl.keystore.type=PEM
ssl.keystore.location=%[1]s
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[2]s="%[3]s";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
`, pemFile, User, Password)
	var accounts []string
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		accounts = append(accounts, "--add-scram", fmt.Sprintf("%s=[name=%s,password=\"%s\"]", mechanism, User, Password))
	}
	return start(t, ",SASL_SSL://"+secure, config, accounts), secure
}

// start starts a broker with further listeners, configuration, and arguments of the
// command that formats its storage.
func start(t testing.TB, listeners, more string, formatArgs []string) string {
	t.Helper()
	jars := os.Getenv(JarsVariable)
	if jars == "" {
		t.Skipf("SKIPPED: %s is not set; `replay/kafka/testdata/fetch DIR` puts Apache Kafka there, to run this test", JarsVariable)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("SKIPPED: no java here, which Kafka needs; install a JRE of version 17 or later to run this test")
	}
	dir := t.TempDir()
	broker, controller := targettest.FreeAddress(t), targettest.FreeAddress(t)
	config := filepath.Join(dir, "server.properties")
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s%[4]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s%[4]s
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=%[3]s
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
auto.create.topics.enable=false
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
%[5]s`, broker, controller, filepath.Join(dir, "data"), listeners, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	classes := filepath.Join(jars, "*")
	format := exec.Command(java, append([]string{"-cp", classes, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", config}, formatArgs...)...)
	format.Dir = dir
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("formatting the storage: %v\n%s", err, out)
	}
	var log bytes.Buffer
	server := exec.Command(java, "-Xmx512m", "-cp", classes, "kafka.Kafka", config)
	server.Dir, server.Stdout, server.Stderr = dir, &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		server.Process.Kill()
		<-ended
	})
	if err := ready(broker, ended); err != nil {
		server.Process.Kill()
		t.Fatalf("kafka did not start: %v\n%s", err, log.Bytes())
	}
	return broker
}

// ready waits until the broker answers.
func ready(broker string, ended chan error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		return err
	}
	defer client.Close()
	for deadline := time.Now().Add(time.Minute); ; {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := client.Ping(ctx)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case end := <-ended:
			ended <- end
			return fmt.Errorf("it ended: %v", end)
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

// MakeTopic makes a topic with so many partitions, anew where there was one.
func MakeTopic(t testing.TB, broker, topic string, partitions int32) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	_, _ = admin.DeleteTopic(t.Context(), topic)
	for range 200 {
		if _, err = admin.CreateTopic(t.Context(), partitions, 1, nil, topic); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The broker answers before it knows the topic itself.
	for range 200 {
		if led(t, admin, topic, int(partitions)) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the topic %q has no leaders", topic)
}

// led reports whether the broker leads all partitions of a topic.
func led(t testing.TB, admin *kadm.Client, topic string, partitions int) bool {
	m, err := admin.Metadata(t.Context(), topic)
	if err != nil || m.Topics[topic].Err != nil || len(m.Topics[topic].Partitions) != partitions {
		return false
	}
	for _, p := range m.Topics[topic].Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return true
}
