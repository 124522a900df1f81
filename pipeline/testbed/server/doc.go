// Package server starts real processes for the suites: Apache Kafka, redis-server and the built caddy, each on loopback, on free
// ports, in its own folder, and kills them as a crash test needs it.
//
// The central type is [Process]: one child in its own process group whose output is kept. It lives from its start to the end of
// the test at the latest: a cleanup kills the group, and on Linux the kernel kills the child even when the test binary itself
// is killed. [Kafka], [Redis] and [Binary] add what "ready" means for them, and start again on the same ports and data.
//
// It never uses a shell (the pid would be the shell's, and a kill test would pass without having killed anything), never ends a
// process by name, and never starts a service of the system. What is missing on the machine skips the test with a line that
// begins "not run: " and says how to get it.
package server
