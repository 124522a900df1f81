// The chart: candles with the overlays, volume, and a pane for each other indicator. It draws a Series and knows three things
// that the library throws on: an older time without the flag for history, that flag for a time that is not there, and that flag
// together with the library's own conflation, which therefore stays off.

import { Band } from './band.js';
import { Marks } from './marks.js';
import * as points from './points.js';
import { amount, axis, smallestStep, tick, utc } from './format.js';
import { fade } from './theme.js';

const mainShare = 5;
const paneShare = 1.35;
// Room above the data for the texts.
const mainMargins = { top: 0.14, bottom: 0.08 };
const paneMargins = { volume: { top: 0.3, bottom: 0 }, indicator: { top: 0.26, bottom: 0.08 } };
const manyMarkers = 200;

export class Chart {
  #lib;
  #chart;
  #theme;
  #candles;
  #volume;
  #markers;
  #lines = []; // {instance, plot, main, point, tail?, band?, marks?}
  #times = []; // of the bars that are drawn, ascending
  #series = null;

  constructor(lib, element, { indicators, precision, theme, onCrosshair, onRange }) {
    this.#lib = lib;
    this.#theme = theme;
    this.precision = precision;
    this.indicators = indicators;
    this.#chart = lib.createChart(element, this.#options());
    this.#build();
    this.#chart.subscribeCrosshairMove((param) => onCrosshair(param.time === undefined ? null : points.timeOf(param.time)));
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => { if (range) onRange(range.from); });
  }

  #options() {
    const t = this.#theme;
    return {
      autoSize: true,
      layout: {
        // The logo widget adds a style element and sets innerHTML; both are forbidden here. The page has the link instead.
        attributionLogo: false,
        background: { type: 'solid', color: t.surface }, textColor: t.muted, fontSize: 12,
        fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif',
        panes: { separatorColor: t.line, separatorHoverColor: fade(t.accent, 0.2), enableResize: true },
      },
      grid: { vertLines: { color: t.grid }, horzLines: { color: t.grid } },
      crosshair: {
        mode: 0,
        vertLine: { color: t.muted, labelBackgroundColor: t.accent }, horzLine: { color: t.muted, labelBackgroundColor: t.accent },
      },
      rightPriceScale: { borderColor: t.line, minimumWidth: 72 },
      timeScale: {
        borderColor: t.line, timeVisible: true, secondsVisible: false, rightOffset: 4, barSpacing: 8, minBarSpacing: 0.5,
        tickMarkFormatter: tick,
      },
      localization: { locale: 'en-GB', timeFormatter: (seconds) => `${utc(points.timeOf(seconds))} UTC` },
      handleScroll: { vertTouchDrag: false }, // a finger that moves up scrolls the page
      kineticScroll: { touch: true, mouse: false },
    };
  }

  #build() {
    const { CandlestickSeries, HistogramSeries, createSeriesMarkers } = this.#lib;
    this.#candles = this.#chart.addSeries(CandlestickSeries, { ...this.#candleColors(), priceFormat: this.#priceFormat() }, 0);
    this.#markers = createSeriesMarkers(this.#candles, []);
    this.#volume = this.#chart.addSeries(HistogramSeries, {
      priceFormat: { type: 'custom', minMove: 1e-8, formatter: amount }, lastValueVisible: false, priceLineVisible: false,
    }, 1);
    let pane = 1;
    for (const indicator of this.indicators) {
      if (!indicator.overlay) pane++;
      indicator.pane = indicator.overlay ? 0 : pane;
      indicator.plots.forEach((plot) => this.#addPlot(indicator, plot));
      this.#addLevels(indicator);
    }
    this.#chart.panes().forEach((p, i) => {
      p.setStretchFactor(i === 0 ? mainShare : paneShare);
      p.priceScale('right').applyOptions({ scaleMargins: i === 0 ? mainMargins : paneMargins[i === 1 ? 'volume' : 'indicator'] });
    });
  }

  #priceFormat(decimals = this.precision) {
    return { type: 'custom', minMove: smallestStep(decimals), formatter: (x) => axis(x, decimals) };
  }

  #candleColors() {
    const { up, down } = this.#theme;
    return { upColor: up, downColor: down, borderUpColor: up, borderDownColor: down, wickUpColor: up, wickDownColor: down };
  }

  // decimals of a plot: an indicator in units of price gets one more than the price itself, in a pane of its own two.
  decimals(indicator, plot) {
    if (plot.precision !== null) return plot.precision;
    return plot.price ? this.precision + (indicator.overlay ? 0 : 2) : 2;
  }

  #addPlot(indicator, plot) {
    const range = indicator.range && { priceRange: { minValue: indicator.range[0], maxValue: indicator.range[1] } };
    const common = {
      color: plot.color, lineColor: plot.color, topColor: fade(plot.color, 0.25), bottomColor: fade(plot.color, 0.02),
      lineWidth: indicator.overlay ? 2 : 1.5, lineStyle: plot.style, priceLineVisible: false, lastValueVisible: false,
      crosshairMarkerRadius: 3, priceFormat: this.#priceFormat(this.decimals(indicator, plot)),
      ...(range && { autoscaleInfoProvider: () => range }),
    };
    const line = { instance: indicator.instance, plot, point: points.settled };
    const draw = { histogram: this.#addColumns, columns: this.#addColumns, marker: this.#addMarks }[plot.kind] ?? this.#addLine;
    draw.call(this, line, common, indicator);
    if (plot.fillTo !== null) {
      line.band = new Band(fade(plot.color, 0.14));
      line.main.attachPrimitive(line.band);
    }
    this.#lines.push(line);
  }

  #addColumns(line, common, { pane }) {
    line.main = this.#chart.addSeries(this.#lib.HistogramSeries, common, pane);
    line.point = points.column;
  }

  #addMarks(line, common, { pane }) {
    line.main = this.#chart.addSeries(this.#lib.LineSeries, { ...common, lineVisible: false }, pane);
    line.point = points.place;
    line.marks = new Marks(this.#lib.createSeriesMarkers(line.main, []), line.plot, fade);
  }

  #addLine(line, common, { overlay, pane }) {
    const { LineSeries, AreaSeries } = this.#lib;
    const { kind } = line.plot;
    const dots = { dots: { lineVisible: false, pointMarkersVisible: true }, band: { lineWidth: 1 } }[kind] ?? {};
    line.main = this.#chart.addSeries(kind === 'area' ? AreaSeries : LineSeries, { ...common, ...dots }, pane);
    line.tail = this.#chart.addSeries(LineSeries, { ...common, ...dots, lineStyle: 2, lastValueVisible: !overlay }, pane);
  }

  #addLevels(indicator) {
    const first = this.#lines.find((line) => line.instance === indicator.instance);
    if (!first) return;
    indicator.levelLines = indicator.levels.map((price) => first.main.createPriceLine({
      price, color: this.#theme.muted, lineWidth: 1, lineStyle: 2, axisLabelVisible: false, title: '',
    }));
  }

  // set gives the library all data of a series.
  set(series) {
    this.#series = series;
    const bars = [...series.bars];
    this.#times = bars.map((bar) => bar.t);
    this.#candles.setData(bars.map((bar) => points.candle(bar, points.key(bar.t), this.#theme)));
    this.#volume.setData(bars.map((bar) => points.volume(bar, points.key(bar.t), this.#theme, fade)));
    for (const line of this.#lines) {
      const values = series.values.get(line.instance);
      line.main.setData(bars.map((bar) => this.#point(line, values, bar)));
      line.marks?.set(bars.map((bar) => [points.key(bar.t), values?.at(bar.t)]));
      line.band?.use((i) => points.ends(values?.at(this.#times[i]), line.plot));
      this.#setTail(line, series);
    }
    this.#mark(series);
  }

  #point({ plot, point }, values, bar) { return point(values?.at(bar.t), plot, points.key(bar.t), fade); }

  // update draws a few changed bars; times ascend and have a bar each.
  update(series, times) {
    let revised = false;
    for (const t of times) {
      const older = t < this.#times[this.#times.length - 1];
      if (this.#times.lastIndexOf(t) < 0) {
        if (older) { // cannot be appended: all anew
          this.set(series);
          return;
        }
        this.#times.push(t);
      }
      const key = points.key(t);
      const bar = series.bars.find(t);
      this.#candles.update(points.candle(bar, key, this.#theme), older);
      this.#volume.update(points.volume(bar, key, this.#theme, fade), older);
      for (const line of this.#lines) {
        const values = series.values.get(line.instance);
        line.main.update(this.#point(line, values, bar), older);
        line.marks?.update(key, values?.at(t));
      }
      revised ||= older || bar.rev > 0;
    }
    this.#lines.forEach((line) => this.#setTail(line, series));
    if (revised || series.swaps.length !== this.swapsDrawn) this.#mark(series);
  }

  // setTail moves the dashed end. The whole of it is only set when a bar has closed: setting data makes the library sort all.
  #setTail(line, series) {
    if (!line.tail) return;
    const values = series.values.get(line.instance);
    const end = values ? points.tail(series.bars, values, line.plot, points.key) : [];
    const times = end.map((point) => point.time).join();
    if (times === line.tailTimes && end.length > 0) line.tail.update(end[end.length - 1]);
    else if (times !== line.tailTimes || end.length > 0) line.tail.setData(end);
    line.tailTimes = times;
  }

  // mark shows restated bars, and where another version of a module took over.
  #mark(series) {
    this.swapsDrawn = series.swaps.length;
    const restated = [...series.bars].filter((bar) => bar.rev > 0).slice(-manyMarkers).map((bar) => ({
      time: points.key(bar.t), position: 'aboveBar', shape: 'circle', size: 0.6, color: this.#theme.warn, text: `rev ${bar.rev}`,
    }));
    const swapped = series.swaps.slice(-manyMarkers).filter((swap) => series.bars.find(swap.t)).map((swap) => ({
      time: points.key(swap.t), position: 'belowBar', shape: 'square', size: 0.6, color: this.#theme.accent, text: `ver ${swap.version}`,
    }));
    this.#markers.setMarkers([...restated, ...swapped].sort((a, b) => a.time - b.time));
  }

  recolor(theme) {
    this.#theme = theme;
    this.#chart.applyOptions(this.#options());
    this.#candles.applyOptions(this.#candleColors());
    this.indicators.forEach((i) => i.levelLines?.forEach((line) => line.applyOptions({ color: theme.muted })));
    if (this.#series) this.set(this.#series);
  }

  setPrecision(decimals) {
    this.precision = decimals;
    this.#candles.applyOptions({ priceFormat: this.#priceFormat() });
    for (const line of this.#lines) {
      const indicator = this.indicators.find((i) => i.instance === line.instance);
      const priceFormat = this.#priceFormat(this.decimals(indicator, line.plot));
      line.main.applyOptions({ priceFormat });
      line.tail?.applyOptions({ priceFormat });
    }
  }

  // seconds shows seconds on the time axis, for intervals below a minute; millis makes room for what is behind their point.
  seconds(visible, millis) {
    this.#chart.timeScale().applyOptions({ secondsVisible: visible, ...(millis && { tickMarkMaxCharacterLength: '12:14:05.250'.length }) });
  }

  // showNewest shows about as many bars as fit at a comfortable width, the newest at the right.
  showNewest() {
    this.#chart.timeScale().applyOptions({ barSpacing: 8 });
    this.#chart.timeScale().scrollToPosition(4, false);
  }

  // place is what is visible, counted from the end of the data; goTo goes back there in another chart.
  place(count) {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    return range && { from: range.from - count, to: range.to - count };
  }

  goTo(place, count) { this.#chart.timeScale().setVisibleLogicalRange({ from: place.from + count, to: place.to + count }); }

  // point puts the crosshair on a bar, for the keyboard, and brings the bar into view.
  point(bar) {
    const scale = this.#chart.timeScale();
    const at = this.#times.indexOf(bar.t);
    const range = scale.getVisibleLogicalRange();
    if (range && (at < range.from + 1 || at > range.to - 1)) {
      const shift = at < range.from + 1 ? at - range.from - 1 : at - range.to + 1;
      scale.setVisibleLogicalRange({ from: range.from + shift, to: range.to + shift });
    }
    this.#chart.setCrosshairPosition(bar.c, points.key(bar.t), this.#candles);
  }

  leave() { this.#chart.clearCrosshairPosition(); }

  // zoom by a factor around the right edge.
  zoom(factor) {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    if (range) this.#chart.timeScale().setVisibleLogicalRange({ from: range.to - (range.to - range.from) * factor, to: range.to });
  }

  paneElements() { return this.#chart.panes().map((pane) => pane.getHTMLElement()); }

  remove() { this.#chart.remove(); }

  // inspect tells what the library holds; support and tests read it.
  inspect() {
    const lines = this.#lines.map(({ instance, plot, main, tail, marks, band }) => ({
      instance, output: plot.output, kind: plot.kind, pane: main.getPane().paneIndex(),
      points: main.data().filter((p) => p.value !== undefined).length, whitespace: main.data().filter((p) => p.value === undefined).length,
      tail: tail ? tail.data().length : 0, marks: marks?.count ?? 0, filled: band?.drawn ?? 0,
    }));
    const data = this.#candles.data();
    return { candles: data.length, last: data[data.length - 1] ?? null, volume: this.#volume.data().length, panes: this.#chart.panes().length, markers: this.#markers.markers().length, lines };
  }
}
