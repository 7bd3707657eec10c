package row

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strings"
)

// A key is made of bytes that compare as the values do, and each ends by itself:
//
//	NULL            ff, so it sorts behind every value
//	error value     fe, then its reason as a string
//	numbers, times  an ordered integer of 1 to 17 bytes (appendOrdered)
//	DOUBLE          08, then 8 bytes: the bits, turned so that they order
//	VARCHAR         its bytes, 00 at the end; 00, 01, fd, fe and ff within are escaped
//
// No value begins with fe or ff. Equal values have equal keys, so a key is also an identity:
// -0 becomes 0 and every NaN the same one.
const (
	keyNull   = 0xff
	keyError  = 0xfe
	keyDouble = 0x08
)

// The first byte of an ordered integer:
//
//	00..0f  below -16: 16 to 1 bytes follow, -17-v complemented
//	10..1f  -16 to -1
//	20..9f  0 to 127
//	a0..ed  128 to 20,095, in this and one more byte
//	ee..fd  from there on: 1 to 16 bytes follow, v-20,096
const (
	ordNeg    = 0x0f // one byte follows; fewer for more
	ordZero   = 0x20
	ordTwo    = 0xa0
	ordPos    = 0xee // one byte follows
	ordSmall  = -16
	ordOne    = 128
	ordTwoEnd = ordOne + (ordPos-ordTwo)*256
)

// AppendKey appends the key of v, which has type t.
func AppendKey(dst []byte, v Value, t Type) []byte {
	switch v.State {
	case Null:
		return append(dst, keyNull)
	case Error:
		return appendKeyString(append(dst, keyError), v.S)
	}
	switch t.Physical() {
	case F64:
		return appendKeyDouble(dst, v.F)
	case Dec:
		return appendOrdered128(dst, v.D)
	case Str:
		return appendKeyString(dst, v.S)
	}
	return appendOrdered(dst, v.I)
}

// AppendKeyVec appends the key of position i of vec, the same bytes that AppendKey makes of it.
func AppendKeyVec(dst []byte, vec *Vector, i int) []byte {
	if vec.IsNull(i) {
		return append(dst, keyNull)
	}
	switch vec.Type.Physical() {
	case F64:
		return appendKeyDouble(dst, vec.F64[i])
	case Dec:
		return appendOrdered128(dst, vec.Dec[i])
	case Str:
		return appendKeyString(dst, vec.Str[i])
	}
	return appendOrdered(dst, vec.I64[i])
}

// AppendKeyDesc appends the key of v complemented: these order the other way, NULL first, which is
// PostgreSQL's default for DESC.
func AppendKeyDesc(dst []byte, v Value, t Type) []byte {
	from := len(dst)
	dst = AppendKey(dst, v, t)
	complement(dst[from:])
	return dst
}

// AppendKeyOrder appends the key of v as one term of ORDER BY: a NULL goes where nullsFirst says,
// at the price of one more byte where that is not the default of the direction.
func AppendKeyOrder(dst []byte, v Value, t Type, desc, nullsFirst bool) []byte {
	if desc != nullsFirst {
		if v.IsNull() != nullsFirst {
			dst = append(dst, 1)
		} else {
			dst = append(dst, 0)
		}
	}
	if desc {
		return AppendKeyDesc(dst, v, t)
	}
	return AppendKey(dst, v, t)
}

func complement(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

func appendOrdered(dst []byte, v int64) []byte {
	switch {
	case v >= ordSmall && v < ordOne:
		return append(dst, byte(v+ordZero))
	case v >= ordOne && v < ordTwoEnd:
		v -= ordOne
		return append(dst, byte(ordTwo+v>>8), byte(v))
	case v > 0:
		u := uint64(v - ordTwoEnd)
		n := max(1, (bits.Len64(u)+7)/8)
		return appendLow(append(dst, byte(ordPos+n-1)), u, n)
	}
	u := uint64(ordSmall - 1 - v)
	n := max(1, (bits.Len64(u)+7)/8)
	return appendLow(append(dst, byte(ordNeg-n+1)), ^u, n)
}

// appendLow appends the n low bytes of u, highest first.
func appendLow(dst []byte, u uint64, n int) []byte {
	dst = binary.BigEndian.AppendUint64(dst, u<<(64-8*n))
	return dst[:len(dst)-8+n]
}

func appendOrdered128(dst []byte, d Int128) []byte {
	if d.IsInt64() {
		return appendOrdered(dst, d.Int64())
	}
	var u Int128
	var first byte
	if d.Hi >= 0 {
		u, _ = d.Sub(Int128{0, ordTwoEnd})
	} else {
		u, _ = Int128FromInt64(ordSmall - 1).Sub(d)
	}
	n := 8
	if u.Hi != 0 {
		n = 8 + (bits.Len64(uint64(u.Hi))+7)/8
	}
	if d.Hi >= 0 {
		first = byte(ordPos + n - 1)
	} else {
		first = byte(ordNeg - n + 1)
		u = Int128{^u.Hi, ^u.Lo}
	}
	dst = append(dst, first)
	if n > 8 {
		dst = appendLow(dst, uint64(u.Hi), n-8)
	}
	return binary.BigEndian.AppendUint64(dst, u.Lo)
}

func appendKeyDouble(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, keyDouble), orderedBits(f))
}

// orderedBits maps a float64 to a number that orders as it does.
func orderedBits(f float64) uint64 {
	switch {
	case f == 0:
		f = 0 // -0 too
	case f != f:
		f = math.NaN()
	}
	u := math.Float64bits(f)
	if u>>63 != 0 {
		return ^u
	}
	return u | 1<<63
}

func fromOrderedBits(u uint64) float64 {
	if u>>63 != 0 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}

// escaped marks the bytes that stand for something in a string key.
func escaped(c byte) bool { return c <= 1 || c >= 0xfd }

func appendKeyString(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if c := s[i]; escaped(c) {
			dst = append(dst, s[from:i]...)
			from = i + 1
			if c <= 1 {
				dst = append(dst, 1, c+1)
			} else {
				dst = append(dst, 0xfd, c-0xfc)
			}
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, 0)
}

var errKey = errors.New("broken key")

// DecodeKey reads the value of type t from the front of src and returns what follows it. Only
// bytes that AppendKey writes are accepted.
func DecodeKey(src []byte, t Type) (v Value, rest []byte, err error) {
	if len(src) == 0 {
		return v, nil, errKey
	}
	switch src[0] {
	case keyNull:
		return NullValue, src[1:], nil
	case keyError:
		v.State = Error
		v.S, rest, err = decodeKeyString(src[1:])
		return v, rest, err
	}
	switch t.Physical() {
	case F64:
		if src[0] != keyDouble || len(src) < 9 {
			return v, nil, errKey
		}
		u := binary.BigEndian.Uint64(src[1:])
		if v.F = fromOrderedBits(u); orderedBits(v.F) != u {
			return v, nil, errKey
		}
		return v, src[9:], nil
	case Dec:
		v.D, rest, err = decodeOrdered128(src)
		return v, rest, err
	case Str:
		v.S, rest, err = decodeKeyString(src)
		return v, rest, err
	}
	d, rest, err := decodeOrdered128(src)
	if err != nil || !d.IsInt64() {
		return v, nil, errKey
	}
	return Int(d.Int64()), rest, nil
}

// DecodeKeyDesc reads what AppendKeyDesc wrote.
func DecodeKeyDesc(src []byte, t Type) (v Value, rest []byte, err error) {
	plain := append([]byte(nil), src...)
	complement(plain)
	v, after, err := DecodeKey(plain, t)
	if err != nil {
		return v, nil, err
	}
	return v, src[len(src)-len(after):], nil
}

func decodeOrdered128(src []byte) (d Int128, rest []byte, err error) {
	if len(src) == 0 || src[0] >= keyError {
		return d, nil, errKey
	}
	c := int64(src[0])
	src = src[1:]
	switch {
	case c > ordNeg && c < ordTwo:
		return Int128FromInt64(c - ordZero), src, nil
	case c >= ordTwo && c < ordPos:
		if len(src) < 1 {
			return d, nil, errKey
		}
		return Int128FromInt64((c-ordTwo)<<8 + int64(src[0]) + ordOne), src[1:], nil
	}
	neg, n := c <= ordNeg, int(c-ordPos+1)
	if neg {
		n = int(ordNeg - c + 1)
	}
	if len(src) < n {
		return d, nil, errKey
	}
	var b [16]byte
	copy(b[16-n:], src[:n])
	if neg {
		complement(b[16-n:])
	}
	if n > 1 && b[16-n] == 0 {
		return d, nil, errKey // could be shorter
	}
	u := Int128{int64(binary.BigEndian.Uint64(b[:])), binary.BigEndian.Uint64(b[8:])}
	var over bool
	if neg {
		d, over = Int128FromInt64(ordSmall - 1).Sub(u)
	} else {
		d, over = u.Add(Int128{0, ordTwoEnd})
	}
	if over || u.Hi < 0 {
		return d, nil, errKey
	}
	return d, src[n:], nil
}

func decodeKeyString(src []byte) (s string, rest []byte, err error) {
	for i, c := range src {
		if c == 0 {
			return string(src[:i]), src[i+1:], nil
		}
		if escaped(c) {
			return decodeEscapedString(src)
		}
	}
	return "", nil, errKey
}

func decodeEscapedString(src []byte) (s string, rest []byte, err error) {
	var b strings.Builder
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == 0 {
			return b.String(), src[i+1:], nil
		}
		if escaped(c) {
			i++
			if i == len(src) || c >= 0xfe {
				return "", nil, errKey
			}
			e := src[i]
			switch {
			case c == 1 && (e == 1 || e == 2):
				c = e - 1
			case c == 0xfd && e >= 1 && e <= 3:
				c = 0xfc + e
			default:
				return "", nil, errKey
			}
		}
		b.WriteByte(c)
	}
	return "", nil, errKey
}

// SkipKey returns what follows the key of a value of type t at the front of src.
func SkipKey(src []byte, t Type) (rest []byte, err error) {
	if len(src) > 0 && src[0] < keyError && t.Physical() == Str {
		for i, c := range src {
			if c == 0 {
				return src[i+1:], nil
			}
		}
		return nil, errKey
	}
	_, rest, err = DecodeKey(src, t)
	return rest, err
}
