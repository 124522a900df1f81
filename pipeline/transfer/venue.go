package transfer

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-kline/caddy-kline/pipeline/core"
	"github.com/caddy-kline/caddy-kline/pipeline/wire"
)

// venueFiles is how a venue writes its files.
type venueFiles struct {
	places  []string // nil: the first line names the columns
	headers map[string]string
	unit    wire.TimeUnit
	auto    bool // the unit is looked for
	shift   int  // prices are integers, this many places are behind the point
	// midnight: times count from midnight in zone, and the day stands in the name.
	midnight bool
	zone     string
	// named finds symbol, and for bars the interval or the day, in a file's name.
	named *regexp.Regexp
}

var (
	binanceName = regexp.MustCompile(`\A(?P<symbol>[A-Z0-9_]+)-(?:trades|aggTrades|(?P<interval>[0-9]+[smhdw]))-\d{4}-\d{2}(?:-\d{2})?\.`)
	leanName    = regexp.MustCompile(`\A(?P<date>\d{8})_(?P<symbol>[a-z0-9.]+)_(?:(?P<interval>minute|second|hour|daily)_)?[A-Za-z]+`)
)

// tradeFiles are the presets for files of trades; what they write in JSON is
// read by the adapter of that name.
var tradeFiles = map[string]venueFiles{
	"binance":     {places: words("id price size _ ts maker _"), auto: true, named: binanceName},
	"binance_agg": {places: words("id price size _ _ ts maker _"), auto: true, named: binanceName},
	"kraken":      {places: words("ts price size"), unit: wire.UnitSeconds},
	"bybit":       {headers: map[string]string{"ts": "timestamp", "id": "trdMatchID", "size": "size"}, unit: wire.UnitSeconds},
	"okx":         {headers: map[string]string{"ts": "created_time", "symbol": "instrument_name"}},
	"lean":        {places: words("ts price size _ _ _"), shift: 4, midnight: true, zone: "America/New_York", named: leanName},
}

// barFiles are those for files of bars.
var barFiles = map[string]venueFiles{
	"binance": {places: words("t o h l c v T qv n bv bqv _"), auto: true, named: binanceName},
	"lean":    {places: words("t o h l c v"), shift: 4, midnight: true, zone: "America/New_York", named: leanName},
}

func words(text string) []string { return strings.Fields(text) }

// FileVenues are the venues whose files are known.
func FileVenues(k Kind) []string { return slices.Sorted(maps.Keys(filesOf(k))) }

func filesOf(k Kind) map[string]venueFiles {
	if k == Bars {
		return barFiles
	}
	return tradeFiles
}

// told is what the name of a file says.
type told struct{ symbol, interval, date string }

// read finds out what a name tells.
func (v *venueFiles) read(name string) told {
	var t told
	if v.named == nil {
		return t
	}
	m := v.named.FindStringSubmatch(name)
	if m == nil {
		return t
	}
	for i, group := range v.named.SubexpNames() {
		switch group {
		case "symbol":
			t.symbol = strings.ToUpper(m[i])
		case "interval":
			t.interval = intervalNamed(m[i])
		case "date":
			t.date = m[i][:4] + "-" + m[i][4:6] + "-" + m[i][6:]
		}
	}
	return t
}

// intervalNamed is the name of an interval that a file's name spells.
func intervalNamed(word string) string {
	long := map[string]string{"second": "1s", "minute": "1m", "hour": "1h", "daily": "1d"}
	if name := long[word]; name != "" {
		return name
	}
	return word
}

// interval parses a bar's length.
func parseInterval(name string) (core.Interval, error) {
	itv, err := core.ParseInterval(name)
	if err != nil {
		return itv, fmt.Errorf("checking --interval: %w", err)
	}
	return itv, nil
}
