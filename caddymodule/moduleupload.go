package caddymodule

import (
	"encoding/base64"
	"errors"
	"mime"
	"net/http"
	"time"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"go.uber.org/zap"
)

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
	signature, p := signatureOf(q.r)
	if p != nil {
		return p
	}
	control := http.NewResponseController(q.w)
	res, err := u.engine.compute.modules.registry.Upload(q.r.Context(), registry.Upload{
		Who: registry.Who{ID: q.who.id, Tenant: tenant}, Module: q.target.module, Body: q.r.Body, Length: q.r.ContentLength,
		// Writers that cannot bound a read are those of tests.
		Deadline: func(t time.Time) { _ = control.SetReadDeadline(t) }, Limits: u.limits(), Signature: signature,
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

// signatureHeader holds the file that minisign wrote, in base64.
const signatureHeader = "Kline-Signature"

func signatureOf(r *http.Request) (string, *problem) {
	b, err := base64.StdEncoding.DecodeString(r.Header.Get(signatureHeader))
	if err != nil {
		return "", &problem{
			code: "bad-signature-header", status: http.StatusBadRequest, title: "Bad header", param: signatureHeader,
			detail: "the header holds the file that minisign wrote, in base64 on one line: base64 -w0 x.wasm.minisig",
		}
	}
	return string(b), nil
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

// uploadRefused counts and translates.
func (u *Uploads) uploadRefused(q *moduleRequest, err error) error {
	reason := "error"
	if r, ok := errors.AsType[*registry.Refusal](err); ok {
		reason = string(r.Reason)
	}
	u.engine.metrics.uploads.WithLabelValues(reason).Inc()
	return u.refusal(q, err)
}
