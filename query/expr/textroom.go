package expr

import "penstock/query/row"

// TextRoom bounds the text that the programs of one batch make. A function makes up to a megabyte
// of a row (maxText), and a batch has a thousand rows, which is nothing a query of somebody else's may
// take. Programs whose Errors point to one stop where Max is passed: what they return then is of no
// use, and Over tells so. It belongs to one goroutine.
type TextRoom struct {
	Max  int64 // bytes; 0: no bound
	made int64
}

// Reset begins a batch.
func (t *TextRoom) Reset() { t.made = 0 }

// Over tells whether more was made than there is room for.
func (t *TextRoom) Over() bool { return t.Max > 0 && t.made > t.Max }

// roomRows is how many rows of text are made before they are weighed.
const roomRows = 16

// fill runs an operation that makes text, some rows at a time, for as long as there is room.
func (t *TextRoom) fill(out *row.Vector, sel []int32, vec func(sel []int32)) {
	for len(sel) > 0 && !t.Over() {
		some := sel[:min(roomRows, len(sel))]
		for _, i := range some {
			out.Str[i] = ""
		}
		vec(some)
		for _, i := range some {
			t.made += int64(len(out.Str[i]))
		}
		sel = sel[len(some):]
	}
}
