package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"recap/reader/pcaptest"
)

func TestInterruptibleKeepsTheBytes(t *testing.T) {
	want := pcaptest.Fill(1 << 20)
	for name, r := range map[string]io.Reader{
		"whole":          bytes.NewReader(want),
		"in halves":      iotest.HalfReader(bytes.NewReader(want)),
		"data with EOF":  iotest.DataErrReader(bytes.NewReader(want)),
		"a byte at once": iotest.OneByteReader(bytes.NewReader(want[:1000])),
	} {
		got, err := io.ReadAll(interruptible(t.Context(), r))
		if err != nil || !bytes.HasPrefix(want, got) || len(got) < 1000 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	broken := errors.New("broken")
	got, err := io.ReadAll(interruptible(t.Context(), io.MultiReader(bytes.NewReader(want[:10]), iotest.ErrReader(broken))))
	if err != broken || len(got) != 10 {
		t.Errorf("a failing reader: %d bytes, %v; want 10, %v", len(got), err, broken)
	}
}

func TestInterruptibleStopsWhileReadBlocks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	in := interruptible(ctx, r)
	go func() {
		w.Write([]byte("abc"))
		cancel()
	}()
	got, err := io.ReadAll(in)
	if err != errReadStopped || len(got) > 3 {
		t.Errorf("read %q, %v; want at most 3 bytes and %v", got, err, errReadStopped)
	}
}

func TestInterruptibleTakesNothingUnasked(t *testing.T) {
	r := bytes.NewReader([]byte("abc"))
	interruptible(t.Context(), r)
	if r.Len() != 3 {
		t.Errorf("%d of 3 bytes are left", r.Len())
	}
}
