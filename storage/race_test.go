//go:build race

package storage

// patience stretches tooLong: the race detector makes everything ten times slower.
const patience = 12
