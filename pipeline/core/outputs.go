package core

// Diverted is a trade or record that reached no bar.
type Diverted struct {
	Dead   bool   // true: topic dlq; false: topic late
	Reason Reason // why
	Field  string // JSON field the reason is about, if one
	So     int64  // offset of the record
	Index  int    // index of the trade in its record
	Symbol string // "" when unknown or malformed
}

// Item is one output in log order: Klines[Index], or Diverted[Index].
type Item struct {
	Diverted bool
	Index    int
}

// Outputs collects what steps put out. It belongs to the caller, who hands it
// to one engine at a time; Klines and Diverted each stand in log order, Items
// joins them: all outputs of one record or decision before those of the next.
// What it holds is valid until Reset.
type Outputs struct {
	Klines   []Kline
	Diverted []Diverted
	Items    []Item
	Touched  []uint32 // ids of symbols whose forming bars changed, each once, in order of first touch

	round uint64 // counts Reset, so that an engine notices a new round
}

// Reset empties o and keeps its memory.
func (o *Outputs) Reset() {
	clear(o.Klines)
	clear(o.Diverted)
	o.Klines, o.Diverted, o.Items, o.Touched = o.Klines[:0], o.Diverted[:0], o.Items[:0], o.Touched[:0]
	o.round++
}
