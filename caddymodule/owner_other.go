//go:build !unix

package caddymodule

import "io/fs"

// fileOwner knows nothing: users have no numbers here.
func fileOwner(fs.FileInfo) (id int, ok bool) { return 0, false }
