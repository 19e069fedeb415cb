package targettest

import (
	"context"
	"errors"
	"testing"
	"time"

	"recap/replay"
)

// Run holds a target against what every target promises. open makes a new one for env,
// toward host; host is empty for targets that send to no address.
func Run(t *testing.T, host string, open func(ctx context.Context, env replay.Env) (replay.Target, error)) {
	t.Run("each event is sent or failed once", func(t *testing.T) {
		const n = 60
		env := new(Env)
		target := mustOpen(t, env, open)
		events := Events(n, 100)
		for i := 0; i < n; i += 7 {
			if err := target.Send(t.Context(), events[i:min(i+7, n)]); err != nil {
				t.Fatal(err)
			}
		}
		if err := target.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := env.Balance(n); err != nil {
			t.Error(err)
		}
		if sent := len(env.SentOrder()); sent == 0 {
			t.Errorf("nothing was sent: %v", env.Failures())
		}
		var amount replay.Amount
		for _, w := range env.Waits() {
			amount.Pairs += w.Amount.Pairs
			amount.Bytes += w.Amount.Bytes
		}
		if sent := uint64(len(env.SentOrder())); amount.Pairs < sent || amount.Bytes == 0 {
			t.Errorf("%d pairs were sent, Wait was asked for %+v", sent, amount)
		}
	})
	t.Run("times asked for do not fall", func(t *testing.T) {
		env := new(Env)
		target := mustOpen(t, env, open)
		if err := errors.Join(target.Send(t.Context(), Events(40, 10)), target.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		last := time.Duration(-1)
		for i, w := range env.Waits() {
			if w.At < last {
				t.Fatalf("unit %d is due at %v, behind one at %v", i, w.At, last)
			}
			last = w.At
		}
	})
	t.Run("nothing is sent after the end", func(t *testing.T) {
		env := new(Env)
		target := mustOpen(t, env, open)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := target.Send(ctx, Events(5, 10)); !errors.Is(err, context.Canceled) {
			t.Errorf("Send with an ended context: %v", err)
		}
		_ = target.Close(ctx)
		if sent := env.SentOrder(); len(sent) > 0 {
			t.Errorf("sent %v", sent)
		}
	})
	t.Run("nothing to send is no error", func(t *testing.T) {
		if err := mustOpen(t, new(Env), open).Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if host == "" {
		return
	}
	t.Run("an address that is refused", func(t *testing.T) {
		env := &Env{Refuse: []string{host}}
		if target, err := open(t.Context(), env); err == nil {
			err = errors.Join(target.Send(t.Context(), Events(1, 1)), target.Close(t.Context()))
			if err == nil || len(env.SentOrder()) > 0 {
				t.Errorf("sent %v, %v", env.SentOrder(), err)
			}
		}
	})
}

func mustOpen(t *testing.T, env *Env, open func(context.Context, replay.Env) (replay.Target, error)) replay.Target {
	t.Helper()
	target, err := open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return target
}
