package expr

import (
	"strings"

	"penstock/query/row"
)

// in is x [NOT] IN (list). Constants of the list are looked up in a set; other members are
// compared one by one, and only where nothing before them matched. As in SQL the result is NULL,
// not false, where nothing matches and x or a member is NULL.
type in struct {
	x    Node
	list []Node
	not  bool
	set  *constSet // the constants of the list
	rest []Node    // x = member, for the members that are not constant
}

// In returns x IN (list), or NOT IN.
func In(x Node, list []Node, not bool) (Node, error) {
	if len(list) == 0 {
		return nil, typeError("as in side IN ('B', 'S')", "IN needs at least one value, found none")
	}
	all, _, err := unify("IN", append([]Node{x}, list...))
	if err != nil {
		return nil, err
	}
	return newIn(all[0], all[1:], not), nil
}

func newIn(x Node, list []Node, not bool) Node {
	n := &in{x: x, list: list, not: not, set: newConstSet(x.Type())}
	for _, m := range list {
		if v, ok := tryConst(m); ok {
			n.set.add(v)
		} else {
			n.rest = append(n.rest, newApply(compareOps["="], boolType, x, m))
		}
	}
	return n
}

// tryConst computes a member that reads no column. Which members are looked up first must not
// depend on whether they were folded before.
func tryConst(m Node) (row.Value, bool) {
	if !IsConst(m) {
		return row.Value{}, false
	}
	v, err := m.row(nil)
	return v, err == nil && v.State != row.Error
}

// Between returns x BETWEEN lo AND hi, as the two comparisons it stands for.
func Between(x, lo, hi Node, not bool) (Node, error) {
	if !untyped(x) || !untyped(lo) || !untyped(hi) {
		if _, _, err := unify("BETWEEN", []Node{x, lo, hi}); err != nil {
			return nil, err
		}
	}
	l, err := newCompare(">=", x, lo)
	if err != nil {
		return nil, err
	}
	r, err := newCompare("<=", x, hi)
	if err != nil {
		return nil, err
	}
	both := &logic{l: l, r: r}
	if not {
		return newApply(opNot, boolType, both), nil
	}
	return both, nil
}

func (n *in) Type() row.Type        { return boolType }
func (n *in) prec() int             { return precLike }
func (n *in) children() []Node      { return append([]Node{n.x}, n.list...) }
func (n *in) with(kids []Node) Node { return newIn(kids[0], kids[1:], n.not) }
func (n *in) same(o Node) bool      { return o.(*in).not == n.not }

func (n *in) String() string {
	parts := make([]string, len(n.list))
	for i, m := range n.list {
		parts[i] = m.String()
	}
	op := " IN ("
	if n.not {
		op = " NOT IN ("
	}
	return operand(n.x, precLike+1) + op + strings.Join(parts, ", ") + ")"
}

func (n *in) row(vals []row.Value) (row.Value, error) {
	x, err := n.x.row(vals)
	if err != nil || x.State != row.Valid {
		return x, err
	}
	if n.set.has(x) {
		return row.Bool(!n.not), nil
	}
	null := n.set.null
	for _, eq := range n.rest {
		v, err := eq.row(vals)
		if err != nil || v.State == row.Error {
			return v, err
		}
		if v.State == row.Valid && v.I != 0 {
			return row.Bool(!n.not), nil
		}
		null = null || v.State == row.Null
	}
	if null {
		return row.NullValue, nil
	}
	return row.Bool(n.not), nil
}

func (n *in) compile(c *compiler) step {
	x := n.x.compile(c)
	rest := make([]step, len(n.rest))
	for i, eq := range n.rest {
		rest[i] = eq.compile(c)
	}
	out := newVector(boolType)
	flags := make([]bool, row.MaxBatch)
	open := make([]int32, 0, row.MaxBatch)
	var scratch nulls
	found, missing := b2i(!n.not), b2i(n.not)
	return func(f *frame, sel []int32) *row.Vector {
		arg := [1]*row.Vector{x(f, sel)}
		valid := scratch.drop(sel, arg[:], out)
		n.set.lookup(arg[0], valid, out.I64)
		if !n.set.null && len(rest) == 0 {
			for _, i := range valid {
				out.I64[i] ^= missing
			}
			return out
		}
		for _, i := range sel {
			flags[i] = out.Null != nil && out.Null[i]
		}
		out.Null = flags
		open = open[:0]
		for _, i := range valid {
			if out.I64[i] == 0 {
				flags[i] = n.set.null
				open = append(open, i)
			}
			out.I64[i] ^= missing
		}
		for _, s := range rest {
			if f.errs.Any() {
				open = f.errs.Drop(open)
			}
			if len(open) == 0 {
				break
			}
			v := s(f, open)
			still := open[:0]
			for _, i := range open {
				switch {
				case v.Null != nil && v.Null[i]:
					flags[i] = true
					still = append(still, i)
				case v.I64[i] != 0:
					flags[i] = false
					out.I64[i] = found
				default:
					still = append(still, i)
				}
			}
			open = still
		}
		return out
	}
}

// constSet is a set of constants of one type, immutable once built. Few are compared one after
// the other, more are looked up.
type constSet struct {
	typ  row.Type
	null bool // a member is NULL
	ints []int64
	strs []string
	byI  map[int64]struct{}
	byS  map[string]struct{} // text, or the row keys of the other types
	// flag tells which bytes are members, when every member is a text of one byte: side IN
	// ('B', 'S') then takes no comparison whose outcome the processor has to guess.
	flag *[256]int64
}

// fewMembers is how many comparisons are cheaper than one look in a map.
const fewMembers = 8

func newConstSet(t row.Type) *constSet {
	return &constSet{typ: t, byI: map[int64]struct{}{}, byS: map[string]struct{}{}, flag: new([256]int64)}
}

func (s *constSet) add(v row.Value) {
	switch {
	case v.State == row.Null:
		s.null = true
	case s.typ.Physical() == row.I64:
		s.ints = append(s.ints, v.I)
		s.byI[v.I] = struct{}{}
	case s.typ.Physical() == row.Str:
		s.strs = append(s.strs, v.S)
		s.byS[v.S] = struct{}{}
		if len(v.S) != 1 {
			s.flag = nil
		} else if s.flag != nil {
			s.flag[v.S[0]] = 1
		}
	default:
		s.byS[string(row.AppendKey(nil, v, s.typ))] = struct{}{}
	}
}

func (s *constSet) has(v row.Value) bool {
	var ok bool
	switch s.typ.Physical() {
	case row.I64:
		_, ok = s.byI[v.I]
	case row.Str:
		_, ok = s.byS[v.S]
	default:
		var buf [40]byte
		_, ok = s.byS[string(row.AppendKey(buf[:0], v, s.typ))]
	}
	return ok
}

// lookup sets r to 1 at the positions of sel whose value is in the set, to 0 at the others.
func (s *constSet) lookup(v *row.Vector, sel []int32, r []int64) {
	switch s.typ.Physical() {
	case row.I64:
		lookup(s.ints, s.byI, v.I64, sel, r)
	case row.Str:
		if s.flag == nil {
			lookup(s.strs, s.byS, v.Str, sel, r)
			return
		}
		for _, i := range sel {
			x, hit := v.Str[i], int64(0)
			if len(x) == 1 {
				hit = s.flag[x[0]]
			}
			r[i] = hit
		}
	default:
		var buf [40]byte
		for _, i := range sel {
			_, ok := s.byS[string(row.AppendKeyVec(buf[:0], v, int(i)))]
			r[i] = b2i(ok)
		}
	}
}

func lookup[T int64 | string](few []T, many map[T]struct{}, v []T, sel []int32, r []int64) {
	if len(few) > fewMembers {
		for _, i := range sel {
			_, ok := many[v[i]]
			r[i] = b2i(ok)
		}
		return
	}
	for _, i := range sel {
		hit := int64(0)
		for _, m := range few {
			if m == v[i] {
				hit = 1
				break
			}
		}
		r[i] = hit
	}
}
