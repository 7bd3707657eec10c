package expr

import (
	"math"
	"strings"

	"penstock/query/row"
)

// Short names for the kinds in the table.
const (
	boolean   = row.Boolean
	integer   = row.Integer
	bigint    = row.Bigint
	double    = row.Double
	decimal   = row.Decimal
	text      = row.Varchar
	timestamp = row.Timestamp
	interval  = row.Interval
)

func kinds(k ...row.Kind) []row.Kind { return k }

// functionTable names every function. To add one: a line here, its code in text.go, number.go or
// time.go, and a line in one of the files of testdata (a test asks for it).
var functionTable = []entry{
	// Choices. These evaluate only what they need.
	{name: "COALESCE", sig: "COALESCE(x, ...)", help: "the first argument that is not NULL", make: newCoalesce},
	{name: "NULLIF", sig: "NULLIF(x, y)", help: "NULL where x = y, otherwise x", make: newNullif},
	{name: "GREATEST", sig: "GREATEST(x, ...)", help: "the largest argument; NULLs are left out", make: newExtreme("GREATEST")},
	{name: "LEAST", sig: "LEAST(x, ...)", help: "the smallest argument; NULLs are left out", make: newExtreme("LEAST")},

	// Text.
	{name: "LOWER", sig: "LOWER(text)", help: "in lower case", forms: []form{{in: kinds(text), out: text, do: fn1(strings.ToLower)}}},
	{name: "UPPER", sig: "UPPER(text)", help: "in upper case", forms: []form{{in: kinds(text), out: text, do: fn1(strings.ToUpper)}}},
	{name: "INITCAP", sig: "INITCAP(text)", help: "each word with a capital", forms: []form{{in: kinds(text), out: text, do: fn1(initcap)}}},
	{name: "LENGTH", sig: "LENGTH(text)", help: "how many characters", forms: []form{{in: kinds(text), out: integer, do: fn1(runes)}}},
	{name: "OCTET_LENGTH", sig: "OCTET_LENGTH(text)", help: "how many bytes",
		forms: []form{{in: kinds(text), out: integer, do: fn1(func(s string) int64 { return int64(len(s)) })}}},
	{name: "SUBSTRING", sig: "SUBSTRING(text, from [, count])", help: "characters from a position, the first being 1", forms: []form{
		{in: kinds(text, bigint), out: text, do: fn2(substringFrom)},
		{in: kinds(text, bigint, bigint), out: text, do: fn3e(substring)}}},
	{name: "LEFT", sig: "LEFT(text, n)", help: "the first n characters; all but the last -n when negative",
		forms: []form{{in: kinds(text, bigint), out: text, do: fn2(left)}}},
	{name: "RIGHT", sig: "RIGHT(text, n)", help: "the last n characters; all but the first -n when negative",
		forms: []form{{in: kinds(text, bigint), out: text, do: fn2(right)}}},
	{name: "TRIM", sig: "TRIM(text [, characters])", help: "without spaces, or those characters, at both ends", forms: trimForms(strings.Trim)},
	{name: "LTRIM", sig: "LTRIM(text [, characters])", help: "without them at the start", forms: trimForms(strings.TrimLeft)},
	{name: "RTRIM", sig: "RTRIM(text [, characters])", help: "without them at the end", forms: trimForms(strings.TrimRight)},
	{name: "LPAD", sig: "LPAD(text, length [, fill])", help: "filled up, or cut, to a length, on the left", forms: padForms(true)},
	{name: "RPAD", sig: "RPAD(text, length [, fill])", help: "filled up, or cut, to a length, on the right", forms: padForms(false)},
	{name: "REPLACE", sig: "REPLACE(text, from, to)", help: "with every from replaced by to",
		forms: []form{{in: kinds(text, text, text), out: text, do: fn3e(replace)}}},
	{name: "SPLIT_PART", sig: "SPLIT_PART(text, delimiter, n)", help: "the nth field, from the end when n is negative",
		forms: []form{{in: kinds(text, text, bigint), out: text, do: fn3e(splitPart)}}},
	{name: "STRPOS", sig: "STRPOS(text, part)", help: "where part begins, the first character being 1; 0: nowhere",
		forms: []form{{in: kinds(text, text), out: integer, do: fn2(strpos)}}},
	{name: "POSITION", sig: "POSITION(part, text)", help: "as STRPOS(text, part)", make: newPosition},
	{name: "STARTS_WITH", sig: "STARTS_WITH(text, part)", help: "whether text begins with part",
		forms: []form{{in: kinds(text, text), out: boolean, do: fn2(func(s, p string) int64 { return b2i(strings.HasPrefix(s, p)) })}}},
	{name: "REVERSE", sig: "REVERSE(text)", help: "backwards", forms: []form{{in: kinds(text), out: text, do: fn1(reverse)}}},
	{name: "REPEAT", sig: "REPEAT(text, n)", help: "n times", forms: []form{{in: kinds(text, bigint), out: text, do: fn2e(repeat)}}},
	{name: "CONCAT", sig: "CONCAT(x, ...)", help: "everything joined as text; NULLs are left out", make: newConcatCall("CONCAT")},
	{name: "CONCAT_WS", sig: "CONCAT_WS(separator, x, ...)", help: "as CONCAT, with a separator between", make: newConcatCall("CONCAT_WS")},

	// Numbers.
	{name: "ABS", sig: "ABS(number)", help: "without the sign", forms: []form{
		{in: kinds(integer), out: integer, bind: bindAbs}, {in: kinds(bigint), out: bigint, bind: bindAbs},
		{in: kinds(decimal), typed: typeOfFirst, do: fn1(row.Int128.Abs)}, {in: kinds(double), out: double, do: fn1(math.Abs)}}},
	{name: "SIGN", sig: "SIGN(number)", help: "-1, 0 or 1", forms: []form{
		{in: kinds(decimal), typed: oneDigit, do: fn1(func(d row.Int128) row.Int128 { return row.Int128FromInt64(int64(d.Sign())) })},
		{in: kinds(double), out: double, do: fn1(signDouble)}}},
	{name: "ROUND", sig: "ROUND(number [, digits])", help: "rounded half away from zero, a double to even", forms: roundForms(roundAway, math.RoundToEven)},
	{name: "TRUNC", sig: "TRUNC(number [, digits])", help: "cut towards zero", forms: roundForms(roundToZero, math.Trunc)},
	{name: "FLOOR", sig: "FLOOR(number)", help: "the next whole number down", forms: wholeForms(roundDown, math.Floor)},
	{name: "CEIL", sig: "CEIL(number)", help: "the next whole number up", forms: wholeForms(roundUp, math.Ceil)},
	{name: "MOD", sig: "MOD(x, y)", help: "the remainder of x / y, with the sign of x", make: newMod},
	{name: "POWER", sig: "POWER(x, y)", help: "x to the power of y", forms: []form{{in: kinds(double, double), out: double, do: fn2e(power)}}},
	{name: "SQRT", sig: "SQRT(x)", help: "the square root", forms: []form{{in: kinds(double), out: double, do: fn1e(sqrt)}}},
	{name: "EXP", sig: "EXP(x)", help: "e to the power of x", forms: []form{{in: kinds(double), out: double, do: fn1e(exp)}}},
	{name: "LN", sig: "LN(x)", help: "the natural logarithm", forms: []form{{in: kinds(double), out: double, do: fn1e(ln)}}},
	{name: "LOG", sig: "LOG([base,] x)", help: "the logarithm, to base 10", forms: []form{
		{in: kinds(double), out: double, do: fn1e(log10)}, {in: kinds(double, double), out: double, do: fn2e(logBase)}}},

	// Time.
	{name: "DATE_TRUNC", sig: "DATE_TRUNC('unit', time)", help: "the start of the unit a time is in", forms: []form{
		{in: kinds(text, timestamp), out: timestamp, typed: truncType, bind: bindTrunc},
		{in: kinds(text, interval), out: interval, typed: truncType, bind: bindTrunc}}},
	{name: "DATE_BIN", sig: "DATE_BIN(width, time, origin)", help: "the start of the bin a time is in",
		forms: []form{{in: kinds(interval, timestamp, timestamp), out: timestamp, do: fn3e(dateBin)}}},
	{name: "EXTRACT", sig: "EXTRACT(field FROM time)", help: "a field of a time or an interval", forms: []form{
		{in: kinds(text, timestamp), typed: extractType, bind: bindExtract, show: showExtract},
		{in: kinds(text, interval), typed: extractType, bind: bindExtract, show: showExtract}}},
	{name: "DATE_PART", sig: "DATE_PART('field', time)", help: "EXTRACT as DOUBLE PRECISION", forms: []form{
		{in: kinds(text, timestamp), typed: partType, bind: bindPart}, {in: kinds(text, interval), typed: partType, bind: bindPart}}},
	{name: "TO_TIMESTAMP", sig: "TO_TIMESTAMP(seconds)", help: "the time so many seconds after 1970", forms: []form{
		{in: kinds(bigint), out: timestamp, do: fn1e(fromSeconds)}, {in: kinds(decimal), out: timestamp, bind: bindFromDecimal},
		{in: kinds(double), out: timestamp, do: fn1e(fromDouble)}}},
	{name: "DATE", sig: "DATE(time)", help: "the day of a time", make: newDate},
}

// functionAliases are other names, each for the one beside it.
var functionAliases = [][2]string{
	{"CHAR_LENGTH", "LENGTH"}, {"CHARACTER_LENGTH", "LENGTH"}, {"SUBSTR", "SUBSTRING"}, {"BTRIM", "TRIM"},
	{"CEILING", "CEIL"}, {"POW", "POWER"}, {"LOG10", "LOG"},
}

// refusedFunctions are what a PostgreSQL user may reach for and cannot have: a result must be the
// same whenever, and however often, it is computed.
var refusedFunctions = map[string]string{
	"NOW":                   "use rowtime, the time of the row",
	"CURRENT_TIMESTAMP":     "use rowtime, the time of the row",
	"LOCALTIMESTAMP":        "use rowtime, the time of the row",
	"CLOCK_TIMESTAMP":       "use rowtime, the time of the row",
	"STATEMENT_TIMESTAMP":   "use rowtime, the time of the row",
	"TRANSACTION_TIMESTAMP": "use rowtime, the time of the row",
	"CURRENT_DATE":          "use DATE(rowtime), the day of the row",
	"RANDOM":                "take a number from the row",
	"GEN_RANDOM_UUID":       "take an id from the row",
}
