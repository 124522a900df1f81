package caddymodule

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/caddy-kline/caddy-kline/wasmhost"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// builtinModule is the name of the module that this program contains.
const builtinModule = vet.Reserved

// listedName is an indicator as the list names it: that of an upload carries its
// module.
var listedName = regexp.MustCompile(`\A([a-z][a-z0-9-]{1,40}/)?[a-z][a-z0-9_]{0,31}\z`)

// indicatorSummary is one entry of /v1/indicators.
type indicatorSummary struct {
	Name      string            `json:"name"`
	Module    string            `json:"module"`
	Title     string            `json:"title"`
	Category  string            `json:"category,omitempty"`
	Pane      string            `json:"pane,omitempty"`
	Version   string            `json:"version"`
	State     string            `json:"state"`
	Instances []string          `json:"instances"`
	Links     map[string]string `json:"links"`
}

// summaries lists the indicators of all loaded modules with the instances that
// are computed of each, those of active uploads last.
func (h *hostIndicators) summaries(uploads []*wasmhost.Module) []indicatorSummary {
	out := []indicatorSummary{}
	for _, m := range append(h.host.Modules(), uploads...) {
		for _, ind := range m.Manifest.Indicators {
			name := catalogueName(m, ind)
			out = append(out, indicatorSummary{
				Name: name, Module: m.Name, Title: ind.Title, Category: ind.Category, Pane: ind.Pane,
				Version: m.Version, State: "active", Instances: h.instancesOf(ind),
				Links: map[string]string{"manifest": "/v1/indicators/" + name},
			})
		}
	}
	return out
}

// catalogueName is how expressions name an indicator: those of uploads carry
// their module.
func catalogueName(m *wasmhost.Module, ind *wasmhost.Indicator) string {
	if m.Name == builtinModule {
		return ind.Name
	}
	return m.Name + "/" + ind.Name
}

func (h *hostIndicators) instancesOf(ind *wasmhost.Indicator) []string {
	names := []string{}
	for _, i := range h.instances {
		if i.Indicator == ind {
			names = append(names, i.Name)
		}
	}
	return names
}

// documents are the ready answers of the routes about indicators: the list, and
// per name the entry of the manifest with what is known about its module.
func (h *hostIndicators) documents(uploads []*wasmhost.Module) (list []byte, manifests map[string][]byte, err error) {
	if list, err = json.Marshal(h.summaries(uploads)); err != nil {
		return nil, nil, fmt.Errorf("describing indicators: %w", err)
	}
	manifests = make(map[string][]byte)
	for _, m := range slices.Backward(append(h.host.Modules(), uploads...)) { // names belong to the first module
		if err := h.addManifests(manifests, m); err != nil {
			return nil, nil, fmt.Errorf("describing indicators of %s: %w", m.Name, err)
		}
	}
	return list, manifests, nil
}

func (h *hostIndicators) addManifests(dst map[string][]byte, m *wasmhost.Module) error {
	var doc struct {
		Indicators []map[string]any `json:"indicators"`
	}
	if err := json.Unmarshal(m.Manifest.JSON, &doc); err != nil {
		return err
	}
	for i, ind := range m.Manifest.Indicators {
		entry := doc.Indicators[i]
		entry["module"] = m.Name
		entry["version"] = m.Version
		entry["sha256"] = fmt.Sprintf("%x", m.SHA256)
		entry["state"] = "active"
		entry["instances"] = h.instancesOf(ind)
		body, err := json.Marshal(entry)
		if err != nil {
			return err
		}
		dst[catalogueName(m, ind)] = body
	}
	return nil
}
