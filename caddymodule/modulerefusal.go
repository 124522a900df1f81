package caddymodule

import (
	"errors"
	"math"
	"net/http"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
	"go.uber.org/zap"
)

// refusal is the problem of what the registry refused.
func (u *Uploads) refusal(q *moduleRequest, err error) error {
	r, ok := errors.AsType[*registry.Refusal](err)
	if !ok {
		return err
	}
	if r.Cause != nil {
		u.logger.Error(r.Message, zap.String("id", requestID(q.r)), zap.Error(r.Cause))
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
		{registry.Stopped, http.StatusForbidden, "stopped", "Stopped"},
		{registry.Unsigned, http.StatusForbidden, "unsigned", "No trusted signature"},
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
