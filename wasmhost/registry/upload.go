package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// Who is an authenticated identity and the tenant it acts for.
type Who struct {
	ID     string // foreign text
	Tenant string
}

// Upload is one module on its way in.
type Upload struct {
	Who      Who
	Module   string // the name that the module must give itself
	Body     io.Reader
	Length   int64             // of Body as promised, -1 if unknown
	Deadline func(t time.Time) // if set: bounds the next read of Body; the zero time is no bound
	Limits   Limits

	// Signature is the file that minisign wrote for the body, empty for none.
	Signature string
}

// Outcome tells what an upload that was not refused did.
type Outcome string

// The outcomes.
const (
	Created Outcome = "created" // a new version, staged
	Same    Outcome = "same"    // these bytes were there already; nothing was changed
)

// Result is an upload that was not refused.
type Result struct {
	Outcome Outcome
	Record  Record
}

// Upload takes a module through all stages: limits of the uploader, owner of
// the name, kills, size and speed of the body, the guard, the conformance checks,
// the signature, and the publication as staged. Each can only refuse, with a [*Refusal], and then
// nothing has changed. Of two uploads of one version with different bytes one
// is created and the other refused with Conflict, in whatever processes they
// run.
func (r *Registry) Upload(ctx context.Context, u Upload) (Result, error) {
	u.Limits = u.Limits.withDefaults()
	if !ValidName(u.Module) {
		return Result{}, refuse(BadName, "a module name has 2 to 41 characters: lower-case letters, digits and hyphens, a letter first")
	}
	if len(u.Signature) > maxSignature {
		return Result{}, refuse(Unsigned, "the signature is larger than any that minisign writes")
	}
	leave, err := r.cfg.Gate.enter(u.Who.ID, u.Limits, r.cfg.Now())
	if err != nil {
		return Result{}, err
	}
	defer leave()
	v, err := r.look(ctx)
	if err != nil {
		return Result{}, err
	}
	if err := r.owned(v, &u); err != nil {
		return Result{}, err
	}
	// What is stopped is told so before its body has come.
	if err := r.refuseStopped(ctx, u.Module, u.Who.Tenant); err != nil {
		return Result{}, err
	}
	wasm, err := readBody(&u, u.Limits.Size, r.cfg.Now)
	if err != nil {
		return Result{}, err
	}
	if err := r.guard(ctx, wasm, u.Limits.Size); err != nil {
		return Result{}, err
	}
	sum := sha256.Sum256(wasm)
	return r.judge(ctx, v, &u, wasm, hex.EncodeToString(sum[:]))
}

// owned refuses names that belong to somebody else.
func (r *Registry) owned(v *view, u *Upload) error {
	if slices.Contains(r.cfg.Reserved, u.Module) {
		return refuse(Conflict, "this name belongs to the program itself: choose another one")
	}
	if tenant, taken := v.owner(u.Module); taken && tenant != u.Who.Tenant {
		return refuse(Forbidden, "this module belongs to another tenant: choose another name")
	}
	return nil
}

// guard refuses what must not reach the compiler, in milliseconds.
func (r *Registry) guard(ctx context.Context, wasm []byte, limit int64) error {
	rules := guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()}
	if limit > 0 {
		rules.Limits.FileBytes = int(limit)
	}
	return alone(ctx, r.cfg.Gate.guard, func() error {
		_, _, err := guard.Instrument(wasm, rules)
		f, found := errors.AsType[*guard.Finding](err)
		if !found {
			return err
		}
		return &Refusal{Reason: Findings, Message: "the module is not one that may run here", Findings: []Finding{{
			Stage: "guard", Code: string(f.Code), Severity: SeverityError, Message: f.Section + " section: " + f.Message, Offset: f.Offset,
		}}}
	})
}

// judge runs the checks, unless these bytes have passed them before.
func (r *Registry) judge(ctx context.Context, v *view, u *Upload, wasm []byte, sum string) (Result, error) {
	for _, rec := range v.versions(u.Module) {
		if rec.SHA256 != sum {
			continue
		}
		if _, err := r.bytes(ctx, sum); err == nil && (u.Signature == "" || u.Signature == rec.Signature) {
			return Result{Outcome: Same, Record: rec}, nil
		}
	}
	report, err := r.examine(ctx, v, u, wasm)
	if err != nil {
		return Result{}, fmt.Errorf("checking a module: %w", err)
	}
	if err := verdict(report, u.Module); err != nil {
		return Result{}, err
	}
	if err := r.signed(u, report, wasm); err != nil {
		return Result{}, err
	}
	rec := Record{
		Module: report.Module, Version: report.Version, SHA256: sum, Size: len(wasm), Author: u.Who.ID, Tenant: u.Who.Tenant,
		State: Staged, Indicators: report.Indicators, Vet: report, Signature: u.Signature,
	}
	return r.publish(ctx, u, rec, wasm)
}

// verdict turns findings into a refusal.
func verdict(report *Report, module string) error {
	if !report.Refused() && report.Module != module {
		report.Findings = append(report.Findings, Finding{
			Stage: "manifest", Code: "name_mismatch", Severity: SeverityError,
			Message: fmt.Sprintf("the module calls itself %q and was sent to %q: both must be the same", cut(report.Module), module),
		})
	}
	if !report.Refused() && !ValidVersion(report.Version) {
		report.Findings = append(report.Findings, Finding{
			Stage: "manifest", Code: "version_malformed", Severity: SeverityError,
			Message: fmt.Sprintf("version %q is not of the form major.minor.patch", cut(report.Version)),
		})
	}
	if report.Refused() {
		return &Refusal{Reason: Findings, Message: "the module did not pass the checks", Findings: report.Findings}
	}
	return nil
}

// publish stores bytes and record. What was looked at before the checks may
// have changed since: all rules are applied again under the lock.
func (r *Registry) publish(ctx context.Context, u *Upload, rec Record, wasm []byte) (Result, error) {
	out := Result{Outcome: Created}
	err := r.change(ctx, func(ctx context.Context, c *change) error {
		c.entry = Entry{Action: ActionUpload, Actor: u.Who.ID, Tenant: rec.Tenant, Module: rec.Module, Version: rec.Version, ModuleSHA256: rec.SHA256}
		// Another tenant may have taken the name meanwhile: nothing is told of his record.
		if err := r.owned(c.v, u); err != nil {
			return err
		}
		if old, ok := c.v.records[rec.key()]; ok {
			if old.SHA256 != rec.SHA256 {
				return refuse(Conflict, fmt.Sprintf("version %s of %s exists with other bytes (sha256 %s): versions are never changed, upload a new one", rec.Version, rec.Module, old.SHA256))
			}
			out = Result{Outcome: Same, Record: old}
			if err := c.heal(ctx, rec.SHA256, wasm); err != nil {
				return err
			}
			return c.resign(ctx, u, &out.Record)
		}
		if err := c.admit(u, &rec); err != nil {
			return err
		}
		if err := c.stopped(ctx, rec.Module, rec.Tenant); err != nil {
			return err
		}
		if err := c.putBytes(ctx, rec.SHA256, wasm); err != nil {
			return err
		}
		rec.Time = r.cfg.Now().UTC()
		rec.Since = rec.Time
		out.Record = rec
		return c.put(ctx, &rec)
	})
	if err != nil {
		return Result{}, err
	}
	return out, nil
}

// resign puts the signature of an upload into the record that is there.
func (c *change) resign(ctx context.Context, u *Upload, rec *Record) error {
	if u.Signature == "" || u.Signature == rec.Signature {
		return nil
	}
	c.entry.Action = ActionSign
	rec.Signature = u.Signature
	return c.put(ctx, rec)
}

// heal writes bytes again that a record names and that were damaged or lost.
func (c *change) heal(ctx context.Context, sum string, wasm []byte) error {
	if _, err := c.r.bytes(ctx, sum); errors.Is(err, ErrDamaged) {
		if err := c.enter(ctx); err != nil {
			return err
		}
		c.dirty = true
		return c.putBytes(ctx, sum, wasm)
	}
	return nil
}

// admit applies the rules about names and room.
func (c *change) admit(u *Upload, rec *Record) error {
	if c.v.damaged[rec.key()] {
		return damagedThere(rec.Module, rec.Version)
	}
	versions := len(c.v.versions(rec.Module))
	if n := c.v.modules(rec.Tenant); versions == 0 && over(n, u.Limits.Modules) {
		return &Refusal{
			Reason: Full, Limit: int64(u.Limits.Modules),
			Message: fmt.Sprintf("you have %d modules, allowed are %d: delete one first", n, u.Limits.Modules),
		}
	}
	if over(versions, u.Limits.Versions) {
		return &Refusal{
			Reason: Full, Limit: int64(u.Limits.Versions),
			Message: fmt.Sprintf("%s has %d versions, allowed are %d: delete one first", rec.Module, versions, u.Limits.Versions),
		}
	}
	return nil
}
