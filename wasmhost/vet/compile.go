package vet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// compile passes the module through the guard and compiles it, once.
func (v *vetter) compile() (ok bool, err error) {
	from := v.now()
	ctx := v.ctx
	if v.opt.Timeout > 0 && v.opt.Now != nil {
		// Compiling cannot be interrupted inside of a function; between them it can.
		// The guard has bounded the work, so the time tells of the machine only.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(v.ctx, patience*v.opt.Timeout)
		defer cancel()
	}
	v.probe, err = wasmhost.NewProbe(ctx, v.module, wasmhost.ProbeConfig{Limits: v.limits})
	v.report.CompileMS = millis(v.now().Sub(from))
	var refusal *guard.Finding
	switch {
	case err == nil:
		return true, nil
	case v.ctx.Err() != nil:
		return false, v.ctx.Err()
	case ctx.Err() != nil:
		return false, fmt.Errorf("%w: compiling took longer than %v", ErrBusy, patience*v.opt.Timeout)
	case errors.As(err, &refusal):
		code := Code(refusal.Code)
		text := refusal.Error()
		if entry, ok := explain(code); ok {
			text += ". " + entry.Remedy
		}
		v.report.add(Finding{Stage: StageGuard, Code: code, Severity: Error, Offset: refusal.Offset, Message: text})
		return false, nil
	case errors.Is(err, wasmhost.ErrProbeCompile):
		v.found(nil, "", CodeCompile, 0, 0, "%v", err)
		return false, nil
	}
	return false, err
}

// introduce is V1: the module starts, speaks the ABI, and describes itself the
// same way twice. The guard has looked at exports and their types.
func (v *vetter) introduce() (ok bool, err error) {
	ok, err = v.check(nil, "V1", func(*subject) error { return v.manifestOf() })
	if !ok {
		if n := len(v.report.Findings); n > 0 && v.doc == nil {
			v.report.Findings[n-1].Stage = stageOf(v.report.Findings[n-1])
		}
	}
	return ok, err
}

// stageOf names the stage in which a module failed before it had a manifest.
func stageOf(f Finding) Stage {
	entry, _ := explain(f.Code)
	if entry.Stage == StageVet {
		return StageInstantiate // a trap in _initialize, kl_abi or kl_describe
	}
	return entry.Stage
}

func (v *vetter) manifestOf() error {
	from := v.now()
	g, err := start(v.probe)
	if err != nil {
		return err
	}
	v.report.InstantiateMS = millis(v.now().Sub(from))
	v.report.MemoryBytes = len(g.Memory())
	defer g.Close()
	abi, err := g.Call("kl_abi", wasmhost.ProbeFuel("kl_abi"))
	if err != nil {
		return trapped("kl_abi", err)
	}
	if err := wasmhost.CheckABI(uint32(abi)); err != nil {
		return faultf(CodeABI, "%v", err)
	}
	where, doc, err := textOf(g, "kl_describe", v.manifest)
	if err != nil {
		return err
	}
	if v.doc, err = wasmhost.DecodeManifest(doc); err != nil {
		return faultf(CodeManifest, "%v", err)
	}
	v.report.Name, v.report.Version = v.doc.Name, v.doc.Version
	if v.doc.Name == Reserved && !v.opt.Builtin {
		return faultf(CodeReserved, "the name %q belongs to the program itself: choose another one", v.doc.Name)
	}
	again, second, err := textOf(g, "kl_describe", v.manifest)
	if err != nil {
		return err
	}
	if again != where || string(second) != string(doc) {
		return faultf(CodeUnstable, "the second kl_describe returns %#x, the first %#x, or other bytes", again, where)
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
