package registry

import (
	"context"
	"slices"
)

// Vet runs the conformance checks on a module that the guard has passed.
// previous are the bytes of the version that a new one would replace, or nil.
// An error says that the checks could not be made; what is wrong with the
// module are findings.
type Vet func(ctx context.Context, wasm, previous []byte) (*Report, error)

// Report is what the checks learned of a module.
type Report struct {
	Module     string    `json:"-"` // as the module calls itself
	Version    string    `json:"-"`
	Indicators []string  `json:"-"` // names, in the order of the manifest
	Findings   []Finding `json:"findings"`
	Figures    []Figure  `json:"figures,omitempty"`
}

// Figure is the cost of one indicator.
type Figure struct {
	Indicator  string  `json:"indicator"`
	FuelPerBar int64   `json:"fuel_per_bar"`         // units, mean; the same on every machine
	FuelMax    int64   `json:"fuel_max"`             // units of the most expensive bar
	NsPerBar   float64 `json:"ns_per_bar,omitempty"` // mean, on the machine that checked it
	StateBytes int     `json:"state_bytes"`          // of one series
}

// Severity of a finding.
const (
	SeverityError   = "error"   // the module is refused
	SeverityWarning = "warning" // it is not
)

// Finding is one thing that a stage found. Texts of the module in Message are
// quoted and cut.
type Finding struct {
	Stage     string `json:"stage"`           // guard, manifest, or that of the checks
	Check     string `json:"check,omitempty"` // number of a conformance check, such as V5
	Code      string `json:"code"`            // stable
	Severity  string `json:"severity"`
	Message   string `json:"message"`
	Indicator string `json:"indicator,omitempty"`
	Bar       int    `json:"bar,omitempty"`    // of the run in which it was seen, counted from 1; 0: none
	Offset    int    `json:"offset,omitempty"` // bytes: in the file for the guard, in a state or row else
}

// Refused tells whether one of the findings refuses the module.
func (r *Report) Refused() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity != SeverityWarning })
}
