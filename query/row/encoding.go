package row

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// The plain encoding of a value is compact, ends by itself and does not order (keys do). Numbers and
// times are those of a key. A DOUBLE is a byte with the count of bytes that follow: the high ones of
// its bits, without the zeros at the end, so that small whole numbers and simple fractions are
// short. A VARCHAR is its length, as the integer of a key, and its bytes. NULL and error values
// begin as in a key.

// AppendValue appends the plain encoding of v, which has type t.
func AppendValue(dst []byte, v Value, t Type) []byte {
	switch v.State {
	case Null:
		return append(dst, keyNull)
	case Error:
		return appendString(append(dst, keyError), v.S)
	}
	switch t.Physical() {
	case F64:
		u := math.Float64bits(v.F)
		n := 8 - bits.TrailingZeros64(u)/8
		return appendLow(append(dst, byte(n)), u>>(64-8*n), n)
	case Dec:
		return appendOrdered128(dst, v.D)
	case Str:
		return appendString(dst, v.S)
	}
	return appendOrdered(dst, v.I)
}

func appendString(dst []byte, s string) []byte {
	return append(appendOrdered(dst, int64(len(s))), s...)
}

var errValue = errors.New("broken encoding of a value")

// DecodeValue reads a value of type t from the front of src and returns what follows it. Its text
// is a copy. Only bytes that AppendValue writes are accepted.
func DecodeValue(src []byte, t Type) (v Value, rest []byte, err error) {
	if len(src) == 0 {
		return v, nil, errValue
	}
	switch src[0] {
	case keyNull:
		return NullValue, src[1:], nil
	case keyError:
		v.State = Error
		v.S, rest, err = decodeString(src[1:])
		return v, rest, err
	}
	switch t.Physical() {
	case F64:
		n := int(src[0])
		if n > 8 || len(src) < 1+n || n > 0 && src[n] == 0 {
			return v, nil, errValue
		}
		var b [8]byte
		copy(b[:], src[1:1+n])
		return Float(math.Float64frombits(binary.BigEndian.Uint64(b[:]))), src[1+n:], nil
	case Str:
		v.S, rest, err = decodeString(src)
		return v, rest, err
	}
	d, rest, err := decodeOrdered128(src)
	switch {
	case err != nil:
		return v, nil, errValue
	case t.Physical() == Dec:
		return Dec128(d), rest, nil
	case !d.IsInt64():
		return v, nil, errValue
	}
	return Int(d.Int64()), rest, nil
}

func decodeString(src []byte) (s string, rest []byte, err error) {
	n, rest, err := decodeOrdered128(src)
	if err != nil || n.Hi != 0 || n.Lo > uint64(len(rest)) {
		return "", nil, errValue
	}
	return string(rest[:n.Lo]), rest[n.Lo:], nil
}
