package wasmhost

import (
	"encoding/binary"
	"math"
)

// noValueBits is the one NaN that leaves this package. CPUs disagree about the
// bits of the NaN they make, and values are compared bit for bit.
const noValueBits = 0x7ff8000000000000

// NoValue is the float64 that stands for "no value" in every output.
func NoValue() float64 { return math.Float64frombits(noValueBits) }

// prefill writes "no value" into n outputs.
func prefill(b []byte, n int) {
	for i := range n {
		binary.LittleEndian.PutUint64(b[i*8:], noValueBits)
	}
}

// readRow copies a row of guest outputs: every NaN becomes NoValue, -0 becomes
// 0, and an infinity, which JSON cannot carry, becomes NoValue and is counted.
func readRow(dst []float64, row []byte, c *counters) {
	for i := range dst {
		v := math.Float64frombits(binary.LittleEndian.Uint64(row[i*8:]))
		switch {
		case v == 0:
			v = 0 // -0 becomes 0
		case v-v != 0: // NaN or an infinity
			if !math.IsNaN(v) {
				c.infinite++
			}
			v = NoValue()
		}
		dst[i] = v
	}
}

// degenerateAt reads the flag output number i.
func degenerateAt(row []byte, i int) bool {
	v := math.Float64frombits(binary.LittleEndian.Uint64(row[i*8:]))
	return v != 0 && !math.IsNaN(v)
}

func fillNoValue(dst []float64) {
	for i := range dst {
		dst[i] = NoValue()
	}
}
