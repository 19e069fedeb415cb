package main

import (
	"os"
	"runtime"
	"runtime/pprof"

	"github.com/spf13/pflag"
)

// profiles are the hidden flags for those who make recap faster.
type profiles struct{ cpu, mem string }

func (p *profiles) register(f *pflag.FlagSet) {
	f.StringVar(&p.cpu, "cpuprofile", "", "write a CPU profile to `FILE`")
	f.StringVar(&p.mem, "memprofile", "", "write a heap profile to `FILE`")
	_ = f.MarkHidden("cpuprofile")
	_ = f.MarkHidden("memprofile")
}

// start begins profiling; stop ends it and writes what there is to write.
func (p *profiles) start() (stop func() error, err error) {
	var cpu *os.File
	if p.cpu != "" {
		if cpu, err = os.Create(p.cpu); err != nil {
			return nil, errProfile(err)
		}
		if err = pprof.StartCPUProfile(cpu); err != nil {
			cpu.Close()
			return nil, errProfile(err)
		}
	}
	return func() error {
		if cpu != nil {
			pprof.StopCPUProfile()
			if err := cpu.Close(); err != nil {
				return errProfile(err)
			}
		}
		if p.mem == "" {
			return nil
		}
		mem, err := os.Create(p.mem)
		if err != nil {
			return errProfile(err)
		}
		defer mem.Close()
		runtime.GC() // so that the profile shows what is in use
		if err := pprof.Lookup("allocs").WriteTo(mem, 0); err != nil {
			return errProfile(err)
		}
		return nil
	}, nil
}

// around profiles f.
func (p *profiles) around(f func() error) error {
	stop, err := p.start()
	if err != nil {
		return err
	}
	err = f()
	if stopped := stop(); err == nil {
		err = stopped
	}
	return err
}
