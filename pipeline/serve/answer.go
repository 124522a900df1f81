package serve

import (
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// Cache says how long an answer may be kept.
type Cache uint8

const (
	// CacheLive holds a forming bar: Cache-Control no-cache, weak ETag.
	CacheLive Cache = iota
	// CacheClosed holds closed bars some of which may still be restated:
	// max-age=5, strong ETag.
	CacheClosed
	// CacheHistory holds an explicit range behind the lateness horizon:
	// max-age=3600, strong ETag.
	CacheHistory
)

// Control is the value of Cache-Control.
func (c Cache) Control() string {
	switch c {
	case CacheClosed:
		return "max-age=5"
	case CacheHistory:
		return "max-age=3600"
	default:
		return "no-cache"
	}
}

// Answer is a ready body.
type Answer struct {
	Body        []byte
	ContentType string
	// Position is what the rows at least contain, for Kline-Position and for a
	// stream that goes on from here.
	Position string
	// Next is the from= of the next page if HasNext.
	Next    int64
	HasNext bool
	ETag    string
	Cache   Cache
	// NotModified tells that the client has these bytes; Body is nil.
	NotModified bool
	// Sources are where the rows come from, the oldest first: databases, log, memory.
	Sources []string
	// Missing are bars that the answer may lack.
	Missing []Gap
}

const (
	jsonType = "application/json; charset=utf-8"
	csvType  = "text/csv; charset=utf-8"
)

// tag makes an ETag of what the body is a function of.
func tag(weak bool, identity []byte) string {
	s := `"` + strconv.FormatUint(xxhash.Sum64(identity), 36) + `"`
	if weak {
		return "W/" + s
	}
	return s
}

// matches compares an If-None-Match with an ETag, weakly.
func matches(header, etag string) bool {
	return header != "" && (header == "*" || strings.Contains(header, strings.TrimPrefix(etag, "W/")))
}

// appendRange makes a range part of an identity.
func appendRange(dst []byte, q *Range) []byte {
	dst = strconv.AppendInt(append(dst, '|'), q.From, 36)
	dst = strconv.AppendInt(append(dst, '|'), q.To, 36)
	dst = strconv.AppendInt(append(dst, '|'), int64(q.Limit), 36)
	dst = strconv.AppendBool(dst, q.HasFrom)
	dst = strconv.AppendBool(dst, q.HasTo)
	return strconv.AppendBool(dst, q.Closed)
}
