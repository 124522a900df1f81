package redis

import (
	"reflect"
	"strings"
	"testing"
)

func TestKeysFollowTheContract(t *testing.T) {
	r := New(Config{MappingVersion: "0a1b2c3d"})
	defer r.Close()
	if got, want := r.key(3, keyBar, "BTC:USD", "1m"), "kl:{0a1b2c3d.3}:bar:7:BTC:USD2:1m"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
	if got, want := r.key(0, keyPos), "kl:{0a1b2c3d.0}:pos"; got != want {
		t.Errorf("key %q, want %q", got, want)
	}
	if got, want := version(42, 7), "0000000000000042.000000007"; got != want || len(got) != versionLen {
		t.Errorf("version %q, want %q", got, want)
	}
}

func FuzzKeysAreReversible(f *testing.F) {
	f.Add("BTCUSDT", "1m", int32(3))
	f.Add("a:b/{c}", "2:1m", int32(0))
	f.Add("", "}:", int32(11))
	f.Fuzz(func(t *testing.T, sym, itv string, p int32) {
		in := key{prefix: "kl", mapping: "0a1b2c3d", p: p, kind: keyBar, parts: []string{sym, itv}}
		out, err := parseKey(in.String())
		if err != nil || !reflect.DeepEqual(in, out) {
			t.Fatalf("%q parsed as %+v, %v", in.String(), out, err)
		}
		tag := in.String()[strings.IndexByte(in.String(), '{'):]
		if want := "0a1b2c3d."; !strings.HasPrefix(tag[1:], want) {
			t.Fatalf("the symbol changed the hash tag: %q", tag)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("kl:{0a1b2c3d.3}:bar:7:BTCUSDT2:1m")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := parseKey(s)
		if err == nil && k.String() != s {
			t.Fatalf("%q is built again as %q", s, k.String())
		}
	})
}
