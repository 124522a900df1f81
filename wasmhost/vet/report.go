package vet

import "slices"

// Report is what an examination found out about a module. All of it but the
// times is the same on every machine.
type Report struct {
	Name          string            `json:"name,omitempty"` // of the manifest, once it could be read
	Version       string            `json:"version,omitempty"`
	SHA256        string            `json:"sha256"` // hexadecimal, of the bytes
	Bytes         int               `json:"bytes"`  // size of the file
	MemoryBytes   int               `json:"memory_bytes,omitempty"`
	CompileMS     float64           `json:"compile_ms,omitempty"`
	InstantiateMS float64           `json:"instantiate_ms,omitempty"` // with _initialize
	Indicators    []IndicatorReport `json:"indicators,omitempty"`
	Findings      []Finding         `json:"findings"`
}

// IndicatorReport has the figures of one indicator with its default parameters.
type IndicatorReport struct {
	Name          string  `json:"name"`
	StateBytes    int     `json:"state_bytes"`
	StateBytesMax int     `json:"state_bytes_max"`       // over all extremes of the parameters
	Warmup        int64   `json:"warmup"`                // bars; 2147483647: depends on the start for ever
	FuelMean      int64   `json:"fuel_mean"`             // units per bar
	FuelMax       int64   `json:"fuel_max"`              // units of one bar, over all extremes
	NSSingle      float64 `json:"ns_single,omitempty"`   // per bar, one kl_update each
	NSBatch       float64 `json:"ns_batch,omitempty"`    // per bar, many series in one kl_update_batch
	NSBackfill    float64 `json:"ns_backfill,omitempty"` // per bar, one series in one kl_update_batch
}

// OK tells whether the module is accepted: it has no finding that is an error.
func (r *Report) OK() bool {
	for _, f := range r.Findings {
		if f.Severity == Error {
			return false
		}
	}
	return true
}

// maxFindings bounds a report: a module with 256 indicators can break every
// rule in each.
const maxFindings = 100

// has tells whether there is a finding of the same check, code and indicator.
func (r *Report) has(f *Finding) bool {
	return slices.ContainsFunc(r.Findings, func(o Finding) bool {
		return o.Check == f.Check && o.Code == f.Code && o.Indicator == f.Indicator
	})
}

// add keeps one finding for each check, code and indicator.
func (r *Report) add(f Finding) {
	if r.has(&f) {
		return
	}
	switch n := len(r.Findings); {
	case n < maxFindings:
		r.Findings = append(r.Findings, f)
	case n == maxFindings:
		r.Findings = append(r.Findings, Finding{Stage: StageVet, Code: CodeMore, Severity: f.Severity, Message: "there are more findings than these"})
	case f.Severity == Error:
		r.Findings[maxFindings].Severity = Error
	}
}
