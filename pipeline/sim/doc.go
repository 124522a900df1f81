// Package sim runs the real engine with the real Kafka client in virtual time
// and breaks everything around it.
//
// Unit tests drive one part against a model of its neighbours. What a model
// leaves out is where systems lose data: a reply that never comes, a coordinator
// that moves in the middle of a commit, a member that comes back when its
// partitions are somewhere else. Here whole nodes run against brokers in memory,
// hours pass in seconds, and a seed draws what fails and when. At the end of
// each seed the topics are read by a plain client and compared with a replay of
// input and journal, and with a recount that shares no code with the engine.
//
// The central type is the world: the brokers, the nodes and what a seed does to
// them. It lives as long as its seed. All of it is behind the build tag
// synctests, which gives the client library locks that virtual time understands:
// go test -tags synctests ./pipeline/sim -seeds 500; a seed that fails prints
// the command that runs it again.
//
// A seed draws its faults, not the scheduler: two runs of one seed may differ in
// the order of goroutines. Schedules that repeat exactly are those of the package
// schedule. Redis, HTTP and indicator values are tested elsewhere.
package sim
