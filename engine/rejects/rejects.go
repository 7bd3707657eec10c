// Package rejects is the form of an application's rejected and replayed rows in Kafka: the original
// bytes as key and value, and in the headers where the row stood and why it was not counted. Who
// writes such a row (the engine, penstock replay-rejects) and who reads it (they, the audit, the
// tests, the command) share this one description.
package rejects

import (
	"errors"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Topic is where an application's bad and late rows are.
func Topic(app string) string { return app + "-rejects" }

// Replayed is the topic of those that a corrected query file can read.
func Replayed(app string) string { return app + "-replayed" }

// Place is where a row stood when it was rejected. It is what a row is known by.
type Place struct {
	Stream    string `json:"stream"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Source names the row's source partition for people: orders/2, or orders/replayed.
func (p Place) Source(app string) string {
	if p.Topic == Replayed(app) {
		return p.Stream + "/replayed"
	}
	return p.Stream + "/" + strconv.Itoa(int(p.Partition))
}

// Row is a rejected row. A replayed one has a Place, a Time and a Value only.
type Row struct {
	Place
	Time       time.Time `json:"time"`             // Kafka's timestamp of the row, UTC
	Kind       string    `json:"kind"`             // bad, future, late or failed
	Column     string    `json:"column,omitempty"` // that could not be read
	Reason     string    `json:"reason"`
	Tables     string    `json:"tables,omitempty"` // those that did not count it, with commas between
	Definition string    `json:"-"`                // core.DefinitionOf the stream by which it was rejected
	Value      string    `json:"value"`            // the original bytes; a copy
	Length     int       `json:"length,omitempty"` // of key and value, where the topic did not take all of them and they are cut
}

// Headers are what Of reads.
func (r *Row) Headers() []kgo.RecordHeader {
	list := []kgo.RecordHeader{
		{Key: "stream", Value: []byte(r.Stream)},
		{Key: "topic", Value: []byte(r.Topic)},
		{Key: "partition", Value: strconv.AppendInt(nil, int64(r.Partition), 10)},
		{Key: "offset", Value: strconv.AppendInt(nil, r.Offset, 10)},
		{Key: "timestamp", Value: strconv.AppendInt(nil, r.Time.UnixMilli(), 10)},
	}
	for _, h := range []struct{ key, value string }{
		{"kind", r.Kind}, {"reason", r.Reason}, {"definition", r.Definition}, {"column", r.Column}, {"tables", r.Tables},
	} {
		if h.value != "" {
			list = append(list, kgo.RecordHeader{Key: h.key, Value: []byte(h.value)})
		}
	}
	if r.Length > 0 {
		list = append(list, kgo.RecordHeader{Key: "length", Value: strconv.AppendInt(nil, int64(r.Length), 10)})
	}
	return list
}

// Of reads a rejected or replayed row. What else is among the headers is left alone. A record
// whose headers do not say where the row stood is an error: somebody else has written it.
func Of(rec *kgo.Record) (Row, error) {
	r := Row{Value: string(rec.Value)}
	var bad error
	number := func(b []byte, bits int) int64 {
		n, err := strconv.ParseInt(string(b), 10, bits)
		bad = errors.Join(bad, err)
		return n
	}
	placed := 0
	for _, h := range rec.Headers {
		placed++
		switch h.Key {
		case "stream":
			r.Stream = string(h.Value)
		case "topic":
			r.Topic = string(h.Value)
		case "partition":
			r.Partition = int32(number(h.Value, 32))
		case "offset":
			r.Offset = number(h.Value, 64)
		case "timestamp":
			r.Time = time.UnixMilli(number(h.Value, 64)).UTC()
		case "length":
			placed--
			r.Length = int(number(h.Value, 64))
		default:
			placed--
			r.explain(h)
		}
	}
	if bad == nil && placed != 5 {
		bad = errors.New("its headers do not say stream, topic, partition, offset and timestamp; who wrote it?")
	}
	return r, bad
}

// explain takes a header that says why.
func (r *Row) explain(h kgo.RecordHeader) {
	to := map[string]*string{
		"kind": &r.Kind, "reason": &r.Reason, "definition": &r.Definition, "column": &r.Column, "tables": &r.Tables,
	}[h.Key]
	if to != nil {
		*to = string(h.Value)
	}
}
