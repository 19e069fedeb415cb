// Package kafka sends pairs to a topic of Apache Kafka, one record for each pair, in
// the forms of package record: idempotent, acknowledged by all in-sync replicas,
// with every delivery error counted to its pair.
//
//	kafka://broker:9092/topic?format=akto-json
//	kafka://user:password@broker:9093/topic?tls=1&ca=authorities.pem&sasl=scram-sha-512
package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"recap/pipeline/exchange"
	"recap/replay"
	"recap/replay/record"
)

// Defaults of Options.
const (
	DefaultInFlight   = 64 << 20
	DefaultMaxRecord  = 1_000_012 // where the topic's limit is not to be had: what a broker takes unless told otherwise
	DefaultDelivery   = 30 * time.Second
	DefaultConnecting = 15 * time.Second
)

// Options of Open; the zero value works. What the URL's query says comes first:
// format, account, vni, compression (none, gzip, snappy, lz4, zstd), max-record
// (bytes), create (make the topic), preflight (hold or send), and how to connect:
// broker (further ones to begin with), tls, ca, cert, key, insecure, sasl.
type Options struct {
	Format      string // "" is akto-json
	Account     string
	VNI         int64 // 0 is that of the pair's tunnel
	Compression string
	// InFlight bounds the bytes of records that wait for their acknowledgement.
	InFlight int64
	// MaxRecord bounds a record; larger ones fail. 0 is the topic's max.message.bytes,
	// more than which it must not be.
	MaxRecord int
	// Delivery is how long a record may take, retries included.
	Delivery time.Duration
	// Recap writes recap's own record; needed for the format recap.
	Recap func(dst []byte, p *exchange.Pair) []byte
	// Create makes the topic where there is none.
	Create bool
	// Refused sends pairs too that the receiver would drop without telling.
	Refused bool
}

// A Topic is where a URL points.
type Topic struct {
	Brokers []string
	Name    string
	secure  security
}

// ParseURL returns what kafka://broker:port/topic names.
func ParseURL(u *url.URL) (Topic, error) {
	t := Topic{Name: strings.TrimPrefix(u.Path, "/")}
	if t.Name == "" || strings.Contains(t.Name, "/") {
		return t, fmt.Errorf("%s names no topic: want kafka://broker:9092/topic", u.Redacted())
	}
	if u.Hostname() == "" {
		return t, fmt.Errorf("%s names no broker: want kafka://broker:9092/topic", u.Redacted())
	}
	t.Brokers = append([]string{u.Host}, u.Query()["broker"]...)
	var err error
	t.secure, err = parseSecurity(u)
	return t, err
}

// Client returns the options that every client of a topic has: where to begin, and
// connections by dial alone. A cluster names its brokers itself, whatever their
// addresses are; so each is put to the guard when it is dialled.
func (t Topic) Client(dial replay.Dialer) []kgo.Opt {
	return append(t.secure.options(dial),
		kgo.SeedBrokers(t.Brokers...),
		kgo.ClientID("recap"),
		kgo.DisableClientMetrics(),
	)
}

// settings are Options with the URL's query and defaults.
type settings struct {
	Options
	topic Topic
	codec kgo.CompressionCodec
}

func (o Options) resolve(u *url.URL) (settings, error) {
	s := settings{Options: o}
	var err error
	if s.topic, err = ParseURL(u); err != nil {
		return s, err
	}
	if err := s.query(u.Query()); err != nil {
		return s, err
	}
	if s.Format == "" {
		s.Format = record.AktoJSON
	}
	switch {
	case !slices.Contains(record.Formats(), s.Format) || s.Format == record.Metlo:
		return s, fmt.Errorf("format %q is not known; there are akto-json, akto-proto, goreplay and recap", s.Format)
	case s.Format == record.Recap && s.Recap == nil:
		return s, errors.New("format recap needs a writer of records")
	}
	codecs := map[string]func() kgo.CompressionCodec{"": kgo.NoCompression, "none": kgo.NoCompression, "gzip": kgo.GzipCompression,
		"snappy": kgo.SnappyCompression, "lz4": kgo.Lz4Compression, "zstd": kgo.ZstdCompression}
	codec, ok := codecs[s.Compression]
	if !ok {
		return s, fmt.Errorf("compression %q is not known; there are none, gzip, snappy, lz4 and zstd", s.Compression)
	}
	s.codec = codec()
	if s.InFlight <= 0 {
		s.InFlight = DefaultInFlight
	}
	if s.Delivery <= 0 {
		s.Delivery = DefaultDelivery
	}
	return s, nil
}

// query takes what the URL's query says.
func (s *settings) query(q url.Values) error {
	for name, values := range q {
		v := values[len(values)-1]
		var err error
		switch name {
		case "format":
			s.Format = v
		case "account":
			s.Account = v
		case "compression":
			s.Compression = v
		case "vni":
			s.VNI, err = strconv.ParseInt(v, 10, 32)
		case "max-record":
			s.MaxRecord, err = strconv.Atoi(v)
		case "create":
			s.Create, err = strconv.ParseBool(v)
		case "preflight":
			s.Refused, err = record.ParsePreflight(v)
		default:
			if !slices.Contains(Parameters(), name) {
				err = errors.New("is not known; there are account, compression, create, format, max-record, preflight, vni, " + strings.Join(Parameters(), ", "))
			}
		}
		if err != nil {
			return fmt.Errorf("query %s=%s: %w", name, v, err)
		}
	}
	return nil
}

// Open connects to the cluster and finds the topic.
func Open(ctx context.Context, u *url.URL, o Options, env replay.Env) (replay.Target, error) {
	s, err := o.resolve(u)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(s.topic.Client(replay.DialContext(env)),
		kgo.DefaultProduceTopic(s.topic.Name),
		kgo.RequiredAcks(kgo.AllISRAcks()),                                        // and idempotent, which is the default
		kgo.ProducerBatchMaxBytesFn(func(string) int32 { return s.batchBytes() }), // asked again with the first record
		kgo.ProducerBatchCompression(s.codec),
		kgo.RecordDeliveryTimeout(s.Delivery),
		// The target bounds what is in flight itself, so that a record is never given
		// up because the run was stopped.
		kgo.MaxBufferedRecords(1<<30),
	)...)
	if err != nil {
		return nil, err
	}
	if err := findTopic(ctx, client, &s); err != nil {
		client.Close()
		return nil, err
	}
	return newTarget(client, s, env), nil
}

// findTopic fails where the cluster does not answer or has no such topic, and settles
// how large a record may be.
func findTopic(ctx context.Context, client *kgo.Client, s *settings) error {
	ctx, cancel := context.WithTimeout(ctx, DefaultConnecting)
	defer cancel()
	admin := kadm.NewClient(client)
	if err := client.Ping(ctx); err != nil {
		return fmt.Errorf("kafka %s: %w", strings.Join(s.topic.Brokers, ", "), err)
	}
	if s.Create {
		resp, err := admin.CreateTopic(ctx, -1, -1, nil, s.topic.Name)
		if err != nil && !strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS") {
			return fmt.Errorf("kafka topic %q: %w %s", s.topic.Name, err, resp.ErrMessage)
		}
	} else {
		topics, err := admin.ListTopics(ctx, s.topic.Name)
		if err != nil {
			return fmt.Errorf("kafka topic %q: %w", s.topic.Name, err)
		}
		if err := topics[s.topic.Name].Err; err != nil {
			return fmt.Errorf("kafka topic %q: %w; create=true in the URL makes it", s.topic.Name, err)
		}
	}
	return s.limit(maxMessageBytes(ctx, admin, s.topic.Name))
}

// Bounds of a batch, bytes.
const (
	minBatch = 512 // the client makes none that must be smaller
	// maxBatch is the most that one grows to where a topic takes more: what is sent in one
	// piece is answered in one.
	maxBatch = 8 << 20
)

// batchBytes is the size of the largest batch.
func (s *settings) batchBytes() int32 {
	if s.MaxRecord <= 0 {
		return DefaultMaxRecord
	}
	return int32(min(s.MaxRecord, math.MaxInt32))
}

// limit settles MaxRecord by what the topic takes, bytes, 0 where that is not known. A
// broker refuses a batch that is too large with all that is in it.
func (s *settings) limit(topic int) error {
	switch {
	case topic <= 0:
	case s.MaxRecord > topic:
		return fmt.Errorf("kafka topic %q takes no more than %d bytes (max.message.bytes): max-record=%d is too much", s.topic.Name, topic, s.MaxRecord)
	case topic < minBatch:
		return fmt.Errorf("kafka topic %q takes no more than %d bytes (max.message.bytes): no pair fits", s.topic.Name, topic)
	case s.MaxRecord <= 0:
		s.MaxRecord = min(topic, maxBatch)
	}
	return nil
}

// maxMessageBytes asks for the size of the largest batch that a topic takes, bytes; 0
// where the broker does not tell, which may need a right that producing does not.
func maxMessageBytes(ctx context.Context, admin *kadm.Client, topic string) int {
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return 0
	}
	for _, c := range configs {
		for _, kv := range c.Configs {
			if kv.Key == "max.message.bytes" {
				n, _ := strconv.Atoi(kv.MaybeValue())
				return n
			}
		}
	}
	return 0
}
