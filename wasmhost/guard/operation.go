package guard

func (s *scanner) controlInstruction(at int, op byte) {
	price := int64(priceDefault)
	switch op {
	case opUnreachable:
		s.pay(price)
		s.die()
		return
	case opNop:
	case opBlock, opLoop, opIf:
		s.pay(price)
		s.open(at, op)
		return
	case opElse:
		s.otherwise(at)
	case opEnd:
		s.pay(price)
		s.close(at)
		return
	case opBranch, opBranchIf:
		s.branch(at, op)
	case opBranchTable:
		price = priceIndirect
		s.branchTable(at)
	case opReturn:
		s.leave(at)
	default:
		s.refuse(at, op)
		return
	}
	s.pay(price)
}

func (s *scanner) refuse(at int, op byte) {
	s.fail(at, CodeFeature, "instruction %#x is not allowed (allowed: WebAssembly 1.0, sign extension, saturating truncation, memory.copy and memory.fill, "+
		"multiple values, fixed-width vectors)", op)
}

// call does a call, direct or through the table. The callee pays its own way.
func (s *scanner) call(at int, op byte) {
	price, t := int64(priceDefault), uint32(0)
	if op == opCall {
		if i := s.m.funcIndex(&s.reader); s.bad == nil {
			t = s.m.funcs[i]
		}
	} else {
		price = priceIndirect
		t = s.m.typeIndex(&s.reader)
		if table := s.u32(); s.bad == nil && (table != 0 || !s.m.hasTable) {
			s.fail(at, CodeIndex, "call_indirect through table %d, the module has %d", table, oneIf(s.m.hasTable))
		}
		s.pop(at, typeI32)
	}
	if s.bad != nil {
		return
	}
	s.pay(price)
	s.popAll(at, s.m.types[t].params)
	s.pushAll(s.m.types[t].results)
	s.calls = true
	s.work.units += s.m.callWork(s.m.types[t])
	if op == opCallIndirect {
		s.work.units += workIndirect
	}
}

// callWork is the compile work of a call.
func (m *module) callWork(t signature) int {
	return workCall + workReload*(m.mutable+counters) + workValue*(len(t.params)+len(t.results))
}

// variable does access to locals and globals.
func (s *scanner) variable(at int, op byte) {
	s.pay(priceDefault)
	s.work.units += workPlain
	i := s.u32()
	if op >= opGlobalGet {
		s.global(at, op, i)
		return
	}
	if i >= uint32(len(s.locals)) {
		s.fail(at, CodeIndex, "local %d, the function has %d", i, len(s.locals))
		return
	}
	if op != opLocalGet {
		s.pop(at, s.locals[i])
	}
	if op != opLocalSet {
		s.push(s.locals[i])
	}
}

func (s *scanner) global(at int, op byte, i uint32) {
	if i >= uint32(len(s.m.globals)) {
		s.fail(at, CodeIndex, "global %d, the module has %d", i, len(s.m.globals))
		return
	}
	g := s.m.globals[i]
	switch {
	case op == opGlobalGet:
		s.push(g.value)
	case !g.mutable:
		s.fail(at, CodeType, "global %d is not mutable", i)
	default:
		s.pop(at, g.value)
	}
}

func (s *scanner) constantInstruction(op byte) {
	s.pay(priceDefault)
	s.work.units += workPlain
	switch op {
	case opI32Const:
		s.signed(32)
		s.push(typeI32)
	case opI64Const:
		s.signed(64)
		s.push(typeI64)
	case opF32Const:
		s.bytes(4)
		s.push(typeF32)
	case opF64Const:
		s.bytes(8)
		s.push(typeF64)
	}
}

// special does what is left: operands of any type, the size of the memory and
// the prefixes.
func (s *scanner) special(at int, op byte) {
	switch op {
	case opDrop:
		s.pay(priceDefault)
		s.pop(at, typeAny)
	case opSelect:
		s.pay(priceDefault)
		s.pop(at, typeI32)
		t := s.pop(at, typeAny)
		if u := s.pop(at, t); t == typeAny {
			t = u
		}
		s.push(t)
	case opMemorySize, opMemoryGrow:
		s.memorySize(at, op)
	case opMisc:
		s.misc(at)
	case opVector:
		s.vector(at)
	default:
		s.refuse(at, op)
	}
}

func (s *scanner) memorySize(at int, op byte) {
	s.zeros(at, 1)
	s.needMemory(at)
	s.pay(priceDefault)
	if op == opMemoryGrow {
		s.pop(at, typeI32)
		s.callShim(at, shimGrow)
	}
	s.push(typeI32)
}

// callShim replaces the instruction that ends here by a call. It costs the
// compiler what any call costs; the stack it takes is that of a leaf.
func (s *scanner) callShim(at, shim int) {
	s.edit(at, true, shim)
	s.work.units += s.m.callWork(signature{})
}

// zeros reads the indices of the only memory, one byte each.
func (s *scanner) zeros(at, n int) {
	for range n {
		if s.byte() != 0 {
			s.fail(at, CodeFeature, "a memory other than 0 (allowed: one memory, written in one byte)")
		}
	}
}

// misc does saturating truncations and bulk memory. The number must have one
// byte: of a longer form, other readers see only a part.
func (s *scanner) misc(at int) {
	switch sub := s.byte(); {
	case sub <= miscTruncations:
		s.plain(at, &saturating[sub])
	case sub == miscCopy, sub == miscFill:
		shim, indices := shimCopy, 2
		if sub == miscFill {
			shim, indices = shimFill, 1
		}
		s.zeros(at, indices)
		s.needMemory(at)
		s.pay(priceBulk)
		for range 3 {
			s.pop(at, typeI32)
		}
		s.callShim(at, shim)
	default:
		s.fail(at, CodeFeature, "instruction 0xfc %d is not allowed (allowed: 0 to 7, 10, 11, in one byte)", sub)
	}
}

// vector does fixed-width vectors. The number must have its shortest form: the
// runtime reads the first byte alone and takes a second one for a nop.
func (s *scanner) vector(at int) {
	sub := int(s.byte())
	if sub >= 0x80 && s.byte() != 1 {
		s.fail(at, CodeFeature, "an instruction after 0xfd is not allowed (allowed: fixed-width vectors, in the shortest form)")
		return
	}
	in := &vectors[sub]
	switch {
	case in.price == 0:
		s.fail(at, CodeFeature, "instruction 0xfd %d is not allowed (allowed: fixed-width vectors)", sub)
		return
	case sub == vectorConst:
		s.bytes(16)
	case sub == vectorShuffle:
		for _, lane := range s.bytes(16) {
			if lane >= 32 {
				s.fail(at, CodeIndex, "lane %d, there are 32", lane)
			}
		}
	}
	s.plain(at, in)
}
