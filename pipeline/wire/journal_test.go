package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
)

func TestOpsRoundTrip(t *testing.T) {
	ops := []core.Op{
		{Kind: core.OpIdle, Source: "fe\"ed", TS: 1795239360000, Now: 1795239361000},
		{Kind: core.OpHistorical, Source: "a", Now: 5},
		{Kind: core.OpLive, Source: "a", Now: 6},
		{Kind: core.OpStart},
		{Kind: core.OpConfig, Config: "9f3c1a77"},
	}
	out := AppendOps(nil, ops)
	want := `[{"op":"idle","src":"fe\u0022ed","ts":1795239360000,"now":1795239361000},{"op":"historical","src":"a","now":5},` +
		`{"op":"live","src":"a","now":6},{"op":"start"},{"op":"config","config":"9f3c1a77"}]`
	if string(out) != want {
		t.Errorf("got  %s\nwant %s", out, want)
	}
	back, err := DecodeOps(out)
	if err != nil || !reflect.DeepEqual(back, ops) {
		t.Errorf("decoded %+v, %v", back, err)
	}
}

// Two nodes that read half of a decision would publish different bars.
func TestDecodeOpsIsStrict(t *testing.T) {
	for in, want := range map[string]string{
		`[{"op":"activate"}]`:                             `unknown operation "activate"`,
		`[{"op":"start"},{"op":"idle","src":"a","ts":1}]`: `operation 1: key "now" is missing`,
		`[{"op":"start","src":"a"}]`:                      `key "src" does not belong to it`,
		`[{"op":"start","new":1}]`:                        `unknown field "new"`,
		`[{}]`:                                            `key "op" is missing`,
		`[]`:                                              "it holds no operation",
		`null`:                                            "it holds no operation",
		`[{"op":"start"}]x`:                               "data behind the list",
		`{"op":"start"}`:                                  "decoding journal record",
		``:                                                "decoding journal record",
	} {
		if _, err := DecodeOps([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
}

func TestDecodeHeartbeatNamesReasonAndField(t *testing.T) {
	for in, want := range map[string]string{
		`{"src":"a","ts":1,"up":false}`:                    "a 1 false",
		`{"ts":1}`:                                         " 1 true",
		`{"src":null,"ts":1,"up":null}`:                    " 1 true",
		`{"src":"a"}`:                                      "ts ts",
		`{"src":"a","ts":"1"}`:                             "ts ts",
		`{"src":"a","ts":-1}`:                              "ts ts",
		`{"src":"a","ts":9223372036855}`:                   "ts ts",
		`{"src":7,"ts":1}`:                                 "decode src",
		`{"src":"","ts":1}`:                                "decode src",
		`{"src":"a\u0000","ts":1}`:                         "decode src",
		`{"src":"` + strings.Repeat("x", 65) + `","ts":1}`: "decode src",
		`{"src":"a","ts":1,"up":"no"}`:                     "decode up",
		`7`:                                                "decode ",
		`null`:                                             "decode ",
		strings.Repeat(" ", MaxRecordBytes) + `{"ts":1}`: "too_large ",
	} {
		hb, err := DecodeHeartbeat([]byte(in))
		got := strings.Join([]string{hb.Source, string(appendInt(nil, "", hb.TS)), map[bool]string{true: "true", false: "false"}[hb.Up]}, " ")
		var re *RejectError
		if errors.As(err, &re) {
			got = re.Reason.String() + " " + re.Field
		}
		if got != want {
			t.Errorf("%.80s: %q, want %q", in, got, want)
		}
	}
}

func TestPositionOrdersOutputs(t *testing.T) {
	p, err := ParsePosition([]byte("881200"), []byte("3"))
	if err != nil || p != (Position{So: 881200, Sk: 3}) || p.String() != "881200.3" {
		t.Errorf("parsed %v, %v", p, err)
	}
	for _, q := range []Position{{881200, 2}, {881199, 9}} {
		if !p.After(q) || q.After(p) || p.After(p) {
			t.Errorf("%v and %v are in the wrong order", p, q)
		}
	}
	if string(p.AppendOffset(nil)) != "881200" || string(p.AppendOrdinal(nil)) != "3" {
		t.Error("the headers have another text")
	}
	for _, bad := range [][2]string{{"", "1"}, {"1", ""}, {"-1", "0"}, {"1", "-1"}, {"01", "1"}, {"1x", "1"}, {"9223372036854775808", "0"}} {
		if _, err := ParsePosition([]byte(bad[0]), []byte(bad[1])); !errors.Is(err, ErrPosition) {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}
