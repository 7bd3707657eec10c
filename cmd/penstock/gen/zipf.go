package gen

import (
	"math/bits"
	"math/rand/v2"
)

// zipf draws ranks 0 to n-1, rank k with a probability proportional to 1/(k+1).
//
// An octave [2^e, 2^(e+1)) is drawn evenly, then a number in it, and the number k is kept with
// the probability 2^e/k, which is at least a half. What is kept is exactly proportional to 1/k,
// with whole numbers only: the same on every machine, no table, ten million ranks as cheap as
// ten. math/rand/v2 has a Zipf, but its exponent must be above 1, and it takes logarithms, whose
// last bit differs between processors.
type zipf struct {
	n       uint64
	octaves uint64
}

func newZipf(n int) zipf { return zipf{n: uint64(n), octaves: uint64(bits.Len64(uint64(n)))} }

func (z zipf) next(rng *rand.PCG) uint64 {
	for {
		r := rng.Uint64()
		octave, rest := bits.Mul64(r, z.octaves)
		k := uint64(1)<<octave | rest>>(64-octave)
		if k > z.n {
			continue
		}
		if keep := rng.Uint64() >> 32; keep*k < 1<<(32+octave) {
			return k - 1
		}
	}
}

// scatter spreads ranks over [0, n) so that the busiest are not the smallest numbers. It is a
// bijection: a multiplication by a number without a common divisor with n.
type scatter struct{ n, factor uint64 }

func newScatter(n uint64) scatter {
	factor := uint64(2654435769) % n
	for gcd(factor, n) != 1 {
		factor++
	}
	return scatter{n: n, factor: factor}
}

func (s scatter) of(rank uint64) int64 { return int64((rank*s.factor + s.n/3) % s.n) }

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
