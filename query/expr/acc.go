package expr

// NewAcc returns accumulators without a slot.
func (a *Aggregate) NewAcc() Acc { return nil }

// Skip returns what follows the partial at the front of src.
func (a *Aggregate) Skip(src []byte) (rest []byte, err error) { return nil, nil }

// Empty tells whether a partial is that of an empty slot.
func (a *Aggregate) Empty(partial []byte) bool { return false }

// Better tells whether the partial x of a Selection wins over y; both are not empty.
func (a *Aggregate) Better(x, y []byte) bool { return false }

// DistinctValues calls f for the row key of each value in a partial of a DISTINCT aggregate, in
// their order. key is part of partial.
func DistinctValues(partial []byte, f func(key []byte)) error { return nil }
