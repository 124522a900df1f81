package caddymodule

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// hash is the bcrypt hash of a word that protects nothing.
const hash = "$2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG"

// validate adapts a Caddyfile and provisions it, as `caddy validate` does. A
// line `auth` stands for basic_auth.
func validate(t *testing.T, sites string) error {
	t.Helper()
	return caddy.Validate(siteConfig(t, sites))
}

func siteConfig(t *testing.T, sites string) *caddy.Config {
	t.Helper()
	useFakePool(t, clock.Real())
	text := "{\n\tadmin off\n\tauto_https off\n\tkline {\n\t\tsource embedded\n\t\tindicators {\n\t\t\tcompute sma(20)\n\t\t}\n\t}\n}\n" + sites
	text = strings.NewReplacer("AUTH @asked {}", "basic_auth @asked {\nann "+hash+"\n}", "AUTH {}", "basic_auth {\nann "+hash+"\n}", "AUTH /x {}", "basic_auth /x {\nann "+hash+"\n}", "AUTH /x/y {}", "basic_auth /x/y {\nann "+hash+"\n}").Replace(text)
	doc := adaptText(t, text)
	if strings.HasPrefix(doc, "error:") {
		t.Fatalf("%s\n%s", doc, text)
	}
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(doc), &cfg); err != nil {
		t.Fatal(err)
	}
	return &cfg
}

// The rows are those of the design, and what was found beside them.
func TestUploadsNeedAuthenticationInFront(t *testing.T) {
	for _, tc := range []struct {
		name, sites string
		accepted    bool
	}{
		{"handle", ":1 {\nhandle /v1/modules* {\nAUTH {}\nkline_indicators\n}\n}", true},
		{"route", ":1 {\nroute /v1/* {\nAUTH {}\nkline_indicators\n}\n}", true},
		{"site without host name", ":1 {\nAUTH {}\nkline_indicators\n}", true},
		{"site with host name", "http://a.example:1 {\nAUTH {}\nkline_indicators\n}", true},
		{"site, ours in a handle", "http://a.example:1 {\nAUTH {}\nhandle /v1/modules* {\nkline_indicators\n}\n}", true},
		{"same matcher", ":1 {\nAUTH /x {}\nkline_indicators /x\n}", true},
		{"errors are handled elsewhere", ":1 {\nhandle /v1/modules* {\nAUTH {}\nkline_indicators\n}\nhandle_errors {\nrespond no\n}\n}", true},
		{"another server is open and has none of ours", "http://a.example:1 {\nhandle {\nAUTH {}\nkline_indicators\n}\n}\n:2 {\nrespond yes\n}", true},

		{"all but preflights", ":1 {\nhandle /v1/modules* {\n@asked not method OPTIONS\nAUTH @asked {}\nkline_indicators\n}\n}", true},
		{"all but preflights, for the site", ":1 {\n@asked not method OPTIONS\nAUTH @asked {}\nkline_ingest\n}", true},

		{"all but two methods", ":1 {\n@asked not method OPTIONS PUT\nAUTH @asked {}\nkline_indicators\n}", false},
		{"all but another method", ":1 {\n@asked not method PUT\nAUTH @asked {}\nkline_indicators\n}", false},
		{"preflights only", ":1 {\n@asked method OPTIONS\nAUTH @asked {}\nkline_indicators\n}", false},
		{"all but preflights of a path", ":1 {\n@asked {\npath /x\nnot method OPTIONS\n}\nAUTH @asked {}\nkline_indicators\n}", false},
		{"all but preflights and a path", ":1 {\n@asked {\nnot method OPTIONS\nnot path /x\n}\nAUTH @asked {}\nkline_indicators\n}", false},
		{"all but what is a preflight or of a path", ":1 {\n@asked not {\nmethod OPTIONS\npath /x\n}\nAUTH @asked {}\nkline_indicators\n}", false},
		{"nothing", ":1 {\nkline_indicators\n}", false},
		{"sibling handle", ":1 {\nhandle /a {\nAUTH {}\n}\nhandle /v1/* {\nkline_indicators\n}\n}", false},
		{"catch-all sibling handle", ":1 {\nhandle /v1/* {\nkline_indicators\n}\nhandle {\nAUTH {}\n}\n}", false},
		{"narrower matcher", ":1 {\nAUTH /x/y {}\nkline_indicators /x\n}", false},
		{"behind ours", ":1 {\nroute {\nkline_indicators\nAUTH {}\n}\n}", false},
		{"handle_errors", ":1 {\nAUTH {}\nhandle_errors {\nkline_indicators\n}\n}", false},
		{"two servers, the other one guarded", ":1 {\nAUTH {}\nrespond yes\n}\n:2 {\nkline_indicators\n}", false},
		{"two servers, ours guarded at the top", ":1 {\nAUTH {}\nkline_indicators\n}\n:2 {\nrespond yes\n}", false},
		{"named route", "&(up) {\nkline_indicators\n}\n:1 {\nroute {\nAUTH {}\ninvoke up\n}\n}", false},
		{"forward_auth", ":1 {\nhandle {\nforward_auth a:1 {\nuri /x\n}\nkline_indicators\n}\n}", false},

		{"identity names another source", ":1 {\nkline_indicators {\nidentity {http.request.header.Remote-User}\n}\n}", true},
		{"identity repeats the default", ":1 {\nkline_indicators {\nidentity {http.auth.user.id}\n}\n}", true},
		{"allow_unauthenticated", ":1 {\nkline_indicators {\nallow_unauthenticated\n}\n}", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 8 { // servers are provisioned in random order
				err := validate(t, tc.sites)
				if (err == nil) != tc.accepted {
					t.Fatalf("accepted %v, want %v: %v", err == nil, tc.accepted, err)
				}
				if err != nil && !strings.Contains(err.Error(), "allow_unauthenticated") {
					t.Fatalf("refused for another reason: %v", err)
				}
			}
		})
	}
}

func TestAGroupedRouteIsNoGuard(t *testing.T) {
	useFakePool(t, clock.Real())
	doc := `{"admin":{"disabled":true},"apps":{"kline":{"source":{"source":"embedded"}},"http":{"servers":{"s":{"listen":[":1"],"automatic_https":{"disable":true},"routes":[
		{"group":"g","match":[{"path":["/v1/*"]}],"handle":[{"handler":"vars"}]},
		{"group":"g","handle":[{"handler":"authentication","providers":{"http_basic":{"accounts":[{"username":"ann","password":"` + hash + `"}]}}}]},
		{"handle":[{"handler":"kline_indicators"}]}]}}}}}`
	for _, tc := range []struct {
		doc      string
		accepted bool
	}{
		{doc, false},
		{strings.ReplaceAll(doc, `"group":"g","handle"`, `"group":"g","match":[{"not":[{"method":["OPTIONS"]}]}],"handle"`), false},
		{strings.ReplaceAll(doc, `"group":"g",`, ""), true},
	} {
		var cfg caddy.Config
		if err := json.Unmarshal([]byte(tc.doc), &cfg); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&cfg); (err == nil) != tc.accepted {
			t.Errorf("accepted %v, want %v: %v", err == nil, tc.accepted, err)
		}
	}
}

// Browsers send preflights without credentials: an allow_origin behind an
// authentication that asks for them could not be used. Everything else is asked.
func TestAPreflightPassesTheAuthentication(t *testing.T) {
	srv := serverOf(t, "http://a.example:1 {\n@asked not method OPTIONS\nhandle {\nAUTH @asked {}\nkline_indicators {\nallow_origin https://b.example\n}\nkline_ingest {\nallow_origin https://b.example\n}\n}\n}")
	for _, tc := range []struct {
		method, path, origin, asks string
		want                       int
	}{
		{"OPTIONS", "/v1/modules/my-sum", "https://b.example", "PUT", 204},
		{"OPTIONS", "/v1/trades", "https://b.example", "POST", 204},
		{"OPTIONS", "/v1/modules/my-sum", "https://c.example", "PUT", 401},
		{"OPTIONS", "/v1/modules/my-sum", "https://b.example", "", 401},
		{"OPTIONS", "/v1/trades", "", "", 401},
		{"PUT", "/v1/modules/my-sum", "https://b.example", "", 401},
		{"GET", "/v1/modules", "", "", 401},
		{"POST", "/v1/trades", "https://b.example", "", 401},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), tc.method, "http://a.example"+tc.path, nil)
		for name, value := range map[string]string{"Origin": tc.origin, "Access-Control-Request-Method": tc.asks} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		srv.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s %s from %q for %q: %d %s, want %d", tc.method, tc.path, tc.origin, tc.asks, w.Code, w.Body, tc.want)
		}
		if tc.want == 204 && w.Header().Get("Access-Control-Allow-Origin") != tc.origin {
			t.Errorf("%s: header %v", tc.path, w.Header())
		}
	}
}

// serverOf is the only server of a Caddyfile, provisioned and listening nowhere.
func serverOf(t *testing.T, sites string) *caddyhttp.Server {
	t.Helper()
	ctx, err := caddy.ProvisionContext(siteConfig(t, sites))
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		kline, _ := ctx.App("kline")
		cleanup(t, kline.(*App))
	})
	return app.(*caddyhttp.App).Servers["srv0"]
}
