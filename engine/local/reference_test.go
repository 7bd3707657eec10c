package local

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"penstock/engine/core"
	"penstock/engine/format"
	"penstock/engine/reference"
	"penstock/query/plan"
)

// The dataflow publishes exactly what the plain evaluator computes from the definition, and
// counts the same rows applied, filtered, late and failed.
func TestEqualsReference(t *testing.T) {
	for name, text := range files {
		p := bind(t, head+text)
		for _, seed := range seeds(t, 15) {
			r := rand.New(rand.NewPCG(seed, 3))
			log := input(r, 200+r.IntN(400), 1+r.IntN(3))
			c := load(t, p, log, Options{Folds: 1 + r.IntN(3)})
			if err := c.End(); err != nil {
				t.Fatalf("%s: PENSTOCK_SEED=%d: %v", name, seed, err)
			}
			e := evaluate(t, p, log)
			if got, want := published(c), computed(e); got != want {
				t.Fatalf("%s: PENSTOCK_SEED=%d: results differ from the reference\n%s", name, seed, firstDifference(got, want))
			}
			for n := range log {
				got, want := c.Fold(0).Tally("s")[int32(n)], e.Tally("s", int32(n))
				if got.Read != want.Read || got.Decoded != want.Decoded || got.Bad != want.Bad || !slices.Equal(got.Tables, tallies(p, want)) {
					t.Fatalf("%s: PENSTOCK_SEED=%d: partition %d: tally %+v, reference %+v", name, seed, n, got, want)
				}
			}
		}
	}
}

func tallies(p *plan.Plan, t reference.Tally) []core.TableTally {
	var list []core.TableTally
	for _, table := range core.TablesOf(p, p.Streams[0]) {
		list = append(list, core.TableTally(t.Tables[table.Name]))
	}
	return list
}

func evaluate(t testing.TB, p *plan.Plan, log [][]format.Record) *reference.Evaluator {
	t.Helper()
	e, err := reference.New(p, reference.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n, recs := range log {
		for i := range recs {
			recs[i].Offset = int64(i)
		}
		if err := e.Add("s", int32(n), recs); err != nil {
			t.Fatal(err)
		}
	}
	e.End()
	return e
}

func computed(e *reference.Evaluator) string {
	var lines []string
	for _, o := range e.Results() {
		lines = append(lines, string(o.Key)+" "+string(format.AppendJSON(nil, &o.Result)))
	}
	slices.SortStableFunc(lines, strings.Compare)
	return strings.Join(lines, "\n")
}
