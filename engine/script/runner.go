package script

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"penstock/query/plan"
	"penstock/query/syntax"
)

// Options say how tests run. The zero value runs all of them in this process.
type Options struct {
	Run *regexp.Regexp // names of the tests to run; nil: all
	Circumstances
	// Judge compares every expectation with the plain evaluator as well.
	Judge bool
	// Brokers run the tests through Kafka instead of in this process; see KafkaOptions.
	Kafka *KafkaOptions

	after func(*run) // sees a run behind its last command, before the target closes
}

// open makes the target of a test.
func (o *Options) open(ctx context.Context, p *plan.Plan, s *settings) (target, error) {
	if o.Kafka != nil {
		return newKafkaTarget(ctx, p, s, o)
	}
	return newLocalTarget(p, s, o.Circumstances)
}

func (o *Options) read(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}

// RunFile runs the tests of a file, and calls each with every result. The error is a *Fault when
// the file is faulty; nothing runs then.
func RunFile(ctx context.Context, path, text string, o Options, each func(*Result)) error {
	f, diags := Parse(path, text)
	if syntax.HasErrors(diags) {
		return &Fault{path, text, diags}
	}
	for _, t := range f.Tests {
		if o.Run != nil && !o.Run.MatchString(t.Name) {
			continue
		}
		each(runTest(ctx, t, &o))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Find lists the test files that arguments name: files, folders, and folders with all below them
// as dir/... ; without arguments those of the current folder. They are in order, each once.
func Find(args []string) ([]string, error) {
	if len(args) == 0 {
		args = []string{"."}
	}
	var list []string
	for _, a := range args {
		dir, all := strings.CutSuffix(a, "...")
		if all {
			if dir = strings.TrimSuffix(dir, "/"); dir == "" {
				dir = "."
			}
		}
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			return nil, fmt.Errorf("open %s: %w", a, plain(err))
		case !info.IsDir() && strings.HasSuffix(dir, ".sql"):
			list = append(list, strings.TrimSuffix(dir, ".sql")+Extension)
		case !info.IsDir():
			list = append(list, dir)
		default:
			found, err := inFolder(dir, all)
			if err != nil {
				return nil, err
			}
			list = append(list, found...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func inFolder(dir string, all bool) (list []string, err error) {
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != dir && (!all || strings.HasPrefix(e.Name(), ".")):
			return filepath.SkipDir
		case !e.IsDir() && strings.HasSuffix(path, Extension):
			list = append(list, path)
		}
		return nil
	})
	return list, err
}

// plain is an error of os without the operation and the path.
func plain(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}
