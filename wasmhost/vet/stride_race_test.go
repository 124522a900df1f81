//go:build race

package vet

// Under the race detector an examination takes ten times as long: there every
// so many modules are tried. make sdk tries all of them.
const stride = 6
