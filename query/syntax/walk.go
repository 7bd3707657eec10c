package syntax

import "reflect"

// Walk calls f for n and, as long as f returns true, for the nodes below it in the order of
// the text, except that a CREATE STREAM gives its columns before its checks. It does not
// visit nil.
func Walk(n Node, f func(Node) bool) {
	if n == nil || reflect.ValueOf(n).IsNil() || !f(n) {
		return
	}
	v := reflect.ValueOf(n).Elem()
	for i := range v.NumField() {
		walkField(v.Field(i), f)
	}
}

// walkField goes by the fields' types, so a new kind of node needs no line here. Trees are
// small and walked once per statement; this is no hot path.
func walkField(v reflect.Value, f func(Node) bool) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if n, ok := v.Interface().(Node); ok && !v.IsNil() {
			Walk(n, f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walkField(v.Index(i), f)
		}
	}
}

var spanType = reflect.TypeFor[Span]()

// Equal tells whether two trees are the same but for where they stand in their texts.
func Equal(a, b Node) bool { return equalValues(reflect.ValueOf(a), reflect.ValueOf(b)) }

func equalValues(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Interface:
		return a.IsNil() == b.IsNil() && (a.IsNil() || equalValues(a.Elem(), b.Elem()))
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equalValues(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if a.Field(i).Type() != spanType && !equalValues(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}
