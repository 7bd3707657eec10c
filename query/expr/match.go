package expr

import "penstock/query/row"

// Conjuncts splits a condition at its ANDs, from left to right. A row passes the condition when
// it passes all of them.
func Conjuncts(n Node) []Node {
	l, ok := n.(*logic)
	if !ok || l.or {
		return []Node{n}
	}
	return append(Conjuncts(l.l), Conjuncts(l.r)...)
}

// Equality takes x = constant apart, written either way around. The value has the type of x and is
// not NULL. A reader uses it to look a key up instead of scanning for it.
func Equality(n Node) (x Node, v row.Value, ok bool) {
	a, is := n.(*apply)
	if !is || a.op != compareOps["="] {
		return nil, v, false
	}
	x, c := a.args[0], a.args[1]
	if IsConst(x) {
		x, c = c, x
	}
	folded, err := FoldConst(c)
	if err != nil || IsConst(x) || x.Type().Kind != c.Type().Kind || x.Type().Scale != c.Type().Scale {
		return nil, v, false
	}
	v, ok = constOf(folded)
	return x, v, ok
}
