package caddymodule

import (
	"errors"
	"fmt"

	"aead.dev/minisign"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// TrustedKeys are the public keys whose signatures a tenant's modules need.
type TrustedKeys struct {
	// Tenant is the name of the tenant; without the word tenant that of all is "default". Default: none, required.
	Tenant string `json:"tenant,omitempty"`
	// Keys are public keys as minisign prints them, 56 characters each. Default: none, required.
	Keys []string `json:"keys,omitempty"`
}

// maxTrustedKeys bounds the keys of a tenant: each upload is held against all.
const maxTrustedKeys = 32

// trust is what a configuration says about signatures.
type trust struct {
	mode    registry.Mode // empty: require for tenants with keys
	tenants map[string][]minisign.PublicKey
}

// of is what a tenant's modules need.
func (t *trust) of(tenant string) registry.Trust {
	keys, mode := t.tenants[tenant], t.mode
	if mode == "" {
		mode = registry.ModeOff
		if len(keys) > 0 {
			mode = registry.ModeRequire
		}
	}
	return registry.Trust{Mode: mode, Keys: keys}
}

// trust is that of the newest config.
func (s *attachments) trust(tenant string) registry.Trust {
	a := s.newest()
	if a == nil {
		a = s.built
	}
	if a == nil || a.trust == nil {
		return registry.Trust{Mode: registry.ModeOff}
	}
	return a.trust.of(tenant)
}

// readTrustedKeys reads `trusted_keys <tenant> <key>...`.
func (i *Indicators) readTrustedKeys(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return usage(d, "trusted_keys <tenant> <key>...")
	}
	i.TrustedKeys = append(i.TrustedKeys, TrustedKeys{Tenant: args[0], Keys: args[1:]})
	return nil
}

// trusted checks and reads the words about signatures.
func (i *Indicators) trusted() (*trust, error) {
	t := &trust{tenants: map[string][]minisign.PublicKey{}}
	if i == nil {
		return t, nil
	}
	t.mode = registry.Mode(i.Signatures)
	switch t.mode {
	case "", registry.ModeOff, registry.ModeWarn, registry.ModeRequire:
	default:
		return nil, fmt.Errorf("checking signatures: unknown value %q (allowed: off, warn, require)", cut(i.Signatures))
	}
	if len(i.TrustedKeys) == 0 && (t.mode == registry.ModeWarn || t.mode == registry.ModeRequire) {
		return nil, errors.New("checking signatures: there are no trusted_keys, so no module could ever be signed")
	}
	for _, k := range i.TrustedKeys {
		if err := t.add(&k); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *trust) add(k *TrustedKeys) error {
	switch _, twice := t.tenants[k.Tenant]; {
	case !tenantName.MatchString(k.Tenant):
		return fmt.Errorf("checking trusted_keys: %q is not a tenant: a name of lower-case letters, digits and hyphens", cut(k.Tenant))
	case twice:
		return fmt.Errorf("checking trusted_keys: tenant %q stands twice", cut(k.Tenant))
	case len(k.Keys) == 0 || len(k.Keys) > maxTrustedKeys:
		return fmt.Errorf("checking trusted_keys: %d keys of tenant %q are not in 1 to %d", len(k.Keys), cut(k.Tenant), maxTrustedKeys)
	}
	for _, text := range k.Keys {
		key, err := registry.ParseKey(text)
		if err != nil {
			// Not the text: it might be a private key by mistake.
			return fmt.Errorf("checking trusted_keys of tenant %q: one of them is not a public key such as minisign prints (the last line of its .pub file)", cut(k.Tenant))
		}
		t.tenants[k.Tenant] = append(t.tenants[k.Tenant], key)
	}
	return nil
}
