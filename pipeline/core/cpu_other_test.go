//go:build !unix

package core

import "time"

func cpuNanos() int64 { return time.Now().UnixNano() }
