package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/wasmhost/registry"
)

const (
	defaultIdentity = "{http.auth.user.id}"
	anonymous       = "anonymous"
	defaultTenant   = "default"
	everybody       = "*" // in a list of users: whoever is authenticated

	maxIdentity = 128 // bytes
)

var (
	// identityForm is one placeholder that something in front of us sets, never
	// one that a client writes by itself, such as a query or a cookie.
	identityForm = regexp.MustCompile(`\A\{(http\.auth|http\.vars|http\.request\.header|http\.request\.tls\.client)\.[^{}\s]+\}\z`)
	tenantName   = regexp.MustCompile(`\A[a-z][a-z0-9-]{0,31}\z`)
)

// certificate begins the identities of client certificates.
const certificate = "http.request.tls.client."

// Tenant is a group of users who share modules.
type Tenant struct {
	// Name is what records and answers show. Default: none, required.
	Name string `json:"name,omitempty"`
	// Users are the identities that belong to it. Default: none, required.
	Users []string `json:"users,omitempty"`
}

// rights decide who may do what. They are made from the configuration once.
type rights struct {
	placeholder string // without braces; empty: nobody is asked who he is
	authors     []string
	publishers  []string
	operators   []string
	tenants     []Tenant
}

// action is what a request wants to do with a module.
type action string

const (
	actionList    action = "list"    // whoever has a role; see list
	actionRead    action = "read"    // see, fetch bytes
	actionUpload  action = "upload"  // authors
	actionPublish action = "publish" // activate, roll back, deactivate, delete: publishers
	actionOperate action = "operate" // stop modules, whosever: operators
)

// check refuses a configuration that could not mean what it says.
func (u *Uploads) checkRights() error {
	if u.AllowUnauthenticated && u.Identity != "" {
		return errors.New("checking identity: it and allow_unauthenticated exclude each other")
	}
	if u.AllowUnauthenticated && len(u.Operators) > 0 {
		return errors.New("checking kline_indicators: operator and allow_unauthenticated exclude each other: everybody could stop everything")
	}
	if u.Identity != "" && !identityForm.MatchString(u.Identity) {
		return fmt.Errorf("checking identity: %q is not one placeholder out of http.auth.*, http.vars.*, http.request.header.* and http.request.tls.client.*", cut(u.Identity))
	}
	var names []string
	for _, t := range u.Tenants {
		switch {
		case !tenantName.MatchString(t.Name):
			return fmt.Errorf("checking tenant: %q is not a name of lower-case letters, digits and hyphens", cut(t.Name))
		case slices.Contains(names, t.Name):
			return fmt.Errorf("checking tenant: %q stands twice", t.Name)
		case len(t.Users) == 0:
			return fmt.Errorf("checking tenant: %q has no users", t.Name)
		}
		names = append(names, t.Name)
	}
	return nil
}

func (u *Uploads) newRights() *rights {
	r := &rights{authors: u.Authors, publishers: u.Publishers, operators: u.Operators, tenants: u.Tenants}
	if !u.AllowUnauthenticated {
		r.placeholder = strings.Trim(u.Identity, "{}")
		if r.placeholder == "" {
			r.placeholder = strings.Trim(defaultIdentity, "{}")
		}
	}
	return r
}

// identity is lock 2: who the request comes from, as what stands in front of us
// has found. The name of the placeholder is fixed by the configuration, and its
// value is never expanded.
func (g *rights) identity(r *http.Request) (string, *problem) {
	if g.placeholder == "" {
		return anonymous, nil
	}
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return "", unauthenticated()
	}
	// The placeholders of a certificate are filled from whatever was presented,
	// also where the server does not verify it.
	if strings.HasPrefix(g.placeholder, certificate) && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
		return "", unauthenticated()
	}
	id, _ := repl.GetString(g.placeholder)
	if id == "" {
		return "", unauthenticated()
	}
	if len(id) > maxIdentity || !utf8.ValidString(id) || strings.ContainsFunc(id, func(c rune) bool { return !unicode.IsGraphic(c) }) {
		return "", forbidden("the identity is longer than 128 bytes or has control characters")
	}
	return id, nil
}

// person is an identity with what it may do.
type person struct {
	id        string
	author    bool
	publisher bool
	operator  bool     // never without the word
	tenants   []string // the first one is that of its uploads
}

// person finds the roles. Without a word about roles whoever is authenticated
// is author and publisher; with one, also with operator alone, nobody has a role
// that is not written: who names the one who may stop modules does not expect
// that everybody else may upload them.
func (g *rights) person(id string) person {
	p := person{id: id}
	open := len(g.authors) == 0 && len(g.publishers) == 0 && len(g.operators) == 0
	p.author = open || has(g.authors, id)
	p.publisher = open || has(g.publishers, id)
	p.operator = has(g.operators, id)
	for _, t := range g.tenants {
		if has(t.Users, id) {
			p.tenants = append(p.tenants, t.Name)
		}
	}
	if len(p.tenants) == 0 {
		p.tenants = []string{defaultTenant}
	}
	return p
}

func has(users []string, id string) bool {
	return slices.Contains(users, id) || slices.Contains(users, everybody)
}

// authorize decides about an action on modules of a tenant; an empty tenant is
// one that does not exist yet, or is asked about later.
func (p *person) authorize(a action, tenant string) *problem {
	if tenant != "" && !slices.Contains(p.tenants, tenant) {
		return forbidden("the module belongs to another tenant")
	}
	switch {
	case a == actionList && (p.author || p.publisher || p.operator), a == actionRead && (p.author || p.publisher), a == actionUpload && p.author, a == actionPublish && p.publisher,
		a == actionOperate && p.operator:
		return nil
	case a == actionUpload:
		return forbidden("uploading takes the role author")
	case a == actionOperate:
		return forbidden("stopping modules takes the role operator")
	case a == actionPublish:
		return forbidden("activating, rolling back and deleting take the role publisher")
	}
	return forbidden("modules are shown to authors and publishers")
}

// sees tells whether records of a tenant are shown to p.
func (p *person) sees(rec *registry.Record) bool { return slices.Contains(p.tenants, rec.Tenant) }

func unauthenticated() *problem {
	return &problem{
		code: "unauthenticated", status: http.StatusUnauthorized, title: "Unauthenticated",
		detail: "this route needs an authenticated user",
	}
}

func forbidden(detail string) *problem {
	return &problem{code: "forbidden", status: http.StatusForbidden, title: "Forbidden", detail: detail}
}
