package core

// SourceState is what the outside may know about one feed in this partition.
type SourceState struct {
	Name           string
	EventMax       int64 // E: newest event time, ms UTC; meaningless without HasEvent
	EventTimestamp int64 // K: Kafka timestamp of the record that carried it
	HasEvent       bool
	Watermark      int64 // newest heartbeat or idle decision, ms UTC; meaningless without HasWatermark
	HasWatermark   bool
	Historical     bool // declared so by a decision
	Down           bool // its last heartbeat said so
}
