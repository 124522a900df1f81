package serve

import "bytes"

// columns are value rows turned into one text per column. They may be used again:
// thousands of rows, for each series of a bundle, would be as much garbage as answer.
type columns struct {
	texts [][]byte
	empty []byte // scratch
}

// begin empties n columns, each with room for about that many rows.
func (c *columns) begin(n, rows int) {
	for len(c.texts) < n {
		c.texts = append(c.texts, nil)
	}
	c.texts = c.texts[:n]
	for i := range c.texts {
		if c.texts[i] = c.texts[i][:0]; cap(c.texts[i]) == 0 {
			c.texts[i] = make([]byte, 0, 20*rows)
		}
	}
}

// add puts the cells of a row [t,v..,fl] behind those before.
func (c *columns) add(row []byte) {
	row = row[1:]
	for i, text := range c.texts {
		if len(text) > 0 {
			text = append(text, ',')
		}
		end := bytes.IndexByte(row, ',') // fl follows the last
		c.texts[i] = append(text, row[:end]...)
		row = row[end+1:]
	}
}

// addEmpty adds a row without values.
func (c *columns) addEmpty(outputs int, t int64) {
	c.empty = appendValueRow(c.empty[:0], outputs, t, nil, 0)
	c.add(c.empty)
}

// append writes {"t":[..],"<output>":[..]}.
func (c *columns) append(dst []byte, m *InstanceMeta) []byte {
	dst = append(append(append(dst, `{"t":[`...), c.texts[0]...), ']')
	for o, name := range m.Outputs {
		dst = append(appendText(append(dst, ','), name), `:[`...)
		dst = append(append(dst, c.texts[o+1]...), ']')
	}
	return append(dst, '}')
}

// appendColumns writes value rows i to j-1 as columns.
func appendColumns(dst []byte, m *InstanceMeta, r *rows, i, j int) []byte {
	var c columns
	c.begin(1+len(m.Outputs), j-i+1)
	r.each(i, j, c.add)
	return c.append(dst, m)
}

// appendAligned writes the values of a window as columns, a row per bar.
func (c *columns) appendAligned(dst []byte, g *group, w *window, n int, m *InstanceMeta) []byte {
	v := g.value(n)
	c.begin(1+len(m.Outputs), w.rows())
	if w.i < w.j {
		i, j := v.rows.search(g.bars.at(w.i)), v.rows.search(g.bars.at(w.j-1)+1)
		if j-i == w.j-w.i {
			v.rows.each(i, j, c.add)
		} else {
			c.addSparse(g, w, &v.rows, len(m.Outputs))
		}
	}
	switch {
	case w.forming && v.formRow != nil:
		c.add(v.formRow)
	case w.forming:
		c.addEmpty(len(m.Outputs), g.formT)
	}
	return c.append(dst, m)
}

// addSparse adds rows for bars some of which have no value.
func (c *columns) addSparse(g *group, w *window, r *rows, outputs int) {
	for i := w.i; i < w.j; i++ {
		t := g.bars.at(i)
		if row, ok := r.find(t); ok {
			c.add(row)
		} else {
			c.addEmpty(outputs, t)
		}
	}
}
