package registry

import (
	"context"
	"errors"
	"slices"
)

// examination is a module that the checks run.
type examination struct {
	module, tenant string
	end            context.CancelCauseFunc
}

// examine runs the checks. It asks for kills once more: while the body came, and
// while other modules were examined, minutes may have gone by.
func (r *Registry) examine(ctx context.Context, v *view, u *Upload, wasm []byte) (report *Report, err error) {
	err = alone(ctx, r.cfg.Gate.vet, func() error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		r.setExamined(&examination{u.Module, u.Who.Tenant, cancel})
		defer r.setExamined(nil)
		if err := r.refuseStopped(ctx, u.Module, u.Who.Tenant); err != nil {
			return err
		}
		report, err = r.cfg.Vet(ctx, wasm, r.previous(ctx, v, u.Module))
		if stopped, ok := errors.AsType[*Refusal](context.Cause(ctx)); ok {
			return stopped
		}
		return err
	})
	return report, err
}

func (r *Registry) setExamined(e *examination) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.examined = e
}

// interrupt ends the examination under way if one of the kills stops its module.
func (r *Registry) interrupt(kills Kills) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.examined == nil {
		return
	}
	if k := kills.Of(r.examined.module, r.examined.tenant); k != nil {
		r.examined.end(k.refusal())
	}
}

// previous are the bytes that a new version would replace: the active ones,
// else the newest. Without them, and with bytes that must not be loaded because
// nobody signed them, the checks compare with nothing: they run what they compare.
func (r *Registry) previous(ctx context.Context, v *view, module string) []byte {
	versions := v.versions(module)
	if len(versions) == 0 {
		return nil
	}
	i := slices.IndexFunc(versions, func(rec Record) bool { return rec.State == Active })
	if i < 0 {
		i = len(versions) - 1
	}
	b, err := r.Open(ctx, versions[i].SHA256)
	if err != nil || r.Signed(&versions[i], b) != nil {
		return nil
	}
	return b
}
