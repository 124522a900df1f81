package guard

// vectors is indexed by the number after opVector and never changes. All of
// them are of the fixed-width proposal: the relaxed ones, from 256 on, may
// give other bits on another CPU.
var vectors = vectorTable()

func vectorTable() *[256]instruction {
	var t [256]instruction
	for _, r := range vectorRows() {
		for op := r.first; op <= r.last; op++ {
			t[op] = instruction{takes: operands(r.takes), price: priceVector, work: workPlain}
			if r.gives != ' ' {
				t[op].gives = operand(r.gives)
			}
		}
	}
	for op, lanes := range "\x10\x10\x10\x08\x08\x08\x04\x04\x02\x02\x04\x04\x02\x02" { // extract and replace
		t[21+op].lanes = uint8(lanes)
	}
	address := func(op int, align, lanes uint8) {
		t[op].memory, t[op].align, t[op].lanes, t[op].work = true, align, lanes, workMemory
	}
	for op, align := range "\x04\x03\x03\x03\x03\x03\x03\x00\x01\x02\x03\x04" { // loads, splats, store
		address(op, uint8(align), 0)
	}
	for i := range 4 { // one lane of 8, 16, 32, 64 bits
		address(84+i, uint8(i), 16>>i)
		address(88+i, uint8(i), 16>>i)
	}
	address(92, 2, 0)
	address(93, 3, 0)
	return &t
}

func vectorRows() []row {
	return []row{
		{0, 10, "i", 'v'}, {11, 11, "iv", ' '}, {12, 12, "", 'v'}, {13, 14, "vv", 'v'},
		{15, 17, "i", 'v'}, {18, 18, "l", 'v'}, {19, 19, "f", 'v'}, {20, 20, "d", 'v'},
		{21, 22, "v", 'i'}, {23, 23, "vi", 'v'}, {24, 25, "v", 'i'}, {26, 26, "vi", 'v'}, {27, 27, "v", 'i'}, {28, 28, "vi", 'v'},
		{29, 29, "v", 'l'}, {30, 30, "vl", 'v'}, {31, 31, "v", 'f'}, {32, 32, "vf", 'v'}, {33, 33, "v", 'd'}, {34, 34, "vd", 'v'},
		{35, 76, "vv", 'v'}, {77, 77, "v", 'v'}, {78, 81, "vv", 'v'}, {82, 82, "vvv", 'v'}, {83, 83, "v", 'i'},
		{84, 87, "iv", 'v'}, {88, 91, "iv", ' '}, {92, 93, "i", 'v'}, {94, 95, "v", 'v'},
		// 8 bits
		{96, 98, "v", 'v'}, {99, 100, "v", 'i'}, {101, 102, "vv", 'v'}, {103, 106, "v", 'v'}, {107, 109, "vi", 'v'},
		{110, 115, "vv", 'v'}, {116, 117, "v", 'v'}, {118, 121, "vv", 'v'}, {122, 122, "v", 'v'}, {123, 123, "vv", 'v'}, {124, 127, "v", 'v'},
		// 16 bits
		{128, 129, "v", 'v'}, {130, 130, "vv", 'v'}, {131, 132, "v", 'i'}, {133, 134, "vv", 'v'}, {135, 138, "v", 'v'}, {139, 141, "vi", 'v'},
		{142, 147, "vv", 'v'}, {148, 148, "v", 'v'}, {149, 153, "vv", 'v'}, {155, 159, "vv", 'v'},
		// 32 bits
		{160, 161, "v", 'v'}, {163, 164, "v", 'i'}, {167, 170, "v", 'v'}, {171, 173, "vi", 'v'}, {174, 174, "vv", 'v'}, {177, 177, "vv", 'v'},
		{181, 186, "vv", 'v'}, {188, 191, "vv", 'v'},
		// 64 bits
		{192, 193, "v", 'v'}, {195, 196, "v", 'i'}, {199, 202, "v", 'v'}, {203, 205, "vi", 'v'}, {206, 206, "vv", 'v'}, {209, 209, "vv", 'v'},
		{213, 223, "vv", 'v'},
		// floats and conversions
		{224, 225, "v", 'v'}, {227, 227, "v", 'v'}, {228, 235, "vv", 'v'}, {236, 237, "v", 'v'}, {239, 239, "v", 'v'}, {240, 247, "vv", 'v'}, {248, 255, "v", 'v'},
	}
}
