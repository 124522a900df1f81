package caddymodule

import "github.com/caddyserver/caddy/v2"

// Indicators says which indicators are computed.
type Indicators struct {
	// Compute are the instances written beside every bar, for example ema(20). Default: sma(20) ema(20) rsi(14) macd(12,26,9).
	Compute []string `json:"compute,omitempty"`
	// SyncInterval is how often a node looks for modules that others have uploaded, 1s to 1h. Default: 5s.
	SyncInterval *caddy.Duration `json:"sync_interval,omitempty"`
	// TrustedKeys are the public keys whose signatures modules need, by tenant. Default: none.
	TrustedKeys []TrustedKeys `json:"trusted_keys,omitempty"`
	// Signatures says what becomes of a module without a signature of a trusted key: "off", "warn" or "require". Default: require for tenants with trusted_keys, off for others.
	Signatures string `json:"signatures,omitempty"`
	// Isolation "check" examines each upload in a process of its own, which has no secrets, no network and bounded memory and time. Default: off.
	Isolation string `json:"isolation,omitempty"`
}
