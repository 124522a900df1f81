// One symbol and interval with its indicators: takes answers of /v1/bundle and events of the stream, and collects what has to be
// drawn anew at the next frame.

import { Bars, Place } from './bars.js';
import { Values } from './values.js';

// From this many changed times on, all data is set again: a restated bar changes every later value of a recursive indicator, and
// each historical update makes the chart library shift its arrays.
const manyTimes = 64;

export class Series {
  bars = new Bars();
  values = new Map(); // by instance
  swaps = []; // {t, instance, version}: from t on a new module computes
  seq = -1; // of the newest event that is in the data
  #from = -Infinity; // bars before were cut: one of them alone would stand beside a hole
  #times = new Set();
  #rebuild = false;

  constructor({ sym, itv, inds }, versions = new Map()) {
    this.sym = sym;
    this.itv = itv;
    for (const name of inds) {
      const values = new Values();
      values.version = versions.get(name) ?? '';
      this.values.set(name, values);
    }
  }

  // page merges one entry of a bundle.
  page({ bars = [], ind = {}, seq }) {
    this.bars.merge(bars);
    const forming = new Set(bars.filter((bar) => !bar.final).map((bar) => bar.t));
    for (const [name, columns] of Object.entries(ind)) {
      this.values.get(name)?.columns(columns, { provisional: (t) => forming.has(t) });
    }
    for (const bar of [...bars, { seq }]) this.seq = Math.max(this.seq, bar.seq ?? -1);
    this.#rebuild = true;
  }

  // warm is the open time of the oldest bar from which on no indicator lacks its first values; one that has none among the oldest most
  // bars does not count.
  warm(most) {
    let from = 0;
    for (const values of this.values.values()) {
      let i = 0;
      while (i < most && i < this.bars.length && values.empty(this.bars.at(i).t)) i++;
      if (i < most && i < this.bars.length) from = Math.max(from, i);
    }
    return this.bars.at(from).t;
  }

  // keep takes over what another series has from the newest bar of this one on.
  keep(other) {
    const from = this.bars.last?.t ?? -Infinity;
    for (let i = other.bars.search(from); i < other.bars.length; i++) this.bars.apply(other.bars.at(i));
    for (const [name, values] of other.values) this.values.get(name)?.keep(values, from);
    this.#rebuild = true;
  }

  // cut leaves the newest n bars with their values.
  cut(n) {
    this.bars.cut(n);
    this.#from = this.bars.first.t;
    this.values.forEach((values) => values.cut(this.#from));
    this.swaps = this.swaps.filter((swap) => swap.t >= this.#from);
    this.#times.clear();
    this.#rebuild = true;
  }

  // flags notes which values have not converged and which a module has failed on, from rows of /v1/values: [t, v.., flags].
  flags(name, rows) {
    const values = this.values.get(name);
    for (const row of rows) this.#rebuild = values?.mark(row[0], row[row.length - 1]) || this.#rebuild;
  }

  mine(data) { return data.sym === this.sym && data.itv === this.itv; }

  // event applies one event of the stream. It returns false when an event of this series must have been lost on the way: the data
  // has to be read again.
  event(name, data) {
    if (!this.mine(data)) return true;
    switch (name) {
      case 'snapshot': return this.#snapshot(data);
      case 'kline': return this.#kline(data);
      case 'revise': return data.ind === undefined ? this.#kline(data) : this.#restate(data);
      case 'indicator': this.#indicator(data);
    }
    return true;
  }

  #kline(kline) {
    const whole = this.#follows(kline.seq, kline.final ? 1 : 0);
    this.#put(kline);
    return whole;
  }

  // follows keeps the number of the newest event. Numbers have no holes: one that is missing was lost.
  #follows(seq, step) {
    if (!Number.isInteger(seq)) return true;
    const whole = this.seq < 0 || seq <= this.seq + step;
    this.seq = Math.max(this.seq, seq);
    return whole;
  }

  #put(bar) {
    if (bar.t < this.#from) return;
    const place = this.bars.apply(bar);
    if (place === Place.between) this.#rebuild = true;
    else if (place !== Place.none) this.#times.add(bar.t);
  }

  #restate(data) {
    const values = this.values.get(data.ind);
    values?.columns(data, { rev: data.rev ?? 0, force: true }).forEach((t) => this.#times.add(t));
    return true;
  }

  #indicator(data) {
    const values = this.values.get(data.ind);
    if (values === undefined) return;
    const version = data.ver ?? '';
    if (version !== '' && version !== values.version) {
      if (values.version !== '') this.swaps.push({ t: data.t, instance: data.ind, version });
      values.version = version;
    }
    if (values.apply(data)) this.#times.add(data.t);
  }

  #snapshot(data) {
    const whole = this.#follows(data.seq, 0);
    for (const bar of data.bars ?? []) this.#put(bar);
    if (data.forming) this.#put(data.forming);
    for (const [name, columns] of Object.entries(data.ind ?? {})) {
      this.values.get(name)?.columns(columns).forEach((t) => this.#times.add(t));
      if (columns.forming) this.#indicator(columns.forming);
    }
    return whole;
  }

  // take returns what changed since the last call: {rebuild, times}, times ascending and only those that have a bar.
  take() {
    const rebuild = this.#rebuild || this.#times.size > manyTimes;
    const times = rebuild ? [] : [...this.#times].filter((t) => this.bars.find(t) !== undefined).sort((a, b) => a - b);
    this.#rebuild = false;
    this.#times.clear();
    return { rebuild, times };
  }

  get changed() { return this.#rebuild || this.#times.size > 0; }
}
