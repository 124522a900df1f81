package registry

import (
	"context"
	"strings"
	"testing"

	"aead.dev/minisign"
)

// signer makes keys of a publisher.
func signer(t *testing.T) (minisign.PublicKey, minisign.PrivateKey) {
	t.Helper()
	pub, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pub, private
}

func TestOnlySignaturesOfTrustedKeysCount(t *testing.T) {
	pub, private := signer(t)
	_, stranger := signer(t)
	wasm, other := module("mine", "1.0.0", ""), module("mine", "1.0.0", "other")
	for name, c := range map[string]struct {
		signature string
		code      string
	}{
		"signed":                  {string(minisign.Sign(private, wasm)), ""},
		"signed with any comment": {string(minisign.SignWithComments(private, wasm, "<script>", "x")), ""},
		"not signed":              {"", CodeUnsigned},
		"of other bytes":          {string(minisign.Sign(private, other)), CodeBadSignature},
		"of a stranger":           {string(minisign.Sign(stranger, wasm)), CodeBadSignature},
		"no signature at all":     {"hello", CodeBadSignature},
		"a comment changed":       {strings.Replace(string(minisign.SignWithComments(private, wasm, "good", "x")), "good", "evil", 1), CodeBadSignature},
		"two signatures in one":   {string(minisign.Sign(stranger, wasm)) + string(minisign.Sign(private, wasm)), CodeBadSignature},
	} {
		for mode, refused := range map[Mode]bool{ModeOff: false, ModeWarn: false, ModeRequire: true} {
			b := newBed(newDisk())
			b.cfg.Trust = func(tenant string) Trust {
				if tenant != "default" {
					t.Errorf("asked for tenant %q", tenant)
				}
				return Trust{Mode: mode, Keys: []minisign.PublicKey{pub}}
			}
			u := upload("ann", "mine", wasm)
			u.Signature = c.signature
			want := "created"
			if refused && c.code != "" {
				want = "unsigned"
			}
			res := b.put(t, u, want)
			if want != "created" {
				again := upload("ann", "mine", wasm)
				again.Signature = c.signature
				_, err := b.Upload(t.Context(), again)
				r, _ := err.(*Refusal) //nolint:errorlint // of this package
				if r == nil || len(r.Findings) != 1 || r.Findings[0].Code != c.code || r.Findings[0].Stage != "signature" {
					t.Errorf("%s: %+v", name, err)
				}
				continue
			}
			warned := false
			for _, f := range res.Record.Vet.Findings {
				warned = warned || f.Code == c.code && f.Severity == SeverityWarning
			}
			if warned != (mode == ModeWarn && c.code != "") {
				t.Errorf("%s, %s: findings %+v", name, mode, res.Record.Vet.Findings)
			}
			err := b.Signed(&res.Record, wasm)
			if err != nil {
				t.Errorf("%s, %s: loading: %v", name, mode, err)
			}
		}
	}
}

// A version that is there without a signature is not loaded where one is needed,
// and takes one later without being uploaded as another version.
func TestASignatureCanFollow(t *testing.T) {
	pub, private := signer(t)
	d := newDisk()
	b := newBed(d)
	wasm := module("mine", "1.0.0", "")
	rec := b.put(t, upload("ann", "mine", wasm), "created").Record
	b.cfg.Trust = func(string) Trust { return Trust{Mode: ModeRequire, Keys: []minisign.PublicKey{pub}} }
	if err := b.Signed(&rec, wasm); reasonOf(err) != Unsigned {
		t.Fatalf("loading without a signature: %v", err)
	}
	u := upload("ann", "mine", wasm)
	u.Signature = string(minisign.Sign(private, wasm))
	stranger := u
	stranger.Who.Tenant = "rivals"
	b.put(t, stranger, "forbidden")
	b.put(t, u, "same")
	rec = newBed(d).list(t)[0]
	if err := b.Signed(&rec, wasm); err != nil {
		t.Errorf("loading with the signature that followed: %v", err)
	}
	if err := b.Signed(&rec, append(wasm, 0)); reasonOf(err) != Unsigned {
		t.Errorf("loading other bytes: %v", err)
	}
	entries := unbroken(t, d)
	if last := entries[len(entries)-1]; last.Action != ActionSign || last.Actor != "ann" {
		t.Errorf("the log ends with %+v", last)
	}
	b.cfg.Trust = func(string) Trust { return Trust{Mode: ModeRequire} }
	if err := b.Signed(&rec, wasm); reasonOf(err) != Unsigned {
		t.Errorf("the key was taken back: %v", err)
	}
}

// The checks run the version before: what nobody signed is not run there either.
func TestChecksSeeNoVersionBeforeThatMustNotBeLoaded(t *testing.T) {
	pub, private := signer(t)
	for name, c := range map[string]struct {
		trust Trust
		old   func(wasm []byte) string // the signature of the version before
		seen  bool
	}{
		"nobody looks":       {Trust{Mode: ModeOff}, func([]byte) string { return "" }, true},
		"unsigned, warned":   {Trust{Mode: ModeWarn, Keys: []minisign.PublicKey{pub}}, func([]byte) string { return "" }, true},
		"unsigned, required": {Trust{Mode: ModeRequire, Keys: []minisign.PublicKey{pub}}, func([]byte) string { return "" }, false},
		"signed, required": {Trust{Mode: ModeRequire, Keys: []minisign.PublicKey{pub}}, func(wasm []byte) string {
			return string(minisign.Sign(private, wasm))
		}, true},
	} {
		b := newBed(newDisk())
		old, fresh := module("mine", "1.0.0", ""), module("mine", "1.1.0", "")
		u := upload("ann", "mine", old)
		u.Signature = c.old(old)
		b.put(t, u, "created")
		b.cfg.Trust = func(string) Trust { return c.trust }
		var ran []byte
		b.cfg.Vet = func(ctx context.Context, wasm, previous []byte) (*Report, error) {
			ran = previous
			return b.vet(ctx, wasm, previous)
		}
		u = upload("ann", "mine", fresh)
		u.Signature = string(minisign.Sign(private, fresh))
		b.put(t, u, "created")
		if seen := string(ran) == string(old); seen != c.seen || !seen && ran != nil {
			t.Errorf("%s: the checks got the version before: %v (%d bytes)", name, seen, len(ran))
		}
	}
}
