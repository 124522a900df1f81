package vet

import (
	"bytes"
	"strings"
	"testing"

	. "github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
)

func TestGoldenFile(t *testing.T) {
	module := fixture(nil)
	bars := walk(3, 30)
	values, err := Compute(t.Context(), module, "total(5,src=open)", bars, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if values.Name != "total(5,src=open)" || len(values.Rows) != 30 || values.Rows[1][0] != bars[0].Open+bars[1].Open || !values.Ready[0] {
		t.Fatalf("values %+v", values)
	}
	var file bytes.Buffer
	if err := WriteGolden(&file, values, bars); err != nil {
		t.Fatal(err)
	}
	if r := run(t, module, Options{Golden: file.Bytes()}); !r.OK() {
		t.Errorf("findings:%s", list(r))
	}
	wrong := fixture(first("kl_update", Get(2), Load(0x2b, 64), F64(bars[7].Open), Op(0x61), If(addToSum(F64(1e-9)))))
	if r := run(t, wrong, Options{Golden: file.Bytes()}); !has(r, "V20", CodeGolden, Error) {
		t.Errorf("findings:%s", list(r))
	}
	text := file.String()
	for name, bad := range map[string]string{
		"no indicator":    strings.SplitN(text, "\n", 2)[1],
		"another name":    strings.Replace(text, "total(5", "totals(5", 1),
		"an output more":  strings.Replace(text, ",value", ",volue", 1),
		"no close":        strings.Replace(text, "close", "klose", 1),
		"a word":          strings.Replace(text, "\n17", "\n17x,", 1),
		"half of it":      text[:len(text)/2] + "\n1,2",
		"a word as value": text[:strings.LastIndexByte(text, ',')+1] + "abc\n",
		"nothing":         "\n",
		"no byte":         "",
		"no bar":          strings.Join(strings.SplitAfterN(text, "\n", 3)[:2], ""),
		"no table":        text + "# total(6)\n",
		"no output":       "# total(5)\nopen,high,low,close\n1,1,1,1\n",
	} {
		if r := run(t, module, Options{Golden: []byte(bad)}); !has(r, "V20", CodeGoldenFile, Error) {
			t.Errorf("%s:%s", name, list(r))
		}
	}
}
