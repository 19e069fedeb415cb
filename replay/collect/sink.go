package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
	"time"

	"recap/replay"
	"recap/replay/sink"
)

// stream reads what a recap sink sees.
type stream struct {
	*feed
	address string
	hold    bool // pass on that the sink asks senders to wait
	conn    net.Conn
	reader  *sink.StreamReader
}

// OpenSink returns the collector of sink://host:port. With the parameter hold=off nobody
// waits for a sink that has more than it can take.
func OpenSink(_ context.Context, u *url.URL, env replay.Env) (replay.Collector, error) {
	if _, err := formatOf(u, "hold"); err != nil {
		return nil, err
	}
	hold := u.Query().Get("hold")
	if hold != "" && hold != "on" && hold != "off" {
		return nil, fmt.Errorf("%s: hold=%s is neither on nor off", u, hold)
	}
	if u.Hostname() == "" || u.Port() == "" {
		return nil, fmt.Errorf("%s: want sink://host:port", u)
	}
	return &stream{feed: newFeed("", env), address: u.Host, hold: hold != "off"}, nil
}

// Ready connects: what the sink sees from then on comes.
func (s *stream) Ready(ctx context.Context) error {
	var err error
	if s.conn, err = s.dial(ctx); err != nil {
		return fmt.Errorf("sink %s: %w", s.address, err)
	}
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	if s.reader, err = sink.NewStreamReader(s.conn); err != nil {
		s.conn.Close()
		return fmt.Errorf("sink %s: %w", s.address, err)
	}
	return nil
}

// starting is how long a sink that was started together with the sender may take to listen.
const starting = 3 * time.Second

// dial connects to the sink. Who refuses may be about to start.
func (s *stream) dial(ctx context.Context) (net.Conn, error) {
	for end := time.Now().Add(starting); ; {
		conn, err := replay.DialContext(s.env)(ctx, "tcp", s.address)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(end) {
			return conn, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Collect implements [replay.Collector].
func (s *stream) Collect(ctx context.Context, out func(*replay.Observation)) error {
	defer s.conn.Close()
	return s.run(ctx, s.read, nil, out)
}

// most bounds the observations that are handed over at once.
const most = 1024

func (s *stream) read(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	var list []replay.Observation
	for {
		var o replay.Observation
		err := s.reader.Next(&o)
		if err == sink.ErrBehind || err == sink.ErrHold || err == sink.ErrGo {
			if s.hold && err != sink.ErrBehind {
				replay.Hold(s.env, err == sink.ErrHold)
			}
			s.give(ctx, list)
			s.alive()
			list = nil
			continue
		}
		if err != nil {
			s.give(ctx, list)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("sink %s: %w", s.address, err)
		}
		if list = append(list, o); s.reader.Buffered() == 0 || len(list) == most {
			if !s.give(ctx, list) {
				return nil
			}
			list = nil
		}
	}
}
