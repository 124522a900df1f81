package caddymodule

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
)

// A test config is kafka by default, with what the case adds.
func kafkaConfig(source, app string) string {
	return `{"source":{"source":"kafka","brokers":["b:9092","a:9092"]` + source + `},"intervals":["5m","1m"]` + app + `}`
}

func TestEngineKey(t *testing.T) {
	useFakePool(t, clock.Real())
	t.Setenv("KLINE_TEST_USER", "ann")
	t.Setenv("KLINE_TEST_PASS", "one")
	t.Setenv("KLINE_TEST_PASS2", "two")
	t.Setenv("KLINE_TEST_BROKERS", "a:9092,b:9092")
	base := keyOf(t, kafkaConfig("", ""))
	sasl := keyOf(t, kafkaConfig(`,"sasl":{"mechanism":"plain","user":"{env.KLINE_TEST_USER}","password":"{env.KLINE_TEST_PASS}"}`, ""))
	for _, tc := range []struct {
		name, config, than string
		same               bool
	}{
		{"brokers in another order", `{"source":{"source":"kafka","brokers":["a:9092","b:9092"]},"intervals":["5m","1m"]}`, base, true},
		{"brokers from the environment", `{"source":{"source":"kafka","brokers":["{env.KLINE_TEST_BROKERS}"]},"intervals":["5m","1m"]}`, base, true},
		{"default port", `{"source":{"source":"kafka","brokers":["a","b"]},"intervals":["5m","1m"]}`, base, true},
		{"intervals in another order", `{"source":{"source":"kafka","brokers":["b:9092","a:9092"]},"intervals":["1m","5m"]}`, base, true},
		{"default group written out", kafkaConfig(`,"group":"caddy-kline"`, ""), base, true},
		{"default session_timeout written out", kafkaConfig(`,"session_timeout":"45s"`, ""), base, true},
		{"default create_topics written out", kafkaConfig(`,"create_topics":true`, ""), base, true},
		{"drain_timeout", kafkaConfig("", `,"drain_timeout":"1s"`), base, true},
		{"view_bars", kafkaConfig("", `,"view_bars":7`), base, true},
		{"another password", kafkaConfig(`,"sasl":{"mechanism":"plain","user":"{env.KLINE_TEST_USER}","password":"{env.KLINE_TEST_PASS2}"}`, ""), sasl, true},
		{"authentication", kafkaConfig(`,"sasl":{"mechanism":"plain","user":"{env.KLINE_TEST_USER}","password":"{env.KLINE_TEST_PASS}"}`, ""), base, false},
		{"group", kafkaConfig(`,"group":"other"`, ""), base, false},
		{"create_topics", kafkaConfig(`,"create_topics":false`, ""), base, false},
		{"session_timeout", kafkaConfig(`,"session_timeout":"30s"`, ""), base, false},
		{"topic", kafkaConfig(`,"topics":["trades"]`, ""), base, false},
		{"output_prefix", kafkaConfig(`,"output_prefix":"x."`, ""), base, false},
		{"partitioner", kafkaConfig(`,"partitioner":"murmur2"`, ""), base, false},
		{"format", kafkaConfig(`,"format":{"preset":"generic","fields":{"price":"p"}}`, ""), base, false},
		{"store", kafkaConfig("", `,"store":{"store":"redis","address":"r:6379"}`), base, false},
		{"sentinels in another order", redisConfig(`"sentinel":{"master":"kl","addresses":["b","a:26379","a"]}`), keyOf(t, redisConfig(`"sentinel":{"master":"kl","addresses":["a","b"]}`)), true},
		{"sentinels of another master", redisConfig(`"sentinel":{"master":"kl2","addresses":["a"]}`), keyOf(t, redisConfig(`"sentinel":{"master":"kl","addresses":["a"]}`)), false},
		{"cluster instead of a server", redisConfig(`"cluster":["a"]`), keyOf(t, redisConfig(`"address":"a"`)), false},
		{"allowed_lateness", kafkaConfig("", `,"allowed_lateness":"2m"`), base, false},
		{"symbols", kafkaConfig("", `,"symbols":[{"pattern":"BTC*","order":"seq"}]`), base, false},
		{"prices", kafkaConfig("", `,"symbols":[{"pattern":"BTC*","prices":"any"}]`), keyOf(t, kafkaConfig("", `,"symbols":[{"pattern":"BTC*"}]`)), false},
		{"default prices written out", kafkaConfig("", `,"symbols":[{"pattern":"BTC*","prices":"positive"}]`), keyOf(t, kafkaConfig("", `,"symbols":[{"pattern":"BTC*"}]`)), true},
		{"compute", kafkaConfig("", `,"indicators":{"compute":["ema(9)"]}`), base, false},
		{"max_symbols", kafkaConfig("", `,"max_symbols":5`), base, false},
	} {
		if got := keyOf(t, tc.config); (got == tc.than) != tc.same {
			t.Errorf("%s: same engine %v, want %v", tc.name, got == tc.than, tc.same)
		}
	}
}

func redisConfig(place string) string {
	return kafkaConfig("", `,"store":{"store":"redis",`+place+`}`)
}

func keyOf(t *testing.T, config string) string {
	t.Helper()
	a := mustProvision(t, config)
	key := a.engine.key
	if err := a.Cleanup(); err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAttachmentsKeepTheNewestCurrent(t *testing.T) {
	one, two, three := &attachment{gen: 1}, &attachment{gen: 2}, &attachment{gen: 3}
	s := newAttachments(one)
	for _, step := range []struct {
		name string
		do   func()
		want *attachment
	}{
		{"first", func() { s.add(one) }, one},
		{"newer before older", func() { s.add(three) }, three},
		{"older after newer", func() { s.add(two) }, three},
		{"newest goes", func() { s.remove(three) }, two},
		{"one that was never there goes", func() { s.remove(&attachment{gen: 9}) }, two},
		{"all go", func() { s.remove(two); s.remove(one) }, nil},
	} {
		step.do()
		if got := s.newest(); got != step.want {
			t.Errorf("%s: current is %+v, want %+v", step.name, got, step.want)
		}
	}
	if s.loan("source") == nil || s.logger() == nil {
		t.Error("without an attachment nothing is lent")
	}
	s.logger().Info("a line after the last config is gone must not panic")
}

func TestRotatedSecretsAreLentByTheNewestConfig(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	t.Setenv("KLINE_TEST_PASS", "one")
	t.Setenv("KLINE_TEST_PASS2", "two")
	with := func(env string) string {
		return kafkaConfig(`,"sasl":{"mechanism":"plain","user":"ann","password":"{env.`+env+`}"}`, "")
	}
	first := mustProvision(t, with("KLINE_TEST_PASS"))
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	credentials := pool.started()[0].cfg.Kafka.SASL.Credentials
	if _, password := credentials(); password != "one" {
		t.Fatalf("password %q before the reload", password)
	}
	second := mustProvision(t, with("KLINE_TEST_PASS2"))
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	cleanup(t, first)
	if user, password := credentials(); user != "ann" || password != "two" {
		t.Errorf("after the reload the engine logs in as %q with %q", user, password)
	}
	cleanup(t, second)
}

// A changed key starts the new engine while the old one still holds the group.
func TestChangedKeyHandsOverThroughTheLease(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	old := mustProvision(t, embeddedConfig)
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	next := mustProvision(t, `{"source":{"source":"embedded"},"intervals":["1m","5m"]}`)
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	if n := len(pool.started()); n != 1 {
		t.Fatalf("%d engines hold the folder and the port", n)
	}
	if s := next.engine.status(); s.Ready || len(s.Reasons) == 0 {
		t.Errorf("the waiting engine calls itself ready: %+v", s)
	}
	cleanup(t, old)
	<-next.engine.built
	cores := pool.started()
	if len(cores) != 2 || cores[0].stops != 1 || cores[1].starts != 1 {
		t.Errorf("after the hand-over: %d engines started, the old one stopped %d times", len(cores), cores[0].stops)
	}
	cleanup(t, next)
}

func TestEngineThatWaitsForTheLeaseCanBeGivenUp(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	old := mustProvision(t, embeddedConfig)
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	rejected := mustProvision(t, `{"source":{"source":"embedded"},"intervals":["1m","5m"]}`)
	if err := rejected.Start(); err != nil {
		t.Fatal(err)
	}
	waiting := rejected.engine.waiting
	cleanup(t, rejected)
	waiting.Wait()
	cleanup(t, old)
	if n := len(pool.started()); n != 1 {
		t.Errorf("%d engines were started", n)
	}
	if !engines.leases.try(old.engine.lease) {
		t.Error("the lease is still held")
	}
}

func TestFeedsFollowTheCurrentConfig(t *testing.T) {
	pool := useFakePool(t, clock.Real())
	file := writeTrades(t)
	with := func(feeds string) string {
		return `{"source":{"source":"embedded"},"intervals":["1m"],"feeds":[` + feeds + `]}`
	}
	one := `{"feed":"replay","file":"` + file + `","symbol":"A","source_name":"one"}`
	two := `{"feed":"replay","file":"` + file + `","symbol":"B","source_name":"two"}`
	first := mustProvision(t, with(one+","+two))
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	core := pool.started()[0]
	kept := first.engine.feeds["one"]
	second := mustProvision(t, with(one))
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if core.running["one"] != 1 || core.running["two"] != 0 || first.engine.feeds["one"] != kept {
		t.Errorf("after a reload without feed two: %v, feed one restarted: %v", core.running, first.engine.feeds["one"] != kept)
	}
	cleanup(t, second) // rejected: the first config's feeds run again
	if core.running["two"] != 1 {
		t.Errorf("feeds of the running config after a rejected one: %v", core.running)
	}
	cleanup(t, first)
	if core.running["one"] != 0 || core.running["two"] != 0 {
		t.Errorf("feeds after the end: %v", core.running)
	}
}

func TestTwoFeedsOfOneNameAreRefused(t *testing.T) {
	useFakePool(t, clock.Real())
	feed := `{"feed":"replay","file":"` + writeTrades(t) + `","symbol":"A"}`
	_, cancel, err := provision(t, `{"source":{"source":"embedded"},"intervals":["1m"],"feeds":[`+feed+`,`+feed+`]}`)
	defer cancel()
	if err == nil {
		t.Error("two feeds named replay were accepted")
	}
}

func TestDestructDrainsStreamsWithoutWaiting(t *testing.T) {
	useFakePool(t, clock.Real())
	a := mustProvision(t, embeddedConfig)
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	e := a.engine
	leave, _ := e.streams.enter("", "a", streamLimits{})
	cleanup(t, a)
	if !e.streams.draining() {
		t.Error("streams of a destroyed engine were not told to end")
	}
	if engines.openStreams() != 1 {
		t.Error("the stream of a destroyed engine is not counted any more")
	}
	leave()
	if n := len(engines.allStreams()); n != 0 {
		t.Errorf("%d ended engines are still remembered", n)
	}
}

// writeTrades makes a file that a replay accepts.
func writeTrades(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trades.csv")
	if err := os.WriteFile(file, []byte("ts,price,size\n1700000000000,1.5,2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
