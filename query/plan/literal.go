package plan

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"penstock/query/expr"
	"penstock/query/row"
	"penstock/query/syntax"
)

// numberNode makes the constant of a number as it is spelt.
func numberNode(text string, kind syntax.NumberKind) (expr.Node, error) {
	v, t, err := numberValue(text, kind)
	if err != nil {
		return nil, err
	}
	return expr.Const(v, t), nil
}

func numberValue(text string, kind syntax.NumberKind) (row.Value, row.Type, error) {
	switch kind {
	case syntax.Integer:
		return integerValue(text)
	case syntax.Decimal:
		return decimalValue(text)
	}
	return doubleValue(text)
}

// integerValue is INTEGER, BIGINT or DECIMAL(n,0), the first that fits.
func integerValue(text string) (row.Value, row.Type, error) {
	i, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return decimalValue(text)
	case i >= math.MinInt32 && i <= math.MaxInt32:
		return row.Int(i), row.Of(row.Integer), nil
	}
	return row.Int(i), row.Of(row.Bigint), nil
}

// decimalValue is DECIMAL with as many digits as are written, zeros in front apart.
func decimalValue(text string) (row.Value, row.Type, error) {
	whole, fraction, _ := strings.Cut(strings.TrimLeft(strings.TrimLeft(text, "-"), "0"), ".")
	precision, scale := max(1, len(whole)+len(fraction)), len(fraction)
	if precision > row.MaxPrecision {
		return row.Value{}, row.Type{}, fmt.Errorf("%s has %d digits; expected at most %d", text, precision, row.MaxPrecision)
	}
	d, err := row.ParseDecimal(text, precision, scale, false)
	return row.Dec128(d), row.DecimalType(precision, scale), err
}

func doubleValue(text string) (row.Value, row.Type, error) {
	f, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) {
		return row.Value{}, row.Type{}, fmt.Errorf("%s is out of the range of DOUBLE PRECISION", text)
	}
	return row.Float(f), row.Of(row.Double), err
}

// typeOf reads a type as written.
func typeOf(t *syntax.Type) (row.Type, *fault) {
	arg := func(i, otherwise int) int {
		if i < len(t.Args) {
			return t.Args[i]
		}
		return otherwise
	}
	switch t.Name {
	case "DECIMAL":
		p, s := arg(0, row.MaxPrecision), arg(1, 0)
		switch {
		case len(t.Args) == 0:
			return row.Type{}, faultf(codeType, "DECIMAL without its digits").expect("how many there are in all and behind the point", "write for example DECIMAL(12,2)")
		case len(t.Args) > 2 || p < 1 || p > row.MaxPrecision:
			return row.Type{}, faultf(codeType, "%s; expected 1 to %d digits", t, row.MaxPrecision).expect("", "write for example DECIMAL(12,2)")
		case s < 0 || s > p:
			return row.Type{}, faultf(codeType, "%s has more digits behind the point than in all", t).expect("", "write for example DECIMAL(%d,%d)", min(row.MaxPrecision, max(p, s)), min(p, s))
		}
		return row.DecimalType(p, s), nil
	case "VARCHAR", "TEXT":
		n := arg(0, 0)
		if len(t.Args) > 1 || len(t.Args) == 1 && (n < 1 || n > 10_485_760) {
			return row.Type{}, faultf(codeType, "%s; expected a length from 1 to 10485760", t).expect("", "write VARCHAR for any length")
		}
		return row.Type{Kind: row.Varchar, Length: int32(n)}, nil
	}
	if len(t.Args) > 0 && t.Name != "TIMESTAMP" {
		return row.Type{}, faultf(codeType, "%s takes no number in parentheses", t.Name).expect("", "write %s", t.Name)
	}
	k, ok := kinds[t.Name]
	if !ok {
		return row.Type{}, faultf(codeType, "unknown type %s", t.Name).suggest(t.Name, typeNames)
	}
	return row.Of(k), nil
}

var typeNames = []string{"BOOLEAN", "INTEGER", "BIGINT", "DOUBLE PRECISION", "DECIMAL", "VARCHAR", "TEXT", "TIMESTAMP", "DATE"}

var kinds = map[string]row.Kind{"BOOLEAN": row.Boolean, "INTEGER": row.Integer, "BIGINT": row.Bigint,
	"DOUBLE PRECISION": row.Double, "TIMESTAMP": row.Timestamp, "DATE": row.Date, "INTERVAL": row.Interval}
