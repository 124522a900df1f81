// Package pipeline turns one Kafka topic of trades into event-time klines and
// indicator values: it wires the rooms below it into an engine.
//
// The central type is the Engine. It finds the topics, runs one incarnation of
// the Kafka client after the other, and per partition a worker that owns all
// state: records are decoded (wire), stepped through the core (core), closed
// bars get their indicator values (valueSet) and leave as units with, now and
// then, a checkpoint (publisher). Followers of the topic klines fill what
// readers see (serve) and the Redis view (view/redis). What is published is a
// function of the input, of the journal and of the configuration alone.
//
// It knows nothing of Caddy, HTTP or WASM modules: indicators come in through
// the interface Indicators, counters leave through Observer, time comes through
// clock.Clock.
package pipeline
