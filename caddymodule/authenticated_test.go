package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// hash is the bcrypt hash of a word that protects nothing.
const hash = "$2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG"

// validate adapts a Caddyfile and provisions it, as `caddy validate` does. A
// line `auth` stands for basic_auth.
func validate(t *testing.T, sites string) error {
	t.Helper()
	useFakePool(t, clock.Real())
	text := "{\n\tadmin off\n\tauto_https off\n\tkline {\n\t\tsource embedded\n\t\tindicators {\n\t\t\tcompute sma(20)\n\t\t}\n\t}\n}\n" + sites
	text = strings.NewReplacer("AUTH {}", "basic_auth {\nann "+hash+"\n}", "AUTH /x {}", "basic_auth /x {\nann "+hash+"\n}", "AUTH /x/y {}", "basic_auth /x/y {\nann "+hash+"\n}").Replace(text)
	doc := adaptText(t, text)
	if strings.HasPrefix(doc, "error:") {
		t.Fatalf("%s\n%s", doc, text)
	}
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(doc), &cfg); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&cfg)
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
	}{{doc, false}, {strings.ReplaceAll(doc, `"group":"g",`, ""), true}} {
		var cfg caddy.Config
		if err := json.Unmarshal([]byte(tc.doc), &cfg); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&cfg); (err == nil) != tc.accepted {
			t.Errorf("accepted %v, want %v: %v", err == nil, tc.accepted, err)
		}
	}
}
