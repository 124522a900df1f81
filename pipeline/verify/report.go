package verify

// Report is the result.
type Report struct {
	Tally
	Ranges []Range
	// Notes say in sentences what could not be compared and why.
	Notes []string
}

// Range is the part of one partition that was compared.
type Range struct {
	Partition int32
	// From and To are input offsets: [From, To); End is where the input ended.
	From, To, End int64
}

// Tally counts what was read and compared.
type Tally struct {
	// Records of the input, of which Heartbeats and Undecodable hold no trade.
	Records, Heartbeats, Undecodable int64
	// Trades = InBars + Duplicate + Late + Rejected + Unaccounted.
	Trades, InBars, Duplicate, Late, Rejected, Unaccounted int64

	// Klines are records of bars, Restated those of them with rev above 0,
	// RestatedValues records of values alone; Repeats were dropped by the reader
	// rule.
	Klines, Restated, RestatedValues, Repeats int64
	// Bars are different bars that were compared, Open those that need not have
	// been closed; Values are indicator values compared.
	Bars, Open, Values int64
	// Beyond are records behind the range.
	Beyond int64
	// HistoryRefused are records of dlq about rows that a history's database
	// refused; they were passed over.
	HistoryRefused int64
	// Not provable: bars and values, and why.
	UnprovenBars, UnprovenValues int64
	Reasons                      map[string]int64
	// Views are bars compared in Redis and over REST.
	Views int64

	Differences int64
	ByField     map[string]int64
}

// Balanced tells whether every trade of the range is accounted for.
func (t *Tally) Balanced() bool {
	return t.Trades == t.InBars+t.Duplicate+t.Late+t.Rejected && t.Unaccounted == 0
}

// Equal tells whether nothing differs.
func (t *Tally) Equal() bool { return t.Differences == 0 && t.Balanced() }

// Nothing tells whether there was nothing to compare though klines are there: the
// group's offset was set back, or is that of another topic.
func (t *Tally) Nothing() bool { return t.Records == 0 && t.Beyond > 0 }

func (t *Tally) unproven(why string, bars, values int64) {
	if bars == 0 && values == 0 {
		return
	}
	t.UnprovenBars += bars
	t.UnprovenValues += values
	if t.Reasons == nil {
		t.Reasons = map[string]int64{}
	}
	t.Reasons[why] += bars + values
}
