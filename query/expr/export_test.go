package expr

import (
	"math/rand/v2"

	"penstock/query/row"
)

// RandomNodes makes random expressions over columns c0, c1, ..., whose types it returns.
func RandomNodes(seed uint64, count int) ([]Node, []row.Type) {
	rng := rand.New(rand.NewPCG(seed, 9))
	return randomNodes(rng, randomBatch(rng, 1), count), columnTypes
}
