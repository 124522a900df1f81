package pipeline

import (
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/kafka"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// recordKind is what the header k says.
type recordKind uint8

const (
	kindTrade   recordKind = iota // in the configured format
	kindGeneric                   // says of itself that it is the generic form
	kindHeartbeat
	kindUnknown
)

// maxSources bounds the names that foreign headers may make us remember.
const maxSources = 1024

// sourceNames turns the header src into a name without an allocation per
// record.
type sourceNames map[string]string

// headers reads the headers that matter to the step and sets the source.
func (s sourceNames) headers(r *kafka.Rec, rec *core.Record) recordKind {
	kind := kindTrade
	for i := range r.Headers {
		h := &r.Headers[i]
		switch h.Key {
		case wire.HeaderKind:
			kind = kindUnknown
			if string(h.Value) == wire.KindHeartbeat {
				kind = kindHeartbeat
			}
		case wire.HeaderContentType:
			if kind == kindTrade && string(h.Value) == wire.ContentTrade {
				kind = kindGeneric
			}
		case wire.HeaderSource:
			rec.Source = s.intern(h.Value, rec.Source)
		}
	}
	return kind
}

func (s sourceNames) intern(name []byte, otherwise string) string {
	if len(name) == 0 || len(name) > 64 {
		return otherwise
	}
	if known, ok := s[string(name)]; ok {
		return known
	}
	// A decision names its source in JSON, which is UTF-8: by other bytes it would
	// never find the source again, and be taken anew each second.
	text := strings.ToValidUTF8(string(name), "\ufffd")
	if len(s) >= maxSources {
		clear(s) // names that are gone; those that are used come again
	}
	s[string(name)] = text
	return text
}
