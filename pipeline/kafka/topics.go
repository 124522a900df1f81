package kafka

// TopicKind names one of our output topics.
type TopicKind uint8

// The topics that the engine writes to. The input is none of them.
const (
	Klines TopicKind = iota
	Late
	DLQ
	State
	Journal
	// Live is written by all nodes for each other, outside transactions.
	Live
)

var kindNames = [...]string{Klines: "klines", Late: "late", DLQ: "dlq", State: "state", Journal: "journal", Live: "klines.live"}

// String is the topic's name without prefix.
func (k TopicKind) String() string { return kindNames[k] }

// Topics are the names of one engine's topics.
type Topics struct {
	// Input is the topic of trades, without prefix.
	Input string
	// Prefix goes in front of all names but the input's, so that two engines
	// can share a cluster.
	Prefix string
	// Nodes says that several nodes share the work: there is a topic Live.
	Nodes bool
}

// Name is the full name of an output topic.
func (t Topics) Name(k TopicKind) string { return t.Prefix + k.String() }

// Outputs are all kinds in the order in which they are created: the journal
// and the state come before what depends on them.
func (t Topics) Outputs() []TopicKind {
	kinds := []TopicKind{Journal, State, Klines, Late, DLQ}
	if t.Nodes {
		kinds = append(kinds, Live)
	}
	return kinds
}
