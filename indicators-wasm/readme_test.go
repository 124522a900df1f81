package indicators

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated table into README.md")

const (
	tableBegins = "<!-- table begins: go test ./indicators-wasm -run README -update -->\n"
	tableEnds   = "<!-- table ends -->"
)

// formulas says in one line what each indicator computes and whose definition
// it is. Everything else in the table comes from the manifest and from runs.
var formulas = map[string]string{
	"sma":    "mean of the last n values; TA-Lib SMA",
	"ema":    "y + 2/(n+1) * (x - y), seeded with the mean of n values; TA-Lib EMA",
	"wma":    "weights 1 (oldest) to n (newest); TA-Lib WMA",
	"vwap":   "sum(price * volume) / sum(volume) since the anchor, bands of volume-weighted deviations; TA-Lib VWAP without anchor, bands: own definition",
	"bbands": "average +- mult * population deviation of the window; TA-Lib BBANDS, percent_b and bandwidth as fractions",
	"rsi":    "100 * U / (U + D), Wilder averages of gains and losses; TA-Lib RSI",
	"macd":   "EMA(fast) - EMA(slow), its EMA, and the difference; TA-Lib MACD, tv: own seeds, cn: histogram doubled",
	"stoch":  "place of the close in the range of fast_k bars, averaged twice; TA-Lib STOCH",
	"kdj":    "the same, two Wilder averages, j = 3k - 2d; TA-Lib KDJ, cn: recursion from 50 (KLineChart)",
	"atr":    "Wilder average of the true range; TA-Lib ATR, tv: range of bar 0 included",
	"obv":    "volume of rising less that of falling bars; TA-Lib OBV, tv: starts at 0",
}

func TestREADMETableIsCurrent(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(data), tableBegins)
	_, tail, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatal("README.md has lost the markers of its table")
	}
	want := head + tableBegins + readmeTable(t) + tableEnds + tail
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Error("the table in README.md is old: go test ./indicators-wasm -run README -update")
	}
}

func readmeTable(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("\n| id | name | input | parameters: default [range] | outputs: first | warm-up | formula and source |\n|---|---|---|---|---|---|---|\n")
	for _, s := range readManifest(t).Indicators {
		formula, ok := formulas[s.Name]
		if !ok {
			t.Errorf("no formula is written down for %s", s.Name)
		}
		fmt.Fprintf(&b, "| %d | `%s` %s | %s | %s | %s | %s | %s |\n", s.ID, s.Name, s.Title, s.Input,
			paramColumn(&s), outputColumn(t, &s), warmupColumn(&s), formula)
	}
	b.WriteString("\n")
	return b.String()
}

func paramColumn(s *indicatorSpec) string {
	var cells []string
	for i := range s.Params {
		p := &s.Params[i]
		number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
		if p.Type == "enum" {
			cells = append(cells, fmt.Sprintf("`%s` %s [%s]", p.Name, p.Options[int(p.Default)], strings.Join(p.Options, ", ")))
			continue
		}
		cells = append(cells, fmt.Sprintf("`%s` %s [%s..%s]", p.Name, number(p.Default), number(p.Min), number(p.Max)))
	}
	return strings.Join(cells, "; ")
}

// outputColumn names the outputs with the bar of their first value, measured.
func outputColumn(t *testing.T, s *indicatorSpec) string {
	t.Helper()
	bars := walk(41, 200)
	for i := range bars {
		bars[i].Volume = 1
	}
	rows := newInstance(t, s.ID, s.defaults()).rows(t, bars)
	var cells []string
	for k := range s.Outputs {
		first := slices.IndexFunc(rows, func(row []float64) bool { return !math.IsNaN(row[k]) })
		cells = append(cells, fmt.Sprintf("`%s` %d", s.Outputs[k].Name, first))
	}
	return strings.Join(cells, ", ")
}

func warmupColumn(s *indicatorSpec) string {
	cfg := Cfg{Ind: s.ID, IntervalMS: 60_000}
	if bars := Warmup(&cfg, s.defaults()); bars != Forever {
		return strconv.Itoa(int(bars))
	}
	return "never"
}
