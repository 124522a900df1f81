//go:build synctests

package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dump writes the logs of one partition down, for whoever has to understand a
// failed seed.
func (l logs) dump(p int32) string {
	var b strings.Builder
	for _, topic := range []string{inputTopic, "journal", "state", "klines", "late", "dlq"} {
		recs := l[topic][p]
		fmt.Fprintf(&b, "%s[%d], %d records\n", topic, p, len(recs))
		for r := range slices.Values(recs[:min(len(recs), 500)]) {
			if topic == "state" {
				r = &kgo.Record{Offset: r.Offset, Timestamp: r.Timestamp, Headers: r.Headers}
			}
			fmt.Fprintf(&b, "%6d %s\n", r.Offset, text(r))
		}
	}
	return b.String()
}
