package torture

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// field replaces a field of an order.
func field(n int, with string) func([]byte, *rand.Rand) []byte {
	return func(line []byte, _ *rand.Rand) []byte {
		f := bytes.Split(line, []byte{','})
		f[n] = []byte(with)
		return bytes.Join(f, []byte{','})
	}
}

func whole(with string) func([]byte, *rand.Rand) []byte {
	return func([]byte, *rand.Rand) []byte { return []byte(with) }
}

// malformed are the ways for a record to be no order. All are bad for everybody.
var malformed = []struct {
	name string
	make func(line []byte, rnd *rand.Rand) []byte
}{
	{"no value", func([]byte, *rand.Rand) []byte { return nil }},
	{"text for the time", field(0, "soon")},
	{"day that does not exist", field(0, "2016-02-30 20:25:28")},
	{"month that does not exist", field(0, "2016-13-01 20:25:28")},
	{"hour that does not exist", field(0, "2016-03-22 25:00:00")},
	{"minute that does not exist", field(0, "2016-03-22 20:61:00")},
	{"date only, cut off", field(0, "2016-03-")},
	{"year with letters", field(0, "2O16-03-22 20:25:28")},
	{"text for the id", field(1, "n/a")},
	{"fraction for the id", field(1, "1.5")},
	{"id beyond BIGINT", field(1, "9223372036854775808")},
	{"id below BIGINT", field(1, "-9223372036854775809")},
	{"hexadecimal id", field(1, "0x10")},
	{"exponent for the id", field(1, "1e3")},
	{"text for the client", field(2, "client")},
	{"client with a space inside", field(2, "1 2")},
	{"client with a thin space", field(2, "1\u20091")},
	{"arabic digits", field(2, "\u0661\u0662")},
	{"minus alone", field(2, "-")},
	{"two signs", field(2, "--5")},
	{"text for the amount", field(4, "many")},
	{"fraction of a share", field(4, "7.5")},
	{"amount beyond BIGINT", field(4, "99999999999999999999")},
	{"not a number", field(4, "NaN")},
	{"infinity", field(4, "Infinity")},
	{"true", field(4, "true")},
	{"text for the price", field(5, "market")},
	{"price with a currency", field(5, "$51.00")},
	{"price with two points", field(5, "12.3.4")},
	{"price too large", field(5, "12345678901.00")},
	{"price is not a number", field(5, "NaN")},
	{"price is infinite", field(5, "1e400")},
	{"price with a letter O", field(5, "1O.00")},
	{"unknown side", field(6, "X")},
	{"side in words", field(6, "BUY")},
	{"side in lower case", field(6, "b")},
	{"side with a NUL", field(6, "B\x00")},
	{"bytes that are not UTF-8", field(3, "EP\xff\xfe")},
	{"character cut in half", field(3, "EP\xe2\x82")},
	{"overlong encoding", field(3, "\xc0\xaf")},
	{"quote left open", field(3, "\"EPE")},
	{"text behind a quote", field(3, "\"EPE\"x")},
	{"a field too few", func(l []byte, _ *rand.Rand) []byte { return l[:bytes.LastIndexByte(l, ',')] }},
	{"a field too many", func(l []byte, _ *rand.Rand) []byte { return append(bytes.Clone(l), ",XNAS"...) }},
	{"cut short", func(l []byte, rnd *rand.Rand) []byte { return bytes.Clone(l[:1+rnd.IntN(18)]) }},
	{"other delimiter", func(l []byte, _ *rand.Rand) []byte { return bytes.ReplaceAll(l, []byte(","), []byte(";")) }},
	{"twice in one record", func(l []byte, _ *rand.Rand) []byte { return append(append(bytes.Clone(l), ','), l...) }},
	{"a JSON object", whole(`{"order_id": 1}`)},
	{"a remark", whole("# end of file")},
	{"only commas and one more", whole(",,,,,,,")},
	{"random bytes", func(_ []byte, rnd *rand.Rand) []byte {
		b := []byte{0xff}
		for range rnd.IntN(60) {
			b = append(b, byte(rnd.Uint32()))
		}
		return b
	}},
	{"100,000 letters", whole(strings.Repeat("x", 100_000))},
}

// TestMalformed puts malformed records of every class between good ones: every good one is
// counted, every bad one is rejected once, with its place and a reason. A slice of 20,000 runs
// with the tests, 1,000,000 with -torture.full.
func TestMalformed(t *testing.T) {
	if len(malformed) < 40 {
		t.Fatalf("only %d classes", len(malformed))
	}
	n := 20_000
	if *full {
		n = 1_000_000
	}
	onKafkas(t, func(t *testing.T, k aKafka) {
		r := newRun(t, k, seed(t), 20*time.Minute)
		c := client(t, k.addr(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchMaxBytes(1_000_000))
		made, err := kadm.NewClient(c).CreateTopics(r.ctx, partitions, 1, nil, r.app+".orders", r.app+".fills")
		if err == nil {
			err = made.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		good := r.sendMalformed(c, n)
		p := r.member("--exit-when-caught-up")
		r.start(p)
		began := time.Now()
		if err := p.ended(r.ctx, 10*time.Minute); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		t.Logf("%d malformed records of %d classes among %d good ones, read in %s", n, len(malformed), good, took.Round(time.Millisecond))
		if want := fmt.Sprintf("orders: read %s = decoded %s + bad %s", thousands(good+n), thousands(good), thousands(n)); !p.says(want) {
			t.Errorf("the account is not %q:\n%s", want, p.tail())
		}
		r.audit()
	})
}

// sendMalformed sends n malformed records and about as many good ones.
func (r *run) sendMalformed(c *kgo.Client, n int) (good int) {
	r.t.Helper()
	failed := make(chan error, 1)
	send := func(value []byte) {
		c.Produce(r.ctx, &kgo.Record{Topic: r.app + ".orders", Partition: int32(r.rnd.IntN(partitions)), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	for i := range n {
		line := goodOrder(r.rnd, i)
		class := i % len(malformed)
		if malformed[class].name == "100,000 letters" && i > 100*len(malformed) {
			class = 1 // a hundred of these are enough
		}
		send(malformed[class].make(line, r.rnd))
		if r.rnd.IntN(2) == 0 {
			send(goodOrder(r.rnd, i))
			good++
		}
	}
	// The stream of fills has to have a clock, or its metric has no result to compare.
	for i := range 100 {
		c.Produce(r.ctx, &kgo.Record{Topic: r.app + ".fills", Partition: int32(i % partitions), Value: fill(r.rnd, i, time.Now())}, nil)
	}
	if err := c.Flush(context.WithoutCancel(r.ctx)); err != nil {
		r.t.Fatal(err)
	}
	select {
	case err := <-failed:
		r.t.Fatal(err)
	default:
	}
	return good
}

func goodOrder(rnd *rand.Rand, id int) []byte {
	for {
		if line := order(rnd, id); !bytes.Contains(line, []byte("no client")) {
			return line
		}
	}
}

// thousands writes a number as the binary does.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
