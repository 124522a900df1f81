package indicators

// manifest describes the module to its host and, through it, to clients. It is
// a constant, not an embedded file: package embed brings io/fs, time and
// reflection along, 270 KB of the compiled guest.
//
// Ranges and counts are repeated in the code that reads the parameters; a test
// probes every bound from both sides.
const manifest = `{
 "abi": 1,
 "name": "builtin",
 "version": "1.0.0",
 "title": "Built-in indicators",
 "description": "The indicators that come with caddy-kline.",
 "author": "caddy-kline contributors",
 "indicators": [
  {
   "id": 1,
   "name": "sma",
   "title": "Simple Moving Average",
   "short": "SMA {period}",
   "category": "trend",
   "input": "src",
   "pane": "overlay",
   "state_version": 1,
   "history": "window",
   "profiles": ["talib"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 20, "min": 1, "max": 5000, "step": 1}
   ],
   "outputs": [
    {"name": "value", "title": "SMA", "plot": "line", "color": "#2962ff", "format": "price"}
   ]
  },
  {
   "id": 2,
   "name": "ema",
   "title": "Exponential Moving Average",
   "short": "EMA {period}",
   "help": "Seeded with the mean of the first period values",
   "category": "trend",
   "input": "src",
   "pane": "overlay",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 20, "min": 1, "max": 10000, "step": 1}
   ],
   "outputs": [
    {"name": "value", "title": "EMA", "plot": "line", "color": "#ff6d00", "format": "price"}
   ]
  },
  {
   "id": 4,
   "name": "wma",
   "title": "Weighted Moving Average",
   "short": "WMA {period}",
   "category": "trend",
   "input": "src",
   "pane": "overlay",
   "state_version": 1,
   "history": "window",
   "profiles": ["talib"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 20, "min": 1, "max": 5000, "step": 1}
   ],
   "outputs": [
    {"name": "value", "title": "WMA", "plot": "line", "color": "#00897b", "format": "price"}
   ]
  },
  {
   "id": 12,
   "name": "vwap",
   "title": "Volume Weighted Average Price",
   "short": "VWAP {anchor}",
   "help": "No value until the first volume since the anchor",
   "category": "volume",
   "input": "bar",
   "pane": "overlay",
   "state_version": 1,
   "history": "accumulate",
   "profiles": ["talib"],
   "params": [
    {"name": "anchor", "title": "Anchor", "help": "Where the sums begin again", "type": "enum", "default": 2, "options": ["none", "session", "day", "week", "month"]},
    {"name": "src", "title": "Price", "type": "enum", "default": 0, "options": ["hlc3", "close", "open", "high", "low", "hl2", "ohlc4", "hlcc4"]},
    {"name": "mult", "title": "Deviations", "help": "Width of the band in standard deviations", "type": "float", "default": 1, "min": 0, "max": 10, "step": 0.1}
   ],
   "outputs": [
    {"name": "vwap", "title": "VWAP", "plot": "line", "color": "#1565c0", "format": "price", "width": 2},
    {"name": "upper", "title": "Upper", "plot": "line", "color": "#43a047", "format": "price", "fill_to": "lower"},
    {"name": "lower", "title": "Lower", "plot": "line", "color": "#43a047", "format": "price"},
    {"name": "degenerate", "plot": "none"}
   ]
  },
  {
   "id": 13,
   "name": "bbands",
   "title": "Bollinger Bands",
   "short": "BB {period} {mult}",
   "help": "Population deviation of the prices, also around an EMA",
   "category": "volatility",
   "input": "src",
   "pane": "overlay",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 20, "min": 2, "max": 5000, "step": 1},
    {"name": "mult", "title": "Deviations", "help": "Width of the band in standard deviations", "type": "float", "default": 2, "min": 0, "max": 10, "step": 0.1},
    {"name": "ma", "title": "Average", "type": "enum", "default": 0, "options": ["sma", "ema"]}
   ],
   "outputs": [
    {"name": "upper", "title": "Upper", "plot": "line", "color": "#2962ff", "format": "price", "fill_to": "lower"},
    {"name": "middle", "title": "Middle", "plot": "line", "color": "#ff6d00", "format": "price"},
    {"name": "lower", "title": "Lower", "plot": "line", "color": "#2962ff", "format": "price"},
    {"name": "percent_b", "title": "%B", "plot": "none", "color": "#7e57c2", "precision": 4, "format": "number"},
    {"name": "bandwidth", "title": "Bandwidth", "plot": "none", "color": "#00897b", "precision": 4, "format": "number"},
    {"name": "degenerate", "plot": "none"}
   ]
  },
  {
   "id": 19,
   "name": "rsi",
   "title": "Relative Strength Index",
   "short": "RSI {period}",
   "category": "momentum",
   "input": "src",
   "pane": "separate",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 14, "min": 2, "max": 10000, "step": 1}
   ],
   "outputs": [
    {"name": "value", "title": "RSI", "plot": "line", "color": "#7e57c2", "precision": 2, "format": "number"},
    {"name": "degenerate", "plot": "none"}
   ],
   "levels": [{"value": 30}, {"value": 70}],
   "range": [0, 100]
  },
  {
   "id": 21,
   "name": "macd",
   "title": "Moving Average Convergence Divergence",
   "short": "MACD {fast} {slow} {signal}",
   "category": "momentum",
   "input": "src",
   "pane": "separate",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib", "tv", "cn"],
   "params": [
    {"name": "fast", "title": "Fast period", "type": "int", "default": 12, "min": 2, "max": 10000, "step": 1},
    {"name": "slow", "title": "Slow period", "type": "int", "default": 26, "min": 2, "max": 10000, "step": 1},
    {"name": "signal", "title": "Signal period", "type": "int", "default": 9, "min": 1, "max": 10000, "step": 1},
    {"name": "profile", "title": "Profile", "help": "Whose conventions decide the seeds", "type": "enum", "default": 0, "options": ["talib", "tv", "cn"]}
   ],
   "outputs": [
    {"name": "macd", "title": "MACD", "plot": "line", "color": "#2962ff", "format": "price"},
    {"name": "signal", "title": "Signal", "plot": "line", "color": "#ff6d00", "format": "price"},
    {"name": "hist", "title": "Histogram", "plot": "histogram", "color": "#26a69a", "format": "price", "color_neg": "#ef5350"}
   ],
   "levels": [{"value": 0}]
  },
  {
   "id": 24,
   "name": "stoch",
   "title": "Stochastic",
   "short": "Stoch {fast_k} {slow_k} {slow_d}",
   "category": "momentum",
   "input": "bar",
   "pane": "separate",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib"],
   "params": [
    {"name": "fast_k", "title": "Fast %K", "type": "int", "default": 14, "min": 1, "max": 2000, "step": 1},
    {"name": "slow_k", "title": "Slow %K", "type": "int", "default": 3, "min": 1, "max": 500, "step": 1},
    {"name": "slow_d", "title": "Slow %D", "type": "int", "default": 3, "min": 1, "max": 500, "step": 1},
    {"name": "ma", "title": "Average", "type": "enum", "default": 0, "options": ["sma", "ema"]}
   ],
   "outputs": [
    {"name": "k", "title": "%K", "plot": "line", "color": "#2962ff", "precision": 2, "format": "number"},
    {"name": "d", "title": "%D", "plot": "line", "color": "#ff6d00", "precision": 2, "format": "number"},
    {"name": "degenerate", "plot": "none"}
   ],
   "levels": [{"value": 20}, {"value": 80}],
   "range": [0, 100]
  },
  {
   "id": 25,
   "name": "kdj",
   "title": "KDJ",
   "short": "KDJ {period} {k} {d}",
   "category": "momentum",
   "input": "bar",
   "pane": "separate",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib", "cn"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 9, "min": 1, "max": 2000, "step": 1},
    {"name": "k", "title": "K period", "type": "int", "default": 3, "min": 1, "max": 1000, "step": 1},
    {"name": "d", "title": "D period", "type": "int", "default": 3, "min": 1, "max": 1000, "step": 1},
    {"name": "profile", "title": "Profile", "help": "Whose conventions decide the seeds", "type": "enum", "default": 0, "options": ["talib", "cn"]}
   ],
   "outputs": [
    {"name": "k", "title": "K", "plot": "line", "color": "#2962ff", "precision": 2, "format": "number"},
    {"name": "d", "title": "D", "plot": "line", "color": "#ff6d00", "precision": 2, "format": "number"},
    {"name": "j", "title": "J", "plot": "line", "color": "#7e57c2", "precision": 2, "format": "number"},
    {"name": "degenerate", "plot": "none"}
   ],
   "levels": [{"value": 20}, {"value": 80}]
  },
  {
   "id": 39,
   "name": "atr",
   "title": "Average True Range",
   "short": "ATR {period}",
   "category": "volatility",
   "input": "bar",
   "pane": "separate",
   "state_version": 1,
   "history": "decay",
   "profiles": ["talib", "tv"],
   "params": [
    {"name": "period", "title": "Period", "type": "int", "default": 14, "min": 1, "max": 10000, "step": 1},
    {"name": "profile", "title": "Profile", "help": "Whose conventions decide the seeds", "type": "enum", "default": 0, "options": ["talib", "tv"]}
   ],
   "outputs": [
    {"name": "value", "title": "ATR", "plot": "line", "color": "#b71c1c", "format": "price"}
   ]
  },
  {
   "id": 41,
   "name": "obv",
   "title": "On-Balance Volume",
   "short": "OBV",
   "category": "volume",
   "input": "src",
   "pane": "separate",
   "state_version": 1,
   "history": "accumulate",
   "profiles": ["talib", "tv"],
   "params": [
    {"name": "profile", "title": "Profile", "help": "Whose conventions decide the seeds", "type": "enum", "default": 0, "options": ["talib", "tv"]}
   ],
   "outputs": [
    {"name": "value", "title": "OBV", "plot": "line", "color": "#2962ff", "format": "volume"}
   ]
  }
 ]
}`

// Manifest is the description of the built-in module: indicators, parameters
// with ranges, outputs and how to draw them, as JSON. The caller owns the copy.
func Manifest() []byte { return []byte(manifest) }

// ManifestText is Manifest without a copy, for the guest, which hands out its
// address.
func ManifestText() string { return manifest }
