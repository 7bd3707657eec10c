package format

import (
	"sort"
	"strconv"

	"penstock/query/row"
)

// Result is what a metric publishes for one interval, or for a run of intervals that are equal.
type Result struct {
	Metric     string
	Start, End int64 // microseconds; of a run, the first start and the last end; equal: no interval
	Intervals  int64 // 1, or the length of the run; 0 means 1
	Columns    []row.Column
	Rows       [][]row.Value
	// Offsets names by stream the offsets it was made from: of each partition, all below Offset. Nil
	// where none are told.
	Offsets map[string][]PartitionOffset
	// Part counts from 1 to Parts when a result was too large for one record; both are 0 or 1 otherwise.
	Part, Parts int
}

// PartitionOffset is where a result stops reading a partition.
type PartitionOffset struct {
	Partition int32
	Offset    int64 // exclusive
}

// AppendJSON appends r as one line of JSON. The order of its fields is fixed, columns stand in the
// order of the query, streams and partitions are sorted: equal results are equal bytes.
func AppendJSON(dst []byte, r *Result) []byte {
	dst = append(dst, `{"metric":`...)
	dst = row.AppendJSONString(dst, r.Metric)
	if r.Start != r.End {
		from, to := `,"start":"`, `","end":"`
		if r.Intervals > 1 {
			from, to = `,"from":"`, `","to":"`
		}
		dst = row.FormatRFC3339(append(dst, from...), r.Start)
		dst = row.FormatRFC3339(append(dst, to...), r.End)
		dst = append(dst, '"')
	}
	if r.Intervals > 1 {
		dst = strconv.AppendInt(append(dst, `,"intervals":`...), r.Intervals, 10)
	}
	if r.Parts > 1 {
		dst = strconv.AppendInt(append(dst, `,"part":`...), int64(r.Part), 10)
		dst = strconv.AppendInt(append(dst, `,"parts":`...), int64(r.Parts), 10)
	}
	dst = append(dst, `,"rows":[`...)
	for i, values := range r.Rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendRow(dst, r.Columns, values)
	}
	dst = append(dst, ']')
	if r.Offsets != nil {
		dst = appendOffsets(dst, r.Offsets)
	}
	return append(dst, '}')
}

// AppendRow appends a row as a JSON object.
func AppendRow(dst []byte, cols []row.Column, values []row.Value) []byte {
	dst = append(dst, '{')
	for i, c := range cols {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(row.AppendJSONString(dst, c.Name), ':')
		dst = row.AppendJSON(dst, values[i], c.Type)
	}
	return append(dst, '}')
}

func appendOffsets(dst []byte, offsets map[string][]PartitionOffset) []byte {
	streams := make([]string, 0, len(offsets))
	for s := range offsets {
		streams = append(streams, s)
	}
	sort.Strings(streams)
	dst = append(dst, `,"offsets":{`...)
	for i, s := range streams {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(row.AppendJSONString(dst, s), ':', '{')
		parts := offsets[s]
		if !sort.SliceIsSorted(parts, func(i, j int) bool { return parts[i].Partition < parts[j].Partition }) {
			parts = append([]PartitionOffset(nil), parts...)
			sort.Slice(parts, func(i, j int) bool { return parts[i].Partition < parts[j].Partition })
		}
		for j, p := range parts {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(append(dst, '"'), int64(p.Partition), 10)
			dst = strconv.AppendInt(append(dst, '"', ':'), p.Offset, 10)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
