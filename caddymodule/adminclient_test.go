package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// What answers at the address of an admin endpoint may be anything, or say
// nothing at all.
func TestCommandsSayWhenTheAdminEndpointIsNone(t *testing.T) {
	answer := func(body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	for body, want := range map[string]string{
		"<html>\x1b[31mno</html>": "no admin endpoint of Caddy",
		`["ready"]`:               "no admin endpoint of Caddy",
		`{"ready":true,"x":"` + strings.Repeat("x", 200) + `"}`: "no admin endpoint of Caddy", // longer than is read
		`{"ready":true}`: "",
	} {
		got, err := askAdminAt(answer(body), "/kline/status", 100, clock.Real().NewTimer(time.Minute))
		if want == "" && (err != nil || string(got) != body) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.40q: %q, %v, want %q", body, got, err, want)
		}
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, err = askAdminAt(silent.Addr().String(), "/kline/status", 100, clock.Real().NewTimer(time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), "no answer within") || !strings.Contains(err.Error(), "--address") {
		t.Errorf("a server that says nothing: %v", err)
	}
}
