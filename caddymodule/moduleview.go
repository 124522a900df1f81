package caddymodule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	indicators "github.com/caddy-kline/caddy-kline/indicators-wasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// modulesBody is the answer of GET /v1/modules.
type modulesBody struct {
	You     *youBody     `json:"you,omitempty"` // absent on the admin endpoint
	Modules []moduleBody `json:"modules"`
	// Problems of the storage, for publishers.
	Problems []registry.Problem `json:"problems,omitempty"`
}

// youBody lets a page show only what its user may do.
type youBody struct {
	ID        string   `json:"id"`
	Tenants   []string `json:"tenants"`
	Author    bool     `json:"author"`
	Publisher bool     `json:"publisher"`
	Operator  bool     `json:"operator"`
}

// moduleBody is one module.
type moduleBody struct {
	Module     string        `json:"module"`
	Tenant     string        `json:"tenant,omitempty"`
	Builtin    bool          `json:"builtin,omitempty"`
	Activation *Activation   `json:"activation,omitempty"`
	Versions   []versionBody `json:"versions"` // oldest first
}

// versionBody is one version. Author and the texts of findings are foreign.
type versionBody struct {
	Version    string             `json:"version"`
	SHA256     string             `json:"sha256"`
	Size       int                `json:"size"`
	State      string             `json:"state"`
	Since      *time.Time         `json:"since,omitempty"`
	Author     string             `json:"author,omitempty"`
	Time       *time.Time         `json:"time,omitempty"`
	Indicators []string           `json:"indicators"`
	Findings   []registry.Finding `json:"findings"`
	Figures    []registry.Figure  `json:"figures,omitempty"`
	Comparison json.RawMessage    `json:"comparison,omitempty"`
	Faults     int                `json:"faults,omitempty"` // that are kept; below .../repros
	Links      map[string]string  `json:"links"`
}

// list answers GET /v1/modules: the built-in module and those of the user's
// tenants. Who is an operator alone learns what he may do, and of no uploads.
func (u *Uploads) list(q *moduleRequest) error {
	reads := q.who.authorize(actionRead, "") == nil
	body, err := u.engine.modulesBody(q.r.Context(), func(rec *registry.Record) bool { return reads && q.who.sees(rec) })
	if err != nil {
		return u.refusal(q, err)
	}
	for i := range body.Modules {
		u.countFaults(q, &body.Modules[i])
	}
	body.You = &youBody{ID: q.who.id, Tenants: q.who.tenants, Author: q.who.author, Publisher: q.who.publisher, Operator: q.who.operator}
	if !q.who.publisher {
		body.Problems = nil
	}
	return q.json(http.StatusOK, body)
}

// modulesBody lists the modules that sees allows.
func (e *engine) modulesBody(ctx context.Context, sees func(*registry.Record) bool) (*modulesBody, error) {
	records, problems, err := e.compute.modules.registry.List(ctx)
	if err != nil {
		return nil, err
	}
	body := &modulesBody{Modules: []moduleBody{}, Problems: problems}
	if b, ok := e.builtinBody(); ok {
		body.Modules = append(body.Modules, b)
	}
	for len(records) > 0 {
		n := 1
		for n < len(records) && records[n].Module == records[0].Module {
			n++
		}
		if sees(&records[0]) {
			body.Modules = append(body.Modules, e.moduleBody(records[:n]))
		}
		records = records[n:]
	}
	return body, nil
}

// show answers GET /v1/modules/{module}.
func (u *Uploads) show(q *moduleRequest) error {
	if q.target.module == builtinModule {
		if b, ok := u.engine.builtinBody(); ok {
			return q.json(http.StatusOK, b)
		}
		return starting()
	}
	records, err := u.find(q, actionRead)
	if err != nil {
		return err
	}
	body := u.engine.moduleBody(records)
	u.countFaults(q, &body)
	return q.json(http.StatusOK, body)
}

func (e *engine) moduleBody(records []registry.Record) moduleBody {
	b := moduleBody{Module: records[0].Module, Tenant: records[0].Tenant}
	if activator := e.compute.modules.active(); activator != nil {
		if a, ok := activator.State(b.Module); ok {
			b.Activation = &a
		}
	}
	for i := range records {
		r := &records[i]
		v := versionBody{
			Version: r.Version, SHA256: r.SHA256, Size: r.Size, State: string(r.State), Since: &r.Since, Author: r.Author, Time: &r.Time,
			Indicators: r.Indicators, Findings: []registry.Finding{}, Comparison: r.Comparison, Links: bytesLink(r.Module, r.Version),
		}
		if r.Vet != nil {
			v.Figures = r.Vet.Figures
			v.Findings = append(v.Findings, r.Vet.Findings...)
		}
		b.Versions = append(b.Versions, v)
	}
	return b
}

func bytesLink(module, version string) map[string]string {
	return map[string]string{"bytes": "/v1/modules/" + module + "/" + version + ".wasm"}
}

// builtinBody describes the module of the program, once it runs.
func (e *engine) builtinBody() (moduleBody, bool) {
	h := e.compute.running.Load()
	if h == nil {
		return moduleBody{}, false
	}
	for _, m := range h.host.Modules() {
		if m.Name != builtinModule {
			continue
		}
		v := versionBody{
			Version: m.Version, SHA256: hex.EncodeToString(m.SHA256[:]), Size: len(indicators.Module()), State: string(registry.Active),
			Findings: []registry.Finding{}, Links: bytesLink(m.Name, m.Version),
		}
		for _, ind := range m.Manifest.Indicators {
			v.Indicators = append(v.Indicators, ind.Name)
		}
		return moduleBody{Module: m.Name, Builtin: true, Versions: []versionBody{v}}, true
	}
	return moduleBody{}, false
}

// bytes answers GET /v1/modules/{module}/{version}.wasm. Whatever the bytes are
// also valid as, a browser must neither render nor run them.
func (u *Uploads) bytes(q *moduleRequest) error {
	sum, wasm, err := u.load(q)
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", `attachment; filename="`+sum+`.wasm"`)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("ETag", `"`+sum+`"`)
	if strings.Contains(q.r.Header.Get("If-None-Match"), `"`+sum+`"`) {
		q.status = http.StatusNotModified
		q.w.WriteHeader(q.status)
		return nil
	}
	h.Set("Content-Length", strconv.Itoa(len(wasm)))
	q.status = http.StatusOK
	q.w.WriteHeader(q.status)
	if q.r.Method != http.MethodHead {
		writeBody(q.w, q.r, u.engine.clock, wasm)
	}
	return nil
}

func (u *Uploads) load(q *moduleRequest) (sum string, wasm []byte, err error) {
	if b, ok := u.engine.builtinBody(); ok && q.target.module == builtinModule && q.target.version == b.Versions[0].Version {
		wasm := indicators.Module()
		s := sha256.Sum256(wasm)
		return hex.EncodeToString(s[:]), wasm, nil
	}
	records, err := u.find(q, actionRead)
	if err != nil {
		return "", nil, err
	}
	for _, rec := range records {
		if rec.Version != q.target.version {
			continue
		}
		wasm, err := u.engine.compute.modules.registry.Open(q.r.Context(), rec.SHA256)
		if err != nil {
			return "", nil, u.openFailed(q, err)
		}
		return rec.SHA256, wasm, nil
	}
	return "", nil, unknownModule(q.target.module)
}

// openFailed tells damage from a storage that does not answer.
func (u *Uploads) openFailed(q *moduleRequest, err error) error {
	if q.r.Context().Err() != nil {
		return err
	}
	u.logger.Error("opening a module", zap.String("id", requestID(q.r)), zap.Error(err))
	p := problemOf(registry.Unavailable)
	p.detail, p.retryAfter = "the storage of modules cannot be used at the moment", 5
	if errors.Is(err, registry.ErrDamaged) {
		p = &problem{
			code: "damaged", status: http.StatusInternalServerError, title: "Damaged module",
			detail: "the stored bytes are not those that were uploaded: upload the version again, or delete it",
		}
	}
	return p
}
