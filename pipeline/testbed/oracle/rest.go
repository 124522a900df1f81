package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// REST reads all klines of one series from GET /v1/klines below base, oldest first, page by page until there is no next. The
// forming kline, if any, is the last one and not final.
func REST(ctx context.Context, client *http.Client, base, symbol, interval string, pageSize int) ([]Kline, error) {
	var all []Kline
	// Without a from the route gives the newest rows and no next; 1 ms after 1970 is older than any kline.
	for from := int64(1); ; {
		query := url.Values{"sym": {symbol}, "itv": {interval}, "from": {strconv.FormatInt(from, 10)}, "limit": {strconv.Itoa(pageSize)}, "src": {"1"}}
		page, err := restPage(ctx, client, base+"/v1/klines?"+query.Encode())
		if err != nil {
			return nil, err
		}
		all = append(all, page.Bars...)
		if page.Next == nil {
			return all, nil
		}
		if *page.Next <= from {
			return nil, fmt.Errorf("paging %s %s: next %d is not after from %d", symbol, interval, *page.Next, from)
		}
		from = *page.Next
	}
}

type klinePage struct {
	Bars []Kline `json:"bars"`
	Next *int64  `json:"next"`
}

func restPage(ctx context.Context, client *http.Client, address string) (klinePage, error) {
	var page klinePage
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page, fmt.Errorf("asking %s: %w", address, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return page, fmt.Errorf("asking %s: %w", address, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return page, fmt.Errorf("reading %s: %w", address, err)
	}
	if response.StatusCode != http.StatusOK {
		return page, fmt.Errorf("asking %s: status %d: %.300q", address, response.StatusCode, body)
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return page, fmt.Errorf("reading %s: %w", address, err)
	}
	return page, nil
}
