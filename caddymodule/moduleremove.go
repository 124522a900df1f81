package caddymodule

import "net/http"

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
