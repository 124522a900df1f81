// Command benchmark measures caddy-kline against yardsticks that it brings along, and prints one line per figure:
//
//	figure: <name> = <value> (goal <op> <value>) ok|short
//
// The central type is [bench]: the servers of one run and the figures it has printed. A figure is a median of rounds in which the
// contenders take turns, each in a process of its own (this program, started again as "child NAME"), over the same records of the same
// broker. CPU is what getrusage says about that process. On shared cores the ratio of two contenders of one run means something; a
// rate by itself does not.
//
// It asserts nothing about results beyond what a run needs to count: a contender that lost a record, or a client that saw a gap, ends
// the run with an error and has no speed. Whether bars are right is the business of the oracle.
package main
