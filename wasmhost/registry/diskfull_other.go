//go:build !unix

package registry

// full is not told apart here: a full disk is a storage that cannot be used.
func full(error) bool { return false }
