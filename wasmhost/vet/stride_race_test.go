//go:build race

package vet

// Under the race detector an examination takes ten times as long: there every
// so many modules are tried. make unit tries all of them, without it.
const stride = 6
