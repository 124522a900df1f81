// Package sample is compiled twice by the tests of package compiler, by Go and
// by the compiler, and has to give the same bits: a function for each corner
// of the subset. Numbers have explicit sizes, since int differs.
package sample

import (
	"math"
	"unsafe"
)

// Sum32 has wrapping arithmetic of 32 bits.
//
//go:wasmexport Sum32
func Sum32(a, b int32) int32 { return (a + b) ^ (a - b) ^ (a * b) ^ -a ^ ^b&a | b&^a }

// Sum64 has wrapping arithmetic of 64 bits.
//
//go:wasmexport Sum64
func Sum64(a, b int64) int64 { return (a + b) ^ (a - b) ^ (a * b) ^ -a ^ ^b&a | b&^a }

// Divide32 has the division whose result does not fit.
//
//go:wasmexport Divide32
func Divide32(a, b int32) int32 {
	if b == 0 {
		return 0
	}
	return a/b + a%b + a/7 + a%-7 + a/-1
}

// Divide64 is Divide32 of 64 bits.
//
//go:wasmexport Divide64
func Divide64(a, b int64) int64 {
	if b == 0 {
		return 0
	}
	return a/b + a%b + a/7 + a%-7 + a/-1
}

// DivideUnsigned has numbers above the signed ones.
//
//go:wasmexport DivideUnsigned
func DivideUnsigned(a, b uint32, c, d uint64) uint64 {
	if b == 0 || d == 0 {
		return 0
	}
	return uint64(a/b) + uint64(a%b) + c/d + c%d
}

// Shift32 has counts beyond the width.
//
//go:wasmexport Shift32
func Shift32(a int32, b, n uint32) uint32 {
	return uint32(a>>n) ^ uint32(a<<n) ^ b>>n ^ b<<n ^ b>>5 ^ uint32(a>>31)
}

// Shift64 is Shift32 of 64 bits.
//
//go:wasmexport Shift64
func Shift64(a int64, b uint64, n uint64) uint64 {
	n &= 127
	return uint64(a>>n) ^ uint64(a<<n) ^ b>>n ^ b<<n ^ b>>63
}

// Narrow has numbers of 8 and 16 bits, which wrap earlier than their instructions.
//
//go:wasmexport Narrow
func Narrow(a, b int32) int32 {
	x, y := int8(a), uint8(b)
	z, w := int16(a), uint16(b)
	x += int8(b)
	y -= uint8(a)
	z *= int16(b)
	w <<= uint16(b) & 31
	x--
	y++
	return int32(x) + int32(y)<<3 + int32(z)<<5 + int32(w)<<7 + int32(-x) + int32(^y) + int32(x/3) + int32(z>>2)
}

// Widths has conversions that cut and that extend.
//
//go:wasmexport Widths
func Widths(a int64, b uint64) int64 {
	return int64(int32(a)) + int64(uint32(a)) + int64(int16(b)) + int64(uint8(b)) + int64(int8(uint8(a))) + int64(uint16(int16(a))) + int64(uint64(int32(b))) + int64(uint16(int8(a))) + int64(int16(uint8(b)))<<1 + int64(uint64(int8(a))>>3) + int64(uint32(int16(b)))
}

// Compare has all comparisons.
//
//go:wasmexport Compare
func Compare(a, b int32, c, d uint64, x, y float64) int32 {
	n := int32(0)
	all := [14]bool{a < b, a <= b, a == b, a != b, a > b, a >= b, uint32(a) < uint32(b), c < d, c >= d, x < y, x <= y, x == y, x != y, x > y}
	for i, v := range all {
		if v {
			n |= 1 << i
		}
	}
	return n
}

// Floats has arithmetic of doubles.
//
//go:wasmexport Floats
func Floats(x, y float64) float64 {
	z := x - y
	z *= y
	z += x / y
	return -z
}

// Exact has the functions of math that are one instruction.
//
//go:wasmexport Exact
func Exact(x, y float64) float64 {
	return math.Sqrt(math.Abs(x)) + math.Floor(y) + math.Ceil(x) + math.Trunc(y) + math.RoundToEven(x) + math.Copysign(1, y)
}

// Bits has a NaN's worth of bits as a number.
//
//go:wasmexport Bits
func Bits(x float64, n uint64) uint64 {
	return math.Float64bits(x) ^ math.Float64bits(math.Float64frombits(n&^(0x7ff<<52)))
}

// Kinds has what is no number.
//
//go:wasmexport Kinds
func Kinds(x float64, sign int32) int32 {
	n := int32(0)
	if math.IsNaN(x) {
		n |= 1
	}
	if math.IsInf(x, 0) {
		n |= 2
	}
	if math.IsInf(x, 1) {
		n |= 4
	}
	if math.IsInf(x, -1) {
		n |= 8
	}
	if math.Signbit(x) {
		n |= 16
	}
	if math.Inf(int(sign)) > x {
		n |= 32
	}
	if math.IsNaN(math.NaN()) {
		n |= 64
	}
	return n
}

// Extremes has min and max, of zeros of both signs too.
//
//go:wasmexport Extremes
func Extremes(x, y float64, a, b int32, c, d uint64) float64 {
	return min(x, y, 3) + max(x, 2*y) + float64(min(a, b)) + float64(max(a, b, 5)) + float64(min(c, d)) + float64(max(c, d))
}

// ToFloat has integers that a double rounds.
//
//go:wasmexport ToFloat
func ToFloat(a int32, b uint32, c int64, d uint64) float64 {
	return float64(a) + float64(b)*3 + float64(c) - float64(d)
}

// FromFloat has doubles that are cut off.
//
//go:wasmexport FromFloat
func FromFloat(x float64) int64 {
	if !(x > -1e9 && x < 1e9) {
		return 0
	}
	if x < 0 {
		return int64(x) + int64(int32(x))
	}
	return int64(x) + int64(uint32(x)) + int64(uint64(x))
}

// Logic counts which operands are evaluated.
//
//go:wasmexport Logic
func Logic(a, b int32) int32 {
	count := counter{}
	if count.up(a > 0) && count.up(b > 0) || count.up(a == b) {
		count.n += 100
	}
	if !count.up(a < b) || (count.up(true) && a != 3) {
		count.n += 1000
	}
	var t tally
	t.add(a)
	t.add(b)
	return count.n + int32(t)
}

type counter struct{ n int32 }

// tally is a number with a method that changes it.
type tally int32

func (t *tally) add(n int32) { *t += tally(n) }

func (c *counter) up(v bool) bool {
	c.n++
	return v
}

// Loops has loops in loops, labels and ways out.
//
//go:wasmexport Loops
func Loops(n uint32) uint32 {
	n %= 50
	sum := uint32(0)
outer:
	for i := uint32(0); i < n; i++ {
		for j := range n {
			switch {
			case j == 7:
				continue outer
			case i+j > 60:
				break outer
			case j%2 == 0:
				continue
			}
			sum += i * j
		}
		if i == 40 {
			break
		}
	}
	for sum > 1000 {
		sum -= 999
	}
	k := 0
	for {
		if k++; k > int(n) {
			break
		}
		sum += 3
	}
	return sum
}

// Table has a switch that becomes a table, and one that does not.
//
//go:wasmexport Table
func Table(n int32) int32 {
	switch n {
	case -2, 5:
		return 1
	case 0:
		n += 7
	case 1, 2, 3:
		if n == 2 {
			break
		}
		n *= 3
	default:
		n = -n
	}
	switch m := n % 3; m {
	case 0:
		return n + 1
	case 1 << 20:
		return 5
	}
	return n
}

// Arrays has arrays of arrays, copies and pointers into them.
//
//go:wasmexport Arrays
func Arrays(a, b int32) int32 {
	var grid [4][3]int32
	list := [...]int32{5, 3: 9, a}
	for i := range grid {
		for j := range grid[i] {
			grid[i][j] = int32(i)*b + int32(j)
		}
	}
	copied := grid
	grid[1][2] = -1
	p := &grid[2]
	p[1] = a
	sum := int32(0)
	for i, v := range list {
		list[(i+1)%5] += v
		sum += v * int32(i)
	}
	for i := range len(grid) {
		for _, v := range copied[i] {
			sum = sum*3 + v
		}
		sum += grid[i][2] + list[i]
	}
	return sum + p[1] + int32(len(list)) + list[uint32(a)%5]
}

type pair struct{ x, y float64 }

type nested struct {
	pair
	n    uint32
	both [2]pair
	m    uint8
	k    int64
}

// Structs has literals, copies, embedded fields and addresses.
//
//go:wasmexport Structs
func Structs(x, y float64, n uint32) float64 {
	a := nested{pair: pair{x, y}, n: n, both: [2]pair{{1, 2}, {y: 3}}, k: -1}
	b := a
	b.n++
	b.both[n%2].x += x
	b.m--
	q := &b.both[n%2]
	q.y, q.x = q.x, q.y
	a = nested{pair: pair{b.x, a.y}, n: b.n}
	swap(&a.pair)
	var c nested
	c.k += int64(b.m)
	return a.x - a.y + q.x*2 + q.y + float64(a.n) + float64(b.k) + float64(c.k) + c.both[1].y
}

func swap(p *pair) {
	p.x, p.y = p.y, p.x
}

// Slices has make, append, copy, clear and parts.
//
//go:wasmexport Slices
func Slices(n, a uint32) uint32 {
	n %= 20
	s := make([]uint32, n)
	for i := range s {
		s[i] = uint32(i) * a
	}
	for i := range n {
		s = append(s, i^a) //nolint:makezero // what is there already stays
	}
	t := s[n/2:]
	t = t[:len(t)/2]
	u := make([]uint32, 5)
	k := copy(u, t)
	if len(t) > 0 {
		t[0] += 17
	}
	sum := uint32(k) + uint32(cap(u))
	for i, v := range s {
		sum = sum*31 + v + uint32(i)
	}
	for i := 1; i < len(u); i++ {
		sum += u[i] - u[i-1]
	}
	clear(s)
	for _, v := range s {
		sum += v + 1
	}
	var none []uint32
	if none == nil && s != nil {
		sum++
	}
	return sum + uint32(len(none))
}

// Texts has constant texts.
//
//go:wasmexport Texts
func Texts(n uint32) uint32 {
	s := word(n)
	sum := uint32(len(s))
	for i := range len(s) {
		sum = sum*7 + uint32(s[i])
	}
	var room [6]byte
	k := copy(room[1:], s)
	return sum + uint32(room[1])<<8 + uint32(room[5]) + uint32(k)
}

func word(n uint32) string {
	switch n % 3 {
	case 0:
		return "alpha"
	case 1:
		return "be"
	}
	return ""
}

// Results has several results, named and swapped.
//
//go:wasmexport Results
func Results(a, b int64) int64 {
	q, r := divided(a, b)
	r, q = q, r
	_, s := divided(b, a)
	var t, u = divided(q, 3)
	return q*3 + r*5 + s + t - u
}

func divided(a, b int64) (q, r int64) {
	if b == 0 {
		return
	}
	q = a / b
	r = a - q*b
	return q, r
}

// state is what an indicator looks like: fixed fields with a window behind.
type state struct {
	n, at uint32
	sum   float64
}

var memory [4]state

// Window is an indicator.
//
//go:wasmexport Window
func Window(n uint32, x float64) float64 {
	var room [16]float64
	s := &memory[n%4]
	*s = state{n: n%7 + 2}
	for i := range 40 {
		s.push(unsafe.Pointer(&room), x+float64(i%11))
	}
	return s.mean()
}

func (s *state) push(window unsafe.Pointer, x float64) {
	c := (*float64)(unsafe.Add(window, 8*s.at))
	old := *c
	*c = x
	s.at = following(s.at, s.n)
	s.sum += x - old
}

func (s *state) mean() float64 { return s.sum / float64(s.n) }

func following(i, n uint32) uint32 {
	i++
	return i & uint32(int32(i-n)>>31)
}

// Inlined has calls in the arguments of calls, with early returns.
//
//go:wasmexport Inlined
func Inlined(a, b int32) int32 {
	return twice(twice(a)+twice(b)) - early(a, early(b, a)) + locals(a) + locals(locals(b))
}

func twice(n int32) int32 { return n + n }

func early(a, b int32) int32 {
	if a > b {
		c := a - b
		return c * 3
	}
	if a == b {
		return 1
	}
	d := twice(b) - a
	return d
}

// locals declares variables before and behind an inlined call that has some.
func locals(n int32) int32 {
	x := early(n, 4)
	y := early(x, n)
	n = x - y
	z := early(y, n)
	return x ^ y ^ z ^ n
}

var (
	primes  = [...]uint32{2, 3, 5, 7, 9: 29}
	origin  = nested{pair: pair{x: 1.5}, both: [2]pair{{}, {-2, 4}}, m: 200, k: -9}
	greeted = "hello"
	counted uint32
	steps   = 7
)

// Globals has variables of the package with a first value.
//
//go:wasmexport Globals
func Globals(n uint32) uint32 {
	counted = n
	before := origin.x
	origin.x += 2
	sum := primes[n%10] + uint32(origin.both[1].y) + uint32(origin.m) + uint32(origin.k) + uint32(greeted[n%5]) + counted + uint32(steps)
	sum += uint32(origin.x - before)
	origin.x = before
	return sum
}

// Recursionless has a stack of its own.
//
//go:wasmexport Recursionless
func Recursionless(n uint32) uint32 {
	depth := n % 30
	var stack [32]uint32
	top := 0
	stack[top] = depth
	sum := uint32(0)
	for top >= 0 {
		v := stack[top]
		top--
		sum += v
		if v > 1 {
			top++
			stack[top] = v / 2
		}
	}
	return sum
}

// Parens has variables that are assigned in parentheses.
//
//go:wasmexport Parens
func Parens(a, b int32) int32 {
	x := a
	y := raised(x)
	(x), y = y, x
	z := x
	(z)--
	return x*5 + y*3 + z + raised(7) + b
}

func raised(n int32) int32 {
	(n)++
	(n) *= 3
	return n
}

// Lost has shifts by constants that are larger than any width.
//
//go:wasmexport Lost
func Lost(a int64, b uint32, c int32) int64 {
	const all uint64 = 1 << 63
	x := a<<all ^ a>>all
	x += int64(b<<all) + int64(b>>all) + int64(c>>all)
	c <<= all
	return x + int64(c) + int64(int8(c)>>all)
}

type padded struct {
	f float64
	n uint8
}

type ending struct {
	_ uint16
	_ [0]int64
}

// Lengths has the bytes behind the last field.
//
//go:wasmexport Lengths
func Lengths(n uint32, x float64) uint64 {
	var list [3]padded
	var whole struct {
		in   [2]padded
		n    uint8
		more ending
	}
	for i := range list {
		list[i] = padded{x + float64(i), uint8(n) + uint8(i)}
	}
	third := (*padded)(unsafe.Add(unsafe.Pointer(&list), 2*unsafe.Sizeof(list[0])))
	sum := uint64(unsafe.Sizeof(list)) + uint64(unsafe.Sizeof(ending{}))<<8 + uint64(unsafe.Offsetof(whole.n))<<16 + uint64(unsafe.Sizeof(whole))<<24
	return sum + uint64(third.n)<<32 + uint64(unsafe.Alignof(whole))<<40
}

var slots [4]state

func slot(i uint32) *state { return &slots[i&3] }

func tail(n uint32) []state { return slots[n&3:] }

// Addresses has pointers to variables of the package as results, and pointers
// that live as long as what they point to.
//
//go:wasmexport Addresses
func Addresses(n uint32, a, b int32) uint32 {
	slots = [4]state{}
	slot(n).n = 3
	slot(n + 1).at = 4
	tail(n)[0].at += 5
	largest := &a
	for i := range int32(3) {
		if b > *largest {
			largest = &b
		}
		c := b - i
		d := &c
		*d += *largest
		a += *d
	}
	return slots[n&3].at + slots[(n+1)&3].at*7 + slots[0].n + uint32(*largest)*11 + uint32(a)
}

// Exchanges has elements that are assigned together, by indices and through
// pointers that change with them.
//
//go:wasmexport Exchanges
func Exchanges(n uint32, a, b int32, x float64) float64 {
	list := [5]int32{a, b, 7, -3, int32(n)}
	i, j := n%5, (n/5)%5
	list[i], list[j] = list[j], list[i]
	list[j], list[(i+1)%5], a = a, list[j], list[i]
	i, list[i] = j, b
	two := [2]pair{{x, 1}, {2, float64(a)}}
	two[n&1], two[1-n&1] = two[1-n&1], two[n&1]
	p, q := &two[0], &two[1]
	p, p.x, q.y = q, 3, p.x
	*p, two[0].x = two[0], p.y
	s := list[1:]
	s[0], s[i%4], n = s[i%4], s[0], n+1
	sum := float64(i) + float64(n)
	for k, v := range list {
		sum = sum*3 + float64(v)*float64(k+1)
	}
	return sum + two[0].x*5 + two[0].y*7 + two[1].x*11 + two[1].y*13 + p.x
}
