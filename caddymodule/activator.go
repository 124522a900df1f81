package caddymodule

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// Activator makes stored versions compute, and stops them. What it decides stands
// in the registry, from which every node learns it. A *problem or a
// *registry.Refusal that it returns is answered as it is; the cause of any other
// error goes to the log.
type Activator interface {
	// Activate asks for a version, given by the SHA-256 of its bytes in hex.
	// Where another one is active both compute for a while, unless now is set.
	// who is the identity that asked; foreign text.
	Activate(ctx context.Context, module, version, sha256 string, now bool, who string) (Activation, error)
	// Rollback asks for the version that was active before version, or before
	// whatever is active if that is empty.
	Rollback(ctx context.Context, module, version, who string) (Activation, error)
	// Deactivate asks for none.
	Deactivate(ctx context.Context, module, who string) error
	// State is what is known of a module now; false if nothing ever was wished.
	State(module string) (Activation, bool)
}

// Activation is where a module stands between a wish and a decision.
type Activation struct {
	Module   string `json:"module"`
	Active   string `json:"active,omitempty"`   // version whose values are published
	Shadow   string `json:"shadow,omitempty"`   // version that computes beside it
	Previous string `json:"previous,omitempty"` // version that a rollback brings back
	State    string `json:"state"`              // of the version that was asked for: shadow, active, ...
	// Comparison of the shadow run so far, as JSON.
	Comparison json.RawMessage `json:"comparison,omitempty"`
	Since      *time.Time      `json:"since,omitempty"`
	// Stopped is why nothing of the module computes, whatever is active.
	Stopped *stopBody `json:"stopped,omitempty"`
}

// stateStopped is the state of a module that the operator has stopped.
const stateStopped = "stopped"

// stopBody is a kill as authors see it: not whose it is.
type stopBody struct {
	Scope  registry.Scope `json:"scope"`
	Since  time.Time      `json:"since"`
	Reason string         `json:"reason,omitempty"` // foreign text
}

// noActivator is answered while the engine has nothing that could activate.
func noActivator() *problem {
	return &problem{
		code: "activation-unavailable", status: http.StatusServiceUnavailable, title: "Activation unavailable",
		detail:     "modules can be uploaded and are kept, but the engine is not running yet",
		retryAfter: 5,
	}
}
