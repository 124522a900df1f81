package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/serve"
	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// moduleTarget is what a path names. The parts are as the client wrote them
// until check has passed.
type moduleTarget struct {
	module, version string
	repro           string         // number of a fault
	scope           registry.Scope // of a kill
	tenant          string         // of a kill
	sum             string         // of a version that was found, for the audit log
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
		get(moduleRoute{"modules", actionList, nil, (*Uploads).list})
	case parts[0] == killsPath:
		var ok bool
		if methods, target, ok = killRouteOf(parts[1:]); !ok {
			return moduleRoute{name: "module_other"}, target, unknownRoute("/v1/modules" + rest)
		}
	case len(parts) == 3 && parts[2] == "repros":
		target.module, target.version = parts[0], parts[1]
		get(moduleRoute{"module_repros", actionRead, nil, (*Uploads).repros})
	case len(parts) == 4 && parts[2] == "repros" && strings.HasSuffix(parts[3], ".json"):
		target.module, target.version, target.repro = parts[0], parts[1], strings.TrimSuffix(parts[3], ".json")
		get(moduleRoute{"module_repro", actionRead, nil, (*Uploads).repro})
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
	body = linksBelow(publicPrefix(q.r), body)
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
