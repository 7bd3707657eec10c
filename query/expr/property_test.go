package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"penstock/query/row"
)

// The vector programs against EvalRow: random expressions over random batches at random
// positions have to agree in every value, every NULL and every reason to fail.
func TestProgramMatchesEvalRow(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			b := randomBatch(rng, 1+rng.IntN(60))
			for _, n := range randomNodes(rng, b, 150) {
				compareWalks(t, rng, n, b)
			}
		})
	}
}

func compareWalks(t *testing.T, rng *rand.Rand, n Node, b *row.Batch) {
	t.Helper()
	p := Compile(n)
	var errs Errors
	for range 2 { // the second time over scratch memory in use
		sel := randomSel(rng, b.N)
		errs.Reset(b.N)
		v := p.Eval(b, sel, &errs)
		var passing []int32
		for _, i := range sel {
			want, wantErr := EvalRow(n, rowOf(b, int(i)))
			got, gotErr := row.Value{}, errs.At(i)
			if gotErr == nil {
				got = v.Value(int(i))
			}
			if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || wantErr == nil && !identical(got, want, n.Type()) {
				t.Fatalf("%s\nrow %v\nvector %s\nrow    %s", n, rowOf(b, int(i)),
					showResult(got, n.Type(), gotErr), showResult(want, n.Type(), wantErr))
			}
			if wantErr == nil && want.State == row.Valid && want.I != 0 {
				passing = append(passing, i)
			}
		}
		if n.Type().Kind != row.Boolean {
			continue
		}
		failed := fmt.Sprint(errs.at[:b.N])
		errs.Reset(b.N)
		own := append([]int32{}, sel...)
		if got := p.Filter(b, own, &errs, own[:0]); fmt.Sprint(got) != fmt.Sprint(passing) {
			t.Fatalf("%s: Filter returns %v, expected %v", n, got, passing)
		}
		if got := fmt.Sprint(errs.at[:b.N]); got != failed {
			t.Fatalf("%s: Filter fails %s, Eval %s", n, got, failed)
		}
	}
}

// Every node prints so that a child keeps its place: the parts of a printed tree are those of the
// tree. That the text parses back is tested where the parser is.
func TestRewriteAndEqual(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	b := randomBatch(rng, 5)
	for _, n := range randomNodes(rng, b, 300) {
		same := Rewrite(n, func(n Node) Node { return n })
		if same != n {
			t.Fatalf("%s: an empty rewrite made a new tree", n)
		}
		fresh := Rewrite(n, func(n Node) Node {
			if c, ok := n.(*column); ok {
				return Col(c.index, c.name, c.typ)
			}
			return n
		})
		if !Equal(n, fresh) || !Equal(fresh, n) || n.String() != fresh.String() {
			t.Fatalf("%s: not equal to its copy %s", n, fresh)
		}
		compareWalks(t, rng, fresh, b)
		if cols := Columns(n); len(cols) > 0 {
			moved := Rewrite(n, func(n Node) Node {
				if c, ok := n.(*column); ok {
					return Col(c.index+100, c.name, c.typ)
				}
				return n
			})
			if Equal(n, moved) || Columns(moved)[0] != cols[0]+100 {
				t.Fatalf("%s: columns moved to %v", n, Columns(moved))
			}
		}
	}
}

var columnTypes = []row.Type{intType, intType, bigType, bigType, doubleType, doubleType, row.DecimalType(12, 2),
	row.DecimalType(38, 0), row.DecimalType(38, 20), textType, textType, boolType, boolType, tsType, dateType, intervalType}

func randomBatch(rng *rand.Rand, n int) *row.Batch {
	b := &row.Batch{N: n}
	for _, t := range columnTypes {
		v := newVector(t)
		if rng.IntN(3) > 0 {
			v.Null = make([]bool, row.MaxBatch)
		}
		for i := range int32(n) {
			x := randomValue(rng, t)
			if v.Null != nil && rng.IntN(4) == 0 {
				x = row.NullValue
			}
			setValue(v, i, x)
		}
		b.Cols = append(b.Cols, v)
	}
	return b
}

func rowOf(b *row.Batch, i int) []row.Value {
	vals := make([]row.Value, len(b.Cols))
	for k, c := range b.Cols {
		vals[k] = c.Value(i)
	}
	return vals
}

func randomSel(rng *rand.Rand, n int) []int32 {
	var sel []int32
	dense := rng.IntN(3) == 0
	for i := range int32(n) {
		if dense || rng.IntN(2) == 0 {
			sel = append(sel, i)
		}
	}
	return sel
}

func pick[T any](rng *rand.Rand, list ...T) T { return list[rng.IntN(len(list))] }

func randomValue(rng *rand.Rand, t row.Type) row.Value {
	switch t.Kind {
	case row.Boolean:
		return row.Int(rng.Int64N(2))
	case row.Integer:
		return row.Int(pick(rng, 0, 1, -1, 2, 7, rng.Int64N(20)-10, math.MaxInt32, math.MinInt32))
	case row.Bigint:
		return row.Int(pick(rng, 0, 1, -1, 3, rng.Int64N(2000)-1000, math.MaxInt64, math.MinInt64))
	case row.Double:
		return row.Float(pick(rng, 0, math.Copysign(0, -1), 1, -2.5, rng.NormFloat64(), 1e308, 5e-324, math.NaN(), math.Inf(1), math.Inf(-1)))
	case row.Decimal:
		d := row.Int128FromInt64(pick(rng, 0, 1, -1, rng.Int64N(100000)-50000))
		if t.Precision == row.MaxPrecision && rng.IntN(4) == 0 {
			d, _ = row.Pow10(38).Sub(row.Int128FromInt64(1))
			if rng.IntN(2) == 0 {
				d = d.Neg()
			}
		}
		return row.Dec128(d)
	case row.Varchar:
		return row.Text(pick(rng, "", "a", "ab", "A%b", "größe", "12", "-3.5", "2016-03-22", "%", "_a%", "x\\", "true", "hello world"))
	case row.Timestamp:
		return row.Int(pick(rng, 0, -1, 1458678328123456, rng.Int64N(2e15)-1e15, row.MinTimestamp, row.MaxTimestamp))
	case row.Date:
		return row.Int(pick(rng, 0, -1, 16882, rng.Int64N(20000)-10000, row.MinTimestamp/row.Day))
	}
	return row.Int(pick(rng, 0, row.Second, -row.Hour, 36*row.Hour+1, rng.Int64N(1e12), math.MaxInt64, math.MinInt64))
}

// randomNodes grows a pool: what the constructors accept of random parts becomes a part.
func randomNodes(rng *rand.Rand, b *row.Batch, count int) []Node {
	var pool []Node
	for i, c := range b.Cols {
		pool = append(pool, Col(i, fmt.Sprintf("c%d", i), c.Type))
	}
	for range 6 {
		t := pick(rng, columnTypes...)
		text := literal(string(row.FormatValue(nil, randomValue(rng, t), t)))
		if c, err := Cast(text, t); err == nil {
			pool = append(pool, c)
		}
	}
	pool = append(pool, Null(), Const(row.Text("hour"), textType), Const(row.Int(2), intType))
	size := map[Node]int{}
	var made []Node
	for len(made) < count {
		// Each kind of node comes as often as the others, however rarely random parts suit it.
		kind := rng.IntN(12 + len(functionTable)/2)
		e := pick(rng, functionTable...)
		for range 300 {
			n, err := randomNode(rng, kind, e, []Node{pick(rng, pool...), pick(rng, pool...), pick(rng, pool...)})
			if err != nil {
				continue
			}
			Walk(n, func(Node) bool { size[n]++; return true })
			if size[n] > 30 {
				continue
			}
			made = append(made, n)
			if size[n] < 12 && n.Type().Kind != row.Varchar {
				pool = append(pool, n)
			}
			break
		}
	}
	return made
}

func randomNode(rng *rand.Rand, kind int, e entry, a []Node) (Node, error) {
	not := rng.IntN(2) == 0
	switch kind {
	case 0, 1:
		return Binary(pick(rng, "+", "-", "*", "/", "%", "||"), a[0], a[1])
	case 2, 3:
		return Binary(pick(rng, "=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"), a[0], a[1])
	case 4:
		return Binary(pick(rng, "AND", "OR"), a[0], a[1])
	case 5:
		return Case(pick(rng, a[2], nil), []Node{a[0]}, []Node{a[1]}, pick(rng, a[2], nil))
	case 6:
		return pick(rng, In, func(x Node, list []Node, not bool) (Node, error) { return Between(x, list[0], list[1], not) })(a[0], a[1:], not)
	case 7:
		return Cast(a[0], pick(rng, columnTypes...))
	case 8:
		if not {
			return IsBool(a[0], rng.IntN(2) == 0, rng.IntN(2) == 0)
		}
		return IsNull(a[0], rng.IntN(2) == 0)
	case 9:
		return Unary(pick(rng, "-", "+", "NOT"), a[0])
	case 10:
		return Binary(pick(rng, "LIKE", "ILIKE", "NOT LIKE"), a[0], a[1])
	}
	if e.name == "EXTRACT" || e.name == "DATE_PART" || e.name == "DATE_TRUNC" {
		a[0] = Const(row.Text(pick(rng, "epoch", "week", "year", "century", "quarter", "ms", "dow", "day", "decade")), textType)
	}
	return Call(e.name, a[:rng.IntN(4)])
}
