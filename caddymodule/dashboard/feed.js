// Keeps one Series up to date: history from the server, then the stream from the position of that history, older pages when they
// are wanted, and everything anew after a reset or a hole.

import { Backoff } from './backoff.js';
import { Repeats } from './repeats.js';
import { Series } from './series.js';

const pageBars = 1000;
// A server has the values of what nobody configured from the bars in its memory: the oldest of these lack them, until a page that
// begins further back is read over them, too. An indicator that has none for longer is not waited for.
const warmingBars = 400;
const mostBars = 5000; // of an answer, where the operator set no lower limit
const enoughBars = 20000; // with as many no older ones are read
const tooManyBars = 30000; // then the oldest are dropped: a page may stay open for weeks
const stabilityRows = 1000;

const olderPace = { first: 2000, limit: 30000 };

const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const allowsFewer = ({ status, param, limit }, asked) => status === 400 && param === 'limit' && Number.isInteger(limit) && limit > 0 && limit < asked;

// beginning tells whether nothing comes before a page. One that says what is missing may be short because a database is away.
const beginning = ({ short, missing }) => short && !(missing?.length > 0);

export class Feed {
  series = null;
  pos = '';
  #turn = 0; // raised by each show: what an older one still waits for is dropped
  #queue = null; // events that arrive while history is read
  #paging = false;
  #complete = false; // the oldest bar is loaded
  #pace = new Backoff(olderPace); // of older pages that do not come
  #notBefore = -Infinity; // when the next one may be asked for
  #failed = new Set(); // what messages are about that are on the screen
  #most = mostBars; // rows the server sends per answer, as far as is known
  #before = null; // the series with the bars that are on the screen while others are read
  #epoch = 0; // raised by what makes answers out of date that were asked for before it
  #askedIn = 0; // the epoch in which the series was asked for
  #repeats; // of questions for history, while the node that answers is behind the one that streams

  // api: bundle and values; select(selection, pos) asks for the stream; onSeries(series, fresh) replaces what is drawn, onChange
  // says that it changed, onMessage(text, about) is for people, about being 'history' or 'older', and onRefused(error) returns whether
  // it has shown something else instead.
  constructor({ api, select, versions, onSeries, onChange, onMessage, onRefused, clock = globalThis }) {
    Object.assign(this, { api, select, versions, onSeries, onChange, onMessage, onRefused, clock });
    this.#repeats = new Repeats(clock, () => this.#readAgain());
  }

  // show loads another selection. With other indicators on the same bars, as many bars come back as were there.
  async show(selection) {
    const turn = ++this.#turn;
    const before = this.series ?? this.#before;
    this.#before = before?.sym === selection.sym && before.itv === selection.itv ? before : null;
    this.selection = selection;
    this.series = null;
    this.#queue = [];
    this.#settle();
    this.#repeats.succeed();
    if (!await this.#load(turn, Math.max(pageBars, this.#before?.bars.length ?? 0), true)) return;
    this.select(selection, this.pos);
  }

  // settle takes back what was said of bars that are not on the screen any more, and what it made older pages wait for.
  #settle() {
    this.#unsay();
    this.#pace.reset();
    this.#notBefore = -Infinity;
  }

  #unsay() {
    this.#failed.forEach((about) => this.onMessage('', about));
    this.#failed.clear();
  }

  #fail(text, about) {
    this.#failed.add(about);
    this.onMessage(text, about);
  }

  // joined: a stream that was open before goes on from a position of its own. History that is read now overlaps with it for sure.
  joined(fresh) { if (!fresh) this.reload(); }

  // reload reads as much history as is shown and one answer holds, and applies what the stream brings meanwhile on top of it. What is
  // left of that comes back page by page, when it is looked at. While history is read already, it is read once more afterwards: that
  // answer may be older than what asks for another one.
  async reload() {
    this.#repeats.renew();
    if (this.#queue !== null) this.#epoch++;
    else if (this.series !== null) await this.#readAgain();
  }

  async #readAgain() {
    this.#repeats.cancel();
    this.#queue = [];
    await this.#load(this.#turn, Math.max(pageBars, this.series.bars.length), false);
  }

  // read asks for a page of at most limit bars. A server that allows fewer says how many: asking for more would be refused for ever.
  async #read(selection, limit, to) {
    for (;;) {
      const asked = Math.min(limit, this.#most);
      try {
        const page = await this.api.bundle(selection, { limit: asked, to });
        return { ...page, short: (page.bars?.length ?? 0) < asked };
      } catch (error) {
        if (!allowsFewer(error, asked)) throw error;
        this.#most = Math.min(this.#most, error.limit);
      }
    }
  }

  // load tries until it succeeds or is overtaken.
  async #load(turn, limit, fresh) {
    const backoff = new Backoff();
    for (;;) {
      const epoch = this.#epoch;
      try {
        const page = await this.#read(this.selection, limit);
        if (turn !== this.#turn) return false;
        this.onMessage('', 'history');
        this.#settle();
        this.#begin(page, fresh, epoch);
        return true;
      } catch (error) {
        if (turn !== this.#turn) return false;
        if (error.status >= 400 && error.status < 500 && this.onRefused(error)) return false;
        this.#fail(`History could not be read (${error.message}). Trying again.`, 'history');
        await wait(backoff.next());
        if (turn !== this.#turn) return false;
      }
    }
  }

  #begin(page, fresh, epoch) {
    const before = this.series ?? this.#before;
    this.#before = null;
    const series = new Series(this.selection, this.versions());
    series.page(page);
    const behind = before !== null && series.seq < before.seq;
    if (before) {
      series.swaps = before.swaps.filter((swap) => series.values.has(swap.instance));
      before.values.forEach((values, name) => { if (series.values.has(name)) series.values.get(name).version = values.version; });
      if (behind && this.#askedIn === this.#epoch) series.keep(before);
    }
    this.pos = page.pos;
    this.#complete = beginning(page);
    const queue = this.#queue ?? [];
    this.#queue = null;
    this.series = series;
    const whole = queue.map(([name, data]) => series.event(name, data)).every(Boolean);
    if (before) series.seq = Math.max(series.seq, before.seq);
    this.#askedIn = epoch;
    this.onSeries(series, fresh);
    this.#explain(this.#turn, page.short);
    // The number of the history is that of its newest event, also of a bar before those that were asked for.
    if (behind || !whole || epoch !== this.#epoch) this.#repeats.again();
    else this.#repeats.succeed();
  }

  // event takes one event of the stream, for whichever series it is.
  event(name, text) {
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      return; // not one of our server's
    }
    if (name === 'reset') {
      if (this.#concerns(data)) this.#dropped(data.reason);
      return;
    }
    if (this.#queue !== null) {
      this.#queue.push([name, data]);
      return;
    }
    if (this.series === null) return;
    if (!this.series.event(name, data)) this.#hole();
    if (this.series.bars.length > tooManyBars) this.series.cut(enoughBars);
    if (this.series.changed) this.onChange();
  }

  // hole: an event was lost. A question that is due already will bring it.
  #hole() {
    if (!this.#repeats.due) this.reload();
  }

  // dropped reads anew what a reset took back. The numbers of another log say nothing about those of this one.
  #dropped(reason) {
    const shown = this.series ?? this.#before;
    if (shown && reason === 'foreign') shown.seq = -1;
    if (this.#queue === null) this.#epoch++;
    this.reload();
  }

  #concerns({ series }) {
    if (!Array.isArray(series)) return true; // all
    const mine = `${this.selection.sym}@${this.selection.itv}`;
    return series.some((entry) => (typeof entry === 'string' ? entry : `${entry?.sym}@${entry?.itv}`).startsWith(mine));
  }

  // older reads one page before the oldest bar that has all values. Each move of the chart asks for it: what does not come now is asked for at a pace.
  async older() {
    const { series } = this;
    if (this.#paging || this.#complete || this.#queue !== null || !series?.bars.length || series.bars.length >= enoughBars) return;
    if (this.clock.Date.now() < this.#notBefore) return;
    this.#paging = true;
    const turn = this.#turn;
    const left = () => turn !== this.#turn || series !== this.series;
    try {
      const page = await this.#read(this.selection, pageBars, series.warm(Math.min(warmingBars, this.#most >> 1)));
      if (!left()) this.#prepend(page);
    } catch (error) {
      if (left()) return; // of bars that nobody looks at any more
      this.#delay();
      this.#fail(`Older bars could not be read (${error.message}). Move the chart to try again.`, 'older');
    } finally {
      this.#paging = false;
    }
  }

  #prepend(page) {
    const { series } = this;
    const { seq } = series;
    series.page(page);
    series.seq = seq;
    this.#complete = beginning(page);
    if (page.short && !this.#complete) {
      this.#unsay();
      this.#delay();
    } else this.#settle();
    this.onChange();
    if (page.short) this.#dim(this.#turn);
  }

  #delay() { this.#notBefore = this.clock.Date.now() + this.#pace.next(); }

  // explain reads why the newest values are missing, if they are, and where the oldest have not converged.
  async #explain(turn, short) {
    await this.#flags(turn, () => ({ limit: 2 }));
    if (short) await this.#dim(turn);
  }

  // dim finds the values that have not converged; they only exist at the very beginning of a series.
  #dim(turn) { return this.#flags(turn, (series) => ({ from: series.bars.first.t, limit: Math.min(stabilityRows, this.#most) })); }

  // flags reads what bundles do not say of values.
  async #flags(turn, range) {
    const { series } = this;
    if (!series?.bars.length) return;
    for (const name of series.values.keys()) {
      try {
        const { rows } = await this.api.values(this.selection, name, range(series));
        if (turn !== this.#turn || series !== this.series) return;
        series.flags(name, rows ?? []);
        if (series.changed) this.onChange();
      } catch {
        return; // a refinement: without it values are drawn at full strength
      }
    }
  }
}
