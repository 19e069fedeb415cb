package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"recap/replay"
	"recap/replay/record"
)

// maxPost bounds the body of one request, bytes.
const maxPost = 64 << 20

// endpoint listens for HTTP requests that hold records: one, several one after
// another, a list of them, or an object with a list called batchData.
type endpoint struct {
	*feed
	address  string
	listener net.Listener
	posts    chan []replay.Observation
}

// OpenHTTP returns the collector of http://host:port/, which listens there. Without a
// host it listens on loopback.
func OpenHTTP(_ context.Context, u *url.URL, env replay.Env) (replay.Collector, error) {
	form, err := formatOf(u)
	if err != nil {
		return nil, err
	}
	if u.Port() == "" {
		return nil, fmt.Errorf("%s names no port to listen on", u)
	}
	host := u.Hostname()
	if host == "" {
		host = "127.0.0.1"
	}
	return &endpoint{feed: newFeed(form, env), address: net.JoinHostPort(host, u.Port()), posts: make(chan []replay.Observation)}, nil
}

// Ready begins to listen.
func (e *endpoint) Ready(ctx context.Context) error {
	var err error
	e.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", e.address)
	return err
}

// Collect implements [replay.Collector].
func (e *endpoint) Collect(ctx context.Context, out func(*replay.Observation)) error {
	return e.run(ctx, e.serve, nil, out)
}

func (e *endpoint) serve(ctx context.Context) error {
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(e.listener) }()
	for {
		select {
		case list := <-e.posts:
			if !e.give(ctx, list) {
				server.Close()
				return nil
			}
		case err := <-failed:
			return err
		case <-ctx.Done():
			server.Close()
			return nil
		}
	}
}

// ServeHTTP implements [http.Handler]. It answers when the records are taken.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list, err := e.records(http.MaxBytesReader(w, r.Body, maxPost))
	if err != nil {
		e.env.Count(CountUndecodable, 1)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case e.posts <- list:
		w.WriteHeader(http.StatusNoContent)
	case <-r.Context().Done():
	}
}

// records reads the records of a body.
func (e *endpoint) records(body io.Reader) (list []replay.Observation, err error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	text := bytes.TrimLeft(b, " \t\r\n")
	if len(b) > 0 && (e.form == record.AktoProto || len(text) == 0 || text[0] != '{' && text[0] != '[') {
		return e.read(nil, b), nil // one record that is no JSON
	}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var value json.RawMessage
		switch err := d.Decode(&value); {
		case err == io.EOF:
			return list, nil
		case err != nil:
			return nil, err
		}
		for _, v := range elements(value) {
			list = e.read(list, v)
		}
	}
}

// elements returns the records that a JSON value holds: itself, or those of its list.
func elements(value json.RawMessage) []json.RawMessage {
	var list []json.RawMessage
	if json.Unmarshal(value, &list) == nil {
		return list
	}
	var batch struct {
		BatchData []json.RawMessage `json:"batchData"`
	}
	if json.Unmarshal(value, &batch) == nil && batch.BatchData != nil {
		return batch.BatchData
	}
	return []json.RawMessage{value}
}
