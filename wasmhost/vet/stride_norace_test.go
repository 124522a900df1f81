//go:build !race

package vet

const stride = 1
