package plan

import (
	"fmt"
	"strings"
	"time"
)

// Definitions is what the tables and metrics of an application mean, as its first process wrote it
// down: name -> fingerprint. A later query file may leave some out and bring streams of its own;
// what it shares has to mean the same.
type Definitions struct {
	Streams []string          `json:"streams"`
	Tables  map[string]string `json:"tables"`
	Panes   map[string]int64  `json:"panes"` // of the tables, microseconds
	Metrics map[string]string `json:"metrics"`
}

// DefinitionsOf returns those of a plan.
func DefinitionsOf(p *Plan) Definitions {
	d := Definitions{Tables: map[string]string{}, Panes: map[string]int64{}, Metrics: map[string]string{}}
	for _, s := range p.Streams {
		d.Streams = append(d.Streams, s.Name)
	}
	for _, t := range p.Tables {
		d.Tables[t.Name], d.Panes[t.Name] = Fingerprint(t), t.Pane.Microseconds()
	}
	for _, m := range p.Metrics {
		d.Metrics[m.Name] = MetricFingerprint(m)
	}
	return d
}

// Accept returns an error, in words for people, when a plan cannot go on from what an application
// with these definitions has made.
func (d Definitions) Accept(p *Plan) error {
	reads := map[string]bool{}
	for _, s := range d.Streams {
		reads[s] = true
	}
	for _, t := range p.Tables {
		was, known := d.Tables[t.Name]
		switch {
		case known && was != Fingerprint(t):
			return ChangedError(t.ShownName())
		case known && d.Panes[t.Name] != t.Pane.Microseconds():
			return PaneError(t, d.Panes[t.Name])
		case !known && reads[t.Stream.Name]:
			return AddedError(t.ShownName(), "stream "+t.Stream.Name+" is already being read")
		}
	}
	for _, m := range p.Metrics {
		was, known := d.Metrics[m.Name]
		switch {
		case known && was != MetricFingerprint(m):
			return ChangedError("metric " + m.Name)
		case !known && reads[m.Read.Table.Stream.Name]:
			return AddedError("metric "+m.Name, m.Read.Table.ShownName()+" already has rows")
		}
	}
	return nil
}

// ShownName is what people know the table by: a hidden one by its metric.
func (t *Table) ShownName() string {
	if t.Hidden {
		return "metric " + strings.TrimPrefix(t.Name, "$")
	}
	return "table " + t.Name
}

// ChangedError says that something means another thing than the state that an application has of it.
func ChangedError(what string) error {
	return fmt.Errorf("%s is defined otherwise than when this application began, and what it holds was made by the old definition; "+
		"put that back, or run the changed file under another --app, which reads its topics from their start", what)
}

// PaneError says that a table was kept in panes (microseconds) which its metrics no longer fit.
func PaneError(t *Table, was int64) error {
	return fmt.Errorf("%s was kept in panes of %s, and its metrics now ask for %s; put the old intervals back, "+
		"or run the changed file under another --app, which reads its topics from their start",
		t.ShownName(), time.Duration(was)*time.Microsecond, t.Pane)
}

// AddedError says that an application has already read what something new would need.
func AddedError(what, because string) error {
	return fmt.Errorf("%s is new, and %s; run the file under another --app, which reads its topics from their start "+
		"(both can run until the new one has caught up)", what, because)
}
