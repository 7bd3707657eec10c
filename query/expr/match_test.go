package expr

import (
	"testing"

	"penstock/query/row"
)

func TestEqualityAndConjuncts(t *testing.T) {
	id, name := Col(0, "id", row.Of(row.Bigint)), Col(1, "name", row.Of(row.Varchar))
	must := func(n Node, err error) Node {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	seven := Const(row.Int(7), row.Of(row.Integer))
	a := must(Binary("=", id, seven))
	b := must(Binary("=", Const(row.Text("x"), row.Of(row.Varchar)), name))
	c := must(Binary(">", id, seven))
	all := Conjuncts(must(Binary("AND", must(Binary("AND", a, b)), c)))
	if len(all) != 3 {
		t.Fatalf("%d conjuncts, expected 3: %v", len(all), all)
	}
	for i, want := range []struct {
		col int
		v   row.Value
		ok  bool
	}{{0, row.Int(7), true}, {1, row.Text("x"), true}, {0, row.Value{}, false}} {
		x, v, ok := Equality(all[i])
		if ok != want.ok {
			t.Fatalf("%s: an equality %t, expected %t", all[i], ok, want.ok)
		}
		if !ok {
			continue
		}
		if col, is := AsColumn(x); !is || col != want.col || v != want.v {
			t.Errorf("%s: %v = %v, expected column %d and %v", all[i], x, v, want.col, want.v)
		}
	}
	if _, _, ok := Equality(must(Binary("=", id, id))); ok {
		t.Error("id = id is no equality with a constant")
	}
	if _, _, ok := Equality(must(Binary("=", id, Null()))); ok {
		t.Error("id = NULL holds for no row")
	}
}
