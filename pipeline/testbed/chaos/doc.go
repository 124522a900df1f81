//go:build unix

// Package chaos breaks a running cluster in every way that servers.md and reliability.md name, while trades flow, and then asks whether
// anything was lost, doubled or wrong. It is what stands behind "kill it anywhere".
//
// A run is one [Config]: its seed makes a plan of [Fault]s, each with a moment, a target and a time to hold. Real processes (several
// nodes, three brokers, a Redis, proxies on every link between them) live through the plan, everything is healed, and the oracle holds the
// topic, REST of every node, the Redis view and what clients of the stream have collected against a recomputation of the trades that
// kcat read.
//
// A seed repeats the plan, not the interleaving: the processes are real. What fails here is brought down to a schedule of
// pipeline/schedule, or to a failpoint, where it can be repeated.
package chaos
