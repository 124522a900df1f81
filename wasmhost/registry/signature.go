package registry

import (
	"fmt"

	"aead.dev/minisign"
)

// Mode is what becomes of modules without a signature of a trusted key.
type Mode string

// The modes.
const (
	ModeOff     Mode = "off"     // nobody looks
	ModeWarn    Mode = "warn"    // they are taken, with a finding
	ModeRequire Mode = "require" // they are refused, and not loaded if they are there
)

// Trust says whose signatures a tenant's modules need.
type Trust struct {
	Mode Mode
	Keys []minisign.PublicKey
}

// Codes of findings about signatures.
const (
	CodeUnsigned     = "unsigned"      // there is no signature
	CodeBadSignature = "bad_signature" // it is malformed, of other bytes, or of a key that is not trusted
)

// maxSignature bounds a signature file, in bytes.
const maxSignature = 2 << 10

// ParseKey reads a public key as minisign prints it: 56 characters of base64.
func ParseKey(text string) (minisign.PublicKey, error) {
	var k minisign.PublicKey
	if len(text) > 128 {
		return k, fmt.Errorf("reading a public key: %d characters are too many", len(text))
	}
	if err := k.UnmarshalText([]byte(text)); err != nil {
		return k, fmt.Errorf("reading a public key: %w", err)
	}
	return k, nil
}

// KeyID is the number by which people tell keys apart.
func KeyID(id uint64) string { return fmt.Sprintf("%016X", id) }

// trust is what the configuration says of a tenant.
func (r *Registry) trust(tenant string) Trust {
	if r.cfg.Trust == nil {
		return Trust{Mode: ModeOff}
	}
	return r.cfg.Trust(tenant)
}

// judge looks for a key that made the signature. The bytes hold name and version
// of the module, so a comment that repeats them would prove nothing more.
func (t *Trust) judge(wasm []byte, signature string) *Finding {
	finding := func(code, message string) *Finding {
		return &Finding{Stage: "signature", Code: code, Severity: SeverityError, Message: message}
	}
	if signature == "" {
		return finding(CodeUnsigned, "the module has no signature: sign it with `caddy kline indicator sign` or minisign, with a key that trusted_keys names, and send the signature along")
	}
	var s minisign.Signature
	if len(signature) > maxSignature || s.UnmarshalText([]byte(signature)) != nil {
		return finding(CodeBadSignature, "the signature is not a file that minisign writes")
	}
	for i := range t.Keys {
		if minisign.Verify(t.Keys[i], wasm, []byte(signature)) {
			return nil
		}
		if t.Keys[i].ID() == s.KeyID {
			return finding(CodeBadSignature, "the signature of key "+KeyID(s.KeyID)+" is not that of these bytes: sign the file again")
		}
	}
	return finding(CodeBadSignature, "key "+KeyID(s.KeyID)+" is not one of the keys that are trusted for this tenant")
}

// signed is the stage of signatures: it refuses, or adds a warning to the
// report.
func (r *Registry) signed(u *Upload, report *Report, wasm []byte) error {
	t := r.trust(u.Who.Tenant)
	if t.Mode == "" || t.Mode == ModeOff {
		return nil
	}
	f := t.judge(wasm, u.Signature)
	switch {
	case f == nil:
		return nil
	case t.Mode == ModeWarn:
		f.Severity = SeverityWarning
		report.Findings = append(report.Findings, *f)
		return nil
	}
	return &Refusal{Reason: Unsigned, Message: f.Message, Findings: []Finding{*f}}
}

// Signed refuses bytes of a record that must not be loaded for want of a
// signature. Every node asks before it loads a version, so that neither an old
// record nor whoever can write the storage brings in what nobody signed.
func (r *Registry) Signed(rec *Record, wasm []byte) error {
	t := r.trust(rec.Tenant)
	if t.Mode != ModeRequire {
		return nil
	}
	if f := t.judge(wasm, rec.Signature); f != nil {
		return &Refusal{Reason: Unsigned, Message: f.Message, Findings: []Finding{*f}}
	}
	return nil
}
