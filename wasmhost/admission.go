package wasmhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// admission is the only way into the runtime: every module passes through it,
// and only the bytes it returns are compiled. The runtime allocates from
// counts it has not checked and runs loops nobody can interrupt, so a check
// that comes after it comes too late.
type admission func(module []byte) ([]byte, error)

// trustedOnly admits the modules with the given sums, unchanged.
func trustedOnly(sums [][sha256.Size]byte) admission {
	set := make(map[[sha256.Size]byte]bool, len(sums))
	for _, s := range sums {
		set[s] = true
	}
	return func(module []byte) ([]byte, error) {
		sum := sha256.Sum256(module)
		if !set[sum] {
			return nil, fmt.Errorf("module sha256:%s is not trusted: this host runs only the modules it was built with", hex.EncodeToString(sum[:]))
		}
		return module, nil
	}
}
