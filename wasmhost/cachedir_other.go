//go:build !unix

package wasmhost

import "io/fs"

// privateDir has nothing to ask here: mode bits do not describe access on
// systems other than unix.
func privateDir(string, fs.FileInfo) error { return nil }
