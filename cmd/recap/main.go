// Recap reads stored network captures and gives back every HTTP request/response
// pair, with proof of what was and was not seen.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the work in good order. From then on signals act as
	// they do without us: the second one kills.
	context.AfterFunc(ctx, stop)

	u := &ui{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	err := newRoot(u).ExecuteContext(ctx)
	if err != nil {
		u.fail(err)
	}
	return exitCode(err)
}

func newRoot(u *ui) *cobra.Command {
	root := &cobra.Command{
		Use:           "recap",
		Short:         "HTTP request/response pairs out of network captures",
		Long:          rootHelp,
		Example:       rootExamples,
		Version:       versionText(),
		SilenceErrors: true, // messages.go prints them
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errNoCommand()
			}
			return errUnknownCommand(args[0], cmd.SuggestionsFor(args[0]))
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if !cmd.HasParent() && cmd.Flags().NArg() > 0 {
			// The flags belong to a command that there is not.
			return errUnknownCommand(cmd.Flags().Arg(0), cmd.SuggestionsFor(cmd.Flags().Arg(0)))
		}
		return errFlag(cmd.CommandPath(), err)
	})
	root.SetUsageFunc(printUsage)
	root.SetIn(u.in)
	root.SetOut(u.out)
	root.SetErr(u.err)
	root.AddCommand(newExtract(u), newInfo(u), newSlice(u), newReplay(u), newReport(u), newVerify(u), newMerge(u), newSink(u), newVersion(u))
	root.InitDefaultCompletionCmd()
	if shells, _, err := root.Find([]string{"completion"}); err == nil {
		shells.Short = "Print the script that completes recap in a shell"
		shells.RunE = func(cmd *cobra.Command, _ []string) error { return errShell(cmd.CommandPath()) }
		shells.Args = cobra.ArbitraryArgs
	}
	return root
}

// oneDir returns what a command does that takes one DIR and nothing else.
func oneDir(run func(ctx context.Context, dir string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return errTooMany(cmd.CommandPath(), "one DIR")
		}
		return run(cmd.Context(), args[0])
	}
}
