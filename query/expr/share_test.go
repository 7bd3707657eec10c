package expr

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// Goroutines share nodes; each compiles its own program. Meant for the race detector.
func TestNodesAreShared(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	b := randomBatch(rng, 20)
	nodes := randomNodes(rng, b, 60)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var errs Errors
			for _, n := range nodes {
				errs.Reset(b.N)
				Compile(n).Eval(b, upTo(b.N), &errs)
			}
		})
	}
	wg.Wait()
}
