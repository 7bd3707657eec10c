package main

import (
	"fmt"

	"penstock/query/plan"
	"penstock/storage"
)

// A process that may open no more files is half dead: its store cannot read, its clients cannot
// connect, and what they say of it names neither. So the limit is looked at before anything begins. Go
// has raised the soft limit to the hard one by then.

// How many files the parts of a process have open together at the most, with some to spare: the store's
// tables, a connection to each of three brokers for each of the clients of a stage, and for a broker
// the other ends of the connections and the files of its topics.
const (
	filesOfEngine = 128
	filesOfStream = 32
	filesOfBroker = 128
)

// needFiles refuses to begin when the process may open fewer files than it will need.
func needFiles(what string, need int) error {
	limit, known := storage.OpenFiles()
	if !known || limit >= uint64(need) {
		return nil
	}
	return (&failure{code: exitFailed, text: fmt.Sprintf("%s needs %d open files, and this process may have %d", what, need, limit)}).
		hint("raise the limit: ulimit -n %d, or LimitNOFILE=%d for a service of systemd", need, need)
}

// needFiles is needFiles for a run.
func (o *runOptions) needFiles(p *plan.Plan) error {
	what, need := "a run of "+o.file, filesOfEngine+filesOfStream*len(p.Streams)
	if len(o.brokers) == 0 {
		what, need = what+" with a broker", need+filesOfBroker
	}
	return needFiles(what, need)
}
