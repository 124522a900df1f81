package caddymodule

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"go.uber.org/zap"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

// Bounds of the words of kline_indicators.
const (
	minModuleSize  = 1 << 10
	maxModuleSize  = registry.DefaultMaxSize // what the limits of the guard are made for
	maxUploadCount = 100_000
)

// Uploads answers the routes below /v1/modules: it takes indicator modules from
// authenticated users, shows them, and activates them. Requests for other paths
// go to the next handler.
//
// It refuses to be configured without an authentication handler in front of it
// for certain, unless identity names another source or allow_unauthenticated
// stands there.
type Uploads struct {
	// Identity is the placeholder that holds the authenticated user: one of http.auth.*, http.vars.*, http.request.header.*
	// and http.request.tls.client.*. Writing it, you say that something in front fills it. Default: {http.auth.user.id}.
	Identity string `json:"identity,omitempty"`
	// AllowUnauthenticated lets everybody who reaches the route upload and activate, under the name "anonymous". Default: false.
	AllowUnauthenticated bool `json:"allow_unauthenticated,omitempty"`
	// Authors are the users who may upload, `*` is all. Default: all, if there are no publishers and no operators either.
	Authors []string `json:"authors,omitempty"`
	// Publishers are the users who may activate, roll back and delete, `*` is all. Default: all, if there are no authors and no operators either.
	Publishers []string `json:"publishers,omitempty"`
	// Operators are the users who may stop modules of all tenants, `*` is all. Where there are some, authors and publishers have to be named, too. Default: none.
	Operators []string `json:"operators,omitempty"`
	// Tenants are groups of users who share modules and see no others'. Default: one for all.
	Tenants []Tenant `json:"tenants,omitempty"`
	// MaxModuleSize is the largest module in bytes, up to 4 MiB. Default: 4194304.
	MaxModuleSize int64 `json:"max_module_size,omitempty"`
	// MaxUploadsPerHour bounds the uploads of a user in 60 minutes, refused ones included. Default: 10.
	MaxUploadsPerHour int `json:"max_uploads_per_hour,omitempty"`
	// MaxUploadsPerDay bounds the uploads of a user in 24 hours. Default: 50.
	MaxUploadsPerDay int `json:"max_uploads_per_day,omitempty"`
	// MaxUploadsAtOnce bounds the uploads of a user under way. Default: 2.
	MaxUploadsAtOnce int `json:"max_uploads_at_once,omitempty"`
	// MaxModules bounds the names that a tenant may have. Default: 50.
	MaxModules int `json:"max_modules,omitempty"`
	// MaxVersions bounds the stored versions of a module. Default: 20.
	MaxVersions int `json:"max_versions,omitempty"`
	// AllowOrigins are the origins whose pages may call these routes. Default: none.
	AllowOrigins []string `json:"allow_origins,omitempty"`

	engine  *engine
	rights  *rights
	limiter *limiter
	cross   *http.CrossOriginProtection
	logger  *zap.Logger
	audit   *zap.Logger
	counted bool // in engine.uploads
}

// CaddyModule returns the Caddy module information.
func (Uploads) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.kline_indicators", New: func() caddy.Module { return new(Uploads) }}
}

// parseUploads reads the directive
//
//	kline_indicators [<matcher>] {
//		identity <placeholder>
//		author <user>...
//		publisher <user>...
//		operator <user>...
//		tenant <name> <user>...
//		max_module_size <module size>
//		max_uploads_per_hour <number>
//		max_uploads_per_day <number>
//		max_uploads_at_once <number>
//		max_modules <number>
//		max_versions <number>
//		allow_origin <origin>...
//	}
//
// or, instead of identity, allow_unauthenticated.
func parseUploads(h httpcaddyfile.Helper) (*Uploads, error) {
	u := new(Uploads)
	if err := onlyName(h.Dispenser); err != nil {
		return nil, err
	}
	err := parseBlock(h.Dispenser, "kline_indicators", []word{
		checked(text("identity", &u.Identity), u.Validate),
		checked(toggle("allow_unauthenticated", &u.AllowUnauthenticated), u.Validate),
		words("author", &u.Authors),
		words("publisher", &u.Publishers),
		checked(words("operator", &u.Operators), u.Validate),
		checked(word{name: "tenant", repeat: true, read: u.readTenant}, u.Validate),
		checked(size("max_module_size", &u.MaxModuleSize, 1), u.Validate),
		count("max_uploads_per_hour", &u.MaxUploadsPerHour, 1, maxUploadCount),
		count("max_uploads_per_day", &u.MaxUploadsPerDay, 1, maxUploadCount),
		count("max_uploads_at_once", &u.MaxUploadsAtOnce, 1, maxUploadCount),
		count("max_modules", &u.MaxModules, 1, maxUploadCount),
		count("max_versions", &u.MaxVersions, 1, maxUploadCount),
		{name: "allow_origin", read: readOrigins(&u.AllowOrigins)},
	})
	return u, err
}

func (u *Uploads) readTenant(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return usage(d, "tenant <name> <user>...")
	}
	u.Tenants = append(u.Tenants, Tenant{Name: args[0], Users: args[1:]})
	return nil
}

// Provision finds the engine and makes sure that somebody asks who comes.
func (u *Uploads) Provision(ctx caddy.Context) (err error) {
	u.logger = ctx.Logger()
	u.audit = u.logger.Named("audit")
	if err := u.checkRights(); err != nil {
		return err
	}
	switch {
	case u.AllowUnauthenticated:
		u.logger.Warn("kline_indicators takes modules from everybody who reaches it: allow_unauthenticated is set")
	case u.Identity == "" && !authenticated(ctx):
		return errors.New("checking kline_indicators: nothing certain authenticates its requests: put basic_auth into the same `handle` in front of it, " +
			"or name what does with `identity <placeholder>`, or write `allow_unauthenticated`")
	}
	if u.engine, err = engineOf(ctx); err != nil {
		return err
	}
	u.prepare()
	for _, o := range u.AllowOrigins {
		if err := u.cross.AddTrustedOrigin(o); err != nil {
			return fmt.Errorf("checking allow_origin: %w", err)
		}
	}
	u.count()
	return nil
}

// prepare makes what the fields say.
func (u *Uploads) prepare() {
	u.rights = u.newRights()
	u.limiter = newLimiter(u.engine.clock, defaultRate, defaultBurst)
	u.cross = http.NewCrossOriginProtection()
}

// count makes the status say that a site takes modules, until Cleanup.
func (u *Uploads) count() {
	u.engine.uploads.Add(1)
	u.counted = true
}

// Cleanup implements caddy.CleanerUpper.
func (u *Uploads) Cleanup() error {
	if u.counted {
		u.engine.uploads.Add(-1)
		u.counted = false
	}
	return nil
}

// Validate checks bounds.
func (u *Uploads) Validate() error {
	if s := u.MaxModuleSize; s != 0 && (s < minModuleSize || s > maxModuleSize) {
		return fmt.Errorf("checking max_module_size: %d bytes are not in %d to %d", s, minModuleSize, maxModuleSize)
	}
	for name, n := range map[string]int{
		"max_uploads_per_hour": u.MaxUploadsPerHour, "max_uploads_per_day": u.MaxUploadsPerDay, "max_uploads_at_once": u.MaxUploadsAtOnce,
		"max_modules": u.MaxModules, "max_versions": u.MaxVersions,
	} {
		if n < 0 || n > maxUploadCount {
			return fmt.Errorf("checking %s: %d is not in 1 to %d", name, n, maxUploadCount)
		}
	}
	if err := u.checkRights(); err != nil {
		return err
	}
	return origins(u.AllowOrigins).check()
}

func (u *Uploads) limits() registry.Limits {
	return registry.Limits{
		Size: u.MaxModuleSize, PerHour: u.MaxUploadsPerHour, PerDay: u.MaxUploadsPerDay, AtOnce: u.MaxUploadsAtOnce,
		Modules: u.MaxModules, Versions: u.MaxVersions,
	}
}
