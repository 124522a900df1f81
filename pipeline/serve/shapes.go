package serve

import "strconv"

// Colours of volume columns in format=lwc.
const (
	colorUp   = `"#26a69a"`
	colorDown = `"#ef5350"`
)

// maxWhitespace bounds the empty buckets that format=lwc names: a symbol that
// was silent for a night on 1 s bars would be nothing but them.
const maxWhitespace = 5000

// appendLWC writes what lightweight-charts takes: bars and volume by seconds,
// missing buckets as whitespace.
func appendLWC(dst []byte, g *group, w *window) []byte {
	dst = append(dst, `{"bars":[`...)
	volume := make([]byte, 0, 64*(w.j-w.i+1))
	last, blank := never, 0
	g.each(w, func(row []byte) {
		b := parseBar(row)
		if last != never {
			dst = append(dst, ',')
			volume = append(volume, ',')
			missing := 0
			if g.ms > 0 {
				missing = int((b.t-last)/g.ms) - 1
			}
			if missing > 0 && blank+missing <= maxWhitespace {
				blank += missing
				for t := last + g.ms; t < b.t; t += g.ms {
					dst = append(appendInt(dst, `{"time":`, t/1000), `},`...)
				}
			}
		}
		last = b.t
		dst = appendInt(dst, `{"time":`, b.t/1000)
		dst = appendRaw(dst, `,"open":`, b.o)
		dst = appendRaw(dst, `,"high":`, b.h)
		dst = appendRaw(dst, `,"low":`, b.l)
		dst = append(appendRaw(dst, `,"close":`, b.c), '}')
		volume = appendInt(volume, `{"time":`, b.t/1000)
		volume = append(appendRaw(volume, `,"value":`, b.v), `,"color":`...)
		color := colorUp
		if falls(&b) {
			color = colorDown
		}
		volume = append(append(volume, color...), '}')
	})
	dst = append(dst, `],"volume":[`...)
	return append(append(dst, volume...), `]}`...)
}

// falls compares close and open; a float is exact enough for a colour.
func falls(b *barFields) bool {
	o, err1 := strconv.ParseFloat(string(b.o), 64)
	c, err2 := strconv.ParseFloat(string(b.c), 64)
	return err1 == nil && err2 == nil && c < o
}

// appendBarColumns writes {"t":[],"o":[],"h":[],"l":[],"c":[],"v":[]}.
func appendBarColumns(dst []byte, g *group, w *window) []byte {
	var cols [6][]byte
	n := 0
	g.each(w, func(row []byte) {
		b := parseBar(row)
		if n > 0 {
			for i := range cols {
				cols[i] = append(cols[i], ',')
			}
		}
		n++
		cols[0] = strconv.AppendInt(cols[0], b.t, 10)
		for i, v := range [...][]byte{b.o, b.h, b.l, b.c, b.v} {
			cols[i+1] = append(cols[i+1], v...)
		}
	})
	for i, key := range [...]string{`{"t":[`, `],"o":[`, `],"h":[`, `],"l":[`, `],"c":[`, `],"v":[`} {
		dst = append(append(dst, key...), cols[i]...)
	}
	return append(dst, `]}`...)
}

// appendCSV writes a header line and one line per bar. All fields are numbers,
// so none needs quoting and none can begin a formula.
func appendCSV(dst []byte, g *group, w *window) []byte {
	dst = append(dst, "time,open,high,low,close,volume\n"...)
	g.each(w, func(row []byte) {
		b := parseBar(row)
		dst = strconv.AppendInt(dst, b.t, 10)
		for _, v := range [...][]byte{b.o, b.h, b.l, b.c, b.v} {
			dst = append(append(dst, ','), v...)
		}
		dst = append(dst, '\n')
	})
	return dst
}
