package sink

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"recap/replay"
)

func stream(t testing.TB) *Stream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewStream(l)
	t.Cleanup(func() { s.Close() })
	return s
}

func subscribe(t testing.TB, s *Stream) *StreamReader {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r, err := NewStreamReader(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// observations reads the observations up to the end of the stream.
func observations(t testing.TB, r *StreamReader) (list []replay.Observation) {
	t.Helper()
	for {
		var o replay.Observation
		switch err := r.Next(&o); {
		case err == io.EOF:
			return list
		case err != nil:
			t.Fatalf("after %d observations: %v", len(list), err)
		}
		list = append(list, o)
	}
}

func TestEverySubscriberSeesEverything(t *testing.T) {
	s := stream(t)
	first, second := subscribe(t, s), subscribe(t, s)
	h := NewHub(Faults{}, s)
	h.Pass(marked(1000))
	go s.Close()
	for _, r := range []*StreamReader{first, second} {
		list := observations(t, r)
		if len(list) != 1000 {
			t.Fatalf("%d observations came, want 1000", len(list))
		}
		for i, o := range list {
			m, err := replay.ParseMarker(o.Request)
			if err != nil || m.Seq != uint64(i) || !bytes.Equal(o.Request, o.Response) || o.ResponseBody != 10 || o.Cut {
				t.Fatalf("observation %d is %+v", i, o)
			}
		}
	}
}

func TestADelayHoldsObservationsBack(t *testing.T) {
	const delay = 150 * time.Millisecond
	s := stream(t)
	r := subscribe(t, s)
	h := NewHub(faults(t, "delay="+delay.String()), s)
	began := time.Now()
	h.Pass(marked(3))
	go s.Close() // what waits still comes
	if list := observations(t, r); len(list) != 3 {
		t.Errorf("%d observations came, want 3", len(list))
	}
	if took := time.Since(began); took < delay {
		t.Errorf("they came after %s, want %s", took, delay)
	}
}

// A subscriber that does not read is told so; it holds up nobody.
func TestASubscriberThatDoesNotRead(t *testing.T) {
	s := stream(t)
	slow, quick := subscribe(t, s), subscribe(t, s)
	frame := make([]byte, 0, 1<<20)
	frame = appendObservation(frame, &replay.Observation{Request: make([]byte, 1<<19)})
	const n = 3 * maxBehind >> 19
	seen := make(chan int, 1)
	go func() { seen <- len(observations(t, quick)) }()
	for range n {
		s.publish(frame, time.Time{}, false)
		time.Sleep(time.Millisecond) // for the quick one
	}
	if s.Overruns() != 1 {
		t.Fatalf("%d were cut off, want 1", s.Overruns())
	}
	go s.Close()
	var o replay.Observation
	var err error
	for err == nil {
		err = slow.Next(&o)
	}
	if !errors.Is(err, ErrOverrun) {
		t.Errorf("the slow one ends with %v, want %v", err, ErrOverrun)
	}
	if got := <-seen; got != n {
		t.Errorf("the quick one saw %d, want %d", got, n)
	}
}

// A connection that breaks is not the end of the stream.
func TestABrokenStreamIsAnError(t *testing.T) {
	whole := appendObservation([]byte(hello), &replay.Observation{Request: []byte("a"), RequestBody: 5, ResponseBody: -1})
	for cut := range whole {
		r, err := NewStreamReader(bytes.NewReader(whole[:cut]))
		if err != nil {
			continue
		}
		var o replay.Observation
		if err := r.Next(&o); err == nil || err == io.EOF {
			t.Errorf("cut after %d bytes: %v", cut, err)
		}
	}
}

// FuzzStream: the size of reads changes nothing, what is read is written again as the
// same, and only a declared end is one.
func FuzzStream(f *testing.F) {
	o := replay.Observation{Request: []byte("abc"), Response: []byte("d"), RequestBody: 1, ResponseBody: -1, Cut: true}
	f.Add(append(appendObservation(nil, &o), 1, frameEnd))
	f.Add([]byte{1, frameOverrun})
	f.Add(append(appendObservation([]byte{1, frameBehind}, &o), 1, frameBehind, 1, frameEnd))
	f.Add(append(appendObservation([]byte{1, frameHold}, &o), 1, frameGo, 1, frameEnd))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(r io.Reader) (list []replay.Observation, err error) {
			s, err := NewStreamReader(io.MultiReader(bytes.NewReader([]byte(hello)), r))
			for err == nil {
				var o replay.Observation
				switch err = s.Next(&o); err {
				case nil:
					list = append(list, o)
				case ErrBehind, ErrHold, ErrGo:
					err = nil // nothing is wrong, and nothing is added
				}
			}
			return list, err
		}
		list, err := read(bytes.NewReader(b))
		small, smallErr := read(iotest.OneByteReader(bytes.NewReader(b)))
		if len(list) != len(small) || err.Error() != smallErr.Error() {
			t.Fatalf("read size changed the result: %v, %v; %v, %v", list, err, small, smallErr)
		}
		if err == io.EOF && !bytes.Contains(b, []byte{frameEnd}) {
			t.Fatal("the stream ended without saying so")
		}
		for _, o := range list {
			again, err := read(bytes.NewReader(append(appendObservation(nil, &o), 1, frameEnd)))
			if err != io.EOF || len(again) != 1 || !bytes.Equal(again[0].Request, o.Request) || !bytes.Equal(again[0].Response, o.Response) ||
				again[0].RequestBody != o.RequestBody || again[0].ResponseBody != o.ResponseBody || again[0].Cut != o.Cut {
				t.Fatalf("%+v was written and read as %+v, %v", o, again, err)
			}
		}
	})
}
