package format_test

import (
	"fmt"

	"penstock/engine/format"
	"penstock/query/plan"
	"penstock/query/row"
)

func ExampleNewDecoder() {
	stream := &plan.Stream{Name: "orders", Columns: []row.Column{
		{Name: "symbol", Type: row.Of(row.Varchar)},
		{Name: "price", Type: row.DecimalType(12, 2)},
	}}
	dec, err := format.NewDecoder(stream, nil)
	if err != nil {
		panic(err)
	}
	records := []format.Record{{Value: []byte("EPE,51.00")}, {Value: []byte("AAPL,12.3.4")}, {Value: []byte("MSFT")}}
	var batch row.Batch
	_, bad := dec.Decode(records, &batch, nil, nil)
	fmt.Println(batch.N, "row:", batch.Cols[0].Str[0], string(row.FormatDecimal(nil, batch.Cols[1].Dec[0], 2)))
	for _, b := range bad {
		fmt.Printf("record %d: %s\n", b.Index, b.Reason)
	}
	// Output:
	// 1 row: EPE 51.00
	// record 1: price: "12.3.4" is not DECIMAL(12,2)
	// record 2: 1 field, expected 2
}

func ExampleParseResult() {
	r, err := format.ParseResult([]byte(`{"metric":"BUYS","start":"2016-03-22T20:25:25Z","end":"2016-03-22T20:25:30Z","rows":[{"count":69}],"offsets":{"orders":{"0":690}}}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Metric, r.Rows[0][0].I, string(format.AppendList(nil, r)))
	// Output: BUYS 69 List(69)
}
