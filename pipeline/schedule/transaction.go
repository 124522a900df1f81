package schedule

type status int

const (
	open status = iota
	committed
	aborted
)

// transaction is one transaction of one node's producer. Its status is decided
// at once by the coordinator; the markers reach the partitions one by one.
type transaction struct {
	node    int
	status  status
	parts   []*partition // marker not written yet
	offsets []offsetMark // pending, visible with their own marker
	visible bool         // the marker of the offsets was written
}

type offsetMark struct {
	p    int
	next int64
}

// over tells whether all markers are written, so that the producer may begin
// the next one.
func (t *transaction) over() bool { return t.status != open && len(t.parts) == 0 && t.visible }

// coordinator knows the producers: one per node, by its transactional id.
type coordinator struct {
	epoch   []int
	current []*transaction
	delayed []lateEnd
}

// lateEnd is a request to commit that is still under way.
type lateEnd struct {
	txn   *transaction
	epoch int
}

// begin adds the first partition to a new transaction. False: the last one is
// not over yet, the client asks again.
func (c *coordinator) begin(node int) (*transaction, bool) {
	if t := c.current[node]; t != nil && !t.over() {
		return nil, false
	}
	t := &transaction{node: node}
	c.current[node] = t
	return t, true
}

// end decides a transaction. A second decision does not change the first.
func (t *transaction) end(s status) {
	if t.status != open {
		return
	}
	t.status = s
	t.visible = len(t.offsets) == 0
	if s == aborted {
		t.offsets, t.visible = nil, true
	}
}

// initProducer fences all earlier incarnations of the node and gives up what
// they left open. False: their transaction is not over yet.
func (c *coordinator) initProducer(node int) (epoch int, ok bool) {
	if t := c.current[node]; t != nil {
		if t.status == open {
			c.epoch[node]++ // nobody of before can write into it any more
			t.end(aborted)
		}
		if !t.over() {
			return 0, false
		}
	}
	c.epoch[node]++
	return c.epoch[node], true
}

// timeout gives up an open transaction and fences its producer.
func (c *coordinator) timeout(node int) bool {
	t := c.current[node]
	if t == nil || t.status != open {
		return false
	}
	c.epoch[node]++
	t.end(aborted)
	return true
}
