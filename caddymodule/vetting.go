package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// vetter makes the checks of uploads: those that `caddy kline indicator vet`
// makes, in a host of their own that ends with them. The code of the version
// before is taken from the cache that it computes from; empty: it is compiled.
func vetter(c clock.Clock, cache string) registry.Vet {
	return func(ctx context.Context, wasm, previous []byte) (*registry.Report, error) {
		r, err := vet.Run(ctx, wasm, vet.Options{Previous: previous, Now: c.Now, CacheDir: cache})
		if errors.Is(err, vet.ErrBusy) {
			return nil, busy(err)
		}
		if err != nil {
			return nil, err
		}
		return reportOf(r), nil
	}
}

// busy asks the sender to come again: nothing was found out about the module.
func busy(err error) error {
	return &registry.Refusal{
		Reason: registry.Busy, Message: "the machine is too busy to examine the module: send it again later",
		Retry: 30 * time.Second, Cause: err,
	}
}

// reportOf keeps of a report what its readers need.
func reportOf(r *vet.Report) *registry.Report {
	out := &registry.Report{Module: r.Name, Version: r.Version, Findings: make([]registry.Finding, 0, len(r.Findings))}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, registry.Finding{
			Stage: string(f.Stage), Check: f.Check, Code: string(f.Code), Severity: string(f.Severity), Message: f.Message,
			Indicator: f.Indicator, Bar: f.Bar, Offset: f.Offset,
		})
	}
	for _, i := range r.Indicators {
		out.Indicators = append(out.Indicators, i.Name)
		out.Figures = append(out.Figures, registry.Figure{
			Indicator: i.Name, FuelPerBar: i.FuelMean, FuelMax: i.FuelMax, NsPerBar: cmp.Or(i.NSBatch, i.NSSingle), StateBytes: i.StateBytes,
		})
	}
	return out
}
