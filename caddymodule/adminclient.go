package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-kline/caddy-kline/pipeline/clock"
	"github.com/caddy-kline/caddy-kline/pipeline/safego"
)

// adminPatience is how long the admin endpoint has for an answer: Caddy's client
// would wait for ever where something takes the connection and says nothing.
const adminPatience = 10 * time.Second

// askAdmin asks the admin endpoint that the flags of a command name for a JSON
// object of at most limit bytes.
func askAdmin(fl caddycmd.Flags, path string, limit int64) ([]byte, error) {
	addr, err := caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, fl.String("config"), fl.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin endpoint: %w", err)
	}
	return askAdminAt(addr, path, limit, clock.Real().NewTimer(adminPatience))
}

// askAdminAt gives up when patience fires. The request then ends with the
// process: Caddy's client cannot be told.
func askAdminAt(addr, path string, limit int64, patience clock.Timer) ([]byte, error) {
	defer patience.Stop()
	var body []byte
	err := errors.New("the request ended in a panic")
	asked := safego.Go("admin endpoint", func(error) {}, func() { body, err = readAdmin(addr, path, limit) })
	select {
	case <-asked.Done():
		return body, err
	case <-patience.C():
		return nil, unanswered(addr, fmt.Errorf("no answer within %s", adminPatience))
	}
}

func readAdmin(addr, path string, limit int64) ([]byte, error) {
	resp, err := caddycmd.AdminAPIRequest(addr, http.MethodGet, path, nil, nil)
	if err != nil {
		return nil, unanswered(addr, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", addr, err)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return nil, fmt.Errorf("what answers at %s is no admin endpoint of Caddy: name another one with --address, or its Caddyfile with --config", addr)
	}
	return body, nil
}
