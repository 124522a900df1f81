package wasmhost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// admission is the only way into the runtime: every module passes through it,
// and only the bytes it returns are compiled. The runtime allocates from
// counts it has not checked and runs loops nobody can interrupt, so a check
// that comes after it comes too late.
type admission func(module []byte) ([]byte, error)

// guarded admits what the guard passes, as the guard rewrote it. maxMemory is
// the limit of an instance in bytes.
func guarded(maxMemory int64) admission {
	rules := guard.Rules{Limits: guard.Builtin(), Surface: guard.KL1()}
	rules.Limits.Pages = int(maxMemory / pageSize)
	return func(module []byte) ([]byte, error) {
		out, _, err := guard.Instrument(module, rules)
		return out, err
	}
}

// trustedOnly admits the modules with the given sums, if next does. What a
// module computes, and how long it takes within its fuel, is still a matter of
// trust.
func trustedOnly(sums [][sha256.Size]byte, next admission) admission {
	set := make(map[[sha256.Size]byte]bool, len(sums))
	for _, s := range sums {
		set[s] = true
	}
	return func(module []byte) ([]byte, error) {
		sum := sha256.Sum256(module)
		if !set[sum] {
			return nil, fmt.Errorf("module sha256:%s is not trusted: this host runs only the modules it was built with", hex.EncodeToString(sum[:]))
		}
		return next(module)
	}
}
