package guard_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/caddy-kline/caddy-kline/wasmhost/badwasm"
	"github.com/caddy-kline/caddy-kline/wasmhost/guard"
)

// A module that passes comes back with counters; only those bytes may be
// compiled.
func ExampleInstrument() {
	rules := guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()}
	out, info, err := guard.Instrument(badwasm.Indicator().Bytes(), rules)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Functions, "functions,", info.Loops, "loops, at most", info.MaxPages, "pages;", len(out) > 0)
	// Output:
	// 8 functions, 2 loops, at most 256 pages; true
}

// What is refused comes back as one finding, fit for an answer.
func ExampleFinding() {
	rules := guard.Rules{Limits: guard.Untrusted(), Surface: guard.KL1()}
	m := badwasm.Indicator()
	m.Imports = []badwasm.Import{{Module: "env", Name: "abort", Params: "iiii"}}
	rules.Surface.Imports = nil
	_, _, err := guard.Instrument(m.Bytes(), rules)
	fmt.Println(err)
	var f *guard.Finding
	if errors.As(err, &f) {
		text, _ := json.Marshal(f)
		fmt.Println(string(text))
	}
	// Output:
	// import section, offset 0x33: import "env"."abort": modules have no files, network or clock (allowed: none)
	// {"code":"import_not_allowed","section":"import","offset":51,"message":"import \"env\".\"abort\": modules have no files, network or clock (allowed: none)"}
}
