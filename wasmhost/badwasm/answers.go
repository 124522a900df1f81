package badwasm

import (
	"fmt"
	"math"
)

// answers are W41 and W42: results and pointers that lie.
func answers(yield func(Attack) bool) bool {
	give := func(bits uint64) []byte {
		return before("kl_update", Get(3), I64(int64(bits)), Store(0x37, 0), I32(1), Op(Return))
	}
	var list []Attack
	for name, bits := range map[string]uint64{
		"nan-with-payload": 0x7ff8000000c0ffee, "negative-nan": 0xfff8000000000000, "signalling-nan": 0x7ff0000000000001,
		"infinity": math.Float64bits(math.Inf(1)), "negative-infinity": math.Float64bits(math.Inf(-1)), "negative-zero": 1 << 63, "subnormal": 1,
	} {
		list = append(list, Attack{Name: name, Want: Harmless, Export: "kl_update", Bytes: give(bits)})
	}
	for _, rc := range []int32{2, 15, math.MaxInt32, -6, -99, -100, math.MinInt32} {
		list = append(list, Attack{Name: fmt.Sprintf("result-%d", rc), Want: Broken, Export: "kl_update", Bytes: instead("kl_update", I32(rc))})
	}
	list = append(list,
		Attack{Name: "batch-returns-1", Want: Broken, Export: "kl_update_batch", Bytes: instead("kl_update_batch", I32(1))},
		Attack{Name: "batch-does-nothing", Want: Broken, Export: "kl_update_batch", Bytes: instead("kl_update_batch", I32(0))},
		Attack{Name: "batch-claims-4G-bars", Want: Broken, Export: "kl_update_batch", Bytes: instead("kl_update_batch",
			Get(0), I32(-1), Store(0x36, 12), Get(0), I32(-100), Store(0x36, 28), I32(0))},
		Attack{Name: "state-of-no-bytes", Want: Broken, Export: "kl_state_size", Bytes: instead("kl_state_size", I32(0))},
		Attack{Name: "state-of-64KB-and-1", Want: Broken, Export: "kl_state_size", Bytes: instead("kl_state_size", I32(65_537))},
		Attack{Name: "state-of-2G", Want: Broken, Export: "kl_state_size", Bytes: instead("kl_state_size", I32(math.MaxInt32))},
		Attack{Name: "init-returns-1", Want: Broken, Export: "kl_init", Bytes: instead("kl_init", I32(1))},
		Attack{Name: "abi-2", Want: Broken, Export: "kl_abi", Bytes: instead("kl_abi", I32(0x20000))},
		Attack{Name: "abi-1.1", Want: Broken, Export: "kl_abi", Bytes: instead("kl_abi", I32(0x10001))})
	if !refused(yield, numbered("W41", list)...) {
		return false
	}
	return refused(yield, numbered("W42", pointers())...)
}

func pointers() []Attack {
	var list []Attack
	for _, p := range []uint64{0, math.MaxUint64, 1 << 32, 1<<32 | 1<<31, 0xfffffff0 << 32, 0xfffffff0<<32 | 0x20, 0x40000<<32 | 16, 16} {
		list = append(list, Attack{Name: fmt.Sprintf("describe-%#x", p), Want: Broken, Export: "kl_describe", Bytes: instead("kl_describe", I64(int64(p)))})
	}
	for _, p := range []int32{1, 8, heapAt + 4, -16, math.MinInt32, 4<<16 - 16} {
		list = append(list, Attack{Name: fmt.Sprintf("alloc-%#x", uint32(p)), Want: Broken, Export: "kl_alloc", Bytes: instead("kl_alloc", I32(p))})
	}
	return append(list, Attack{Name: "alloc-the-same-again", Want: Broken, Export: "kl_alloc", Bytes: with(func(m *Module) {
		m.Memory = [2]uint32{64, 0}
		m.Func("kl_alloc").Code = I32(heapAt)
	})})
}
