package wasmhost

import "syscall"

// reserve maps address space that costs memory only where it is touched.
func reserve(n int64) ([]byte, error) {
	return syscall.Mmap(-1, 0, int(n), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
}

func release(region []byte) {
	// The region is exactly what Mmap returned, the only thing munmap checks.
	_ = syscall.Munmap(region)
}
