//go:build !unix

package storage

func isQuota(error) bool { return false }

func isTooManyFiles(error) bool { return false }

// OpenFiles is not known here.
func OpenFiles() (n uint64, known bool) { return 0, false }

func isReadOnly(error) bool { return false }

func isInputOutput(error) bool { return false }
