package expr

import (
	"math/rand/v2"
	"testing"

	"penstock/query/row"
)

// orders is a full batch of orders: side, amount, price, client, symbol.
func orders() *row.Batch {
	rng := rand.New(rand.NewPCG(1, 1))
	side, amount, price := newVector(textType), newVector(bigType), newVector(row.DecimalType(12, 2))
	client, symbol := newVector(bigType), newVector(textType)
	for i := range row.MaxBatch {
		side.Str[i] = pick(rng, "B", "S")
		amount.I64[i] = rng.Int64N(1000)
		price.Dec[i] = row.Int128FromInt64(rng.Int64N(20000))
		client.I64[i] = rng.Int64N(100)
		symbol.Str[i] = pick(rng, "EPE", "ABC", "GRR", "AEFTA")
	}
	return &row.Batch{N: row.MaxBatch, Cols: []*row.Vector{side, amount, price, client, symbol}}
}

var (
	colSide   = Col(0, "side", textType)
	colAmount = Col(1, "amount", bigType)
	colPrice  = Col(2, "price", row.DecimalType(12, 2))
	colClient = Col(3, "client_id", bigType)
	colSymbol = Col(4, "symbol", textType)
)

func must(n Node, err error) Node {
	if err != nil {
		panic(err)
	}
	return n
}

func literal(s string) Node { return Const(row.Text(s), textType) }
func whole(i int64) Node    { return Const(row.Int(i), intType) }

func reportRows(b *testing.B, rows int) {
	b.ReportMetric(float64(b.N)*float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func benchmarkEval(b *testing.B, n Node) {
	batch, sel := orders(), upTo(row.MaxBatch)
	p := Compile(n)
	var errs Errors
	errs.Reset(batch.N)
	b.ReportAllocs()
	for b.Loop() {
		p.Eval(batch, sel, &errs)
	}
	reportRows(b, row.MaxBatch)
}

func BenchmarkFilter(b *testing.B) {
	for _, c := range []struct {
		name string
		cond Node
	}{
		{"side=B", must(Binary("=", colSide, literal("B")))},
		{"amount>500", must(Binary(">", colAmount, whole(500)))},
		{"and", must(Binary("AND", must(Binary("=", colSide, literal("B"))), must(Binary(">", colAmount, whole(500)))))},
		{"in", must(In(colSymbol, []Node{literal("EPE"), literal("GRR")}, false))},
		{"flags", must(In(colSide, []Node{literal("B"), literal("X")}, false))},
		{"like", must(Binary("LIKE", colSymbol, literal("%E%")))},
		{"price", must(Binary(">", colPrice, whole(100)))},
	} {
		b.Run(c.name, func(b *testing.B) {
			batch, sel := orders(), upTo(row.MaxBatch)
			p := Compile(c.cond)
			var errs Errors
			errs.Reset(batch.N)
			out := make([]int32, 0, row.MaxBatch)
			b.ReportAllocs()
			for b.Loop() {
				out = p.Filter(batch, sel, &errs, out[:0])
			}
			reportRows(b, row.MaxBatch)
		})
	}
}

// BenchmarkSumMul is SUM(amount * price) into 100 groups.
func BenchmarkSumMul(b *testing.B) {
	n := must(Binary("*", colAmount, colPrice))
	b.Run("eval", func(b *testing.B) { benchmarkEval(b, n) })
	b.Run("sum", func(b *testing.B) {
		batch, sel := orders(), upTo(row.MaxBatch)
		p := Compile(n)
		acc := mustAggregate(b, "SUM", n, false).NewAcc()
		acc.Grow(100)
		slots := make([]int32, row.MaxBatch)
		for i := range slots {
			slots[i] = int32(batch.Cols[3].I64[i])
		}
		var errs Errors
		errs.Reset(batch.N)
		b.ReportAllocs()
		for b.Loop() {
			acc.Update(sel, slots, p.Eval(batch, sel, &errs), nil)
		}
		reportRows(b, row.MaxBatch)
	})
}

func BenchmarkAccUpdate(b *testing.B) {
	for _, c := range []struct {
		name string
		arg  Node
	}{
		{"COUNT", nil}, {"SUM", colAmount}, {"SUM", colPrice}, {"AVG", Col(5, "f", doubleType)},
		{"MIN", colAmount}, {"MAX", colSymbol}, {"LAST", colPrice},
	} {
		a := mustAggregate(b, c.name, c.arg, false)
		b.Run(a.String(), func(b *testing.B) {
			batch, sel := orders(), upTo(row.MaxBatch)
			f := newVector(doubleType)
			for i := range f.F64 {
				f.F64[i] = float64(batch.Cols[1].I64[i]) / 7
			}
			batch.Cols = append(batch.Cols, f)
			acc := a.NewAcc()
			acc.Grow(100)
			slots, times := make([]int32, row.MaxBatch), make([]int64, row.MaxBatch)
			for i := range slots {
				slots[i] = int32(batch.Cols[3].I64[i])
				times[i] = int64(i)
			}
			var arg *row.Vector
			if k, ok := AsColumn(orNull(c.arg)); ok {
				arg = batch.Cols[k]
			}
			b.ReportAllocs()
			for b.Loop() {
				acc.Update(sel, slots, arg, times)
			}
			reportRows(b, row.MaxBatch)
		})
	}
}

func orNull(n Node) Node {
	if n == nil {
		return Null()
	}
	return n
}

func BenchmarkAccMerge(b *testing.B) {
	for _, arg := range []Node{colAmount, colPrice} {
		a := mustAggregate(b, "SUM", arg, false)
		b.Run(a.String(), func(b *testing.B) {
			acc := a.NewAcc()
			acc.Grow(2)
			batch := orders()
			k, _ := AsColumn(arg)
			acc.Update(upTo(20), make([]int32, row.MaxBatch), batch.Cols[k], nil)
			p := acc.Encode(nil, 0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := acc.Merge(1, p); err != nil {
					b.Fatal(err)
				}
				p = acc.Encode(p[:0], 0)
			}
			reportRows(b, 1)
		})
	}
}

// Arithmetic, comparison and logic must not allocate, per row or per batch.
func TestEvalDoesNotAllocate(t *testing.T) {
	batch, sel := orders(), upTo(row.MaxBatch)
	batch.Cols[1].Null = make([]bool, row.MaxBatch)
	batch.Cols[1].Null[7] = true
	nulls := batch.Cols[1].Null
	product := must(Binary("*", colAmount, colPrice))
	small := must(Binary("<", colAmount, whole(300)))
	buys := must(Binary("=", colSide, literal("B")))
	for _, n := range []Node{
		product,
		must(Binary("+", colAmount, colClient)),
		must(Binary("/", colPrice, whole(3))),
		must(Binary("*", must(Cast(colAmount, doubleType)), must(Cast(colPrice, doubleType)))),
		small, buys,
		must(Binary("<", colSide, colSymbol)),
		must(Binary(">", product, whole(1000))),
		must(Binary("AND", small, buys)),
		must(Binary("OR", must(Unary("NOT", small)), buys)),
		must(In(colSymbol, []Node{literal("EPE"), literal("ABC"), Null()}, true)),
		must(In(colPrice, []Node{whole(1), whole(2)}, false)),
		must(Case(nil, []Node{small}, []Node{colPrice}, whole(0))),
		must(Call("COALESCE", []Node{colAmount, whole(0)})),
		must(Call("GREATEST", []Node{colClient, whole(5)})),
		must(IsNull(colAmount, false)),
		must(Binary("IS DISTINCT FROM", colAmount, colClient)),
		must(Binary("LIKE", colSymbol, literal("%P_"))),
		must(Call("ROUND", []Node{colPrice, whole(1)})),
		must(Call("LENGTH", []Node{colSymbol})),
		must(Call("SUBSTRING", []Node{colSymbol, whole(2), whole(1)})),
	} {
		p := Compile(n)
		var errs Errors
		errs.Reset(batch.N)
		out := make([]int32, 0, row.MaxBatch)
		for _, flags := range [][]bool{nil, nulls} {
			batch.Cols[1].Null = flags
			run := func() {
				errs.Reset(batch.N)
				p.Eval(batch, sel, &errs)
				if n.Type().Kind == row.Boolean {
					out = p.Filter(batch, sel, &errs, out[:0])
				}
			}
			run() // the first time makes the constants
			if got := testing.AllocsPerRun(20, run); got != 0 {
				t.Errorf("%s: %v allocations a batch", n, got)
			}
		}
	}
}

func TestAccUpdateDoesNotAllocate(t *testing.T) {
	batch, sel := orders(), upTo(row.MaxBatch)
	slots, times := make([]int32, row.MaxBatch), make([]int64, row.MaxBatch)
	for _, name := range []string{"COUNT", "SUM", "AVG", "MIN", "MAX", "FIRST", "LAST"} {
		for _, k := range []int{1, 2} {
			a := mustAggregate(t, name, []Node{nil, colAmount, colPrice}[k], false)
			acc := a.NewAcc()
			acc.Grow(1)
			p := acc.Encode(nil, 0)
			run := func() {
				acc.Update(sel, slots, batch.Cols[k], times)
				p = acc.Encode(p[:0], 0)
				if _, err := acc.Merge(0, p); err != nil {
					t.Fatal(err)
				}
			}
			run()
			if got := testing.AllocsPerRun(20, run); got != 0 {
				t.Errorf("%s: %v allocations a batch", a, got)
			}
		}
	}
}
