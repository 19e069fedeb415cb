//go:build linux

package iface

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"recap/reader/packet"
	"recap/replay"
	"recap/replay/file"
	"recap/replay/targettest"
	"recap/replay/vxlan"
)

// inNamespace calls f on a thread with a network of its own, where left and right are
// the ends of a cable.
func inNamespace(t testing.TB, f func(left, right *net.Interface)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root can make network namespaces: nothing was sent over a cable")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIPPED: no ip here; `apt-get install iproute2` to send over a cable")
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and the network with it.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("unshare: %w", err)
			return
		}
		for _, args := range []string{"link add left type veth peer name right", "link set left up", "link set right up"} {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				done <- fmt.Errorf("ip %s: %w: %s", args, err, out)
				return
			}
		}
		// Until the kernel has noticed that the cable carries, it drops what is sent.
		for range 300 {
			out, _ := exec.Command("ip", "-o", "link", "show").Output()
			if strings.Count(string(out), "state UP") == 2 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		left, errL := net.InterfaceByName("left")
		right, errR := net.InterfaceByName("right")
		if err := errors.Join(errL, errR); err != nil {
			done <- err
			return
		}
		defer close(done) // also where f ends the test
		f(left, right)
	}()
	if err := <-done; err != nil {
		t.Skipf("SKIPPED: no network of our own, so nothing was sent over a cable: %v", err)
	}
}

// listen receives the frames that arrive at i.
func listen(t testing.TB, i *net.Interface) int {
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 256<<20)
	}
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3})
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index, Protocol: all})
	}
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	return fd
}

// What arrives at the other end of a cable is what a file would hold.
func TestFramesArrive(t *testing.T) {
	for _, query := range []string{"", "qdisc=bypass", "mss=300", "gso=on", "mss=300&gso=on", "mss=300&gso=on&timestamps=on"} {
		t.Run(query, func(t *testing.T) {
			want := fileFrames(t, query)
			byKernel := strings.Contains(query, "gso=on")
			if byKernel {
				needEthtool(t)
			}
			inNamespace(t, func(left, right *net.Interface) {
				if byKernel {
					if err := divideHere(left); err != nil {
						t.Error(err)
						return
					}
				}
				fd := listen(t, right)
				defer unix.Close(fd)
				env := new(targettest.Env)
				target, err := Open(t.Context(), &url.URL{Scheme: "iface", Opaque: left.Name, RawQuery: query}, Options{}, env)
				if err != nil {
					t.Error(err)
					return
				}
				events := targettest.Events(200, 10_000)
				if err := errors.Join(target.Send(t.Context(), events), target.Close(t.Context())); err != nil {
					t.Error(err)
				}
				if err := env.Balance(len(events)); err != nil {
					t.Error(err)
				}
				buf := make([]byte, 1<<16)
				n := 0
				for n < len(want) {
					k, _, err := unix.Recvfrom(fd, buf, 0)
					if err != nil {
						break
					}
					if buf[12] == 0x86 { // the kernel's own, to find its neighbours
						continue
					}
					if !bytes.Equal(buf[:k], want[n]) {
						t.Errorf("frame %d is % x, want % x", n, buf[:min(k, 60)], want[n][:min(len(want[n]), 60)])
						return
					}
					n++
				}
				if n != len(want) {
					t.Errorf("%d frames arrived, want %d", n, len(want))
				}
			})
		})
	}
}

// Who sniffs at the other end of a cable sees packets of VXLAN as a network has them, and
// not what the kernel would divide for a socket.
func TestPacketsOfVXLANArriveDivided(t *testing.T) {
	for _, tt := range []struct {
		query      string
		byKernel   bool // the cable does not take several datagrams in one piece
		divided    bool
		segmenting bool // the target hands over several in one piece
	}{{"", false, true, false}, {"gso=off", false, true, false}, {"gso=on", false, false, true},
		{"", true, true, true}, {"gso=off", true, true, false}} {
		t.Run(fmt.Sprintf("%s, by kernel %t", tt.query, tt.byKernel), func(t *testing.T) {
			if tt.byKernel {
				needEthtool(t)
			}
			inNamespace(t, func(left, right *net.Interface) {
				for _, args := range []string{"addr add 10.9.9.1/24 dev left", "neigh add 10.9.9.2 lladdr " + right.HardwareAddr.String() + " dev left"} {
					if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
						t.Errorf("ip %s: %v: %s", args, err, out)
						return
					}
				}
				if tt.byKernel {
					if err := divideUDPHere(left); err != nil {
						t.Error(err)
						return
					}
				}
				fd := listen(t, right)
				defer unix.Close(fd)
				env := new(targettest.Env)
				target, err := vxlan.Open(t.Context(), &url.URL{Scheme: "vxlan", Host: "10.9.9.2", RawQuery: tt.query}, vxlan.Options{}, env)
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(target.Send(t.Context(), targettest.Events(100, 10_000)), target.Close(t.Context())); err != nil {
					t.Error(err)
				}
				whole, longest := vxlanFrames(fd)
				if sent := int(env.Counted("packets")); (whole == sent) != tt.divided || longest <= left.MTU+14 != tt.divided {
					t.Errorf("%d of %d packets arrived by themselves, the longest frame has %d bytes; divided is to be %t", whole, sent, longest, tt.divided)
				}
				if got := env.Counted(replay.CountSegmented) > 0; got != tt.segmenting {
					t.Errorf("sent in pieces of several: %t, want %t", got, tt.segmenting)
				}
			})
		})
	}
}

// vxlanFrames counts the frames of VXLAN over IPv4 that arrive, until none does.
func vxlanFrames(fd int) (n, longest int) {
	buf := make([]byte, 1<<16)
	for {
		k, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return n, longest
		}
		// What is still on its way needs no more than this.
		_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 300_000})
		if k > 42 && buf[12] == 8 && buf[13] == 0 && binary.BigEndian.Uint16(buf[36:]) == vxlan.DefaultPort {
			n, longest = n+1, max(longest, k)
		}
	}
}

// needEthtool skips the test where there is no ethtool, with which a cable is told what
// the kernel is to do for it.
func needEthtool(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("ethtool"); err != nil {
		t.Skip("SKIPPED: no ethtool here, so division by the kernel was not tried; `apt-get install ethtool`")
	}
}

// divideHere makes the kernel divide and sum what a card would: a cable has no card, and
// hands large frames over as they are.
func divideHere(i *net.Interface) error { return switchOff(i, "tso", "tx") }

// divideUDPHere makes the kernel divide runs of datagrams.
func divideUDPHere(i *net.Interface) error { return switchOff(i, "tx-udp-segmentation") }

func switchOff(i *net.Interface, features ...string) error {
	args := []string{"-K", i.Name}
	for _, f := range features {
		args = append(args, f, "off")
	}
	if out, err := exec.Command("ethtool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ethtool %s: %w: %s", args, err, out)
	}
	return nil
}

// fileFrames are the frames that a file of the same events has.
func fileFrames(t testing.TB, query string) (frames [][]byte) {
	name := filepath.Join(t.TempDir(), "want.pcap")
	u := &url.URL{Scheme: "file", Path: name}
	if strings.HasPrefix(query, "mss") {
		u.RawQuery = strings.Replace(query, "&gso=on", "", 1)
	}
	target, err := file.Open(t.Context(), u, file.Options{}, new(targettest.Env))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(target.Send(t.Context(), targettest.Events(200, 10_000)), target.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for b = b[24:]; len(b) > 0; {
		n := 16 + int(b[8]) + int(b[9])<<8
		frames = append(frames, b[16:n])
		b = b[n:]
	}
	return frames
}

func TestPacketsAreSentAsTheyAre(t *testing.T) {
	inNamespace(t, func(left, right *net.Interface) {
		fd := listen(t, right)
		defer unix.Close(fd)
		env := new(targettest.Env)
		target, err := Open(t.Context(), &url.URL{Scheme: "iface", Opaque: left.Name}, Options{}, env)
		if err != nil {
			t.Error(err)
			return
		}
		frame := append([]byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 0x88, 0xb5}, bytes.Repeat([]byte("x"), 100)...)
		raw := append([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, bytes.Repeat([]byte{0}, 30)...)
		b := &packet.Batch{Packets: []packet.Packet{
			{Data: frame, Link: packet.LinkEthernet, TimeNS: 5, Length: uint32(len(frame))},
			{Data: raw, Link: packet.LinkRaw, TimeNS: 6, Length: uint32(len(raw))},
			{Data: frame, Link: packet.LinkWiFi, TimeNS: 7, Length: uint32(len(frame))},
			{Data: make([]byte, 3000), Link: packet.LinkEthernet, TimeNS: 8, Length: 3000},
		}}
		if err := errors.Join(target.(replay.PacketTarget).SendPackets(t.Context(), b, 0), target.Close(t.Context())); err != nil {
			t.Error(err)
		}
		want := [][]byte{frame, append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0}, raw...)}
		buf := make([]byte, 1<<16)
		for len(want) > 0 {
			k, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				t.Errorf("%d frames did not arrive", len(want))
				return
			}
			if buf[12] == 0x86 {
				continue
			}
			if !bytes.Equal(buf[:k], want[0]) {
				t.Errorf("got % x, want % x", buf[:k], want[0])
			}
			want = want[1:]
		}
		for _, name := range []string{"packets_left_out_link_type", "packets_left_out_too_large"} {
			if env.Counted(name) != 1 {
				t.Errorf("%s is %d, want 1", name, env.Counted(name))
			}
		}
	})
}

// A sumEnv waits for nothing and counts packets.
type sumEnv struct {
	targettest.FreeEnv
	packets int64
}

func (e *sumEnv) Count(name string, n int64) {
	if name == "packets" {
		e.packets += n
	}
}

// The same pairs over a cable: raw, in VXLAN, and by tcpreplay from a file of them.
func BenchmarkVeth(b *testing.B) {
	raw := func(o Options) func(replay.Env) (replay.Target, error) {
		return func(env replay.Env) (replay.Target, error) {
			return Open(b.Context(), &url.URL{Scheme: "iface", Opaque: "left"}, o, env)
		}
	}
	overVXLAN := func(o vxlan.Options) func(replay.Env) (replay.Target, error) {
		o.MTU = 1550
		return func(env replay.Env) (replay.Target, error) { return overVXLAN(b.Context(), env, o) }
	}
	for _, bench := range []struct {
		name   string
		divide func(*net.Interface) error // nil: as a cable is made
		open   func(replay.Env) (replay.Target, error)
	}{
		{"raw", nil, raw(Options{})},
		{"raw, no qdisc", nil, raw(Options{Bypass: true})},
		{"raw, segmented by the interface", nil, raw(Options{Segment: true})},
		{"raw, segmented by the kernel", divideHere, raw(Options{Segment: true})},
		// For receivers that sniff, as ingestors of mirrored traffic do, and for those with sockets.
		{"vxlan", nil, overVXLAN(vxlan.Options{})},
		{"vxlan, gso=on", nil, overVXLAN(vxlan.Options{GSO: true})},
		{"vxlan, divided by the kernel", divideUDPHere, overVXLAN(vxlan.Options{})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			if bench.divide != nil {
				needEthtool(b)
			}
			inNamespace(b, func(left, _ *net.Interface) {
				if bench.divide != nil {
					if err := bench.divide(left); err != nil {
						b.Error(err)
						return
					}
				}
				env := &sumEnv{FreeEnv: targettest.FreeEnv{Began: time.Now()}}
				target, err := bench.open(env)
				if err != nil {
					b.Error(err)
					return
				}
				events := targettest.Events(200, 40_000)
				loop := uint32(0)
				used := targettest.CPU(b, unix.RUSAGE_THREAD)
				for b.Loop() {
					for i := range events {
						events[i].Loop, events[i].At = loop, time.Duration(loop)*time.Second
					}
					loop++
					if err := target.Send(b.Context(), events); err != nil {
						b.Error(err)
						return
					}
				}
				took := time.Since(env.Began)
				b.ReportMetric(float64(targettest.CPU(b, unix.RUSAGE_THREAD)-used)/float64(env.packets), "cpu-ns/packet")
				if err := target.Close(context.Background()); err != nil || env.Refused.Load() > 0 {
					b.Error(err, env.Refused.Load())
				}
				b.ReportMetric(float64(env.packets)/took.Seconds(), "packets/s")
			})
		})
	}
	b.Run("tcpreplay", func(b *testing.B) {
		tcpreplay, err := exec.LookPath("tcpreplay")
		if err != nil {
			b.Skip("SKIPPED: no tcpreplay here; `apt-get install tcpreplay` to compare with it")
		}
		name := filepath.Join(b.TempDir(), "x.pcap")
		target, err := file.Open(b.Context(), &url.URL{Scheme: "file", Path: name}, file.Options{}, new(targettest.Env))
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(target.Send(b.Context(), targettest.Events(200, 40_000)), target.Close(b.Context())); err != nil {
			b.Fatal(err)
		}
		inNamespace(b, func(left, _ *net.Interface) {
			for b.Loop() {
				cmd := exec.Command(tcpreplay, "--preload-pcap", "--topspeed", "--loop=60", "-i", left.Name, name)
				out, err := cmd.CombinedOutput()
				rate := regexp.MustCompile(`([\d.]+) pps`).FindSubmatch(out)
				count := regexp.MustCompile(`Actual: (\d+) packets`).FindSubmatch(out)
				if err != nil || rate == nil || count == nil {
					b.Errorf("%v: %s", err, out)
					return
				}
				pps, _ := strconv.ParseFloat(string(rate[1]), 64)
				n, _ := strconv.ParseFloat(string(count[1]), 64)
				b.ReportMetric(float64(cmd.ProcessState.SystemTime()+cmd.ProcessState.UserTime())/n, "cpu-ns/packet")
				b.ReportMetric(pps, "packets/s")
			}
		})
	})
}

// The interface keeps the promises of all targets, on any number of lanes.
func TestConformance(t *testing.T) {
	for _, query := range []string{"", "lanes=1", "lanes=5&qdisc=bypass"} {
		t.Run(query, func(t *testing.T) {
			inNamespace(t, func(left, _ *net.Interface) {
				// Subtests run on other threads; what needs the network of this one is done here.
				jobs := make(chan func())
				go func() {
					defer close(jobs)
					targettest.Run(t, "", func(ctx context.Context, env replay.Env) (target replay.Target, err error) {
						done := make(chan struct{})
						jobs <- func() {
							defer close(done)
							target, err = Open(ctx, &url.URL{Scheme: "iface", Opaque: left.Name, RawQuery: query}, Options{}, env)
						}
						<-done
						return target, err
					})
				}()
				for job := range jobs {
					job()
				}
			})
		})
	}
}

// Side by side or not, each conversation keeps its order and nothing is missing.
func TestLanesKeepTheOrderOfConversations(t *testing.T) {
	inNamespace(t, func(left, right *net.Interface) {
		fd := listen(t, right)
		defer unix.Close(fd)
		env := new(targettest.Env)
		target, err := Open(t.Context(), &url.URL{Scheme: "iface", Opaque: left.Name, RawQuery: "lanes=4"}, Options{}, env)
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(target.Send(t.Context(), targettest.Events(40, 20_000)), target.Close(t.Context())); err != nil {
			t.Error(err)
			return
		}
		next := map[string]uint32{} // by direction of a conversation: the sequence number that must follow
		data := 0
		buf := make([]byte, 65536)
		for {
			n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			if err != nil {
				break
			}
			b := buf[:n]
			if n < 54 || b[12] != 8 || b[13] != 0 || b[23] != unix.IPPROTO_TCP {
				continue
			}
			key, seq := string(b[26:38]), binary.BigEndian.Uint32(b[38:])
			size := int(binary.BigEndian.Uint16(b[16:])) - 20 - int(b[46]>>4)*4
			if want, known := next[key]; known && seq != want && size > 1 {
				t.Errorf("conversation %x goes on at %d, want %d", key, seq, want)
				return
			}
			flags := b[47]
			if flags&3 != 0 { // SYN and FIN take a number
				size++
			}
			if size > 0 {
				next[key] = seq + uint32(size)
			}
			data += max(0, size)
		}
		if data < 40*20_000 {
			t.Errorf("%d bytes arrived, want at least %d", data, 40*20_000)
		}
	})
}

// overVXLAN opens a target behind the veth pair. Its packets are for the address of another station, as those
// of all others here: the end that gets them drops them at once, and does not look for a route of its own.
func overVXLAN(ctx context.Context, env replay.Env, o vxlan.Options) (replay.Target, error) {
	for _, args := range []string{"addr add 192.168.77.1/24 dev left", "link set left mtu 1550", "link set right mtu 1550",
		"neigh add 192.168.77.2 dev left lladdr 02:00:00:00:77:02"} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return vxlan.Open(ctx, &url.URL{Scheme: "vxlan", Host: "192.168.77.2"}, o, env)
}
