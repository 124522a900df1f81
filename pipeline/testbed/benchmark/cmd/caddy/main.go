// Command caddy is the Caddy of caddymodule/cmd/caddy with the yardstick beside it: the stream handler of package plain.
//
// Both contenders of the fan-out figures run in this one binary, so that nothing but the handler differs.
//
// It is for measurements only.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-kline/caddy-kline/caddymodule"

	"github.com/caddy-kline/caddy-kline/pipeline/testbed/benchmark/plain"
)

func main() {
	plain.Register()
	caddycmd.Main()
}
