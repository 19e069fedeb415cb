package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// toolVersion goes into every manifest.
const toolVersion = "0.1.0"

func newVersion(u *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of recap and what it was built with",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errTooMany(cmd.CommandPath(), "no arguments")
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(u.out, versionText())
			return err
		},
	}
}

// versionText names the tool, the source revision, the compiler and the platform.
func versionText() string {
	text := "recap " + toolVersion
	if revision := sourceRevision(); revision != "" {
		text += " " + revision
	}
	return text + " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

// sourceRevision is the commit that recap was built from, where the build
// recorded one; "+" after it stands for changes.
func sourceRevision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + changed
}
