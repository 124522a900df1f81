// Package e2e runs the built binary as strangers would: trades in through
// kcat and librdkafka, klines out through kcat, HTTP and the event stream, and
// everything compared with the oracle, which shares no code with the product.
//
// The central type is the bed: one running binary with its source, either on
// embedded defaults or on a real Apache Kafka with a real redis-server. Every
// scenario is written once and runs on both.
//
// It does not look inside the process: what cannot be seen from outside is not
// tested here.
package e2e
