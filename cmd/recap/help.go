package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootHelp = `Recap reads stored network captures and gives back every HTTP request/response pair.

Three promises:
  Nothing is lost silently: every packet and every payload byte has a recorded disposition.
  Nothing is invented: a gap, a cut, a guess is marked where it is.
  The same bytes out: output files depend on the input and the options only.

Exit codes:
  0  complete (an unanswered request or a start in mid-stream is no damage)
  1  failure or wrong usage
  3  complete, but some input was cut, corrupt, missing from a stream, or met a limit
  4  an output could not be written
  5  interrupted; a partial manifest was written
  6  replay was refused by a safety rule
  7  replay missed a limit`

const rootExamples = `  recap info capture.pcap
  recap extract capture.pcap
  recap extract -f jsonl -o - captures/ | jq .request.url
  recap extract --where 'response.status >= 500' -o failures 'mirror-*.pcap.gz'`

// limitGroup marks the flags that --help lists as limits.
const limitGroup = "recap limit"

// printUsage writes the part of --help below the description: as cobra's own, but
// wrapped, and limits apart from the other flags.
func printUsage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n  %s\n", usageLine(cmd))
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-*s  %s\n", cmd.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	flags, limits := pflag.NewFlagSet("", 0), pflag.NewFlagSet("", 0)
	flags.SortFlags, limits.SortFlags = false, false
	cmd.LocalFlags().SortFlags = cmd.Flags().SortFlags
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if _, isLimit := f.Annotations[limitGroup]; isLimit {
			limits.AddFlag(f)
		} else {
			flags.AddFlag(f)
		}
	})
	if flags.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", flags.FlagUsagesWrapped(sheetWidth))
	}
	if limits.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nLimits (SIZE is bytes, or as in 16MiB, 64KB; whatever meets a limit is recorded):\n%s", limits.FlagUsagesWrapped(sheetWidth))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help tells more about a command.\n", cmd.CommandPath())
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

func usageLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return "recap COMMAND [flags] ..."
	}
	return cmd.UseLine()
}
