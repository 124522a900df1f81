package caddymodule

import (
	"net/http"
	"strconv"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"github.com/caddy-kline/caddy-kline/wasmhost/vet"
)

// reprosBody is the answer of GET /v1/modules/{module}/{version}/repros.
type reprosBody struct {
	Module  string      `json:"module"`
	Version string      `json:"version"`
	SHA256  string      `json:"sha256"`
	Repros  []reproBody `json:"repros"`
}

// reproBody is one of them. Indicator and Text are foreign; all but ID and Links
// is missing where the file cannot be read.
type reproBody struct {
	ID         string            `json:"id"`
	Fault      string            `json:"fault,omitempty"`       // the word of a wasmhost.Fault
	Indicator  string            `json:"indicator,omitempty"`   // with its parameters
	IntervalMS int64             `json:"interval_ms,omitempty"` // of the bar, ms
	T          int64             `json:"t,omitempty"`           // when the bar opened, ms UTC
	Text       string            `json:"text,omitempty"`
	Links      map[string]string `json:"links"`
}

// recordOf is the version that q names, if its user may see it.
func (u *Uploads) recordOf(q *moduleRequest) (*registry.Record, error) {
	records, err := u.find(q, actionRead)
	if err != nil {
		return nil, err
	}
	for i := range records {
		if records[i].Version == q.target.version {
			return &records[i], nil
		}
	}
	return nil, unknownModule(q.target.module)
}

// countFaults notes how many faults are kept of each version. A storage that does
// not tell now must not keep the list from being shown.
func (u *Uploads) countFaults(q *moduleRequest, b *moduleBody) {
	if q.faults == nil {
		var err error
		if q.faults, err = u.engine.compute.modules.registry.ReproCounts(q.r.Context()); err != nil {
			q.faults = map[string]int{}
		}
	}
	for i := range b.Versions {
		b.Versions[i].Faults = q.faults[b.Versions[i].SHA256]
	}
}

// repros lists the faults that nodes have kept of a version.
func (u *Uploads) repros(q *moduleRequest) error {
	rec, err := u.recordOf(q)
	if err != nil {
		return err
	}
	store := u.engine.compute.modules.registry
	ids, err := store.Repros(q.r.Context(), rec.SHA256)
	if err != nil {
		return u.refusal(q, err)
	}
	body := reprosBody{Module: rec.Module, Version: rec.Version, SHA256: rec.SHA256, Repros: []reproBody{}}
	for _, id := range ids {
		b := reproBody{ID: id, Links: map[string]string{"repro": "/v1/modules/" + rec.Module + "/" + rec.Version + "/repros/" + id + ".json"}}
		// A file that is damaged, or was removed meanwhile, must not hide the others.
		if file, err := store.Repro(q.r.Context(), rec.SHA256, id); err == nil {
			if r, err := vet.DecodeRepro(file); err == nil {
				b.Fault, b.Indicator, b.IntervalMS, b.T, b.Text = r.Fault, r.Expression, r.IntervalMS, r.Bar.OpenTime, r.Text
			}
		}
		body.Repros = append(body.Repros, b)
	}
	return q.json(http.StatusOK, body)
}

// repro answers one of them, as a download. Its texts are those of the module.
func (u *Uploads) repro(q *moduleRequest) error {
	rec, err := u.recordOf(q)
	if err != nil {
		return err
	}
	b, err := u.engine.compute.modules.registry.Repro(q.r.Context(), rec.SHA256, q.target.repro)
	if err != nil {
		return u.refusal(q, err)
	}
	h := q.w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Content-Disposition", `attachment; filename="repro.json"`)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	q.status = http.StatusOK
	q.w.WriteHeader(q.status)
	if q.r.Method != http.MethodHead {
		writeBody(q.w, q.r, u.engine.clock, b)
	}
	return nil
}
