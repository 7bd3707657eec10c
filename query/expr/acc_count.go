package expr

import (
	"encoding/binary"

	"penstock/query/row"
)

// countAcc is COUNT(*) and COUNT(x).
type countAcc struct{ n []int64 }

func (a *countAcc) Grow(n int)     { a.n = grow(a.n, n) }
func (a *countAcc) Clear(slot int) { a.n[slot] = 0 }
func (a *countAcc) Reset()         { a.n = a.n[:0] }
func (a *countAcc) Bytes() int     { return 0 }

func (a *countAcc) Update(sel, slots []int32, arg *row.Vector, _ []int64) {
	if arg == nil || arg.Null == nil {
		for _, i := range sel {
			a.n[slots[i]]++
		}
		return
	}
	for _, i := range sel {
		if !arg.Null[i] {
			a.n[slots[i]]++
		}
	}
}

func (a *countAcc) Encode(dst []byte, slot int) []byte {
	return binary.AppendUvarint(dst, uint64(a.n[slot]))
}

func (a *countAcc) Merge(slot int, src []byte) (rest []byte, err error) {
	n, rest, err := takeCount(src)
	if err == nil {
		a.n[slot] += n
	}
	return rest, err
}

func (a *countAcc) Subtract(slot int, src []byte) (rest []byte, err error) {
	n, rest, err := takeCount(src)
	if err == nil {
		a.n[slot] -= n
	}
	return rest, err
}

func (a *countAcc) Value(slot int) row.Value { return row.Int(a.n[slot]) }

func (a *countAcc) values(v *row.Vector, n int) bool {
	copy(v.I64, a.n[:n])
	clear(v.Null[:n])
	return true
}
