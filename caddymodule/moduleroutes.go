package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// maxCommand bounds the body of a request that is not a module, in bytes.
const maxCommand = 1 << 10

// moduleTarget is what a path names. The parts are as the client wrote them
// until check has passed.
type moduleTarget struct {
	module, version string
	sum             string // of a version that was found, for the audit log
}

// check refuses names outside of their alphabets.
func (t *moduleTarget) check() *problem {
	if t.module != "" && t.module != builtinModule && !registry.ValidName(t.module) {
		return &problem{
			code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter", param: "module", value: t.module,
			detail: "a module name has 2 to 41 characters: lower-case letters, digits and hyphens, a letter first",
		}
	}
	if t.version != "" && !registry.ValidVersion(t.version) {
		return badVersion(t.version)
	}
	return nil
}

func badVersion(v string) *problem {
	return &problem{
		code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter", param: "version", value: v,
		detail: "a version has the form major.minor.patch",
	}
}

// moduleRoute is one of the routes below /v1/modules.
type moduleRoute struct {
	name   string // label of metrics
	action action
	params []string // of the query
	answer func(u *Uploads, q *moduleRequest) error
}

// moduleRouteOf finds the route of a decoded path behind /v1/modules.
func moduleRouteOf(rest, method string) (moduleRoute, moduleTarget, *problem) {
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	var target moduleTarget
	methods := map[string]moduleRoute{}
	get := func(r moduleRoute) { methods[http.MethodGet], methods[http.MethodHead] = r, r }
	switch {
	case rest == "":
		get(moduleRoute{"modules", actionRead, nil, (*Uploads).list})
	case len(parts) == 1 && parts[0] != "":
		target.module = parts[0]
		get(moduleRoute{"module", actionRead, nil, (*Uploads).show})
		methods[http.MethodPut] = moduleRoute{"module_upload", actionUpload, []string{"activate"}, (*Uploads).upload}
		methods[http.MethodDelete] = moduleRoute{"module_delete", actionPublish, []string{"version"}, (*Uploads).remove}
	case len(parts) == 2 && strings.HasSuffix(parts[1], ".wasm"):
		target.module, target.version = parts[0], strings.TrimSuffix(parts[1], ".wasm")
		get(moduleRoute{"module_bytes", actionRead, nil, (*Uploads).bytes})
	case len(parts) == 2 && parts[1] == "activate":
		target.module = parts[0]
		methods[http.MethodPost] = moduleRoute{"module_activate", actionPublish, nil, (*Uploads).activate}
	case len(parts) == 2 && parts[1] == "rollback":
		target.module = parts[0]
		methods[http.MethodPost] = moduleRoute{"module_rollback", actionPublish, nil, (*Uploads).rollback}
	case len(parts) == 2 && parts[1] == "deactivate":
		target.module = parts[0]
		methods[http.MethodPost] = moduleRoute{"module_deactivate", actionPublish, nil, (*Uploads).deactivate}
	default:
		return moduleRoute{name: "module_other"}, target, unknownRoute("/v1/modules" + rest)
	}
	route, ok := methods[method]
	if !ok {
		allowed := make([]string, 0, len(methods))
		for m := range methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		return moduleRoute{name: "module_other"}, target, methodNotAllowed(method, allowed...)
	}
	return route, target, nil
}

// json writes an answer.
func (q *moduleRequest) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding an answer about modules: %w", err)
	}
	h := q.w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	q.status = status
	q.w.WriteHeader(status)
	if q.r.Method != http.MethodHead {
		_, _ = q.w.Write(body) // the client is gone: nobody to tell
	}
	return nil
}

// find returns the versions of the module that q names, if its user may act on
// them. Modules of other tenants are as if they did not exist to readers.
func (u *Uploads) find(q *moduleRequest, a action) ([]registry.Record, error) {
	records, err := u.engine.compute.modules.registry.Get(q.r.Context(), q.target.module)
	if err != nil {
		return nil, u.refusal(q, err)
	}
	if len(records) == 0 || a == actionRead && !q.who.sees(&records[0]) {
		return nil, unknownModule(q.target.module)
	}
	if p := q.who.authorize(a, records[0].Tenant); p != nil {
		return nil, p
	}
	return records, nil
}

func unknownModule(name string) *problem {
	return &problem{
		code: "unknown-module", status: http.StatusNotFound, title: "Unknown module", param: "module", value: name,
		detail: "there is no such module or version",
	}
}

// upload answers PUT /v1/modules/{module}.
func (u *Uploads) upload(q *moduleRequest) error {
	activate, p := zeroOrOne(q.query, "activate")
	if p != nil {
		return p
	}
	activator := u.engine.compute.modules.active()
	if activate {
		if p := q.who.authorize(actionPublish, ""); p != nil {
			return p
		}
		if activator == nil {
			return noActivator()
		}
	}
	if p := wasmBody(q.r); p != nil {
		return p
	}
	tenant, err := u.uploadTenant(q)
	if err != nil {
		return err
	}
	control := http.NewResponseController(q.w)
	res, err := u.engine.compute.modules.registry.Upload(q.r.Context(), registry.Upload{
		Who: registry.Who{ID: q.who.id, Tenant: tenant}, Module: q.target.module, Body: q.r.Body, Length: q.r.ContentLength,
		// Writers that cannot bound a read are those of tests.
		Deadline: func(t time.Time) { _ = control.SetReadDeadline(t) }, Limits: u.limits(),
	})
	if err != nil {
		return u.uploadRefused(q, err)
	}
	u.engine.metrics.uploads.WithLabelValues(string(res.Outcome)).Inc()
	return u.uploaded(q, res, activate, activator)
}

// uploadTenant is for whom a user of several tenants uploads: the owner of the
// module, or the first of his where it is new.
func (u *Uploads) uploadTenant(q *moduleRequest) (string, error) {
	records, err := u.engine.compute.modules.registry.Get(q.r.Context(), q.target.module)
	if err != nil {
		return "", u.refusal(q, err)
	}
	if len(records) > 0 && q.who.sees(&records[0]) {
		return records[0].Tenant, nil
	}
	return q.who.tenants[0], nil
}

// uploaded answers an upload that was not refused.
func (u *Uploads) uploaded(q *moduleRequest, res registry.Result, activate bool, activator Activator) error {
	rec := &res.Record
	q.note, q.target.version, q.target.sum = string(res.Outcome), rec.Version, rec.SHA256
	body := uploadBody{Module: rec.Module, Version: rec.Version, SHA256: rec.SHA256, State: string(rec.State), Indicators: rec.Indicators, Findings: []registry.Finding{}}
	if rec.Vet != nil && rec.Vet.Findings != nil {
		body.Findings = rec.Vet.Findings
	}
	if activate {
		// The version is stored whatever happens now: a failure to activate is
		// told in the answer, not as a refusal of the upload.
		a, err := activator.Activate(q.r.Context(), rec.Module, rec.Version, rec.SHA256, false, q.who.id)
		if err != nil {
			body.Activation = u.activationError(q, err)
		} else {
			body.State = a.State
		}
	}
	q.w.Header().Set("ETag", `"`+rec.SHA256+`"`)
	if res.Outcome == registry.Created {
		return q.json(http.StatusCreated, body)
	}
	return q.json(http.StatusOK, body)
}

// uploadBody is the answer to an upload.
type uploadBody struct {
	Module     string             `json:"module"`
	Version    string             `json:"version"`
	SHA256     string             `json:"sha256"`
	State      string             `json:"state"`
	Indicators []string           `json:"indicators"`
	Findings   []registry.Finding `json:"findings"`
	// Activation is why activate=1 had no effect; absent otherwise.
	Activation string `json:"activation,omitempty"`
}

func (u *Uploads) activationError(q *moduleRequest, err error) string {
	if p, ok := errors.AsType[*problem](err); ok {
		return p.Error()
	}
	u.logger.Error("activating an uploaded module", zap.String("id", requestID(q.r)), zap.Error(err))
	return "the module is stored, but it could not be activated: see the log"
}

// wasmBody refuses bodies that do not say they are modules. No page can send
// this type to another origin without being asked for first.
func wasmBody(r *http.Request) *problem {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/wasm" {
		return unsupportedType("a module is sent with Content-Type: application/wasm", "application/wasm")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return unsupportedType("a module is sent as it is, without Content-Encoding", "application/wasm")
	}
	return nil
}

func unsupportedType(detail string, allowed ...string) *problem {
	return &problem{code: "unsupported-type", status: http.StatusUnsupportedMediaType, title: "Unsupported media type", detail: detail, allowed: allowed}
}

// uploadRefused counts and translates.
func (u *Uploads) uploadRefused(q *moduleRequest, err error) error {
	reason := "error"
	if r, ok := errors.AsType[*registry.Refusal](err); ok {
		reason = string(r.Reason)
	}
	u.engine.metrics.uploads.WithLabelValues(reason).Inc()
	return u.refusal(q, err)
}

// refusal is the problem of what the registry refused.
func (u *Uploads) refusal(q *moduleRequest, err error) error {
	r, ok := errors.AsType[*registry.Refusal](err)
	if !ok {
		return err
	}
	if r.Cause != nil {
		u.logger.Error("using the storage of modules", zap.String("id", requestID(q.r)), zap.Error(r.Cause))
	}
	p := problemOf(r.Reason)
	p.detail, p.limit, p.findings = r.Message, r.Limit, r.Findings
	if r.Retry > 0 {
		p.retryAfter = max(1, int(math.Ceil(r.Retry.Seconds())))
	}
	if r.Reason == registry.BadName {
		p.param, p.value = "module", q.target.module
	}
	return p
}

func problemOf(why registry.Reason) *problem {
	for _, p := range []struct {
		reason      registry.Reason
		status      int
		code, title string
	}{
		{registry.BadName, http.StatusBadRequest, serve.CodeBadParameter, "Bad parameter"},
		{registry.Forbidden, http.StatusForbidden, "forbidden", "Forbidden"},
		{registry.TooLarge, http.StatusRequestEntityTooLarge, "module-too-large", "Module too large"},
		{registry.TooSlow, http.StatusRequestTimeout, "too-slow", "Request timeout"},
		{registry.Incomplete, http.StatusBadRequest, "incomplete-body", "Incomplete body"},
		{registry.Findings, http.StatusUnprocessableEntity, "module-refused", "Module refused"},
		{registry.Conflict, http.StatusConflict, "conflict", "Conflict"},
		{registry.DamagedThere, http.StatusConflict, "damaged", "Damaged record"},
		{registry.NotFound, http.StatusNotFound, "unknown-module", "Unknown module"},
		{registry.TooMany, http.StatusTooManyRequests, "too-many-uploads", "Too many uploads"},
		{registry.Full, http.StatusInsufficientStorage, "quota", "No room"},
		{registry.Busy, http.StatusServiceUnavailable, "busy", "Busy"},
		{registry.Unavailable, http.StatusServiceUnavailable, "storage-unavailable", "Storage unavailable"},
	} {
		if p.reason == why {
			return &problem{code: p.code, status: p.status, title: p.title}
		}
	}
	return internalError()
}

// activate answers POST /v1/modules/{module}/activate.
func (u *Uploads) activate(q *moduleRequest) error {
	records, err := u.find(q, actionPublish)
	if err != nil {
		return err
	}
	version, now, p := readCommand(q.r)
	if p != nil {
		return p
	}
	q.target.version = version
	i := slices.IndexFunc(records, func(r registry.Record) bool { return r.Version == version })
	if i < 0 {
		return unknownModule(q.target.module)
	}
	q.target.sum = records[i].SHA256
	activator := u.engine.compute.modules.active()
	if activator == nil {
		return noActivator()
	}
	// The bytes are compared before anything is wished for: what is damaged
	// would fail on every node at once.
	if _, err := u.engine.compute.modules.registry.Open(q.r.Context(), q.target.sum); err != nil {
		return u.openFailed(q, err)
	}
	a, err := activator.Activate(q.r.Context(), q.target.module, version, q.target.sum, now, q.who.id)
	return u.accepted(q, a, err)
}

func (u *Uploads) accepted(q *moduleRequest, a Activation, err error) error {
	if err != nil {
		return u.refusal(q, err)
	}
	q.note = a.State
	return q.json(http.StatusAccepted, a)
}

func (u *Uploads) rollback(q *moduleRequest) error {
	if _, err := u.find(q, actionPublish); err != nil {
		return err
	}
	activator := u.engine.compute.modules.active()
	if activator == nil {
		return noActivator()
	}
	a, err := activator.Rollback(q.r.Context(), q.target.module, q.who.id)
	return u.accepted(q, a, err)
}

func (u *Uploads) deactivate(q *moduleRequest) error {
	if _, err := u.find(q, actionPublish); err != nil {
		return err
	}
	activator := u.engine.compute.modules.active()
	if activator == nil {
		return noActivator()
	}
	if err := activator.Deactivate(q.r.Context(), q.target.module, q.who.id); err != nil {
		return u.refusal(q, err)
	}
	a, _ := activator.State(q.target.module)
	a.Module = q.target.module
	return u.accepted(q, a, nil)
}

// remove answers DELETE /v1/modules/{module}. What the activator knows counts
// before what the record says, which follows it.
func (u *Uploads) remove(q *moduleRequest) error {
	version := ""
	if v, ok := q.query["version"]; ok {
		version = v[0]
		q.target.version = version
		if p := q.target.check(); p != nil || version == "" {
			return badVersion(version)
		}
	}
	records, err := u.find(q, actionPublish)
	if err != nil {
		return err
	}
	if activator := u.engine.compute.modules.active(); activator != nil {
		a, _ := activator.State(q.target.module)
		for _, rec := range records {
			if (version == "" || version == rec.Version) && (rec.Version == a.Active || rec.Version == a.Shadow) {
				return &problem{
					code: "conflict", status: http.StatusConflict, title: "Conflict",
					detail: "version " + rec.Version + " is in use: activate another one or deactivate the module first",
				}
			}
		}
	}
	if err := u.engine.compute.modules.registry.Delete(q.r.Context(), q.target.module, version); err != nil {
		return u.refusal(q, err)
	}
	q.status, q.note = http.StatusNoContent, "deleted"
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// zeroOrOne reads a parameter that is 0, 1 or absent.
func zeroOrOne(query map[string][]string, name string) (bool, *problem) {
	v, ok := query[name]
	if !ok || len(v) == 1 && v[0] == "0" {
		return false, nil
	}
	if len(v) == 1 && v[0] == "1" {
		return true, nil
	}
	return false, &problem{
		code: serve.CodeBadParameter, status: http.StatusBadRequest, title: "Bad parameter", param: name, value: v[0],
		detail: "the parameter is 0 or 1", allowed: []string{"0", "1"},
	}
}

// readCommand reads {"version":"1.0.0","now":true}, strictly: a key that stands
// twice would mean one thing to us and another to a filter in front of us.
func readCommand(r *http.Request) (version string, now bool, p *problem) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return "", false, unsupportedType("the body is sent with Content-Type: application/json", "application/json")
	}
	bad := &problem{
		code: "bad-body", status: http.StatusBadRequest, title: "Bad body",
		detail: `the body is a JSON object such as {"version":"1.0.0","now":true}; now may be left out`, allowed: []string{"version", "now"},
	}
	dec := json.NewDecoder(io.LimitReader(r.Body, maxCommand))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return "", false, bad
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		name, _ := key.(string)
		if err != nil || seen[name] {
			return "", false, bad
		}
		seen[name] = true
		switch name {
		case "version":
			err = dec.Decode(&version)
		case "now":
			err = dec.Decode(&now)
		default:
			return "", false, bad
		}
		if err != nil {
			return "", false, bad
		}
	}
	if _, err := dec.Token(); err != nil {
		return "", false, bad
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "", false, bad
	}
	if !registry.ValidVersion(version) {
		return "", false, badVersion(version)
	}
	return version, now, nil
}
