package vet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/wasmhost"
)

// goldenPart is one indicator of a golden file: bars and the values that its
// author expects.
//
//	# sma(20)
//	open_time,open,high,low,close,volume,value
//	1700000000000,100,101,99,100.5,12,
//
// A file may have several parts. An empty cell is no value. Numbers are
// compared bit for bit: they are written so that reading them gives the same.
type goldenPart struct {
	line    int // of the expression
	expr    string
	bars    []wasmhost.Bar
	outputs []string
	values  [][]string
}

// readGolden splits a golden file into its parts.
func readGolden(file []byte) ([]goldenPart, error) {
	var parts []goldenPart
	var bodies []*bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimRight(lines.Text(), "\r")
		if expr, ok := strings.CutPrefix(text, "#"); ok {
			parts = append(parts, goldenPart{line: n, expr: strings.TrimSpace(expr)})
			bodies = append(bodies, new(bytes.Buffer))
			continue
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		if len(parts) == 0 {
			return nil, fmt.Errorf("line %d: a part begins with the indicator, such as # sma(20)", n)
		}
		bodies[len(parts)-1].WriteString(text + "\n")
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, errors.New("it is empty")
	}
	for i := range parts {
		p := &parts[i]
		var err error
		if p.bars, p.outputs, p.values, err = readTable(bodies[i]); err != nil {
			return nil, fmt.Errorf("the part of line %d (%s): %w", p.line, short(p.expr), err)
		}
		if len(p.bars) == 0 || len(p.outputs) == 0 { // nothing would be compared, and all be well
			return nil, fmt.Errorf("the part of line %d (%s) has no bars, or no column of an output", p.line, short(p.expr))
		}
	}
	return parts, nil
}

// WriteGolden writes one part of a golden file.
func WriteGolden(w io.Writer, values *Values, bars []wasmhost.Bar) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "# %s\nopen_time,open,high,low,close,volume,quote_volume,trades", values.Name)
	for _, name := range values.Outputs {
		fmt.Fprintf(out, ",%s", name)
	}
	fmt.Fprintln(out)
	for i, b := range bars {
		fmt.Fprintf(out, "%d", b.OpenTime)
		for _, v := range []float64{b.Open, b.High, b.Low, b.Close, b.Volume, b.QuoteVolume} {
			fmt.Fprintf(out, ",%s", plain(v))
		}
		fmt.Fprintf(out, ",%d", b.Trades)
		for _, v := range values.Rows[i] {
			fmt.Fprintf(out, ",%s", plain(v))
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

// plain writes a number so that reading it gives the same bits, and no value
// as nothing.
func plain(v float64) string {
	if math.IsNaN(v) {
		return ""
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// UpdateGolden returns a golden file in which the part of an expression is
// what values are, and the other parts are as they were. The file may be
// empty.
func UpdateGolden(file []byte, values *Values, bars []wasmhost.Bar) ([]byte, error) {
	var out bytes.Buffer
	keep := true
	for line := range bytes.Lines(file) {
		if expr, ok := bytes.CutPrefix(line, []byte("#")); ok {
			keep = string(bytes.TrimSpace(expr)) != values.Name
		}
		if keep {
			out.Write(line)
		}
	}
	if n := out.Len(); n > 0 && out.Bytes()[n-1] != '\n' {
		out.WriteByte('\n')
	}
	if err := WriteGolden(&out, values, bars); err != nil {
		return nil, fmt.Errorf("writing the golden file: %w", err)
	}
	return out.Bytes(), nil
}

// CompareGolden compares values with the part of their expression in a golden
// file. The error says where they differ first.
func CompareGolden(file []byte, values *Values, bars []wasmhost.Bar) error {
	parts, err := readGolden(file)
	if err != nil {
		return fmt.Errorf("reading the golden file: %w", err)
	}
	i := slices.IndexFunc(parts, func(p goldenPart) bool { return p.expr == values.Name })
	if i < 0 {
		return fmt.Errorf("the golden file has no part %q: write it with --update", "# "+values.Name)
	}
	p := &parts[i]
	if len(p.bars) != len(bars) {
		return fmt.Errorf("the golden file has %d bars for %s, the file of bars has %d", len(p.bars), values.Name, len(bars))
	}
	rows := make([]row, len(values.Rows))
	for k, v := range values.Rows {
		for n, x := range v {
			rows[k].out[n] = math.Float64bits(x)
		}
		if p.bars[k].Close != bars[k].Close || p.bars[k].OpenTime != bars[k].OpenTime {
			return fmt.Errorf("bar %d of the golden file is another one: it was made from other bars", k+1)
		}
	}
	if err := p.compare(values.Outputs, rows); err != nil {
		return withBar(err)
	}
	return nil
}

// golden is V20: the author's own file.
func (v *vetter) golden() error {
	if v.opt.Golden == nil {
		return nil
	}
	parts, err := readGolden(v.opt.Golden)
	if err != nil {
		v.found(nil, "V20", CodeGoldenFile, 0, 0, "the golden file: %v", err)
		return nil
	}
	for i := range parts {
		p := &parts[i]
		choice, err := v.doc.Choose(p.expr)
		if err != nil {
			v.found(nil, "V20", CodeGoldenFile, 0, 0, "line %d of the golden file: %v", p.line, err)
			continue
		}
		s := newSubject(choice.Indicator, choice.Params)
		s.price = choice.Source
		if _, err := v.check(s, "V20", func(s *subject) error { return v.agrees(s, p) }); err != nil {
			return err
		}
	}
	return nil
}

// agrees compares one part.
func (v *vetter) agrees(s *subject, p *goldenPart) error {
	rows, err := v.values(s, p.bars)
	if err != nil {
		return err
	}
	var names []string
	for _, o := range s.ind.Outputs {
		names = append(names, o.Name)
	}
	return p.compare(names, rows)
}

// compare looks for the first value that is not the expected one.
func (p *goldenPart) compare(outputs []string, rows []row) error {
	which := make([]int, len(p.outputs))
	for i, name := range p.outputs {
		if which[i] = slices.Index(outputs, name); which[i] < 0 {
			return faultf(CodeGoldenFile, "the part of line %d has a column %q, which is neither of a bar nor an output", p.line, short(name))
		}
	}
	for i, cells := range p.values {
		for k, text := range cells {
			want := uint64(noValue)
			if text = strings.TrimSpace(text); text != "" {
				x, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return faultf(CodeGoldenFile, "bar %d: output %s is %q, which is no number", i+1, p.outputs[k], short(text))
				}
				want = math.Float64bits(x)
				if x == 0 {
					want = 0
				}
			}
			if got := rows[i].out[which[k]]; got != want {
				return faultf(CodeGolden, "output %s is %s, the golden file (part of line %d) has %s", p.outputs[k], shown(got), p.line, shown(want)).at(i + 1)
			}
		}
	}
	return nil
}

// values runs bars of a file on a subject whose parameters somebody chose.
func (v *vetter) values(s *subject, bars []wasmhost.Bar) ([]row, error) {
	if err := v.size(s, true); err != nil {
		return nil, err
	}
	r, err := v.rig()
	if err != nil {
		return nil, err
	}
	err = r.reference(s, bars)
	return s.rows, err
}
