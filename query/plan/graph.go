package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Graph is what a plan reads and makes: streams feed tables, tables feed metrics.
type Graph struct {
	Nodes []GraphNode `json:"nodes"`
	Edges []GraphEdge `json:"edges"`
}

// GraphNode is a stream, a table or a metric. Explain is its operator tree as text.
type GraphNode struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // stream, table, metric
	Topic   string   `json:"topic,omitempty"`
	Detail  []string `json:"detail"` // what there is to say about it in a few words
	Explain string   `json:"explain,omitempty"`
}

// GraphEdge says that To reads From.
type GraphEdge struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Graph is the plan as a graph; with a name, that stream, table or metric with all that it is made
// from and all that is made from it. ok is false for an unknown name.
func (p *Plan) Graph(name string) (g Graph, ok bool) {
	g = Graph{Nodes: []GraphNode{}, Edges: []GraphEdge{}}
	for _, s := range p.Streams {
		g.Nodes = append(g.Nodes, GraphNode{Name: s.Name, Kind: "stream", Topic: s.Options.Topic, Explain: p.Explain(s.Name),
			Detail: []string{"topic " + s.Options.Topic + ", " + s.Options.Format}})
	}
	for _, t := range p.Tables {
		n := GraphNode{Name: t.Name, Kind: "table", Explain: p.Explain(t.Name), Detail: []string{"key: " + keyText(t.Keys), "window: " + windowText(t.Window)}}
		if t.Where != nil {
			n.Detail = slices.Insert(n.Detail, 0, "filter "+t.Where.String())
		}
		g.Nodes = append(g.Nodes, n)
		g.Edges = append(g.Edges, GraphEdge{t.Stream.Name, t.Name})
	}
	for _, m := range p.Metrics {
		g.Nodes = append(g.Nodes, GraphNode{Name: m.Name, Kind: "metric", Topic: m.Topic, Explain: p.Explain(m.Name),
			Detail: []string{emitText(m), "topic " + m.Topic}})
		g.Edges = append(g.Edges, GraphEdge{m.Read.Table.Name, m.Name})
	}
	if name == "" {
		return g, true
	}
	i := slices.IndexFunc(g.Nodes, func(n GraphNode) bool { return strings.EqualFold(n.Name, name) })
	if i < 0 {
		return g, false
	}
	return g.around(g.Nodes[i].Name), true
}

// around is what a node is made from, and what is made from it.
func (g Graph) around(name string) Graph {
	keep := map[string]bool{name: true}
	follow := func(step func(GraphEdge) (from, to string)) {
		reached := []string{name}
		for len(reached) > 0 {
			at := reached[0]
			reached = reached[1:]
			for _, e := range g.Edges {
				if from, to := step(e); from == at && !keep[to] {
					keep[to] = true
					reached = append(reached, to)
				}
			}
		}
	}
	follow(func(e GraphEdge) (from, to string) { return e.From, e.To })
	follow(func(e GraphEdge) (from, to string) { return e.To, e.From })
	g.Nodes = slices.DeleteFunc(g.Nodes, func(n GraphNode) bool { return !keep[n.Name] })
	g.Edges = slices.DeleteFunc(g.Edges, func(e GraphEdge) bool { return !keep[e.From] || !keep[e.To] })
	return g
}

// shapes of the nodes: in dot, and what stands around a label in mermaid.
var shapes = map[string]struct{ dot, open, close string }{
	"stream": {"cds", "[/", "/]"}, "table": {"cylinder", "[(", ")]"}, "metric": {"box", "[", "]"},
}

// Dot is the graph in the language of Graphviz.
func (g Graph) Dot() string {
	var b strings.Builder
	b.WriteString("digraph plan {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n")
	for _, n := range g.Nodes {
		label := n.Kind + " " + n.Name + "\n" + strings.Join(n.Detail, "\n")
		fmt.Fprintf(&b, "  %s [shape=%s, label=%s];\n", dotText(n.Name), shapes[n.Kind].dot, dotText(label))
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s -> %s;\n", dotText(e.From), dotText(e.To))
	}
	b.WriteString("}\n")
	return b.String()
}

// dotText quotes a text for dot, where a backslash begins an escape in labels.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// Mermaid is the graph as a flowchart of Mermaid, which many places that show Markdown draw.
func (g Graph) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	id := map[string]string{}
	for i, n := range g.Nodes {
		id[n.Name] = "n" + strconv.Itoa(i)
		label := n.Kind + " " + n.Name + "\n" + strings.Join(n.Detail, "\n")
		s := shapes[n.Kind]
		fmt.Fprintf(&b, "  %s%s\"%s\"%s\n", id[n.Name], s.open, mermaidText(label), s.close)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s --> %s\n", id[e.From], id[e.To])
	}
	return b.String()
}

// mermaidText writes what means something in a quoted label as entities.
func mermaidText(s string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", "\n", "<br/>").Replace(s)
}
