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
// later rows are taken (delay, max_ahead, bad_data, ...), and the pane, which follows the
// metrics on the table and is recorded beside the state by those who cut it.
func Fingerprint(t *Table) string {
	var w strings.Builder
	s := t.Stream
	o := s.Options
	line := func(what string, v any) { fmt.Fprintf(&w, "%s %v\n", what, v) }
	line("topic", o.Topic)
	line("format", fmt.Sprintf("%s %q %v %q %q %q", o.Format, o.Delimiter, o.Header, o.Null, o.TimestampFormat, o.Timezone))
	for _, c := range s.Columns {
		line("column", fmt.Sprintf("%q %s", c.Name, c.Type))
	}
	for _, c := range s.Checks {
		line("check", c.Cond)
	}
	line("time", s.TimeColumn)
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
	sum := sha256.Sum256([]byte(w.String()))
	return hex.EncodeToString(sum[:16])
}
