package feed

import (
	"net/http"
	"strconv"
	"time"
)

const (
	// defaultRetryAfter is what a venue gets that says "too many" and not when.
	defaultRetryAfter = 5 * time.Second
	// maxRetryAfter bounds a venue's word: Binance bans for up to three days,
	// which is honoured, a year is a mistake.
	maxRetryAfter = 72 * time.Hour
)

// retryAfter reads the header as seconds or as a date (RFC 9110 10.2.3).
func retryAfter(resp *http.Response, now time.Time) time.Duration {
	v := resp.Header.Get("Retry-After")
	if v == "" {
		return defaultRetryAfter
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		if n < 0 || n > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return max(time.Duration(n)*time.Second, time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return min(max(at.Sub(now), time.Second), maxRetryAfter)
	}
	return defaultRetryAfter
}
