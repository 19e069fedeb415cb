package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/pflag"

	"recap/pipeline/tls"
)

// keylogs are the names of key logs.
type keylogs []string

func (k *keylogs) register(f *pflag.FlagSet) {
	f.StringArrayVar((*[]string)(k), "keylog", nil, "TLS key log `FILE` (NSS format); repeatable. Keys inside a pcapng are used too")
}

// read reads the key logs; nil without any. What is odd about them is told to u.
func (k keylogs) read(u *ui) (*tls.Keys, error) {
	if len(k) == 0 {
		return nil, nil
	}
	keys := new(tls.Keys)
	for _, name := range k {
		before := keys.Stats()
		if err := readKeylog(u, name, keys); err != nil {
			return nil, errKeylog(name, err)
		}
		after := keys.Stats()
		if bad := after.Malformed - before.Malformed; bad > 0 {
			u.warnKeylogLines(name, bad)
		}
		if lost := after.Dropped - before.Dropped; lost > 0 {
			u.warnKeylogFull(name, lost)
		}
	}
	return keys, nil
}

func readKeylog(u *ui, name string, keys *tls.Keys) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a directory")
	}
	if mode := info.Mode(); mode.IsRegular() && mode&0o044 != 0 {
		u.warnKeylogMode(name, mode.Perm())
	}
	_, err = io.Copy(keys, f)
	keys.Flush()
	return err
}
