package row

// Int128 is a signed 128-bit integer in two's complement: the unscaled value of a DECIMAL.
type Int128 struct {
	Hi int64
	Lo uint64
}
