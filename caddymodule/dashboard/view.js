// What is on the screen for one Series: chart or table, legend, last price. Changes are drawn once per frame, however many events
// came in between.

import { Chart } from './chart.js';
import { precisionOf, number, percent, signed } from './format.js';
import { Legend } from './legend.js';
import { showTable } from './table.js';
import { colors, dark } from './theme.js';

const earlyEnough = 100; // bars left of the screen when the next page is asked for

export class View {
  #parts;
  #library = null;
  #indicators = [];
  #chart = null;
  #legend = null;
  #series = null;
  #hovered = null; // open time of the bar under the crosshair
  #frame = 0;
  #precision = 0;

  constructor(parts, { onOlder }) {
    this.#parts = parts;
    this.onOlder = onOlder;
    dark?.addEventListener('change', () => this.#chart?.recolor(colors()));
    new ResizeObserver(() => this.#legend?.place()).observe(parts.chart);
    parts.chart.addEventListener('pointermove', () => this.#legend?.place());
    parts.chart.addEventListener('keydown', (event) => this.#key(event));
  }

  // useLibrary is called once the chart library is there; until then, and without it, there is a table.
  useLibrary(library) {
    this.#library = library;
    if (this.#series) this.show(this.#series, true);
  }

  useIndicators(indicators) {
    this.#indicators = indicators;
    const panes = indicators.filter((i) => !i.overlay).length;
    this.#parts.chart.dataset.panes = String(Math.min(panes, 6));
  }

  // show replaces what is drawn; fresh is another selection, else the view keeps its place.
  show(series, fresh) {
    const before = this.#series;
    const place = before?.sym === series.sym && before.itv === series.itv ? this.#chart?.place(before.bars.length) : undefined;
    this.#series = series;
    if (fresh) {
      this.#chart?.remove();
      this.#chart = null;
      this.#hovered = null;
      this.#precision = 0;
      this.#parts.canvas.replaceChildren();
      this.#parts.legends.replaceChildren();
    }
    this.#precision = precisionOf(series.bars, this.#precision);
    if (fresh && this.#library) this.#open(series, place);
    this.#draw();
  }

  // open makes a chart; place is where the one before it stood, if it showed the same bars.
  #open(series, place) {
    this.#parts.chart.hidden = false;
    this.#parts.table.hidden = true;
    this.#parts.placeholder.hidden = true;
    this.#chart = new Chart(this.#library, this.#parts.canvas, {
      indicators: this.#indicators, precision: this.#precision, theme: colors(),
      onCrosshair: (t) => { this.#hovered = t; this.changed(); },
      onRange: (from) => { if (from < earlyEnough) this.onOlder(); },
    });
    this.#legend = new Legend(this.#parts.legends, this.#chart);
    this.#chart.seconds(/^\d+m?s$/.test(series.itv), /^\d+ms$/.test(series.itv));
    series.take();
    this.#chart.set(series);
    if (place) this.#chart.goTo(place, series.bars.length);
    else this.#chart.showNewest();
    setTimeout(() => this.changed(), 50); // the library has laid its panes out by then
  }

  // changed draws at the next frame. There is none in a background tab, whose title is all that is seen of it.
  changed() {
    if (document.hidden) this.#last();
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const series = this.#series;
    if (!series) return;
    const { rebuild, times } = series.take();
    this.#refine(rebuild ? series.bars : times.map((t) => series.bars.find(t)));
    if (this.#chart) this.#paint(rebuild, times);
    else if (this.#parts.table.hidden === false) showTable(this.#parts.table, series, this.#precision);
    this.#last();
  }

  #refine(bars) {
    const precision = precisionOf(bars, this.#precision);
    if (precision === this.#precision) return;
    this.#precision = precision;
    this.#chart?.setPrecision(precision);
  }

  #paint(rebuild, times) {
    const series = this.#series;
    if (rebuild) this.#chart.set(series);
    else if (times.length > 0) this.#chart.update(series, times);
    const bar = (this.#hovered !== null && series.bars.find(this.#hovered)) || series.bars.last;
    this.#legend.show(series, bar);
    this.#legend.place();
  }

  #last() {
    const { bars, sym, itv } = this.#series;
    const { lastPrice, lastChange } = this.#parts;
    const bar = bars.last;
    if (!bar) {
      lastPrice.textContent = '';
      lastChange.textContent = '';
      document.title = `${sym} ${itv} · caddy-kline`;
      return;
    }
    const before = bars.at(bars.length - 2)?.c ?? bar.o;
    const change = bar.c - before;
    lastPrice.textContent = number(bar.c, this.#precision);
    lastChange.textContent = `${signed(change, this.#precision)} (${signed(percent(change, before), 2)} %)`;
    lastChange.className = `change ${change < 0 ? 'down' : 'up'}`;
    lastChange.title = `against the close of the bar before, ${itv}`;
    document.title = `${lastPrice.textContent} ${sym} ${itv} · caddy-kline`;
  }

  // showTable is for a page without the library.
  showTable() {
    this.#parts.chart.hidden = true;
    this.#parts.table.hidden = false;
    if (this.#series) this.#draw();
  }

  #key(event) {
    if (!this.#chart || !this.#series?.bars.length || event.altKey || event.ctrlKey || event.metaKey) return;
    const { bars } = this.#series;
    const at = this.#hovered === null ? bars.length : bars.search(this.#hovered);
    const step = event.shiftKey ? 10 : 1;
    const moves = {
      ArrowLeft: () => at - step, ArrowRight: () => at + step, PageUp: () => at - 50, PageDown: () => at + 50,
      Home: () => 0, End: () => bars.length - 1,
    };
    const zooms = { '+': 0.8, '=': 0.8, '-': 1.25 };
    if (moves[event.key]) this.#pointAt(Math.min(bars.length - 1, Math.max(0, moves[event.key]())));
    else if (zooms[event.key]) this.#chart.zoom(zooms[event.key]);
    else if (event.key === 'Escape') this.#leave();
    else return;
    event.preventDefault();
  }

  #pointAt(i) {
    const bar = this.#series.bars.at(i);
    this.#hovered = bar.t;
    this.#chart.point(bar);
    this.#parts.spoken.textContent = this.#legend.sentence(this.#series, bar);
    this.changed();
  }

  #leave() {
    this.#hovered = null;
    this.#chart.leave();
    this.#parts.spoken.textContent = '';
    this.changed();
  }

  inspect() { return { precision: this.#precision, hovered: this.#hovered, chart: this.#chart?.inspect() ?? null }; }
}
