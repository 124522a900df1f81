import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Chart } from '../chart.js';
import { Series } from '../series.js';

// fakeLibrary keeps what a chart gives to the library: options, and all data of each kind of series by time.
function fakeLibrary() {
  const seen = { options: null, data: new Map(), crosshair: null };
  const scale = { subscribeVisibleLogicalRangeChange() {}, applyOptions(options) { Object.assign(seen.options.timeScale, options); } };
  const pane = { setStretchFactor() {}, priceScale: () => ({ applyOptions() {} }) };
  const chart = {
    addSeries(kind) {
      const drawn = new Map();
      seen.data.set(kind, drawn);
      return {
        setData(all) { drawn.clear(); all.forEach((point) => drawn.set(point.time, point)); },
        update(point) { drawn.set(point.time, point); },
      };
    },
    panes: () => [pane, pane], timeScale: () => scale, subscribeCrosshairMove(run) { seen.crosshair = run; },
  };
  const lib = {
    CandlestickSeries: 'candles', HistogramSeries: 'volume', createSeriesMarkers: () => ({ setMarkers() {} }),
    createChart(_, options) { seen.options = options; return chart; },
  };
  return { lib, seen };
}

const theme = { surface: '#ffffff', muted: '#888888', accent: '#0000ff', up: '#00aa00', down: '#aa0000' };
const begin = Date.UTC(2026, 10, 21, 12, 14);
const bar = (t) => ({ sym: 'A', itv: '250ms', t, o: 1, h: 1, l: 1, c: 1, v: 1, final: true, rev: 0, seq: t });

function drawn(times) {
  const { lib, seen } = fakeLibrary();
  const hovered = [];
  const chart = new Chart(lib, null, { indicators: [], precision: 2, theme, onCrosshair: (t) => hovered.push(t), onRange() {} });
  const series = new Series({ sym: 'A', itv: '250ms', inds: [] });
  series.page({ bars: times.map(bar) });
  series.take();
  chart.set(series);
  return { chart, series, seen, hovered, last: () => [...seen.data.get('candles').keys()].at(-1) };
}

test('bars of less than a second stand at their own times, on the axis, under the crosshair and in the data', () => {
  const times = Array.from({ length: 1000 }, (_, i) => begin + 250 * i);
  const { chart, series, seen, hovered, last } = drawn(times);
  const { timeScale, localization } = seen.options;
  assert.equal(localization.timeFormatter(last()), '2026-11-21 12:18:09.750 UTC');
  assert.equal(timeScale.tickMarkFormatter(last(), 4), '12:18:09.750');
  seen.crosshair({ time: last() });
  assert.deepEqual(hovered, [times[999]]);
  series.event('kline', bar(begin + 250_000));
  chart.update(series, series.take().times);
  assert.equal(localization.timeFormatter(last()), '2026-11-21 12:18:10 UTC');
  assert.equal(seen.data.get('candles').size, 1001);
});

test('a bar that changes is drawn in its place', () => {
  const { chart, series, seen } = drawn([begin, begin + 250, begin + 500]);
  series.event('revise', { ...bar(begin + 250), rev: 1, c: 7 });
  chart.update(series, series.take().times);
  assert.deepEqual([...seen.data.get('candles').values()].map((point) => point.close), [1, 7, 1]);
});

test('labels with milliseconds get room', () => {
  const { chart, seen } = drawn([begin]);
  chart.seconds(true, false);
  assert.equal(seen.options.timeScale.tickMarkMaxCharacterLength, undefined, 'as many as the library reckons with');
  chart.seconds(true, true);
  assert.equal(seen.options.timeScale.tickMarkMaxCharacterLength, 12);
});
