package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

func TestRolesDecide(t *testing.T) {
	b := newUploadBed(t, clock.Real(), func(u *Uploads) {
		u.Authors, u.Publishers = []string{"ann", "eve", "both"}, []string{"ops", "both"}
		u.Tenants = []Tenant{{Name: "quant", Users: []string{"ann", "ops"}}, {Name: "desk", Users: []string{"eve"}}, {Name: "lab", Users: []string{"ann", "bob"}}}
		u.Authors = append(u.Authors, "bob")
	})
	b.activates()
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.0", "")))
	b.expect(201, "", put("ann", "my-sum", sumModule("my-sum", "1.0.1", "")))
	b.expect(201, "", put("bob", "lab-sum", sumModule("lab-sum", "1.0.0", "")))
	b.expect(201, "", put("ann", "lab-sum", sumModule("lab-sum", "1.0.1", ""))) // ann is of that tenant, too
	b.expect(403, "forbidden", put("bob", "my-sum", sumModule("my-sum", "3.0.0", "")))
	body := []byte(`{"version":"1.0.0"}`)
	activate := func(user string) call {
		return call{user: user, method: "POST", path: "/v1/modules/my-sum/activate", body: body}
	}
	for _, tc := range []struct {
		status int
		code   string
		c      call
	}{
		{403, "forbidden", call{user: "zoe", method: "GET", path: "/v1/modules"}},
		{403, "forbidden", put("zoe", "zoe-sum", sumModule("zoe-sum", "1.0.0", ""))},
		{403, "forbidden", put("ops", "ops-sum", sumModule("ops-sum", "1.0.0", ""))},
		{403, "forbidden", put("eve", "my-sum", sumModule("my-sum", "2.0.0", ""))},
		{403, "forbidden", activate("ann")},
		{403, "forbidden", activate("eve")},
		{403, "forbidden", activate("both")}, // a publisher of another tenant
		{403, "forbidden", call{user: "ann", method: "DELETE", path: "/v1/modules/my-sum"}},
		{403, "forbidden", call{user: "ann", method: "PUT", path: "/v1/modules/my-sum?activate=1", body: sumModule("my-sum", "1.0.2", "")}},
		{404, "unknown-module", call{user: "eve", method: "GET", path: "/v1/modules/my-sum"}},
		{404, "unknown-module", call{user: "eve", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"}},
		{200, "", call{user: "ops", method: "GET", path: "/v1/modules/my-sum/1.0.0.wasm"}},
		{202, "", activate("ops")},
		{409, "conflict", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum"}},
		{409, "conflict", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum?version=1.0.0"}},
		{204, "", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum?version=1.0.1"}},
		{202, "", call{user: "ops", method: "POST", path: "/v1/modules/my-sum/rollback"}},
		{202, "", call{user: "ops", method: "POST", path: "/v1/modules/my-sum/deactivate"}},
		{204, "", call{user: "ops", method: "DELETE", path: "/v1/modules/my-sum"}},
	} {
		b.expect(tc.status, tc.code, tc.c)
	}
	w := b.expect(200, "", call{user: "eve", method: "GET", path: "/v1/modules"})
	if strings.Contains(w.Body.String(), "my-sum") {
		t.Errorf("another tenant sees %s", w.Body)
	}
	want := []string{"rollback my-sum ops", "deactivate my-sum ops"}
	if len(b.fake.calls) != 3 || !strings.HasPrefix(b.fake.calls[0], "activate my-sum 1.0.0 ") || !slices.Equal(b.fake.calls[1:], want) {
		t.Errorf("calls %q", b.fake.calls)
	}
}

// Who names an operator has said something about roles: what is not written,
// nobody has.
func TestWithARoleWordNobodyHasARoleThatIsNotWritten(t *testing.T) {
	for _, tc := range []struct {
		name              string
		u                 Uploads
		author, publisher bool
	}{
		{"no word", Uploads{}, true, true},
		{"operator", Uploads{Operators: []string{"op"}}, false, false},
		{"author", Uploads{Authors: []string{"ann"}}, false, false},
		{"everybody is author", Uploads{Authors: []string{everybody}, Operators: []string{"op"}}, true, false},
		{"everybody is publisher", Uploads{Publishers: []string{everybody}}, false, true},
	} {
		p := tc.u.newRights().person("eve")
		if p.author != tc.author || p.publisher != tc.publisher || p.operator {
			t.Errorf("%s: %+v", tc.name, p)
		}
	}
}

func TestIdentitySources(t *testing.T) {
	good := sumModule("my-sum", "1.0.0", "")
	for _, tc := range []struct {
		name   string
		u      Uploads
		change func(r *http.Request)
		user   string
		want   int
	}{
		{"default", Uploads{}, nil, "ann", 201},
		{"default, client writes a header", Uploads{}, func(r *http.Request) { r.Header.Set("Remote-User", "ann") }, "", 401},
		{"header", Uploads{Identity: "{http.request.header.Remote-User}"}, func(r *http.Request) { r.Header.Set("Remote-User", "ann") }, "", 201},
		{"header is missing", Uploads{Identity: "{http.request.header.Remote-User}"}, nil, "ann", 401},
		{"certificate", Uploads{Identity: "{http.request.tls.client.subject}"}, func(r *http.Request) { r.TLS = presented(true) }, "", 201},
		{"certificate that nobody verified", Uploads{Identity: "{http.request.tls.client.subject}"}, func(r *http.Request) { r.TLS = presented(false) }, "", 401},
		{"anybody", Uploads{AllowUnauthenticated: true}, nil, "", 201},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newUploadBed(t, clock.Real(), func(u *Uploads) { u.Identity, u.AllowUnauthenticated = tc.u.Identity, tc.u.AllowUnauthenticated })
			c := put(tc.user, "my-sum", good)
			c.change = tc.change
			b.expect(tc.want, "", c)
		})
	}
}

// presented is a connection with a client certificate.
func presented(verified bool) *tls.ConnectionState {
	cert := &x509.Certificate{Raw: []byte{1}}
	cert.Subject.CommonName = "ann"
	s := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if verified {
		s.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	return s
}

func TestIdentityIsOnePlaceholder(t *testing.T) {
	for text, ok := range map[string]bool{
		"{http.auth.user.id}": true, "{http.vars.user}": true, "{http.request.header.X-User}": true, "{http.request.tls.client.subject}": true,
		"ann": false, "{http.request.uri.query.user}": false, "{http.request.cookie.user}": false, "{http.request.body}": false, "{env.USER}": false,
		"{file./etc/passwd}": false, "{http.auth.user.id}x": false, "{http.auth.user.id}{env.X}": false, "{http.auth.}": false, "{http.request.header.{x}}": false,
	} {
		if err := (&Uploads{Identity: text}).Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
