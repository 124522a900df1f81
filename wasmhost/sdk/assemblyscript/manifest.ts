// The manifest: what users and charts are told. It is JSON.
export const MANIFEST = `{
  "abi": 1,
  "name": "my-indicators",
  "version": "1.0.0",
  "title": "My indicators",
  "indicators": [
    {
      "id": 0, "name": "sma", "title": "Simple moving average", "short": "SMA {period}", "category": "trend",
      "input": "src", "pane": "overlay", "state_version": 1, "history": "window",
      "params": [{"name": "period", "type": "int", "default": 20, "min": 1, "max": 1000}],
      "outputs": [{"name": "value", "plot": "line", "color": "#2962ff", "format": "price"}]
    },
    {
      "id": 1, "name": "ema", "title": "Exponential moving average", "short": "EMA {period}", "category": "trend",
      "input": "src", "pane": "overlay", "state_version": 1, "history": "decay",
      "params": [{"name": "period", "type": "int", "default": 20, "min": 1, "max": 1000}],
      "outputs": [{"name": "value", "plot": "line", "color": "#ff6d00", "format": "price"}]
    },
    {
      "id": 2, "name": "bands", "title": "Bollinger bands", "short": "Bands {period} {mult}", "category": "volatility",
      "input": "src", "pane": "overlay", "state_version": 1, "history": "window",
      "params": [
        {"name": "period", "type": "int", "default": 20, "min": 2, "max": 400},
        {"name": "mult", "type": "float", "default": 2, "min": 0, "max": 10, "step": 0.1}
      ],
      "outputs": [
        {"name": "upper", "plot": "line", "color": "#089981", "format": "price", "fill_to": "lower"},
        {"name": "middle", "plot": "line", "color": "#787b86", "format": "price"},
        {"name": "lower", "plot": "line", "color": "#f23645", "format": "price"}
      ]
    },
    {
      "id": 3, "name": "cci", "title": "Commodity channel index", "short": "CCI {period}", "category": "momentum",
      "input": "bar", "pane": "separate", "state_version": 1, "history": "window",
      "params": [{"name": "period", "type": "int", "default": 20, "min": 2, "max": 200}],
      "outputs": [{"name": "value", "plot": "line", "color": "#7e57c2"}],
      "levels": [{"value": 100}, {"value": -100}]
    }
  ]
}`;
