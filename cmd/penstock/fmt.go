package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"penstock/query/syntax"
)

type fmtOptions struct{ diff, list, write bool }

func newFmt(a *app) *cobra.Command {
	var o fmtOptions
	cmd := &cobra.Command{
		Use:   "fmt FILE...",
		Short: "Lay out query files in the one canonical way",
		Long: `Lay out query files in the one canonical way, on stdout unless a flag says otherwise. Comments
stay. With -l or -d the exit code is 6 when a file is not laid out like that already.`,
		Example: `  penstock fmt -w examples/*/*.sql
  penstock fmt -d examples/orders/orders.sql`,
		Args: arguments(1, -1, "one file or more"),
		RunE: func(_ *cobra.Command, files []string) error { return a.format(files, o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.diff, "diff", "d", false, "show what would change")
	f.BoolVarP(&o.list, "list", "l", false, "list the files that would change")
	f.BoolVarP(&o.write, "write", "w", false, "write the files")
	return cmd
}

// format lays out every file, also when one before it is invalid.
func (a *app) format(files []string, o fmtOptions) error {
	invalid, different := false, false
	for _, file := range files {
		text, err := a.readFile(file)
		if err != nil {
			return err
		}
		after, diags := syntax.Format(text)
		if syntax.HasErrors(diags) {
			a.showDiagnostics(file, text, diags)
			invalid = true
			continue
		}
		different = different || after != text
		if err := a.formatted(file, text, after, o); err != nil {
			return err
		}
	}
	switch {
	case invalid:
		return errSilent(exitInvalid)
	case different && (o.list || o.diff) && !o.write:
		return errSilent(exitDifferent)
	}
	return nil
}

// formatted does with one file what the flags ask for.
func (a *app) formatted(file, before, after string, o fmtOptions) error {
	if !o.list && !o.diff && !o.write {
		_, err := fmt.Fprint(a.stdout, after)
		return err
	}
	if before == after {
		return nil
	}
	if o.list {
		fmt.Fprintln(a.stdout, file)
	}
	if o.diff {
		a.stdout.Write(diff.Diff(file+".orig", []byte(before), file, []byte(after)))
	}
	if o.write {
		if file == "-" {
			return usage("-w cannot write to stdin")
		}
		return replaceFile(file, after)
	}
	return nil
}

// replaceFile writes a file beside the old one and renames it, so that there is always a whole one.
func replaceFile(file, text string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, plainPathError(err))
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", file, plainPathError(err))
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(text)
	if chmod := tmp.Chmod(info.Mode().Perm()); err == nil {
		err = chmod
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, plainPathError(err))
	}
	return nil
}
