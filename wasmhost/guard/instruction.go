package guard

import "strings"

// instruction is what the guard knows of an instruction without a case of its
// own. The zero value is not allowed.
type instruction struct {
	takes  []byte // types, the deepest first
	gives  byte   // a type, or 0
	price  uint8
	work   uint8
	memory bool  // it has an address, with
	align  uint8 // the largest alignment, as a power of 2
	lanes  uint8 // one immediate byte below it; 0: none
}

// instructions is indexed by opcode and never changes.
var instructions = numeric()

// operands turns letters into types.
func operands(s string) []byte {
	b := make([]byte, len(s))
	for i := range s {
		b[i] = operand(s[i])
	}
	return b
}

func operand(c byte) byte {
	return typeV128 + byte(strings.IndexByte("vdfli", c))
}

// row describes the opcodes from first to last: what they take and give, in
// letters. A blank gives nothing.
type row struct {
	first, last int
	takes       string
	gives       byte
}

func numeric() *[256]instruction {
	var t [256]instruction
	for _, r := range []row{
		{0x45, 0x45, "i", 'i'}, {0x46, 0x4f, "ii", 'i'}, {0x50, 0x50, "l", 'i'}, {0x51, 0x5a, "ll", 'i'},
		{0x5b, 0x60, "ff", 'i'}, {0x61, 0x66, "dd", 'i'},
		{0x67, 0x69, "i", 'i'}, {0x6a, 0x78, "ii", 'i'}, {0x79, 0x7b, "l", 'l'}, {0x7c, 0x8a, "ll", 'l'},
		{0x8b, 0x91, "f", 'f'}, {0x92, 0x98, "ff", 'f'}, {0x99, 0x9f, "d", 'd'}, {0xa0, 0xa6, "dd", 'd'},
		{0xa7, 0xa7, "l", 'i'}, {0xa8, 0xa9, "f", 'i'}, {0xaa, 0xab, "d", 'i'}, {0xac, 0xad, "i", 'l'},
		{0xae, 0xaf, "f", 'l'}, {0xb0, 0xb1, "d", 'l'}, {0xb2, 0xb3, "i", 'f'}, {0xb4, 0xb5, "l", 'f'}, {0xb6, 0xb6, "d", 'f'},
		{0xb7, 0xb8, "i", 'd'}, {0xb9, 0xba, "l", 'd'}, {0xbb, 0xbb, "f", 'd'},
		{0xbc, 0xbc, "f", 'i'}, {0xbd, 0xbd, "d", 'l'}, {0xbe, 0xbe, "i", 'f'}, {0xbf, 0xbf, "l", 'd'},
		{0xc0, 0xc1, "i", 'i'}, {0xc2, 0xc4, "l", 'l'},
	} {
		for op := r.first; op <= r.last; op++ {
			t[op] = instruction{takes: operands(r.takes), gives: operand(r.gives), price: numericPrice(op), work: workOf(op)}
		}
	}
	addresses(&t)
	return &t
}

// numericPrice prices what may be far slower than the average.
func numericPrice(op int) uint8 {
	within := func(from, to int) bool { return op >= from && op <= to }
	switch {
	case within(0x91, 0x95), within(0x9f, 0xa3), op == 0xb6, op == 0xbb: // float arithmetic, demote, promote
		return priceFloat
	case within(0x6d, 0x70), within(0x7f, 0x82): // integer division
		return priceDivide
	default:
		return priceDefault
	}
}

// addresses adds loads and stores.
func addresses(t *[256]instruction) {
	const (
		firstLoad, firstStore = 0x28, 0x36
		loads, stores         = "ilfdiiiillllll", "ilfdiilll" // the types
		loadAligns            = "\x02\x03\x02\x03\x00\x00\x01\x01\x00\x00\x01\x01\x02\x02"
		storeAligns           = "\x02\x03\x02\x03\x00\x01\x00\x01\x02"
	)
	for i := range loadAligns {
		t[firstLoad+i] = instruction{takes: operands("i"), gives: operand(loads[i]), price: priceLoad, work: workMemory, memory: true, align: loadAligns[i]}
	}
	for i := range storeAligns {
		t[firstStore+i] = instruction{takes: operands("i" + stores[i:i+1]), price: priceStore, work: workMemory, memory: true, align: storeAligns[i]}
	}
}

// saturating truncates, by the number after opMisc, and never changes.
var saturating = truncations()

func truncations() *[miscTruncations + 1]instruction {
	var t [miscTruncations + 1]instruction
	for sub, types := range []string{"fi", "fi", "di", "di", "fl", "fl", "dl", "dl"} {
		t[sub] = instruction{takes: operands(types[:1]), gives: operand(types[1]), price: priceDefault, work: workPlain}
	}
	return &t
}
