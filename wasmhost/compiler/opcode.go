package compiler

// Instructions of WebAssembly that the compiler writes.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opBrTable     = 0x0e
	opReturn      = 0x0f
	opCall        = 0x10
	opDrop        = 0x1a
	opSelect      = 0x1b
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalGet   = 0x23

	opI32Load    = 0x28
	opI64Load    = 0x29
	opF64Load    = 0x2b
	opI32Load8S  = 0x2c
	opI32Load8U  = 0x2d
	opI32Load16S = 0x2e
	opI32Load16U = 0x2f
	opI32Store   = 0x36
	opI64Store   = 0x37
	opF64Store   = 0x39
	opI32Store8  = 0x3a
	opI32Store16 = 0x3b
	opMemorySize = 0x3f
	opMemoryGrow = 0x40

	opI32Const = 0x41
	opI64Const = 0x42
	opF64Const = 0x44

	opI32Eqz = 0x45
	opI32Eq  = 0x46
	opI32Ne  = 0x47
	opI32LtS = 0x48
	opI32LtU = 0x49
	opI32GeU = 0x4f
	opI64Eqz = 0x50
	opI64Eq  = 0x51
	opI64LtS = 0x53
	opI64LtU = 0x54
	opI64GeU = 0x5a
	opF64Eq  = 0x61
	opF64Ne  = 0x62

	opI32Add  = 0x6a
	opI32Sub  = 0x6b
	opI32Mul  = 0x6c
	opI32And  = 0x71
	opI32Or   = 0x72
	opI32Xor  = 0x73
	opI64Add  = 0x7c
	opI64Sub  = 0x7d
	opI64Xor  = 0x85
	opF64Abs  = 0x99
	opF64Neg  = 0x9a
	opF64Ceil = 0x9b

	opF64Floor    = 0x9c
	opF64Trunc    = 0x9d
	opF64Nearest  = 0x9e
	opF64Sqrt     = 0x9f
	opF64Min      = 0xa4
	opF64Max      = 0xa5
	opF64Copysign = 0xa6

	opI32WrapI64     = 0xa7
	opI64ExtendI32S  = 0xac
	opI64ExtendI32U  = 0xad
	opF64ConvertI32S = 0xb7
	opF64ConvertI32U = 0xb8
	opF64ConvertI64S = 0xb9
	opF64ConvertI64U = 0xba
	opI64Reinterpret = 0xbd
	opF64Reinterpret = 0xbf
	opI32Extend8S    = 0xc0
	opI32Extend16S   = 0xc1

	opPrefixFC     = 0xfc // followed by one of these
	opI32TruncSatS = 2
	opI32TruncSatU = 3
	opI64TruncSatS = 6
	opI64TruncSatU = 7
	opMemoryCopy   = 10
	opMemoryFill   = 11
)

// arithmetic are the operators of integers: of 32 bits, then of 64, each
// signed and unsigned.
var arithmetic = map[string][4]byte{
	"+": {opI32Add, opI32Add, opI64Add, opI64Add}, "-": {opI32Sub, opI32Sub, opI64Sub, opI64Sub}, "*": {opI32Mul, opI32Mul, 0x7e, 0x7e},
	"/": {0x6d, 0x6e, 0x7f, 0x80}, "%": {0x6f, 0x70, 0x81, 0x82},
	"&": {opI32And, opI32And, 0x83, 0x83}, "|": {opI32Or, opI32Or, 0x84, 0x84}, "^": {opI32Xor, opI32Xor, opI64Xor, opI64Xor},
	"<<": {0x74, 0x74, 0x86, 0x86}, ">>": {0x75, 0x76, 0x87, 0x88},
	"==": {opI32Eq, opI32Eq, opI64Eq, opI64Eq}, "!=": {opI32Ne, opI32Ne, 0x52, 0x52},
	"<": {opI32LtS, opI32LtU, opI64LtS, opI64LtU}, ">": {0x4a, 0x4b, 0x55, 0x56}, "<=": {0x4c, 0x4d, 0x57, 0x58}, ">=": {0x4e, opI32GeU, 0x59, opI64GeU},
}

// floating are the operators of doubles.
var floating = map[string]byte{
	"+": 0xa0, "-": 0xa1, "*": 0xa2, "/": 0xa3, "==": opF64Eq, "!=": opF64Ne, "<": 0x63, ">": 0x64, "<=": 0x65, ">=": 0x66,
}
