package main

import (
	"fmt"
	"io"
	"path/filepath"

	"recap/export"
)

// verified tells what verify found and returns the exit code for it.
func (u *ui) verified(dir string, m *export.Manifest, checks []check, unlisted []string) error {
	good := map[string]int{}
	total := map[string]int{}
	code := exitOK
	for _, c := range checks {
		total[c.kind]++
		switch {
		case c.err == nil:
			good[c.kind]++
		case c.bad:
			u.errorf("%s %s: %v", c.kind, c.name, c.err)
			code = exitFailure
		default:
			u.warnf("%s %s: not checked: %v", c.kind, c.name, c.err)
			if code == exitOK {
				code = exitIncomplete
			}
		}
	}
	for i, name := range unlisted {
		if i == shownSkipped && len(unlisted) > i+1 {
			u.warnf("%s that the manifest does not list", many(len(unlisted)-i, "more file", "more files"))
			break
		}
		u.warnf("%s is not in the manifest", filepath.Join(dir, name))
	}
	var t sheet
	t.row("outputs", fmt.Sprintf("%s of %s as in the manifest", count(good["output"]), count(total["output"])))
	t.row("inputs", fmt.Sprintf("%s of %s as in the manifest", count(good["input"]), count(total["input"])))
	if m.Ledger.Ledger != nil {
		ledgerRows(&t, m.Ledger.Ledger)
	}
	switch {
	case m.Interrupted:
		t.row("extract", "was interrupted: the outputs are partial")
	case !m.Complete:
		t.row("extract", "met damage or a limit; the manifest tells where")
	}
	io.WriteString(u.out, t.b.String())
	if code == exitOK {
		return nil
	}
	return &failure{code: code}
}
