package bench

import (
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

// The fat profile is for the size of a state, not for speed: each record is a key of its own with a
// text that nothing compresses, so that eight million of them are a gigabyte on disk.
const (
	fatBytes = 120 // of entropy
	fatQuery = `CREATE STREAM orders (id BIGINT, text VARCHAR) WITH (topic = 'orders', format = 'csv');
CREATE TABLE texts AS SELECT id, MAX(text) AS text FROM orders GROUP BY id;
CREATE METRIC RECORDS AS SELECT COUNT(*) FROM orders WINDOW TUMBLING (SIZE 5 SECONDS) EMIT FINAL;
`
)

func fatLines() func([]byte) []byte {
	rng := rand.New(rand.NewPCG(1, 1))
	var text [fatBytes]byte
	id := int64(0)
	return func(dst []byte) []byte {
		id++
		for i := 0; i < len(text); i += 8 {
			binary.LittleEndian.PutUint64(text[i:], rng.Uint64())
		}
		dst = append(strconv.AppendInt(dst, id, 10), ',')
		return base64.RawURLEncoding.AppendEncode(dst, text[:])
	}
}
