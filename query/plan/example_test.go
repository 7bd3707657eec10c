package plan_test

import (
	"fmt"

	"penstock/query/plan"
	"penstock/query/syntax"
)

func ExampleBind() {
	text := `CREATE STREAM clicks (page VARCHAR, took_ms INTEGER);
CREATE METRIC slow AS
  SELECT page, MAX(took_ms) AS worst FROM clicks WINDOW TUMBLING (SIZE 1 MINUTE)
  GROUP BY page ORDER BY worst DESC LIMIT 3;`
	p, diags := plan.Bind("clicks.sql", text)
	fmt.Print(syntax.Render("clicks.sql", text, diags))
	fmt.Print(p.Explain("slow"))
	// Output:
	// emit slow: each window once, when it closes, to topic metrics as json
	// └─ limit 3
	//    └─ sort by worst DESC, then by key
	//       └─ fold hidden table $slow
	//          │  key: page VARCHAR
	//          │  keeps: MAX(took_ms) INTEGER
	//          │  window: TUMBLING (SIZE 1 MINUTE)
	//          │  panes: 6 a window, of 10 SECONDS
	//          │  columns: page, MAX(took_ms) AS worst
	//          └─ route stream clicks: topic clicks, csv
	//                time: rowtime, the Kafka timestamp
	//                columns used: page, took_ms
}

func ExampleBindQuery() {
	p, _ := plan.Bind("x.sql", `CREATE STREAM s (k VARCHAR);
		CREATE TABLE counts AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;`)
	text := "SELECT k FROM counts WHERE m > 5"
	_, diags := plan.BindQuery(p, text)
	fmt.Print(syntax.Render("prompt", text, diags))
	// Output:
	// error[P1204]: no column "m" in table counts
	//   --> prompt:1:28
	//    |
	//  1 | SELECT k FROM counts WHERE m > 5
	//    |                            ^ did you mean "k" or "n"?
	//    = columns: k, n
}
