package schedule

// topic names one of the logs.
type topic int

const (
	ticks topic = iota
	journal
	state
	klines
	late
	dlq
	numTopics
)

var topicNames = [numTopics]string{"ticks", "journal", "state", "klines", "late", "dlq"}

// record is a record of any topic. Which of the fields behind value are used
// depends on the topic; together they stand for the headers.
type record struct {
	offset, time int64
	key, value   string
	head         string // klines: kind; late and dlq: reason, field, index, symbol; ticks: kind
	source       string // ticks
	so, sk       int64  // position of an output
	decision     *decision
	link         *link
	intent       *intent // ticks: what the producer meant, read by the recount alone
	txn          *transaction
}

// same tells whether two outputs are equal byte for byte, offsets aside.
func (r *record) same(o *record) bool {
	return r.time == o.time && r.key == o.key && r.value == o.value && r.head == o.head && r.so == o.so && r.sk == o.sk
}

// partition is one partition of one topic. Offsets may have holes: markers of
// transactions take one each.
type partition struct {
	recs []record
	end  int64 // high watermark
	open []unresolved
}

// unresolved is a transaction whose marker has not reached a partition.
type unresolved struct {
	txn   *transaction
	first int64
}

// append adds a record and returns its offset.
func (p *partition) append(r record, t *transaction) int64 {
	r.offset, r.txn = p.end, t
	p.recs = append(p.recs, r)
	p.end++
	if t != nil && !p.waits(t) {
		p.open = append(p.open, unresolved{t, r.offset})
		t.parts = append(t.parts, p)
	}
	return r.offset
}

func (p *partition) waits(t *transaction) bool {
	for i := range p.open {
		if p.open[i].txn == t {
			return true
		}
	}
	return false
}

// mark writes the marker of t.
func (p *partition) mark(t *transaction) {
	for i := range p.open {
		if p.open[i].txn == t {
			p.open = append(p.open[:i], p.open[i+1:]...)
			p.end++
			return
		}
	}
}

// stable is the last stable offset: readers of committed records see nothing
// from here on.
func (p *partition) stable() int64 {
	stable := p.end
	for i := range p.open {
		stable = min(stable, p.open[i].first)
	}
	return stable
}

// from returns the index of the first record at or behind offset.
func (p *partition) from(offset int64) int {
	lo, hi := 0, len(p.recs)
	for lo < hi {
		if mid := (lo + hi) / 2; p.recs[mid].offset < offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// committed calls fn with the committed records of [from, to), as far as they
// are stable.
func (p *partition) committed(from, to int64, fn func(*record)) {
	to = min(to, p.stable())
	for i := p.from(from); i < len(p.recs) && p.recs[i].offset < to; i++ {
		if r := &p.recs[i]; r.txn == nil || r.txn.status == committed {
			fn(r)
		}
	}
}
