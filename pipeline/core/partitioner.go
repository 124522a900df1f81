package core

import "encoding/binary"

// PartitionOf returns the partition of n that Kafka's default partitioner
// (murmur2 of the key) gives symbol.
func PartitionOf(symbol []byte, n int32) int32 {
	return int32((murmur2(symbol) & 0x7fffffff) % uint32(n)) //nolint:gosec // below n
}

// murmur2 is the variant of Kafka's Java client.
func murmur2(b []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := seed ^ uint32(len(b))
	for len(b) >= 4 {
		k := binary.LittleEndian.Uint32(b)
		b = b[4:]
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
