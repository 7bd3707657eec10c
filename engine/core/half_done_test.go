package core

import (
	"testing"

	"penstock/engine/format"
	"penstock/query/plan"
)

// TestHalfDone: after a panic in the middle of some rows a source partition gives nothing to a flush,
// not even what it had before: the others go on until the stage has ended.
func TestHalfDone(t *testing.T) {
	p, diags := plan.Bind("test.sql", `CREATE STREAM s (n BIGINT) WITH (topic = 's');
CREATE TABLE t AS SELECT n, COUNT(*) FROM s WHERE n > 0 GROUP BY n;`)
	if p == nil {
		t.Fatal(diags)
	}
	r := NewRouter(p, p.Streams[0], 2, 2)
	var parts []*RoutePartition
	for n := range int32(2) {
		part, err := r.Assign(n, Start(0))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, part)
		if err := part.Rows([]format.Record{{Offset: 0, Time: 1, Value: []byte("7")}}, 1000); err != nil {
			t.Fatal(err)
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		parts[1].tables[0].keys[0] = nil
		_ = parts[1].Rows([]format.Record{{Offset: 1, Time: 1, Value: []byte("8")}}, 1000)
	}()
	flush := r.Take()
	if _, ok := flush.Positions[1]; ok || len(flush.Positions) != 1 {
		t.Errorf("the flush holds %v", flush.Positions)
	}
	if err := parts[1].Rows([]format.Record{{Offset: 2, Time: 1, Value: []byte("9")}}, 1000); err == nil {
		t.Error("more rows are taken")
	}
}
