package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	stdmaps "maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Expected is what the maps of (b) say that the engine has to publish, by the ends of intervals in
// milliseconds.
type Expected struct {
	Buys, Sells map[int64]int64
	Stocks      map[int64]Top // those of the largest volume since the beginning: the log is shorter than the window
	Clients     Top           // those with the largest totals at the end of the log
	Last        int64         // the end of the last interval with an order
}

// Top is the first five of a ranking, and all others that are as good as the fifth.
type Top []Ranked

// Ranked is a key with its value.
type Ranked struct {
	Key   string
	Value int64
}

const topN = 5

func rank[K comparable](values map[K]int64) Top {
	var t Top
	low := int64(0)
	for k, v := range values {
		if len(t) >= topN && v < low {
			continue
		}
		t = append(t, Ranked{fmt.Sprint(k), v})
		if len(t) == 20*topN { // so that ten million keys are not all sorted
			t, low = t.cut()
		}
	}
	t, _ = t.cut()
	return t
}

// cut sorts a ranking and leaves out what is worse than the fifth, whose value it returns.
func (t Top) cut() (Top, int64) {
	slices.SortFunc(t, func(a, b Ranked) int { return cmp.Compare(b.Value, a.Value) })
	if len(t) <= topN {
		return t, 0
	}
	low := t[topN-1].Value
	n := topN
	for n < len(t) && t[n].Value == low {
		n++
	}
	return t[:n:n], low
}

// expect merges the maps of the partitions.
func expect(parts []*maps) *Expected {
	e := &Expected{Buys: map[int64]int64{}, Sells: map[int64]int64{}, Stocks: map[int64]Top{}}
	totals, volumes := map[int64]int64{}, map[int64]map[string]int64{}
	for _, m := range parts {
		for p, n := range m.buys {
			e.Buys[(p+1)*paneMillis] += n
		}
		for p, n := range m.sells {
			e.Sells[(p+1)*paneMillis] += n
		}
		for c, t := range m.totals {
			totals[c] += t
		}
		for s, panes := range m.volumes {
			for p, v := range panes {
				end := (p + 1) * paneMillis
				if volumes[end] == nil {
					volumes[end] = map[string]int64{}
				}
				volumes[end][s] += v
			}
		}
	}
	e.Clients = rank(totals)
	sum := map[string]int64{}
	for _, end := range slices.Sorted(stdmaps.Keys(volumes)) {
		for s, v := range volumes[end] {
			sum[s] += v
		}
		e.Stocks[end], e.Last = rank(sum), end
	}
	return e
}

// published is a result as it stands on the topic.
type published struct {
	Metric    string
	End, To   time.Time
	Intervals int64
	Rows      []map[string]any
}

// verify compares what was published behind given offsets with what (b) found, and returns how many
// results were equal. Every interval has to be there once.
func (r *run) verify(ctx context.Context, from map[int32]int64) (int, error) {
	results, err := r.results(ctx, from)
	if err != nil {
		return 0, err
	}
	seen := map[string]map[int64]bool{}
	n := 0
	for _, p := range results {
		end := p.End.UnixMilli()
		if p.Intervals > 1 || end > r.want.Last {
			continue // behind the last order, until it has left the sliding window
		}
		if seen[p.Metric] == nil {
			seen[p.Metric] = map[int64]bool{}
		}
		if seen[p.Metric][end] {
			return n, fmt.Errorf("%s of %s was published twice", p.Metric, p.End)
		}
		seen[p.Metric][end] = true
		if err := r.want.check(p); err != nil {
			return n, fmt.Errorf("%s of %s: %w", p.Metric, p.End, err)
		}
		n++
	}
	for _, metric := range []string{"BUYS", "SELLS", "TOP5CLIENTS", "TOP5STOCKS"} {
		if len(seen[metric]) != len(r.want.Stocks) {
			return n, fmt.Errorf("%s: %d results, expected %d", metric, len(seen[metric]), len(r.want.Stocks))
		}
	}
	return n, nil
}

func (e *Expected) check(p published) error {
	end := p.End.UnixMilli()
	switch p.Metric {
	case "BUYS":
		return sameCount(p.Rows, e.Buys[end])
	case "SELLS":
		return sameCount(p.Rows, e.Sells[end])
	case "TOP5STOCKS":
		return e.Stocks[end].check(p.Rows, "symbol", "volume")
	case "TOP5CLIENTS":
		if end == e.Last { // (b) knows totals only at the end of the log
			return e.Clients.check(p.Rows, "client_id", "")
		}
		return nil
	}
	return fmt.Errorf("no such metric is expected")
}

func sameCount(rows []map[string]any, want int64) error {
	if len(rows) != 1 || fmt.Sprint(rows[0]["count"]) != strconv.FormatInt(want, 10) {
		return fmt.Errorf("published %v, expected %d", rows, want)
	}
	return nil
}

// check compares a ranking; which of several equally good ones comes fifth is left open. Without the
// name of a value the keys alone are compared.
func (t Top) check(rows []map[string]any, key, value string) error {
	if len(rows) != min(topN, len(t)) {
		return fmt.Errorf("%d rows, expected %d", len(rows), min(topN, len(t)))
	}
	values := map[string]int64{}
	for _, x := range t {
		values[x.Key] = x.Value
	}
	for i, row := range rows {
		v, ok := values[fmt.Sprint(row[key])]
		if !ok || v != t[i].Value || value != "" && fmt.Sprint(row[value]) != strconv.FormatInt(v, 10) {
			return fmt.Errorf("published %v, expected %v", rows, t)
		}
	}
	return nil
}

// ends are the next offsets of a topic; none for one that does not exist.
func (r *run) ends(ctx context.Context, topic string) (map[int32]int64, error) {
	list, err := r.adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("end of %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	list.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			ends[o.Partition] = o.Offset
		}
	})
	return ends, nil
}

// results reads the committed results behind given offsets.
func (r *run) results(ctx context.Context, from map[int32]int64) ([]published, error) {
	until, err := r.ends(ctx, metricsTopic)
	if err != nil {
		return nil, err
	}
	at := map[int32]kgo.Offset{}
	for p, end := range until {
		if from[p] < end {
			at[p] = kgo.NewOffset().At(from[p])
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.Brokers...), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{metricsTopic: at}))
	if err != nil {
		return nil, fmt.Errorf("kafka client: %w", err)
	}
	defer cl.Close()
	var list []published
	for len(at) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", metricsTopic, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			if rec.Offset+1 >= until[rec.Partition] {
				delete(at, rec.Partition)
			}
			if rec.Attrs.IsControl() {
				return
			}
			p, perr := parsePublished(rec.Value)
			if perr != nil {
				err = perr
			}
			list = append(list, p)
		})
	}
	return list, err
}

func parsePublished(value []byte) (p published, err error) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber() // a client's id of seven digits is no float
	if err = d.Decode(&p); err != nil {
		return p, fmt.Errorf("result %q: %w", value, err)
	}
	if p.Intervals > 1 {
		p.End = p.To
	}
	return p, nil
}
