package guard

// Opcodes that the guard looks at one by one; the others are in the tables of
// instruction.go and vector.go.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBranch       = 0x0c
	opBranchIf     = 0x0d
	opBranchTable  = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opDrop         = 0x1a
	opSelect       = 0x1b
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opMemorySize   = 0x3f
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI64LtS       = 0x53
	opI64Add       = 0x7c
	opI64Sub       = 0x7d
	opI64Or        = 0x84
	opI64Shl       = 0x86
	opI64ShrU      = 0x88
	opExtendU      = 0xad // i64.extend_i32_u
	opMisc         = 0xfc
	opVector       = 0xfd

	miscTruncations = 7 // 0 to 7
	miscCopy        = 10
	miscFill        = 11

	vectorConst   = 12
	vectorShuffle = 13

	emptyBlock = 0x40
)

// Prices in units of fuel. The slowest chain of each kind of instruction that
// was found takes 1 to 6 ns per unit: a load may miss every cache, a float
// operation may meet subnormal numbers.
const (
	priceDefault  = 1
	priceLoad     = 8
	priceStore    = 4
	priceFloat    = 8
	priceDivide   = 4
	priceIndirect = 4 // branch tables, indirect calls
	priceBulk     = 8
	priceVector   = 8

	priceEntry = 16 // of a function, with
	priceLocal = 4  // for each parameter and local
	priceLoop  = 1

	pricePageShift  = 10 // a page asked for: 1024
	priceBytesShift = 5  // 32 bytes filled or copied: 1
)

// The weight of a frame in bytes of native stack: an upper bound, because each
// value that is spilled was made by an instruction.
const (
	weightFrame = 64
	weightLocal = 16
	weightByte  = 4 // per byte of code
)
