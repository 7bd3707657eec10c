package main

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"penstock/cmd/penstock/internal/prompt"
)

// recordFormat prints records: each part is text, or a verb of kcat's -f.
type recordFormat []func(dst []byte, r *kgo.Record) []byte

func (f recordFormat) append(dst []byte, r *kgo.Record) []byte {
	for _, part := range f {
		dst = part(dst, r)
	}
	return dst
}

// compileFormat reads a format. For a terminal, what would do something to it is escaped: records
// come from anybody who can write to the topic.
func compileFormat(format string, asJSON, terminal bool) (recordFormat, error) {
	text := func(dst, b []byte) []byte { return append(dst, b...) }
	if terminal {
		text = func(dst, b []byte) []byte { return append(dst, prompt.Safe(string(b))...) }
	}
	switch {
	case asJSON && terminal:
		return recordFormat{func(dst []byte, r *kgo.Record) []byte {
			line := bytes.TrimSuffix(appendRecordJSON(nil, r), []byte("\n"))
			return append(append(dst, prompt.SafeJSON(line)...), '\n')
		}}, nil
	case asJSON:
		return recordFormat{appendRecordJSON}, nil
	}
	verbs := map[byte]func([]byte, *kgo.Record) []byte{
		't': func(dst []byte, r *kgo.Record) []byte { return append(dst, r.Topic...) },
		'p': func(dst []byte, r *kgo.Record) []byte { return strconv.AppendInt(dst, int64(r.Partition), 10) },
		'o': func(dst []byte, r *kgo.Record) []byte { return strconv.AppendInt(dst, r.Offset, 10) },
		'T': func(dst []byte, r *kgo.Record) []byte { return strconv.AppendInt(dst, r.Timestamp.UnixMilli(), 10) },
		'k': func(dst []byte, r *kgo.Record) []byte { return text(dst, r.Key) },
		's': func(dst []byte, r *kgo.Record) []byte { return text(dst, r.Value) },
		'h': func(dst []byte, r *kgo.Record) []byte { return text(dst, appendHeaders(nil, r)) },
		'%': func(dst []byte, _ *kgo.Record) []byte { return append(dst, '%') },
	}
	var parts recordFormat
	rest := unescape(format)
	for rest != "" {
		plain, after, found := strings.Cut(rest, "%")
		parts = append(parts, func(dst []byte, _ *kgo.Record) []byte { return append(dst, plain...) })
		if !found {
			break
		}
		if after == "" || verbs[after[0]] == nil {
			return nil, usage("--format %q: unknown verb %%%.1s, expected one of %%t %%p %%o %%T %%k %%s %%h %%%%", format, after)
		}
		parts = append(parts, verbs[after[0]])
		rest = after[1:]
	}
	return parts, nil
}

// appendRecordJSON prints a record as one JSON object. A value that is JSON itself stands as it
// is, so that jq reaches into it; other text is a string; what is not UTF-8 is base64 under
// another name, since a string would change it.
func appendRecordJSON(dst []byte, r *kgo.Record) []byte {
	object := struct {
		Topic     string          `json:"topic"`
		Partition int32           `json:"partition"`
		Offset    int64           `json:"offset"`
		Time      string          `json:"time"`
		Key       *string         `json:"key"`
		Headers   json.RawMessage `json:"headers,omitempty"`
		Value     json.RawMessage `json:"value,omitempty"`
		Bytes     []byte          `json:"value_base64,omitempty"`
	}{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Time: r.Timestamp.UTC().Format(time.RFC3339Nano),
	}
	if r.Key != nil {
		key := string(r.Key)
		object.Key = &key
	}
	if len(r.Headers) > 0 {
		object.Headers = headersJSON(r.Headers)
	}
	switch {
	case r.Value == nil:
		object.Value = json.RawMessage("null")
	case json.Valid(r.Value):
		object.Value = r.Value
	case utf8.Valid(r.Value):
		object.Value, _ = json.Marshal(string(r.Value))
	default:
		object.Bytes = r.Value
	}
	line, err := json.Marshal(object)
	if err != nil { // nothing in it can fail
		panic(err)
	}
	return append(append(dst, line...), '\n')
}

// appendHeaders writes headers as kcat does: name=value, with commas between.
func appendHeaders(dst []byte, r *kgo.Record) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, h.Key...), '='), h.Value...)
	}
	return dst
}

// headersJSON writes headers as an object, in their order.
func headersJSON(headers []kgo.RecordHeader) json.RawMessage {
	dst := []byte{'{'}
	for i, h := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		name, _ := json.Marshal(h.Key)
		value, _ := json.Marshal(strings.ToValidUTF8(string(h.Value), "\ufffd"))
		dst = append(append(append(dst, name...), ':'), value...)
	}
	return append(dst, '}')
}
