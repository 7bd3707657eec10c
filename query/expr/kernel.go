package expr

import (
	"penstock/query/row"
)

// An operation is written once, as a plain function over the physical types of its arguments;
// the adaptors here make of it both an impl.row, for one row, and an impl.vec, for a batch. What
// must be fastest (arithmetic, comparison) writes its vec by hand instead.

// impl is how a strict operation computes.
type impl struct {
	// row computes one row. With nulls unset it never sees a NULL.
	row func(args []row.Value) (row.Value, error)
	// vec computes the positions in sel into out. With nulls unset sel has no NULLs and out.Null
	// is set already.
	vec func(f *frame, sel []int32, args []*row.Vector, out *row.Vector)
	// nulls: the operation takes NULL arguments itself. When some may be NULL, out.Null is there,
	// all unset at sel.
	nulls bool
	// safe: it never fails a row.
	safe bool
}

// phys are the Go types of the physical kinds.
type phys interface {
	int64 | float64 | row.Int128 | string
}

// data returns the slice of v that holds T.
func data[T phys](v *row.Vector) []T {
	var p any
	switch any((*T)(nil)).(type) {
	case *int64:
		p = &v.I64
	case *float64:
		p = &v.F64
	case *row.Int128:
		p = &v.Dec
	case *string:
		p = &v.Str
	}
	return *p.(*[]T)
}

// get returns the field of v that holds T.
func get[T phys](v *row.Value) T {
	var p any
	switch any((*T)(nil)).(type) {
	case *int64:
		p = &v.I
	case *float64:
		p = &v.F
	case *row.Int128:
		p = &v.D
	case *string:
		p = &v.S
	}
	return *p.(*T)
}

// value makes a Value of a T.
func value[T phys](x T) row.Value {
	switch x := any(x).(type) {
	case int64:
		return row.Value{I: x}
	case float64:
		return row.Value{F: x}
	case row.Int128:
		return row.Value{D: x}
	case string:
		return row.Value{S: x}
	}
	return row.Value{}
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// fn1 adapts a function that cannot fail, fn1e one that can.
func fn1[A, R phys](f func(A) R) impl {
	return impl{
		safe: true,
		row:  func(a []row.Value) (row.Value, error) { return value(f(get[A](&a[0]))), nil },
		vec: func(_ *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			a, r := data[A](args[0]), data[R](out)
			for _, i := range sel {
				r[i] = f(a[i])
			}
		},
	}
}

func fn1e[A, R phys](f func(A) (R, error)) impl {
	return impl{
		row: func(a []row.Value) (row.Value, error) { return result(f(get[A](&a[0]))) },
		vec: func(fr *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			a, r := data[A](args[0]), data[R](out)
			for _, i := range sel {
				x, err := f(a[i])
				if err != nil {
					fr.errs.Fail(i, err)
					continue
				}
				r[i] = x
			}
		},
	}
}

func result[R phys](x R, err error) (row.Value, error) {
	if err != nil {
		return row.Value{}, err
	}
	return value(x), nil
}

func fn2[A, B, R phys](f func(A, B) R) impl {
	im := fn2e(func(a A, b B) (R, error) { return f(a, b), nil })
	im.safe = true
	return im
}

func fn2e[A, B, R phys](f func(A, B) (R, error)) impl {
	return impl{
		row: func(a []row.Value) (row.Value, error) {
			return result(f(get[A](&a[0]), get[B](&a[1])))
		},
		vec: func(fr *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			a, b, r := data[A](args[0]), data[B](args[1]), data[R](out)
			for _, i := range sel {
				x, err := f(a[i], b[i])
				if err != nil {
					fr.errs.Fail(i, err)
					continue
				}
				r[i] = x
			}
		},
	}
}

func fn3e[A, B, C, R phys](f func(A, B, C) (R, error)) impl {
	return impl{
		row: func(a []row.Value) (row.Value, error) {
			return result(f(get[A](&a[0]), get[B](&a[1]), get[C](&a[2])))
		},
		vec: func(fr *frame, sel []int32, args []*row.Vector, out *row.Vector) {
			a, b, c, r := data[A](args[0]), data[B](args[1]), data[C](args[2]), data[R](out)
			for _, i := range sel {
				x, err := f(a[i], b[i], c[i])
				if err != nil {
					fr.errs.Fail(i, err)
					continue
				}
				r[i] = x
			}
		},
	}
}
