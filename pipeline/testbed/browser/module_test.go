//go:build unix

package browser

import (
	"encoding/base64"
	"strings"
	"testing"
)

// manifestSize is the room of the manifest in the module, bytes.
const manifestSize = 4000

// summing is a module written by hand, up to where its manifest stands: the sum
// of the source, with one whole parameter from 1 to 100 that it checks.
const summing = `
	AGFzbQEAAAABHwZgAABgAAF/YAABfmABfwF/YAJ/fwF/YAR/f39/AX8DCQgAAQIDAwQFBAUDAQAEBggBfwFBgIAICwdyCQtfaW5pdGlhbGl6ZQAABmtsX2FiaQAB
	C2tsX2Rlc2NyaWJlAAIIa2xfYWxsb2MAAw1rbF9zdGF0ZV9zaXplAAQHa2xfaW5pdAAFCWtsX3VwZGF0ZQAGD2tsX3VwZGF0ZV9iYXRjaAAHBm1lbW9yeQIADAEB
	CtkDCAIACwYAQYCABAsKAEKgn4CAgIABC0MBAX8jACAAakH//wNqQRB2PwBKBEAjACAAakH//wNqQRB2PwBrQABBf0YEQEEADwsLIwAiASAAakEPakFwcSQAIAEL
	ZwAgACgAAARAQX8PCyAAKAAEQQFHBEBBfg8LIAAoAAgrAABEAAAAAAAA8D9mRQRAQX4PCyAAKAAIKwAARAAAAAAAAFlAZUUEQEF+DwsgACgACCsAACAAKAAIKwAA
	nWIEQEF+DwtBEAuDAQAgACgAAARAQX8PCyAAKAAEQQFHBEBBfg8LIAAoAAgrAABEAAAAAAAA8D9mRQRAQX4PCyAAKAAIKwAARAAAAAAAAFlAZUUEQEF+DwsgACgA
	CCsAACAAKAAIKwAAnWIEQEF+DwsgAUQAAAAAAAAAADkAACABRAAAAAAAAAAAOQAIQQALHgAgASABKwAAIAIrAECgOQAAIAMgASsAADkAAEEBC3IBA38gACABQSBs
	aiECAkADQCAAIAJPDQFBACEDAkADQCADIAAoAAxPDQEgACAAKAAAIAAoAAQgACgACCADIAAoABBsaiAAKAAUIAMgACgAGGxqEAYiBDYAHCADQQFqIQMMAAsLIABB
	IGohAAwACwtBAAsLqB8BAEGACAugHw==`

// module is the module with a manifest.
func module(t *testing.T, manifest string) []byte {
	t.Helper()
	wasm, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(summing), ""))
	if err != nil || len(manifest) > manifestSize {
		t.Fatalf("building a module with a manifest of %d bytes: %v", len(manifest), err)
	}
	return append(wasm, manifest+strings.Repeat(" ", manifestSize-len(manifest))...)
}

// plain is the manifest of a module with one indicator, my_sum.
func plain(name, version string) string {
	return `{"abi":1,"name":"` + name + `","version":"` + version + `","indicators":[{"id":0,"name":"my_sum","title":"My sum","short":"My sum {period}","input":"src","warmup":2147483647,
	 "params":[{"name":"period","title":"Period","type":"int","default":20,"min":1,"max":100}],"outputs":[{"name":"value","color":"#8e24aa"}]}]}`
}
