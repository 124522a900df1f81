package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// restView asks a node over HTTP, as any client does.
type restView struct {
	base   string
	client *http.Client
	cfg    *Config
}

func newRESTView(cfg *Config) *restView {
	return &restView{base: strings.TrimSuffix(cfg.REST, "/"), client: &http.Client{Timeout: 30 * time.Second}, cfg: cfg}
}

func (*restView) name() string { return "rest" }
func (v *restView) close()     { v.client.CloseIdleConnections() }

// maxAnswer bounds an answer: 1,000 bars have some 400 bytes each.
const maxAnswer = 8 << 20

func (v *restView) bars(ctx context.Context, _ int32, sym, itv string, limit int) (map[int64]published, bool, error) {
	query := url.Values{"sym": {sym}, "itv": {itv}, "limit": {strconv.Itoa(limit)}, "closed": {"1"}}
	body, err := v.get(ctx, v.base+"/v1/klines?"+query.Encode())
	if err != nil {
		return nil, false, err
	}
	var answer struct{ Bars []json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, false, fmt.Errorf("the answer of %s is not one of kline's: name its base with --rest http://host:port", cut(v.base))
	}
	shown := make(map[int64]published, len(answer.Bars))
	for _, raw := range answer.Bars {
		var k published
		if err := parsePublished(raw, &k); err != nil {
			return nil, false, fmt.Errorf("reading a bar: %w", err)
		}
		shown[k.t] = k
	}
	return shown, true, nil
}

// get waits where the node says that it is asked too often.
func (v *restView) get(ctx context.Context, address string) ([]byte, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		resp, err := v.client.Do(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close() // it was only read
		switch {
		case err != nil:
			return nil, err
		case resp.StatusCode == http.StatusOK:
			return body, nil
		case resp.StatusCode != http.StatusTooManyRequests:
			return nil, fmt.Errorf("it answers %s: %s", resp.Status, cut(strings.TrimSpace(string(body))))
		}
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		timer := v.cfg.Clock.NewTimer(time.Duration(max(seconds, 1)) * time.Second)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C():
		}
	}
}
