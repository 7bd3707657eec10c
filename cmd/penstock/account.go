package main

import (
	"fmt"
	"strings"

	"penstock/engine"
	"penstock/engine/core"
	"penstock/engine/reference"
	"penstock/query/plan"
)

// account says what became of the records of a stream, and in each table that reads it of the
// decoded ones. The sums are the engine's promise: read = decoded + bad, and per table
// decoded = applied + filtered + late + failed.
func account(stream string, t core.Tally, tables []string) string {
	lines := []string{fmt.Sprintf("%s: read %s = decoded %s + bad %s",
		stream, thousands(t.Read), thousands(t.Decoded), thousands(t.Bad))}
	for i, name := range tables {
		var x core.TableTally
		if i < len(t.Tables) {
			x = t.Tables[i]
		}
		lines = append(lines, fmt.Sprintf("  %s: decoded %s = applied %s + filtered %s + late %s + failed %s", tableName(name),
			thousands(t.Decoded), thousands(x.Applied), thousands(x.Filtered), thousands(x.Late), thousands(x.Failed)))
	}
	return strings.Join(lines, "\n")
}

// tableName is the name of a table as a person knows it: that of the metric for a hidden one.
func tableName(name string) string { return strings.TrimPrefix(name, "$") }

// streamAccount is the account of a stream that the engine reads, over the partitions read here.
func streamAccount(s engine.StreamStatus) string {
	if len(s.Partitions)+len(s.Before) == 0 {
		return s.Stream + ": nothing was read here"
	}
	return account(s.Stream, s.Tally(), s.Tables)
}

// evalAccount is the account of a stream that was evaluated over one partition.
func evalAccount(s *plan.Stream, p *plan.Plan, e *reference.Evaluator) string {
	got := e.Tally(s.Name, 0)
	t := core.Tally{Read: got.Read, Decoded: got.Decoded, Bad: got.Bad}
	tables := tablesOf(p, s)
	for _, name := range tables {
		x := got.Tables[name]
		t.Tables = append(t.Tables, core.TableTally{Applied: x.Applied, Filtered: x.Filtered, Late: x.Late, Failed: x.Failed})
	}
	return account(s.Name, t, tables)
}

// tablesOf names the tables that read a stream, in the order of their tallies.
func tablesOf(p *plan.Plan, s *plan.Stream) (names []string) {
	for _, t := range core.TablesOf(p, s) {
		names = append(names, t.Name)
	}
	return names
}
