package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Fingerprint identifies what a table's state means: two tables with one fingerprint can go on
// from each other's state, two with different ones cannot. It follows the bound definition, so
// formatting, aliases and the case of keywords do not change it.
//
// Left out is what only a reader sees (HAVING, the SELECT list, names), what only decides which
// later records are rows (the columns and their checks, the format, delay, max_ahead, bad_data, ...),
// so that a corrected file can go on, and the pane, which follows the metrics on the table and is
// recorded beside the state by those who cut it.
func Fingerprint(t *Table) string {
	if t.fingerprint != "" {
		return t.fingerprint
	}
	var w strings.Builder
	s := t.Stream
	line := func(what string, v any) { fmt.Fprintf(&w, "%s %v\n", what, v) }
	line("topic", s.Options.Topic)
	line("time", timeOf(s))
	if t.Where != nil {
		line("where", t.Where)
	}
	for _, k := range t.Keys {
		line("key", fmt.Sprintf("%s %s", k.Expr, k.Expr.Type()))
	}
	for _, a := range t.Aggs {
		line("aggregate", fmt.Sprintf("%s %s", a, a.Type))
	}
	line("window", windowText(t.Window))
	return shortHash(w.String())
}

// timeOf names what gives the stream's rows their time.
func timeOf(s *Stream) string {
	if s.TimeColumn < 0 {
		return "rowtime"
	}
	return fmt.Sprintf("%q", s.Columns[s.TimeColumn].Name)
}

// MetricFingerprint identifies what a metric's results mean: its statement and, where it reads a
// table, the table's, HAVING and SELECT list with it.
func MetricFingerprint(m *Metric) string {
	if m.fingerprint != "" {
		return m.fingerprint
	}
	return shortHash(m.Text + "\n" + m.Read.Table.Text)
}

// noteFingerprints keeps the fingerprints of a finished plan: every look into a store compares them.
func (p *Plan) noteFingerprints() {
	for _, t := range p.Tables {
		t.fingerprint = Fingerprint(t)
	}
	for _, m := range p.Metrics {
		m.fingerprint = MetricFingerprint(m)
	}
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}
