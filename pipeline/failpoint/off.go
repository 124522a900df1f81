//go:build !failpoint

package failpoint

// Hit does nothing.
func Hit(Point) {}

// Err returns nil.
func Err(Point) error { return nil }
