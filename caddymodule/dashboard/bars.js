// The bars of one symbol and interval, ascending and unique by open time.

// Where a kline went: nowhere, behind the last bar, onto the last, onto an older one, or between two (a late trade in an empty
// bucket).
export const Place = Object.freeze({ none: 'none', append: 'append', last: 'last', older: 'older', between: 'between' });

export class Bars {
  #bars = [];

  get length() { return this.#bars.length; }
  get first() { return this.#bars[0]; }
  get last() { return this.#bars[this.#bars.length - 1]; }
  at(i) { return this.#bars[i]; }
  [Symbol.iterator]() { return this.#bars[Symbol.iterator](); }

  // search returns the position of the first bar at or after t.
  search(t) {
    let low = 0;
    let high = this.#bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bars[middle].t < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  find(t) {
    const i = this.search(t);
    return this.#bars[i]?.t === t ? this.#bars[i] : undefined;
  }

  // merge applies many klines at once, for pages and snapshots.
  merge(klines) {
    const sorted = [...klines].sort((a, b) => a.t - b.t);
    if (sorted.length > 0 && this.length > 0 && sorted[sorted.length - 1].t < this.first.t) {
      const unique = sorted.filter((k, i) => i === 0 || k.t !== sorted[i - 1].t);
      this.#bars = [...unique, ...this.#bars];
      return;
    }
    sorted.forEach((k) => this.apply(k));
  }

  // cut leaves the newest n.
  cut(n) { this.#bars = this.#bars.slice(-n); }

  // apply puts one kline into its place. The same kline twice, an older revision, and a forming frame of a bar that has closed are
  // dropped: that is what makes history and stream join without a seam, however much they overlap.
  apply(kline) {
    const i = this.search(kline.t);
    const have = this.#bars[i];
    if (have === undefined) {
      this.#bars.push(kline);
      return Place.append;
    }
    if (have.t !== kline.t) {
      if (!kline.final) return Place.none; // the live part of a series never goes back
      this.#bars.splice(i, 0, kline);
      return Place.between;
    }
    const older = kline.rev < have.rev || (kline.rev === have.rev && have.final);
    if (older || (have.final && !kline.final)) return Place.none;
    this.#bars[i] = kline;
    return i === this.#bars.length - 1 ? Place.last : Place.older;
  }
}
