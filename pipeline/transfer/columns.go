package transfer

import (
	"fmt"
	"slices"
	"strings"
)

// skipped is the name of a column that is not read.
const skipped = "_"

// vocabulary are the columns that a kind of row may have.
type vocabulary struct {
	names    []string
	also     map[string][]string // other headers by which a column is known
	required []string            // each an alternative list, separated by |
}

// tradeColumns are those of trades. maker says whether the buyer was the maker,
// which is the taker's side the other way round.
var tradeColumns = vocabulary{
	names: []string{"symbol", "price", "size", "ts", "tn", "id", "side", "maker", "seq"},
	also: map[string][]string{
		"symbol": {"sym", "ticker", "instrument_name", "product_id"},
		"price":  {"px"},
		"size":   {"qty", "quantity", "amount", "volume"},
		"ts":     {"time", "timestamp", "ms", "transact_time", "created_time"},
		"id":     {"trade_id", "agg_trade_id", "tid", "trdmatchid"},
		"maker":  {"is_buyer_maker", "isbuyermaker", "buyer_is_maker"},
	},
	required: []string{"price", "size", "ts", "symbol"},
}

// barColumns are those of bars, by the names of the topic and of REST.
var barColumns = vocabulary{
	names: []string{"sym", "itv", "t", "T", "o", "h", "l", "c", "v", "qv", "n", "bv", "bqv", "vwap", "f", "L", "rev", "q", "why"},
	also: map[string][]string{
		"sym": {"symbol"}, "itv": {"interval"}, "t": {"open_time", "time", "timestamp"}, "T": {"close_time"},
		"o": {"open"}, "h": {"high"}, "l": {"low"}, "c": {"close"}, "v": {"volume"}, "qv": {"quote_volume"},
		"n": {"count", "trades"}, "f": {"first_id"}, "L": {"last_id"}, "bv": {"taker_buy_volume"}, "bqv": {"taker_buy_quote_volume"},
	},
	required: []string{"t", "o", "h", "l", "c", "v", "sym", "itv"},
}

// Columns says where the fields of a row stand. The zero value finds them by
// the first line of a file.
type Columns struct {
	// Places names the columns in their order; "_" is one that is not read.
	Places []string
	// Headers gives the header, or in JSON the path, of fields that have another
	// than their own.
	Headers map[string]string
}

// ParseColumns reads `ts,price,size` (places) or `ts=time,size=qty` (headers).
func ParseColumns(words []string) (Columns, error) {
	var c Columns
	for _, w := range words {
		name, header, paired := strings.Cut(strings.TrimSpace(w), "=")
		switch {
		case !paired && c.Headers == nil:
			c.Places = append(c.Places, name)
		case paired && c.Places == nil && header != "":
			if c.Headers == nil {
				c.Headers = map[string]string{}
			}
			if c.Headers[name] != "" {
				return c, fmt.Errorf("reading --columns: %s is given twice", cut(name))
			}
			c.Headers[name] = header
		default:
			return c, fmt.Errorf("reading --columns: %q: either all are names in the order of the columns (ts,price,size,_), or all are pairs of a field and its header (ts=time,size=qty)", cut(w))
		}
	}
	return c, nil
}

// check refuses names that are no field of v.
func (c *Columns) check(v *vocabulary) error {
	all := slices.Clone(c.Places)
	for name := range c.Headers {
		all = append(all, name)
	}
	for i, name := range all {
		if name == skipped {
			continue
		}
		if !slices.Contains(v.names, name) {
			return fmt.Errorf("reading --columns: there is no field %q (allowed: %s, and _ for a column that is not read)", cut(name), strings.Join(v.names, ", "))
		}
		if slices.Contains(all[:i], name) {
			return fmt.Errorf("reading --columns: %s is given twice", name)
		}
	}
	return nil
}

// layout is where each field of a vocabulary stands in the rows of a file, -1
// nowhere.
type layout struct {
	v      *vocabulary
	at     []int
	header []string // as it stands in the file, nil without
	places []string
}

// placed is the layout of places.
func placed(v *vocabulary, places []string) *layout {
	l := &layout{v: v, at: make([]int, len(v.names)), places: places}
	for i, name := range v.names {
		l.at[i] = slices.Index(places, name)
	}
	return l
}

// headed finds the columns by the first line of a file.
func headed(v *vocabulary, c *Columns, header [][]byte) (*layout, error) {
	l := &layout{v: v, at: make([]int, len(v.names))}
	for _, h := range header {
		l.header = append(l.header, string(h))
	}
	for i, name := range v.names {
		want := []string{name}
		if h := c.Headers[name]; h != "" {
			want = []string{h}
		} else if l.index(name) < 0 {
			want = append(want, v.also[name]...)
		}
		l.at[i] = -1
		for _, w := range want {
			at := l.index(w)
			if at >= 0 && l.at[i] >= 0 {
				return nil, fmt.Errorf("both columns %q and %q could be %s: say which with --columns %s=<header>", l.header[l.at[i]], l.header[at], name, name)
			}
			if at >= 0 && slices.Contains(l.header[at+1:], l.header[at]) {
				return nil, fmt.Errorf("two columns are called %q: rename one", cut(l.header[at]))
			}
			if at >= 0 {
				l.at[i] = at
			}
		}
		if h := c.Headers[name]; h != "" && l.at[i] < 0 {
			return nil, fmt.Errorf("there is no column %q (--columns %s=%s) among %q", cut(h), name, cut(h), cut(strings.Join(l.header, ",")))
		}
	}
	return l, nil
}

// index finds a header, regardless of case but where two names differ only in
// it (t and T).
func (l *layout) index(name string) int {
	if i := slices.Index(l.header, name); i >= 0 {
		return i
	}
	if len(name) == 1 {
		return -1
	}
	return slices.IndexFunc(l.header, func(h string) bool { return strings.EqualFold(h, name) })
}

// has reports whether a field has a column.
func (l *layout) has(name string) bool { return l.at[slices.Index(l.v.names, name)] >= 0 }

// missing names the first required field that has no column and no value from
// elsewhere.
func (l *layout) missing(given func(name string) bool) error {
	for _, name := range l.v.required {
		if l.has(name) || given(name) {
			continue
		}
		hint := "say which it is with --columns " + name + "=<header>"
		switch {
		case name == "symbol" || name == "sym":
			hint = "add --symbol if all rows are of one symbol"
		case name == "itv":
			hint = "add --interval, such as 1m"
		case l.header == nil:
			hint = "name it in --columns"
		}
		if l.header == nil {
			return fmt.Errorf("no column is the %s: %s", name, hint)
		}
		if word := l.otherDelimiter(); word != "" {
			hint = "its columns seem to be separated by something else, try --delimiter " + word
		}
		return fmt.Errorf("no column %q among %q: %s", name, cut(strings.Join(l.header, ",")), hint)
	}
	return nil
}

// otherDelimiter is what else separates the words of a header that has one column,
// as the flag takes it; empty where nothing does.
func (l *layout) otherDelimiter() string {
	if len(l.header) != 1 {
		return ""
	}
	for _, d := range [...]struct{ text, word string }{{"\t", "tab"}, {";", "';'"}, {"|", "'|'"}, {",", "','"}} {
		if strings.Contains(l.header[0], d.text) {
			return d.word
		}
	}
	return ""
}

// fits refuses a row of other columns than the header has: a comma inside a number
// moves all behind it, 60123,45 would be a price and a size. Rows may leave out the
// last ones, but not where the file ends in the middle of one.
func (l *layout) fits(fields [][]byte, unended bool) error {
	named := len(l.header)
	for i, name := range l.places {
		if name != skipped {
			named = i + 1 // rows of a venue may end before columns that nobody reads
		}
	}
	if unended && len(fields) < named {
		return faulty("", "the last row has %d columns instead of %d and no line end: the file is cut off", len(fields), named)
	}
	if l.header == nil {
		return nil
	}
	for _, f := range fields[min(named, len(fields)):] {
		if len(f) > 0 {
			return faulty("", "the row has %d columns, the header %d: is there a comma inside a number or a text? (quotes around it, or another --delimiter)", len(fields), named)
		}
	}
	return nil
}

// label is a column for people: `3 (price)`.
func (l *layout) label(field int) string {
	name := l.v.names[field]
	at := l.at[field]
	if at < 0 {
		return name
	}
	if l.header != nil && l.header[at] != name {
		return fmt.Sprintf("%s (column %d, %q)", name, at+1, cut(l.header[at]))
	}
	return fmt.Sprintf("%s (column %d)", name, at+1)
}

// String says which column is what.
func (l *layout) String() string {
	var parts []string
	for i, name := range l.v.names {
		switch at := l.at[i]; {
		case at < 0:
		case l.header != nil:
			parts = append(parts, name+"="+cut(l.header[at]))
		default:
			parts = append(parts, fmt.Sprintf("%s=%d", name, at+1))
		}
	}
	return strings.Join(parts, " ")
}

// numeric reports whether a line of places can be no header: the field that
// every kind of row has as a number is one.
func (l *layout) numeric(fields [][]byte) bool {
	key := "price"
	if l.v == &barColumns {
		key = "o"
	}
	at := l.at[slices.Index(l.v.names, key)]
	if at < 0 || at >= len(fields) || len(fields[at]) == 0 {
		return true
	}
	c := fields[at][0]
	return c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+'
}
