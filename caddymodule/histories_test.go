package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/history"
)

func withHistories(list string) string {
	return `{"source":{"source":"embedded"},"intervals":["1m"],"history":[` + list + `]}`
}

// A reload that changes the databases leaves the engine alone, and those that
// did not change go on.
func TestHistoriesFollowTheCurrentConfig(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	t.Setenv("KLINE_TEST_PASSWORD", "one")
	pg := `{"history":"postgres","address":"a","password":"{env.KLINE_TEST_PASSWORD}"}`
	quest := `{"history":"line","address":"b"}`
	first := mustProvision(t, withHistories(pg+","+quest))
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	core := pool.started()[0]
	kept := first.engine.histories["postgres"]
	t.Setenv("KLINE_TEST_PASSWORD", "two")
	second := mustProvision(t, withHistories(pg+`,{"history":"line","address":"c"}`))
	if second.engine != first.engine {
		t.Fatal("another database made another engine")
	}
	changed := first.engine.histories["line"]
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if first.engine.histories["postgres"] != kept || first.engine.histories["line"] == changed {
		t.Error("a history that did not change was restarted, or one that did was not")
	}
	if core.running["history postgres"] != 1 || core.running["history line"] != 1 {
		t.Errorf("after the reload run %v", core.running)
	}
	if _, password := lentCredentials(second.engine.lent, "history postgres")(); password != "two" {
		t.Errorf("the running history is lent the password %q", password)
	}
	cleanup(t, first)
	cleanup(t, second)
	if core.running["history postgres"] != 0 || core.running["history line"] != 0 {
		t.Errorf("after the end run %v", core.running)
	}
}

func TestTwoHistoriesOfOneNameAreRefused(t *testing.T) {
	useFakePool(t, clock.Real())
	one := `{"history":"line","address":"a"}`
	_, cancel, err := provision(t, withHistories(one+","+one))
	defer cancel()
	if err == nil || !strings.Contains(err.Error(), "sink_name") {
		t.Errorf("two histories named line: %v", err)
	}
}

func TestAHistoryThatCannotWorkIsRefused(t *testing.T) {
	useFakePool(t, clock.Real())
	for config, want := range map[string]string{
		`{"history":"postgres"}`:                                              "no address",
		`{"history":"postgres","address":"a:x"}`:                              "address",
		`{"history":"postgres","address":"a","password":"hunter2"}`:           "literal",
		`{"history":"postgres","address":"a","schema":"a.b"}`:                 "schema",
		`{"history":"postgres","address":"a","database":"a b"}`:               "database",
		`{"history":"postgres","address":"a","partition":"week"}`:             "partition",
		`{"history":"postgres","address":"a","keep_trades":-1}`:               "keep_trades",
		`{"history":"postgres","address":"a","tables":["candles"]}`:           "tables",
		`{"history":"clickhouse","address":"a","tables":["klines","klines"]}`: "twice",
		`{"history":"line","address":"a","dialect":"opentsdb"}`:               "dialect",
		`{"history":"line","address":"a","tls":{"ca":"/nowhere.pem"}}`:        "tls ca",
	} {
		_, cancel, err := provision(t, withHistories(config))
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error that says %q", config, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// What is resolved from a secret stands in nothing that is printed or compared.
func TestHistoriesKeepTheirSecrets(t *testing.T) {
	t.Setenv("KLINE_TEST_PASSWORD", "hunter2")
	t.Setenv("KLINE_TEST_USER", "secret-user")
	server := HistoryServer{Address: "a", Username: "{env.KLINE_TEST_USER}", Password: "{env.KLINE_TEST_PASSWORD}"}
	for _, h := range []interface {
		History
		caddy.Provisioner
	}{&PostgresHistory{HistoryServer: server}, &ClickHouseHistory{HistoryServer: server}, &LineHistory{HistoryServer: server}} {
		if err := h.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		stored, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{h.Fingerprint(), string(stored), fmt.Sprintf("%v %+v %#v", h, h, h)} {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "secret-user") {
				t.Errorf("%T shows a secret: %.300s", h, text)
			}
		}
		if h.lends().password.reveal() != "hunter2" || h.lends().user.reveal() != "secret-user" {
			t.Errorf("%T lends something else", h)
		}
	}
}

func TestHistoriesWriteTheTablesTheyAreTold(t *testing.T) {
	for want, h := range map[string]History{
		"[trades klines] archive": &PostgresHistory{HistoryServer: HistoryServer{SinkName: "archive"}},
		"[trades] postgres":       &PostgresHistory{Tables: []string{"trades"}},
		"[klines] clickhouse":     &ClickHouseHistory{},
		"[klines] line":           &LineHistory{Dialect: "influxdb"},
	} {
		built, err := h.BuildHistory(historyEnv{clock: clock.Real(), observer: newMetrics(clock.Real()), lender: noLoans{}})
		if err != nil {
			t.Fatal(err)
		}
		var tables []string
		for _, s := range built.Status().Streams {
			tables = append(tables, s.Table)
		}
		if got := fmt.Sprint(tables, " ", built.Name()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if _, err := streamsOf([]string{"trades", "klines"}, history.Klines); err != nil {
		t.Error(err)
	}
}
