//go:build !unix

package storage

func isQuota(error) bool { return false }

func isReadOnly(error) bool { return false }

func isInputOutput(error) bool { return false }
