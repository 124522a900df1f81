package vet

import (
	"fmt"
	"strings"
)

// Severity tells whether a finding refuses a module.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the module is refused
	Warning Severity = "warning" // the module is accepted; its author should look
)

// Stage is how far a module came.
type Stage string

// The stages, in their order. The first four end the examination.
const (
	StageGuard       Stage = "guard"       // bytes, structure, limits, imports, exports
	StageCompile     Stage = "compile"     // native code
	StageInstantiate Stage = "instantiate" // start section and _initialize
	StageManifest    Stage = "manifest"    // kl_abi, kl_describe and the document
	StageVet         Stage = "vet"         // everything that needs updates
)

// Finding is one thing that is wrong with a module.
type Finding struct {
	Stage     Stage    `json:"stage"`
	Check     string   `json:"check,omitempty"` // V1 to V20; empty in the stages guard and compile
	Code      Code     `json:"code"`
	Severity  Severity `json:"severity"`
	Indicator string   `json:"indicator,omitempty"` // name in the manifest
	Bar       int      `json:"bar,omitempty"`       // of the run in which it was seen, counted from 1; 0: none
	Offset    int      `json:"offset,omitempty"`    // bytes: in the file for the guard, from the first byte of the state or row else
	Message   string   `json:"message"`             // what is wrong and what to do; foreign text is quoted and cut
}

// String is the finding on one line, for people.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", f.Severity)
	if f.Check != "" {
		fmt.Fprintf(&b, "%s ", f.Check)
	}
	fmt.Fprintf(&b, "%s: ", f.Code)
	if f.Indicator != "" && !strings.HasPrefix(f.Message, f.Indicator) {
		fmt.Fprintf(&b, "%s: ", f.Indicator)
	}
	b.WriteString(f.Message)
	if f.Bar > 0 {
		fmt.Fprintf(&b, " (bar %d)", f.Bar)
	}
	return b.String()
}

// fault is a finding on its way out of a check: the module made it impossible
// to go on. Any other error is about this program.
type fault struct {
	code   Code
	text   string
	bar    int
	offset int
}

func (f *fault) Error() string { return f.text }

// faultf makes a fault.
func faultf(code Code, format string, args ...any) *fault {
	return &fault{code: code, text: fmt.Sprintf(format, args...)}
}

// at gives a fault the number of its bar, counted from 1.
func (f *fault) at(bar int) *fault {
	f.bar = bar
	return f
}
