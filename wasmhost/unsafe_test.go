package wasmhost

import "unsafe"

// bytesOf shows words as bytes, so that a state for native code is aligned.
func bytesOf(words []uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)
}
