package compiler

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var (
	programs = flag.Int("programs", 60, "random functions that are compared with Go")
	seed     = flag.Uint64("seed", 1, "of the random functions")
)

// inputs is how many rows of arguments each random function gets.
const inputs = 30

// TestRandomProgramsGiveTheBitsOfGo writes functions nobody would think of,
// builds them with Go and with the compiler, and compares what they return.
func TestRandomProgramsGiveTheBitsOfGo(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: building a program with the Go toolchain (-short)")
	}
	g := &author{r: rand.New(rand.NewPCG(*seed, 7))}
	source := g.program(*programs)
	table := make([][5]uint64, inputs)
	for i := range table {
		for k, limit := range []uint64{math.MaxUint32, math.MaxUint32, math.MaxUint64, math.MaxUint64, 0} {
			table[i][k] = g.number() & limit
		}
		table[i][4] = math.Float64bits(g.double())
	}
	want := byGo(t, source, table)
	module := start(t, compiled(t, "package main\n"+source))
	for f := range *programs {
		name := fmt.Sprintf("F%d", f)
		for i, row := range table {
			got, err := module.ExportedFunction(name).Call(t.Context(), row[:]...)
			if err != nil {
				t.Fatalf("seed %d, %s%v: %v\n%s", *seed, name, row, err, source)
			}
			if w := want[f*inputs+i]; fmt.Sprint(got[0]) != w {
				t.Fatalf("seed %d, %s%v: %d, Go has %s\n%s", *seed, name, row, got[0], w, source)
			}
		}
	}
}

// byGo are the results of all functions as a program of Go prints them.
func byGo(t *testing.T, source string, table [][5]uint64) []string {
	t.Helper()
	var b strings.Builder
	b.WriteString("package main\n" + strings.Replace(source, `import "math"`, "import (\n\"fmt\"\n\"math\"\n)", 1))
	b.WriteString("\nfunc main() {\nfor _, f := range []func(int32, uint32, int64, uint64, float64) uint64{")
	for f := range *programs {
		fmt.Fprintf(&b, "F%d,", f)
	}
	b.WriteString("} {\nfor _, v := range [][5]uint64{")
	for _, row := range table {
		fmt.Fprintf(&b, "{%d,%d,%d,%d,%d},\n", row[0], row[1], row[2], row[3], row[4])
	}
	b.WriteString("} {\nfmt.Println(f(int32(v[0]), uint32(v[1]), int64(v[2]), v[3], math.Float64frombits(v[4])))\n}\n}\n}\n")
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", file)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOAMD64=v1")
	out, err := cmd.Output()
	if err != nil {
		said := ""
		if bad, ok := err.(*exec.ExitError); ok { //nolint:errorlint // of this call
			said = string(bad.Stderr)
		}
		t.Fatalf("%v\n%.2000s\n%s", err, said, b.String())
	}
	return strings.Fields(string(out))
}

// author writes random functions. Every function returns a hash of all its
// variables; functions may call those before them.
type author struct {
	r      *rand.Rand
	b      strings.Builder
	vars   map[string][]string // in scope, by type
	names  int
	loops  int // loops around
	done   int // functions that can be called
	int32s int // leaves of this type; without a struct fewer
}

// kinds are the types of variables.
var kinds = []string{"int32", "uint32", "int64", "uint64", "float64", "uint8", "int16"}

// prelude is what all functions use: a struct, and what keeps a double from
// giving bits that both compilers may choose: those of a NaN, and of a number
// that does not fit.
const prelude = `
import "math"

type inner struct {
	a int32
	f float64
}

type box struct {
	n  uint8
	a  int32
	u  [4]uint32
	f  float64
	in [2]inner
	l  int64
}

var shared box

func whole(x float64) int64 {
	if x > -1e9 && x < 1e9 {
		return int64(x)
	}
	return 7
}

func sure(x float64) float64 {
	if x != x {
		return 1
	}
	return x
}

func bits(x float64) uint64 {
	if x != x {
		return 1
	}
	return math.Float64bits(x)
}

func (b *box) stir(n uint32, x float64) {
	i := n & 3
	b.u[i] += n ^ uint32(b.n)
	b.n -= uint8(n)
	b.f = b.f*0.5 + x
	b.in[n&1].a ^= int32(n >> 3)
	b.l = b.l<<3 | b.l>>60 ^ int64(b.a)
	if b.u[i]&1 == 0 {
		return
	}
	b.in[0], b.a = b.in[1], b.a+1
}

func (b *box) hash() uint64 {
	h := uint64(b.n) + uint64(b.a)*31 + bits(b.f) + uint64(b.l)
	for i, v := range b.u {
		h = h*1099511628211 + uint64(v)<<i
	}
	return h + bits(b.in[0].f) + uint64(b.in[1].a)
}

func pick(a, b int32) (int32, int32) {
	if a < b {
		return b, a
	}
	return a, b
}
`

func (g *author) program(n int) string {
	// Two values at once are for variables: the copy of a struct is one.
	g.b.WriteString(strings.Replace(prelude, "b.in[0], b.a = b.in[1], b.a+1", "b.in[0] = b.in[1]\n\tb.a++", 1))
	for i := range n {
		g.function(i)
	}
	return g.b.String()
}

func (g *author) line(format string, args ...any) { fmt.Fprintf(&g.b, format+"\n", args...) }

func (g *author) function(i int) {
	g.vars = map[string][]string{"int32": {"a"}, "uint32": {"b"}, "int64": {"c"}, "uint64": {"d"}, "float64": {"x"}}
	g.names, g.loops, g.int32s = 0, 0, 5
	g.line("\n//go:wasmexport F%d\nfunc F%d(a int32, b uint32, c int64, d uint64, x float64) uint64 {\nvar s box\np := &s\np.a = a\nh := d", i, i)
	g.block(4+g.r.IntN(5), 3)
	g.line("h += s.hash() + uint64(a) + uint64(b)*3 + uint64(c)*5 + bits(x)\nreturn h\n}")
	// A small function of one line that others write out in their place.
	g.vars = map[string][]string{"int32": {"a"}, "uint32": {"b"}, "int64": {"c"}, "uint64": {"d"}, "float64": {"x"}}
	g.int32s = 2
	g.line("\nfunc leaf%d(a int32, b uint32, c int64, d uint64, x float64) int64 {", i)
	if g.r.IntN(2) == 0 {
		g.line("if %s {\na++\nc -= int64(a)\nreturn %s\n}", g.condition(2), g.expr("int64", 2))
	}
	g.line("return %s\n}", g.expr("int64", 3))
	g.done = i + 1
}

// block writes statements; variables of it end with it.
func (g *author) block(n, depth int) {
	before := map[string]int{}
	for k, v := range g.vars {
		before[k] = len(v)
	}
	for range n {
		g.statement(depth)
	}
	for k, v := range g.vars {
		g.vars[k] = v[:before[k]]
	}
}

func (g *author) statement(depth int) {
	kind := kinds[g.r.IntN(len(kinds))]
	choice := g.r.IntN(12)
	if depth == 0 {
		choice %= 6
	}
	switch choice {
	case 0, 1:
		g.names++
		name := fmt.Sprintf("v%d", g.names)
		g.line("%s := %s", name, g.expr(kind, 3))
		g.line("h = h*31 + %s", g.hashed(name, kind))
		g.vars[kind] = append(g.vars[kind], name)
	case 2:
		if name := g.variable(kind); name != "" {
			ops := []string{"=", "+=", "-=", "*=", "^=", "|=", "&=", "&^="}
			if kind == "float64" {
				ops = ops[:4]
			}
			g.line("%s %s %s", name, ops[g.r.IntN(len(ops))], g.expr(kind, 3))
		}
	case 3:
		g.line("%s", []string{"s", "p", "shared"}[g.r.IntN(3)]+fmt.Sprintf(".stir(%s, %s)", g.expr("uint32", 2), g.expr("float64", 2)))
		g.line("h += shared.hash()\nshared = box{n: 3, in: [2]inner{{f: 1.5}, {a: s.a}}}")
	case 4:
		g.line("s.u[%s&3] ^= %s", g.expr("uint32", 2), g.expr("uint32", 2))
		g.line("p.in[%s&1].a = %s", g.expr("uint64", 1), g.expr("int32", 2))
		g.line("p.f, s.n = %s, %s", g.expr("float64", 2), g.expr("uint8", 2))
	case 5:
		g.line("a, s.a = pick(%s, %s)", g.expr("int32", 2), g.expr("int32", 2))
	case 6, 7:
		g.line("if %s {", g.condition(3))
		g.block(2, depth-1)
		if g.r.IntN(2) == 0 {
			g.line("} else {")
			g.block(2, depth-1)
		}
		g.line("}")
	case 8, 9:
		g.loop(depth)
	case 10:
		g.cases(depth)
	case 11:
		if g.loops > 0 {
			g.line("if %s { %s }", g.condition(2), []string{"break", "continue"}[g.r.IntN(2)])
		} else {
			g.line("if %s { return h + %s }", g.condition(2), g.expr("uint64", 2))
		}
	}
}

func (g *author) loop(depth int) {
	g.names++
	i := fmt.Sprintf("i%d", g.names)
	if g.r.IntN(2) == 0 {
		g.line("for %s := range %d {", i, 1+g.r.IntN(6))
		g.line("h += uint64(%s)", i)
	} else {
		g.line("for %s := int32(0); %s < %d; %s += %d {", i, i, 1+g.r.IntN(9), i, 1+g.r.IntN(2))
		g.line("h ^= uint64(%s) << 5", i)
	}
	g.loops++
	g.block(2, depth-1)
	g.loops--
	g.line("}")
}

func (g *author) cases(depth int) {
	if g.r.IntN(2) == 0 {
		g.line("switch {\ncase %s:", g.condition(2))
		g.block(1, depth-1)
		g.line("case %s, %s:", g.condition(2), g.condition(1))
		g.block(1, depth-1)
	} else {
		g.line("switch %s & 7 {\ncase 1, 3:", g.expr("int32", 2))
		g.block(1, depth-1)
		g.line("case 2:\ncase 0, 6:")
		g.block(1, depth-1)
	}
	g.line("default:")
	g.block(1, depth-1)
	g.line("}")
}

// variable is one that may be assigned, or nothing.
func (g *author) variable(kind string) string {
	list := g.vars[kind]
	if len(list) == 0 {
		return ""
	}
	return list[g.r.IntN(len(list))]
}

// expr is an expression that is never a constant as a whole: Go would refuse
// constants that overflow.
func (g *author) expr(kind string, depth int) string {
	if depth == 0 || g.r.IntN(6) == 0 {
		return g.leaf(kind)
	}
	e := func() string { return g.expr(kind, depth-1) }
	if kind == "float64" {
		return g.float(depth)
	}
	switch g.r.IntN(12) {
	case 0, 1, 2, 3:
		return "(" + e() + " " + []string{"+", "-", "*", "^", "&", "|", "&^"}[g.r.IntN(7)] + " " + e() + ")"
	case 4:
		return "(" + e() + []string{" / ", " % "}[g.r.IntN(2)] + "(" + e() + " | 1))"
	case 5:
		return fmt.Sprintf("(%s %s %d)", e(), []string{"<<", ">>"}[g.r.IntN(2)], g.r.IntN(8))
	case 6:
		return fmt.Sprintf("(%s %s (%s & 127))", e(), []string{"<<", ">>"}[g.r.IntN(2)], g.expr("uint32", depth-1))
	case 7:
		return "(" + []string{"-", "^"}[g.r.IntN(2)] + e() + ")"
	case 8:
		return []string{"min", "max"}[g.r.IntN(2)] + "(" + e() + ", " + e() + ")"
	case 9:
		return fmt.Sprintf("(%s %s %d)", e(), []string{"+", "-", "*", "/", "%"}[g.r.IntN(5)], 1+g.r.IntN(100))
	case 10:
		if g.done > 0 {
			return fmt.Sprintf("%s(leaf%d(%s, %s, %s, %s, %s))", kind, g.r.IntN(g.done), g.expr("int32", depth-1), g.expr("uint32", depth-1),
				g.expr("int64", depth-1), g.expr("uint64", depth-1), g.expr("float64", depth-1))
		}
	}
	other := kinds[g.r.IntN(len(kinds))]
	if other == "float64" {
		return kind + "(whole(" + g.expr(other, depth-1) + "))"
	}
	return kind + "(" + g.expr(other, depth-1) + ")"
}

func (g *author) float(depth int) string {
	e := func() string { return g.expr("float64", depth-1) }
	switch g.r.IntN(8) {
	case 0, 1, 2:
		return "(" + e() + " " + []string{"+", "-", "/"}[g.r.IntN(3)] + " " + e() + ")"
	case 3:
		if g.r.IntN(3) == 0 {
			return "math.Copysign(" + e() + ", sure(" + e() + "))"
		}
		return "float64(" + e() + " * " + e() + ")"
	case 4:
		return "math." + []string{"Abs", "Floor", "Ceil", "Trunc", "Sqrt", "RoundToEven"}[g.r.IntN(6)] + "(" + e() + ")"
	case 5:
		return []string{"min", "max"}[g.r.IntN(2)] + "(" + e() + ", " + e() + ")"
	case 6:
		return "(-" + e() + ")"
	}
	return "float64(" + g.expr(kinds[g.r.IntN(4)], depth-1) + ")"
}

// leaf is a variable, a field or a constant beside one.
func (g *author) leaf(kind string) string {
	if name := g.variable(kind); name != "" && g.r.IntN(3) > 0 {
		return name
	}
	switch kind {
	case "int32":
		return []string{"(a + 3)", "(a ^ 77)", "s.a", "p.in[b&1].a", "s.in[1].a"}[g.r.IntN(g.int32s)]
	case "uint32":
		return []string{"b", "(b ^ 12345)", "(b >> 7)"}[g.r.IntN(3)]
	case "int64":
		return []string{"c", "(c - 1)", "int64(a)"}[g.r.IntN(3)]
	case "uint64":
		return []string{"d", "(d * 1099511628211)", "uint64(b)"}[g.r.IntN(3)]
	case "float64":
		return []string{"x", "(x + 0.1)", "float64(a)", "(x - 3)"}[g.r.IntN(4)]
	case "uint8":
		return []string{"uint8(b)", "(uint8(b) + 200)"}[g.r.IntN(2)]
	}
	return []string{"int16(a)", "(int16(a) - 30000)"}[g.r.IntN(2)]
}

func (g *author) condition(depth int) string {
	if depth > 0 && g.r.IntN(3) == 0 {
		return fmt.Sprintf("(%s %s %s)", g.condition(depth-1), []string{"&&", "||"}[g.r.IntN(2)], g.condition(depth-1))
	}
	if g.r.IntN(8) == 0 {
		return "!(" + g.condition(0) + ")"
	}
	kind := kinds[g.r.IntN(len(kinds))]
	return fmt.Sprintf("%s %s %s", g.expr(kind, depth), []string{"==", "!=", "<", "<=", ">", ">="}[g.r.IntN(6)], g.expr(kind, depth))
}

func (g *author) hashed(name, kind string) string {
	if kind == "float64" {
		return "bits(" + name + ")"
	}
	return "uint64(" + name + ")"
}

func (g *author) number() uint64 {
	switch g.r.IntN(4) {
	case 0:
		return uint64(g.r.IntN(20)) - 10
	case 1:
		return []uint64{0, math.MaxInt32, 1 << 31, math.MaxInt64, 1 << 63, math.MaxUint64}[g.r.IntN(6)]
	}
	return g.r.Uint64()
}

func (g *author) double() float64 {
	if g.r.IntN(5) == 0 {
		return []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 1e300, 5e-324}[g.r.IntN(7)]
	}
	return g.r.NormFloat64() * 1000
}
