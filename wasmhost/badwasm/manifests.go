package badwasm

import "strings"

// manifests are W25: documents that lie about themselves. Strings that are
// only dangerous where somebody expands or renders them are legal; they come
// with the verdict that they are.
func manifests(yield func(Attack) bool) bool {
	replaced := func(old, with string) string { return strings.Replace(manifest, old, with, 1) }
	deep := strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000)
	var list []Attack
	for name, text := range map[string]string{
		"not-json":              "manifest",
		"empty":                 " ",
		"array":                 "[" + manifest + "]",
		"two-documents":         manifest + manifest,
		"cut-off":               manifest[:len(manifest)-1],
		"byte-order-mark":       "\xef\xbb\xbf" + manifest,
		"comment":               "/**/" + manifest,
		"duplicate-key":         replaced(`"abi":1`, `"abi":1,"abi":1`),
		"duplicate-escaped-key": replaced(`"abi":1`, `"abi":1,"\u0061bi":1`),
		"unknown-key":           replaced(`"abi":1`, `"abi":1,"ABI":1`),
		"abi-as-text":           replaced(`"abi":1`, `"abi":"1"`),
		"abi-2":                 replaced(`"abi":1`, `"abi":2`),
		"nan":                   replaced(`"params":[]`, `"params":[],"range":[NaN,1]`),
		"huge-number":           replaced(`"params":[]`, `"params":[],"range":[-1e999,1]`),
		"nested-2000-deep":      replaced(`"abi":1`, `"abi":1,"x-deep":`+deep),
		"too-long":              replaced(`"abi":1`, `"abi":1,"x-long":"`+strings.Repeat("x", 70_000)+`"`),
		"title-of-200":          replaced(`"abi":1`, `"abi":1,"title":"`+strings.Repeat("x", 200)+`"`),
		"name-with-a-path":      replaced(`"attack"`, `"../attack"`),
		"name-in-capitals":      replaced(`"attack"`, `"Attack"`),
		"name-with-zero":        replaced(`"attack"`, `"attack\u0000"`),
		"bidi-override":         replaced(`"abi":1`, `"abi":1,"title":"a\u202eb"`),
		"control-character":     replaced(`"abi":1`, `"abi":1,"title":"a\u0007b"`),
		"raw-control-character": replaced(`"abi":1`, "\"abi\":1,\"title\":\"a\x07b\""),
		"not-utf8":              replaced(`"abi":1`, "\"abi\":1,\"title\":\"\xff\""),
		"lone-surrogate":        replaced(`"abi":1`, `"abi":1,"title":"\ud800"`),
		"no-indicators":         replaced(`[{"id":0,"name":"attack_sum","input":"src","params":[],"outputs":[{"name":"value"}]}]`, "[]"),
		"33-parameters":         replaced(`"params":[]`, `"params":[`+strings.TrimSuffix(strings.Repeat(`{"name":"p","type":"float","default":0},`, 33), ",")+`]`),
		"17-outputs":            replaced(`[{"name":"value"}]`, `[`+strings.TrimSuffix(strings.Repeat(`{"name":"v"},`, 17), ",")+`]`),
		"output-twice":          replaced(`[{"name":"value"}]`, `[{"name":"v"},{"name":"v"}]`),
		"homepage-of-script":    replaced(`"abi":1`, `"abi":1,"homepage":"javascript:alert(1)"`),
		"version-of-four":       replaced(`"1.0.0"`, `"1.0.0.0"`),
	} {
		list = append(list, Attack{Name: name, Want: Broken, Export: "kl_describe", Bytes: described(text)})
	}
	for name, title := range map[string]string{
		"script": "</script><script>alert(1)</script>", "placeholder": "{env.HOME}", "template": "{{.Secret}}${x}", "sql": "'; drop table x; --", "crlf-escaped-text": `\\r\\nSet-Cookie: a=b`,
	} {
		list = append(list, Attack{Name: "title-" + name, Want: Harmless, Export: "kl_update", Bytes: described(replaced(`"abi":1`, `"abi":1,"title":"`+title+`"`))})
	}
	return refused(yield, numbered("W25", list)...)
}

// described is an indicator with another manifest.
func described(text string) []byte {
	return with(func(m *Module) {
		m.Data[0].Bytes = []byte(text)
		m.Func("kl_describe").Code = I64(manifestAt<<32 | int64(len(text)))
	})
}
