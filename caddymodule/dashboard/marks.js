// The markers of one output: one at the value of each bar that has one. A series without a line carries them, so that the scale and
// the crosshair know the values.

import { mark } from './points.js';

const most = 5000; // the newest; the library goes over all of them for each picture

export class Marks {
  #plugin;
  #plot;
  #fade;
  #byTime = new Map();

  constructor(plugin, plot, fade) {
    this.#plugin = plugin;
    this.#plot = plot;
    this.#fade = fade;
  }

  get count() { return this.#plugin.markers().length; }

  // set replaces all: pairs of the time in the chart and the row of values.
  set(pairs) {
    this.#byTime.clear();
    for (const [time, row] of pairs) this.#put(time, row);
    this.#show();
  }

  // update changes one; most updates of a bar in progress change nothing.
  update(time, row) { if (this.#put(time, row)) this.#show(); }

  #put(time, row) {
    const point = mark(row, this.#plot, time, this.#fade);
    const before = this.#byTime.get(time);
    if (point === null) return this.#byTime.delete(time);
    this.#byTime.set(time, point);
    return before?.color !== point.color;
  }

  #show() { this.#plugin.setMarkers([...this.#byTime.values()].sort((a, b) => a.time - b.time).slice(-most)); }
}
