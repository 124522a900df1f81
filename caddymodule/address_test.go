package caddymodule

import (
	"strings"
	"testing"
)

func TestAddressesThatAreDialled(t *testing.T) {
	for addr, want := range map[string]string{
		"kafka":              "kafka:9092",
		"kafka:1":            "kafka:1",
		"10.0.0.1":           "10.0.0.1:9092",
		"::1":                "[::1]:9092",
		"[::1]:65535":        "[::1]:65535",
		"fe80::1%eth0":       "[fe80::1%eth0]:9092",
		"broker_1.svc.local": "broker_1.svc.local:9092",
	} {
		if got, err := hostPort(addr, "9092"); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", addr, got, err, want)
		}
	}
	for addr, want := range map[string]string{
		"":                 "names no host",
		":9092":            "names no host",
		"kafka:":           "is not host:port",
		"[::1]":            "is not host:port",
		"http://kafka":     "is not host:port",
		"http://kafka:1":   "is not host:port",
		"user@kafka:1":     "is not host:port",
		"kafka:1/path":     "is not a whole number",
		"a:b:c":            "is not host:port",
		"a b":              "is not host:port",
		"kafka:0":          "from 1 to 65535",
		"kafka:65536":      "from 1 to 65535",
		"kafka:9092,other": "is not a whole number",
	} {
		if got, err := hostPort(addr, "9092"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want an error with %q", addr, got, err, want)
		}
	}
	if _, err := hostPort("kafka", ""); err == nil {
		t.Error("a port is missing, and there is none by default")
	}
}

// A variable such as REDIS_URL or DATABASE_URL holds a password, which the log of
// the start would show.
func TestErrorsOfAddressesShowNoPassword(t *testing.T) {
	for _, addr := range []string{"redis://:hush@redis:6379", "postgres://u:hush@db/x", "u:hush@h", "hush@h:1", "u:hu@sh@h:1", "h:1?password=hush", "u:hush@h:port/<x>"} {
		if got, err := hostPort(addr, "1"); err == nil || strings.Contains(err.Error(), "hu") {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
}
