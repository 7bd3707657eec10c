package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(execute(newApp(), os.Args[1:])) }

// execute runs one command line and returns the exit code.
func execute(a *app, args []string) int {
	ctx, stop := a.interruptible(context.Background())
	defer stop()
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return a.report(ctx, root.ExecuteContext(ctx))
}

// commands is the table of commands, in the order in which help shows them.
var commands = []struct {
	group string
	make  func(*app) *cobra.Command
}{
	{"run", newDemo},
	{"run", newRun},
	{"run", newRepl},
	{"run", newStatus},
	{"run", newAudit},
	{"run", newRejects},
	{"run", newReplayRejects},
	{"run", newReset},
	{"files", newCheck},
	{"files", newFmt},
	{"files", newExplain},
	{"files", newTest},
	{"files", newEval},
	{"orders", newGen},
	{"orders", newProduce},
	{"orders", newTail},
	{"orders", newTopics},
	{"orders", newBroker},
	{"other", newConfig},
	{"other", newVersion},
	{"other", newCompletion},
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "penstock",
		Short: "Streaming SQL over Apache Kafka, with exact results",
		Long: `penstock runs a file of SQL over Apache Kafka: streams go in, tables of state are kept,
metrics come out on a topic, each interval exactly once.

Every flag can also be set in the environment (--state-dir is PENSTOCK_STATE_DIR) or in a file,
` + settingsFile + `: penstock config shows what is set, and by what.`,
		Example: `  penstock demo
  penstock help run`,
		Args:              knownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
		SilenceErrors:     true,
		SilenceUsage:      true,
		Version:           versionLine(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run queries:"},
		&cobra.Group{ID: "files", Title: "Work on query files:"},
		&cobra.Group{ID: "orders", Title: "Topics and examples:"},
		&cobra.Group{ID: "other", Title: "Other:"},
	)
	root.SetHelpCommand(newHelp(a))
	root.SetHelpCommandGroupID("other")
	a.addFlags(root.PersistentFlags())
	for _, c := range commands {
		cmd := c.make(a)
		cmd.GroupID = c.group
		root.AddCommand(cmd)
	}
	return root
}
