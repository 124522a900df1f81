// The texts over the panes: prices of the bar under the crosshair, else of the newest, and the values of the indicators.

import { element, put } from './element.js';
import { amount, number, percent, signed, utc } from './format.js';
import { stateOf } from './state.js';

const quality = { quiet: 'no trades', feed_gap: 'gap in the feed', partial: 'partial data' };

export class Legend {
  #root;
  #chart;
  #panes = [];
  #cells = new Map();
  #overlayRow = null;
  #values = []; // {indicator, plot, cell}
  #states = []; // {indicator, cell}: what it is doing, in words

  constructor(root, chart) {
    this.#root = root;
    this.#chart = chart;
    root.replaceChildren();
    chart.paneElements().forEach(() => {
      const pane = element('div', 'legend');
      this.#panes.push(pane);
      root.append(pane);
    });
    this.#buildPrices();
    this.#buildVolume();
    chart.indicators.forEach((indicator) => this.#buildIndicator(indicator));
    this.place();
  }

  #cell(parent, key, label, className = '') {
    const group = element('span', `item ${className}`.trim());
    if (label) group.append(element('span', 'label', label));
    const value = element('span', 'value');
    group.append(value);
    parent.append(group);
    this.#cells.set(key, value);
  }

  #buildPrices() {
    const row = element('div', 'row');
    this.#cell(row, 'time', '', 'time');
    for (const [key, label] of [['o', 'O'], ['h', 'H'], ['l', 'L'], ['c', 'C']]) this.#cell(row, key, label);
    this.#cell(row, 'change', '');
    this.#cell(row, 'flags', '', 'flags');
    this.#panes[0].append(row);
  }

  #buildVolume() {
    const row = element('div', 'row');
    this.#cell(row, 'v', 'Volume');
    this.#cell(row, 'n', 'Trades');
    this.#panes[1].append(row);
  }

  #buildIndicator(indicator) {
    const row = indicator.overlay ? this.#overlays() : this.#panes[indicator.pane].appendChild(element('div', 'row'));
    const several = indicator.plots.length > 1;
    if (several) row.append(element('span', 'label', indicator.label));
    indicator.plots.forEach((plot) => {
      const group = element('span', 'item');
      const swatch = element('span', 'swatch');
      swatch.style.backgroundColor = plot.color; // through the object model: style attributes are forbidden by the policy
      const cell = element('span', 'value');
      group.append(swatch, element('span', 'label', several ? plot.title : indicator.label), cell);
      row.append(group);
      this.#values.push({ indicator, plot, cell });
    });
    const cell = element('span', 'state');
    row.append(cell);
    this.#states.push({ indicator, cell });
  }

  // overlays is the row that all of them share.
  #overlays() {
    this.#overlayRow ??= this.#panes[0].appendChild(element('div', 'row'));
    return this.#overlayRow;
  }

  // place moves the texts to the panes, whose borders the user can drag.
  place() {
    const top = this.#root.getBoundingClientRect().top;
    this.#chart.paneElements().forEach((pane, i) => {
      if (pane && this.#panes[i]) this.#panes[i].style.top = `${Math.round(pane.getBoundingClientRect().top - top)}px`;
    });
  }

  show(series, bar) {
    const decimals = this.#chart.precision;
    const cells = this.#cells;
    for (const key of ['o', 'h', 'l', 'c']) put(cells.get(key), bar ? number(bar[key], decimals) : '');
    put(cells.get('time'), bar ? `${utc(bar.t)} UTC` : '');
    put(cells.get('v'), bar ? amount(bar.v) : '');
    put(cells.get('n'), bar ? number(bar.n ?? 0, 0) : '');
    this.#change(bar, decimals);
    put(cells.get('flags'), bar ? this.flags(bar).join(', ') : '');
    for (const { indicator, plot, cell } of this.#values) {
      const row = bar && series.values.get(indicator.instance)?.at(bar.t);
      const value = row?.v?.[plot.output];
      put(cell, number(value, this.#chart.decimals(indicator, plot)));
      cell.classList.toggle('provisional', Boolean(row) && !row.final);
      cell.classList.toggle('unstable', Boolean(row) && !row.stable);
    }
    for (const { indicator, cell } of this.#states) {
      const { word, bad } = stateOf(indicator, series);
      put(cell, word);
      cell.classList.toggle('bad', bad);
    }
  }

  #change(bar, decimals) {
    const cell = this.#cells.get('change');
    const change = bar ? bar.c - bar.o : 0;
    put(cell, bar ? `${signed(change, decimals)} (${signed(percent(change, bar.o), 2)} %)` : '');
    cell.classList.toggle('up', change >= 0);
    cell.classList.toggle('down', change < 0);
  }

  // flags says in words what is special about a bar.
  flags(bar) {
    const words = bar.final ? [] : ['forming, values provisional'];
    if (bar.rev > 0) words.push(`restated ${bar.rev === 1 ? 'once' : `${bar.rev} times`}${bar.why ? ` (${bar.why})` : ''}`);
    if (quality[bar.q]) words.push(quality[bar.q]);
    return words;
  }

  // sentence is what is read aloud when the keyboard moves from bar to bar.
  sentence(series, bar) {
    const decimals = this.#chart.precision;
    const prices = [['open', bar.o], ['high', bar.h], ['low', bar.l], ['close', bar.c]].map(([word, x]) => `${word} ${number(x, decimals)}`);
    const values = this.#values.map(({ indicator, plot }) => {
      const value = series.values.get(indicator.instance)?.at(bar.t)?.v?.[plot.output];
      const name = indicator.plots.length > 1 ? `${indicator.label} ${plot.title}` : indicator.label;
      return `${name} ${number(value, this.#chart.decimals(indicator, plot))}`;
    });
    const states = this.#states.map(({ indicator }) => [indicator.label, stateOf(indicator, series).word]).filter(([, word]) => word !== '').map((both) => both.join(' '));
    return [`${utc(bar.t)} UTC`, ...prices, `volume ${amount(bar.v)}`, ...this.flags(bar), ...values, ...states].join(', ');
  }
}
