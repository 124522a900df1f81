//go:build !race

package indicators

const soakDivisor = 1
