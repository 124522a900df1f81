package guard_test

import (
	"pgregory.net/rapid"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

// programs generates modules that end: every loop counts down a local of its
// own, and functions call only those behind them. Everything else is chance:
// blocks, ways to leave them, results, memory, traps.
type programs struct {
	t      *rapid.T
	locals string // types of parameters and locals of the function
	labels int    // open blocks without results, up to the function
	calls  []Func // what can be called, from index first
	first  uint32
	depth  int
	result string
}

const programFuncs = 3

func program(t *rapid.T) *Module {
	m := &Module{Memory: [2]uint32{1, 4}, Globals: []Global{{Type: 'l', Mutable: true, Init: I64(5)}, {Type: 'i', Init: I32(9)}}}
	m.Funcs = make([]Func, programFuncs)
	for i := programFuncs - 1; i >= 0; i-- {
		f := Func{Params: "ld", Locals: "iildiiii"}
		if n := rapid.IntRange(0, 3).Draw(t, "results"); n > 0 {
			f.Results = "ldi"[:n]
		}
		if i == 0 {
			f.Export = "f"
		}
		p := &programs{t: t, locals: f.Params + f.Locals, calls: m.Funcs[i+1:], first: uint32(i + 1), result: f.Results}
		f.Code = Join(p.statements(), p.values(f.Results))
		m.Funcs[i] = f
	}
	return m
}

func (p *programs) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(p.t, what) }

func (p *programs) values(types string) []byte {
	return Each(len(types), func(i int) []byte { return p.value(types[i]) })
}

// local is the index of a local of a type, the counters of loops excepted.
func (p *programs) local(c byte) uint32 {
	return map[byte]uint32{'i': 2, 'l': 0, 'd': 1}[c] + uint32(p.pick(2, "local"))*map[byte]uint32{'i': 1, 'l': 4, 'd': 4}[c]
}

// value makes code for one value.
func (p *programs) value(c byte) []byte {
	if p.depth++; p.depth > 5 {
		p.depth--
		return Get(p.local(c))
	}
	defer func() { p.depth-- }()
	switch p.pick(6, "value") {
	case 0:
		return p.constant(c)
	case 1:
		return Get(p.local(c))
	case 2:
		return p.loaded(c)
	case 3:
		return Join(p.value(c), p.value(c), p.value('i'), Op(0x1b))
	case 4:
		p.labels++
		out := Join(p.value('i'), Op(0x04, types[c]), p.value(c), Op(0x05), p.value(c), Op(End))
		p.labels--
		return out
	default:
		return p.computed(c)
	}
}

// types are the bytes of the letters.
var types = map[byte]byte{'i': 0x7f, 'l': 0x7e, 'd': 0x7c}

func (p *programs) constant(c byte) []byte {
	switch c {
	case 'i':
		return I32(rapid.Int32().Draw(p.t, "i32"))
	case 'l':
		return I64(rapid.Int64().Draw(p.t, "i64"))
	default:
		return F64(rapid.Float64().Draw(p.t, "f64"))
	}
}

func (p *programs) loaded(c byte) []byte {
	op := map[byte]byte{'i': 0x28, 'l': 0x29, 'd': 0x2b}[c]
	return Join(p.value('i'), I32(0xffff), Op(0x71), Load(op, uint32(p.pick(64, "offset"))))
}

func (p *programs) computed(c byte) []byte {
	unary := map[byte]string{'i': "\x67\x68\x69\x45", 'l': "\x79\x7a\x7b", 'd': "\x99\x9a\x9b\x9c\x9d\x9e\x9f"}[c]
	binary := map[byte]string{'i': "\x6a\x6b\x6c\x6d\x70\x71\x72\x73\x74\x48\x4b", 'l': "\x7c\x7d\x7e\x7f\x82\x83\x84\x85\x86", 'd': "\xa0\xa1\xa2\xa3\xa4\xa5\xa6"}[c]
	convert := map[byte][]struct {
		from byte
		code []byte
	}{
		'i': {{'l', Op(0xa7)}, {'d', Op(0xfc, 2)}, {'d', Op(0xaa)}},
		'l': {{'i', Op(0xac)}, {'d', Op(0xfc, 6)}, {'i', Op(0xad)}},
		'd': {{'i', Op(0xb7)}, {'l', Op(0xb9)}},
	}[c]
	switch p.pick(3, "operation") {
	case 0:
		return Join(p.value(c), Op(unary[p.pick(len(unary), "unary")]))
	case 1:
		k := convert[p.pick(len(convert), "conversion")]
		return Join(p.value(k.from), k.code)
	default:
		return Join(p.value(c), p.value(c), Op(binary[p.pick(len(binary), "binary")]))
	}
}

func (p *programs) statements() []byte {
	var out []byte
	for range p.pick(5, "statements") {
		out = append(out, p.statement()...)
	}
	return out
}

func (p *programs) statement() []byte {
	if p.depth++; p.depth > 5 {
		p.depth--
		return Op(1)
	}
	defer func() { p.depth-- }()
	kind := "ild"[p.pick(3, "type")]
	switch p.pick(13, "statement") {
	case 0, 1:
		return Join(p.value(kind), Set(p.local(kind)))
	case 2:
		op := map[byte]byte{'i': 0x36, 'l': 0x37, 'd': 0x39}[kind]
		return Join(p.value('i'), I32(0x7fff), Op(0x71), p.value(kind), Store(op, 8))
	case 3:
		return Join(p.value('l'), GlobalSet(0))
	case 4:
		return Join(p.value('i'), Op(0x04, 0x40), p.inside(), Op(0x05), p.inside(), Op(End))
	case 5, 6:
		return p.loop()
	case 7:
		return Block(p.inside())
	case 8:
		return p.leave()
	case 9:
		return p.call()
	case 10:
		return Join(p.value('i'), I32(0x3fff), Op(0x71), I32(0x2000), p.value('i'), I32(0xff), Op(0x71, 0xfc), []byte{10, 0, 0})
	case 11:
		return Join(p.value('i'), I32(0x3fff), Op(0x71), p.value('i'), I32(77), Op(0xfc, 11, 0))
	default:
		return Join(p.value('i'), I32(1), Op(0x71, 0x40, 0, Drop))
	}
}

// inside is the inside of a block without results.
func (p *programs) inside() []byte {
	p.labels++
	defer func() { p.labels-- }()
	return p.statements()
}

// loop counts one of four locals down, by its depth.
func (p *programs) loop() []byte {
	counter := uint32(6 + p.depth%4)
	p.labels++
	defer func() { p.labels-- }()
	again := Join(Get(counter), I32(1), Op(0x6b), Tee(counter), I32(0), Op(0x4a), BrIf(0))
	return Join(I32(int32(p.pick(6, "turns"))), Set(counter), Loop(p.flat(), again))
}

// flat is the inside of a loop: nothing that could set its counter again.
func (p *programs) flat() []byte {
	p.depth += 3
	defer func() { p.depth -= 3 }()
	return Join(p.value('l'), Set(p.local('l')), p.value('d'), Set(p.local('d')), p.call())
}

// leave goes out of blocks or out of the function, perhaps.
func (p *programs) leave() []byte {
	way := p.pick(4, "way")
	if p.labels == 0 {
		way = 3
	}
	switch way {
	case 0:
		return Join(p.value('i'), BrIf(uint32(p.labels-1)), Op(1))
	case 1:
		return Join(p.value('i'), If(Join(p.values(p.result), Op(Return))))
	case 2:
		return Join(p.value('i'), If(Op(Unreachable)))
	default:
		return Block(Block(Join(p.value('i'), Op(0x0e, 2, 0, 1, 0))), p.statements(), Op(1))
	}
}

// call calls a later function and drops what it gives.
func (p *programs) call() []byte {
	if len(p.calls) == 0 {
		return Op(1)
	}
	i := p.pick(len(p.calls), "callee")
	return Join(p.value('l'), p.value('d'), Call(p.first+uint32(i)), Repeat(len(p.calls[i].Results), Drop))
}
