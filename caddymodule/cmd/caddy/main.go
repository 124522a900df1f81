// Command caddy is Caddy with the standard modules and caddy-kline.
//
// It is the everyday build: what `xcaddy build` makes, but reproducible from
// this repository's go.sum. It takes the commands of Caddy; see `caddy help`.
//
// It contains no code of its own.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-kline/caddy-kline/caddymodule"
)

func main() { caddycmd.Main() }
