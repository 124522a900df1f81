//go:build race

package indicators

// The race detector makes arithmetic at 200 bits ten times slower; one tenth of
// the bars keeps the soak tests at seconds.
const soakDivisor = 10
