package guard_test

import (
	"math/rand/v2"
	"slices"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// interesting are bytes at which readers of this format go wrong.
const interesting = "\x00\x01\x02\x03\x04\x05\x0b\x0c\x0d\x0e\x0f\x10\x11\x1b\x20\x23\x24\x3f\x40\x41\x60\x70\x7b\x7c\x7d\x7e\x7f\x80\xfc\xfd\xff"

// mutate changes one thing: a byte, a bit, a piece that is doubled, moved or
// cut out.
func mutate(r *rand.Rand, b *[]byte) {
	in := *b
	at := r.IntN(len(in))
	n := 1 + r.IntN(min(8, len(in)-at))
	switch r.IntN(7) {
	case 0:
		in[at] = byte(r.Uint32())
	case 1:
		in[at] ^= 1 << r.IntN(8)
	case 2, 3:
		in[at] = interesting[r.IntN(len(interesting))]
	case 4:
		*b = slices.Insert(in, at, slices.Clone(in[at:at+n])...)
	case 5:
		*b = slices.Delete(in, at, at+n)
	case 6:
		copy(in[at:at+n], in[r.IntN(len(in)-n+1):])
	}
}
