// Puts the page together: reads what the server has, shows the selection of the address, and keeps it live.

import * as api from './api.js';
import { Backoff } from './backoff.js';
import { Connection } from './connection.js';
import { Feed } from './feed.js';
import { Pickers } from './pickers.js';
import { describe } from './plots.js';
import { fromHash, toHash } from './selection.js';
import { forBrowser } from './tabs.js';
import { View } from './view.js';
import { ConnectionWords } from './words.js';

const libraryPatience = 10000;
const symbolsEvery = 30000;
const symbolsSoon = 3000;

const part = (id) => document.getElementById(id);
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

class Page {
  #instances = [];
  #shown = null;

  constructor() {
    this.view = new View({
      chart: part('chart'), canvas: part('canvas'), legends: part('legends'), table: part('table'), placeholder: part('placeholder'),
      spoken: part('spoken'), lastPrice: part('last-price'), lastChange: part('last-change'),
    }, { onOlder: () => this.feed.older() });
    this.words = new ConnectionWords({
      box: part('connection'), word: part('state'), countdown: part('countdown'), retry: part('retry'), onRetry: () => this.tabs?.retryNow(),
    });
    this.feed = new Feed({
      api, select: (selection, pos) => this.tabs.select(selection, pos),
      versions: () => new Map(this.#instances.map((i) => [i.instance, i.version])),
      onSeries: (series, fresh) => this.#show(series, fresh), onChange: () => this.#changed(), onMessage: (text) => this.#say(text),
    });
    this.pickers = new Pickers({ select: part('symbol'), fieldset: part('intervals'), onPick: (choice) => this.#pick(choice) });
  }

  async start() {
    this.#library();
    await this.#catalogue();
    this.tabs = forBrowser({
      connect: (callbacks) => new Connection({ address: api.streamAddress, EventSource, ...callbacks }),
      onEvent: (name, text) => this.feed.event(name, text),
      onState: (state) => this.words.show(state),
      onJoined: (fresh) => this.feed.joined(fresh),
    });
    addEventListener('hashchange', () => this.#go(fromHash(location.hash)));
    addEventListener('online', () => this.tabs.retryNow());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.tabs.retryNow(); });
    this.#go(fromHash(location.hash));
    this.#about();
    this.#lookForSymbols();
  }

  // library waits for the chart library, and says so in words when it does not come.
  async #library() {
    const late = wait(libraryPatience).then(() => false);
    const missing = () => {
      this.#say('The chart library could not be loaded. The newest bars are shown as a table; reload the page to try again.', 'library');
      this.view.showTable();
    };
    if (!await Promise.race([globalThis.chartLibrary, late])) missing();
    if (!await globalThis.chartLibrary || !globalThis.LightweightCharts) {
      missing();
      return;
    }
    this.#say('', 'library');
    this.view.useLibrary(globalThis.LightweightCharts);
  }

  // catalogue reads symbols and indicators until the server answers: it may be loading its log.
  async #catalogue() {
    const backoff = new Backoff({ limit: 10000 });
    for (;;) {
      try {
        const [manifests, symbols] = await Promise.all([api.manifests(), api.symbols()]);
        this.#instances = describe(manifests);
        this.view.useIndicators(this.#instances);
        this.pickers.set(symbols);
        this.#say('');
        return;
      } catch (error) {
        this.#say(`The server does not answer yet (${error.message}). Trying again.`);
        await wait(backoff.next());
      }
    }
  }

  async #lookForSymbols() {
    for (;;) {
      await wait(this.#shown ? symbolsEvery : symbolsSoon);
      if (document.hidden) continue;
      const symbols = await api.symbols().catch(() => null);
      if (symbols === null || symbols.map((s) => s.sym).join() === this.pickers.symbols.map((s) => s.sym).join()) continue;
      this.pickers.set(symbols);
      if (!this.#shown) this.#go(fromHash(location.hash));
    }
  }

  #pick(choice) {
    if (choice.itv) location.hash = toHash(choice); // the history of the browser keeps the choice; hashchange shows it
  }

  #go(wish) {
    const choice = this.pickers.choose(wish);
    if (choice === null) {
      this.#say('No symbol yet: the chart begins with the first trade.');
      return;
    }
    if (toHash(choice) !== location.hash) history.replaceState(null, '', toHash(choice));
    if (this.#shown && toHash(this.#shown) === toHash(choice)) return;
    this.#shown = choice;
    this.pickers.show(choice);
    part('chart').setAttribute('aria-label', `Chart of ${choice.sym}, ${choice.itv}`);
    this.feed.show({ ...choice, inds: this.#instances.map((i) => i.instance) });
  }

  #show(series, fresh) {
    this.view.show(series, fresh);
    this.#news();
    if (series.bars.length === 0) this.#say('No bars yet: the chart begins with the first trade.');
  }

  #changed() {
    if (this.#message.history.startsWith('No bars')) this.#say('');
    this.view.changed();
    this.#news();
  }

  // news says in words what the markers say in the chart.
  #news() {
    const swap = this.feed.series?.swaps.at(-1);
    const text = swap ? `${swap.instance} is computed by module version ${swap.version} since ${new Date(swap.t).toISOString().slice(11, 19)} UTC.` : '';
    if (part('notice').textContent !== text) part('notice').textContent = text;
  }

  #message = { history: '', library: '' };

  #say(text, about = 'history') {
    this.#message[about] = text;
    const all = [this.#message.library, this.#message.history].filter(Boolean).join(' ');
    part('message').textContent = all;
    part('message').hidden = all === '';
  }

  // about names the source of the data where the server tells one.
  async #about() {
    const status = await api.status().catch(() => null);
    const feeds = (status?.feeds ?? []).map((feed) => feed.source).filter((source) => typeof source === 'string');
    if (feeds.includes('replay')) part('data').textContent = 'Data: replayed trades (demo: Bitstamp, from ta4j, MIT licence)';
    else if (feeds.length > 0) part('data').textContent = `Data: ${feeds.join(', ')}`;
  }

  // inspect is read by support and by the browser test.
  inspect() {
    const { series } = this.feed;
    return {
      shown: this.#shown, state: this.words.state, shared: this.tabs?.shared, leading: this.tabs?.leading, pos: this.feed.pos,
      bars: series ? [...series.bars] : [], swaps: series?.swaps ?? [], view: this.view.inspect(),
    };
  }
}

const page = new Page();
globalThis.klineDashboard = Object.freeze({ inspect: () => page.inspect() });
page.start();
