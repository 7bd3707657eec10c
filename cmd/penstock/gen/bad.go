package gen

import (
	"bytes"
	"strconv"
)

// Each way for a line to be no order. A way takes the order that would have been written and
// appends the bad line. All of them are bad for everyone: none depends on whether an empty field
// is NULL or how many digits are rounded away.
var badLines = []struct {
	name  string
	write func(g *Generator, dst []byte, o *order) []byte
}{
	{"too few fields", func(_ *Generator, dst []byte, o *order) []byte {
		line := o.append(dst)
		return line[:len(line)-2]
	}},
	{"cut short", func(g *Generator, dst []byte, o *order) []byte {
		line := o.append(dst)
		return line[:len(dst)+1+int(below(g.rng.Uint64(), 15))]
	}},
	{"too many fields", func(_ *Generator, dst []byte, o *order) []byte { return append(o.append(dst), ",XNAS"...) }},
	{"comma in the price", func(_ *Generator, dst []byte, o *order) []byte {
		start := len(dst)
		dst = o.append(dst)
		dot := bytes.LastIndexByte(dst[start:], '.')
		dst[start+dot] = ','
		return dst
	}},
	{"other delimiter", func(_ *Generator, dst []byte, o *order) []byte {
		start := len(dst)
		dst = o.append(dst)
		for i := start; i < len(dst); i++ {
			if dst[i] == ',' {
				dst[i] = ';'
			}
		}
		return dst
	}},
	{"unknown side", fields(6, "X")},
	{"side in words", fields(6, "BUY")},
	{"side in lower case", fields(6, "b")},
	{"text for the order id", fields(1, "n/a")},
	{"text for the client", fields(2, "client")},
	{"hexadecimal client", fields(2, "0x50")},
	{"text for the amount", fields(4, "many")},
	{"fraction of a share", fields(4, "7.5")},
	{"amount beyond BIGINT", fields(4, "99999999999999999999")},
	{"text for the price", fields(5, "market")},
	{"price with a currency", fields(5, "$51.00")},
	{"price with two points", fields(5, "12.3.4")},
	{"price too large", fields(5, "12345678901.00")},
	{"day that does not exist", fields(0, "2016-02-30 20:25:28")},
	{"month that does not exist", fields(0, "2016-13-22 20:25:28")},
	{"hour that does not exist", fields(0, "2016-03-22 25:25:28")},
	{"text for the time", fields(0, "soon")},
	{"bytes that are not UTF-8", fields(3, "EP\xff\xfe")},
	{"character cut in half", fields(3, "EP\xe2\x82")},
	{"quote left open", fields(3, "\"EPE")},
	{"not csv at all", func(_ *Generator, dst []byte, o *order) []byte {
		dst = append(dst, `{"order_id": `...)
		dst = strconv.AppendInt(dst, o.id, 10)
		return append(dst, '}')
	}},
	{"a remark", func(_ *Generator, dst []byte, _ *order) []byte { return append(dst, "# end of file"...) }},
}

// BadLines returns the names of the classes of bad lines.
func BadLines() []string {
	names := make([]string, len(badLines))
	for i, b := range badLines {
		names[i] = b.name
	}
	return names
}

// bad appends a bad line of a random class.
func (g *Generator) bad(dst []byte, o *order) []byte {
	return badLines[below(g.rng.Uint64(), int64(len(badLines)))].write(g, dst, o)
}

// fields returns a way that puts text where another field stood.
func fields(field int, text string) func(*Generator, []byte, *order) []byte {
	return func(_ *Generator, dst []byte, o *order) []byte {
		parts := bytes.Split(o.append(nil), []byte{','})
		parts[field] = []byte(text)
		return append(dst, bytes.Join(parts, []byte{','})...)
	}
}
