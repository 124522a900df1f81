package vet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Bench measures the indicators of a module, or of one of them by name,
// without checking them. The times need Options.Now.
func Bench(ctx context.Context, module []byte, only string, o Options) (*Report, error) {
	sum := sha256.Sum256(module)
	v := &vetter{ctx: ctx, opt: o, report: &Report{SHA256: hex.EncodeToString(sum[:]), Bytes: len(module)}, module: module}
	v.configure()
	defer v.close()
	if err := v.bench(only); err != nil {
		return nil, fmt.Errorf("measuring: %w", withBar(err))
	}
	return v.report, nil
}

func (v *vetter) bench(only string) error {
	ok, err := v.compile()
	if err != nil {
		return err
	}
	if !ok {
		return errors.New(v.report.Findings[0].Message)
	}
	if err := v.manifestOf(); err != nil {
		return err
	}
	for _, ind := range v.doc.Indicators {
		if only != "" && ind.Name != only {
			continue
		}
		s := newSubject(ind, defaults(ind))
		for _, step := range []func(*subject) error{
			func(s *subject) error { return v.size(s, true) },
			func(s *subject) error { return v.reference(s, true) },
			func(s *subject) error { v.figures(s, []*subject{s}); return nil },
			v.steady, v.measure,
		} {
			if err := step(s); err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
		}
	}
	if len(v.report.Indicators) == 0 {
		return fmt.Errorf("the module has no indicator %q", short(only))
	}
	return nil
}
