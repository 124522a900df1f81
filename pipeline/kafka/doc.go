// Package kafka is the pipeline's only door to Kafka: it delivers the input in
// batches, writes units in an order that survives a kill at any instant, and
// keeps the checkpoints and the journal of every partition.
//
// The central type is the Client, one incarnation: it joins the group (or, with
// the embedded broker, takes every partition directly), has each partition
// restored through the Handler, seeks to the offset that stands in the
// checkpoint, and publishes. The first failed send ends it; whoever runs it
// builds the next one, which restores again. Ensure, Follow, ReadRange,
// LastRecord and Producer need no incarnation.
//
// It does not know what a trade or a kline is: keys, values, checkpoint bodies
// and journal bodies are opaque bytes. It never resets an offset, never creates
// a topic on the fly, never alters one, and retries no send whose outcome is
// unknown.
package kafka
