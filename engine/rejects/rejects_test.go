package rejects

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// TestOf reads back what was written, whatever stands in a row, with others' headers between.
func TestOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		want := Row{
			Place: Place{text.Draw(t, "stream"), text.Draw(t, "topic"), rapid.Int32().Draw(t, "partition"), rapid.Int64().Draw(t, "offset")},
			Time:  time.UnixMilli(rapid.Int64Range(-1, 1<<45).Draw(t, "time")).UTC(),
			Kind:  text.Draw(t, "kind"), Column: text.Draw(t, "column"), Reason: text.Draw(t, "reason"),
			Tables: text.Draw(t, "tables"), Definition: text.Draw(t, "definition"),
			Value: string(rapid.SliceOf(rapid.Byte()).Draw(t, "value")), Length: rapid.IntRange(0, 1<<40).Draw(t, "length"),
		}
		headers := append([]kgo.RecordHeader{{Key: "trace", Value: []byte("1")}}, want.Headers()...)
		got, err := Of(&kgo.Record{Value: []byte(want.Value), Headers: headers})
		if err != nil || got != want {
			t.Errorf("Of = %+v, %v, want %+v", got, err, want)
		}
	})
}

func TestOfOthers(t *testing.T) {
	whole := (&Row{Place: Place{"orders", "orders", 1, 7}, Time: time.UnixMilli(5)}).Headers()
	for i := range 5 {
		rest := append(append([]kgo.RecordHeader{}, whole[:i]...), whole[i+1:]...)
		if _, err := Of(&kgo.Record{Headers: rest}); err == nil || !strings.Contains(err.Error(), "who wrote it") {
			t.Errorf("without %s: %v, want an error that asks who wrote it", whole[i].Key, err)
		}
	}
	for _, bad := range []struct{ key, value string }{{"partition", "4294967296"}, {"offset", "x"}, {"timestamp", ""}} {
		rest := append([]kgo.RecordHeader{{Key: bad.key, Value: []byte(bad.value)}}, whole...)
		if _, err := Of(&kgo.Record{Headers: rest}); err == nil {
			t.Errorf("%s %q is read without an error", bad.key, bad.value)
		}
	}
}

func TestSource(t *testing.T) {
	for topic, want := range map[string]string{"orders": "o/3", "shop-replayed": "o/replayed", "x-replayed": "o/3"} {
		if got := (Place{Stream: "o", Topic: topic, Partition: 3}).Source("shop"); got != want {
			t.Errorf("Source of a row of topic %s = %q, want %q", topic, got, want)
		}
	}
}
