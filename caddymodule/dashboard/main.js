// Puts the page together: reads what the server has, shows the selection of the address, and keeps it live.

import * as api from './api.js';
import { Backoff } from './backoff.js';
import { Catalogue } from './catalogue.js';
import { Chooser } from './chooser.js';
import { Connection, longestSilence } from './connection.js';
import { expressionAllowed } from './expression.js';
import { Feed } from './feed.js';
import { Own } from './own.js';
import { Panel } from './panel.js';
import { Pickers } from './pickers.js';
import { fromHash, mostIndicators, toHash } from './selection.js';
import { Shown } from './shown.js';
import { forBrowser } from './tabs.js';
import { View } from './view.js';
import { ConnectionWords } from './words.js';

const libraryPatience = 10000;
const symbolsEvery = 30000;
const symbolsSoon = 3000;

const part = (id) => document.getElementById(id);
const wait = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const ownParts = () => ({
  section: part('own'), inside: part('inside'), who: part('who'), signOut: part('sign-out'), word: part('own-word'), versions: part('versions'),
  stops: { form: part('stops'), list: part('kills'), scope: part('kill-scope'), name: part('kill-name'), nameBox: part('kill-name-box'), reason: part('kill-reason'), word: part('kill-word') },
  signIn: { form: part('sign-in'), name: part('name'), password: part('password'), word: part('sign-in-word') },
  upload: {
    form: part('upload'), file: part('file'), module: part('module'), activate: part('activate'), activateBox: part('activate-box'), send: part('send'),
    progress: part('progress'), word: part('upload-word'), findings: part('findings'), offers: part('offers'),
  },
});

class Page {
  #entries = []; // of the indicators on the chart
  #shown = null;
  #turn = 0; // raised by each change of what is shown
  #swaps = 0;
  #uploads = false; // the server takes modules
  #heartbeat = longestSilence(); // of the stream
  catalogue = new Catalogue(api);

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
      versions: () => new Map(this.#entries.map((i) => [i.instance, i.version])),
      onSeries: (series, fresh) => this.#show(series, fresh), onChange: () => this.#changed(), onMessage: (text, about) => this.#say(text, about),
      onRefused: (error) => this.#refused(error),
    });
    this.pickers = new Pickers({ select: part('symbol'), fieldset: part('intervals'), onPick: (choice) => this.#pick(choice) });
    this.shown = new Shown({ list: part('shown'), standard: part('standard') }, {
      onRemove: (instance) => this.#chart(this.instances.filter((i) => i !== instance)), onStandard: () => this.#chart(undefined),
    });
    this.chooser = new Chooser({ form: part('chooser'), select: part('indicator'), help: part('indicator-help'), parameters: part('parameters') }, this.catalogue, {
      onAdd: (expression) => { part('add-word').textContent = this.#add(expression); }, sources: () => this.instances,
    });
    this.own = new Own(ownParts(), {
      onChanged: () => this.#lookAround(false), onAdd: (path) => this.#addNamed(path), watched: () => this.panel.open && !document.hidden,
    });
    this.#skipLink();
    this.panel = new Panel({ panel: part('panel'), toggle: part('open-panel'), close: part('close-panel') }, { onOpen: () => this.#lookAround() });
  }

  get instances() { return this.#entries.map((entry) => entry.instance); }

  async start() {
    this.#library();
    await this.#catalogue();
    this.tabs = forBrowser({
      connect: (callbacks) => new Connection({ address: api.streamAddress, EventSource, heartbeat: () => this.#heartbeat, ...callbacks }),
      onEvent: (name, text) => this.feed.event(name, text),
      onState: (state) => this.#state(state),
      onJoined: (fresh) => this.feed.joined(fresh),
    });
    addEventListener('hashchange', () => this.#moved());
    addEventListener('online', () => this.tabs.retryNow());
    addEventListener('pagehide', () => this.tabs.leave());
    addEventListener('pageshow', (shown) => { if (shown.persisted) location.reload(); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.tabs.retryNow(); });
    this.#go(fromHash(location.hash));
    this.#about();
    this.#lookForSymbols();
  }

  // skipLink gives the chart the focus by itself: followed by the browser, the link would change the address, which says what is shown.
  #skipLink() {
    document.querySelector('.skip').addEventListener('click', (event) => {
      event.preventDefault();
      part(part('chart').hidden ? 'table' : 'chart').focus();
    });
  }

  // moved follows the address. One that names nothing is put back: whoever mistyped it loses neither symbol nor indicators.
  #moved() {
    const wish = fromHash(location.hash);
    if (wish === null && this.#shown) history.replaceState(null, '', toHash(this.#shown));
    else this.#go(wish);
  }

  // state: a stream that the server refuses may ask for an indicator that is gone. Reading the history tells which. One that is
  // silent may have a longer heartbeat since the server was reloaded.
  #state(state) {
    if (state.state === 'stale') this.#about();
    if (state.state === 'stopped' && this.words.state !== 'stopped') this.feed.reload();
    this.words.show(state);
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
        const [, symbols] = await Promise.all([this.catalogue.refresh(), api.symbols()]);
        await this.catalogue.resolve(this.catalogue.configured);
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

  // pick goes on with the indicators that are shown; the history of the browser keeps the choice, and hashchange shows it.
  #pick(choice) {
    if (choice.itv) location.hash = toHash({ ...choice, inds: this.#shown?.inds });
  }

  // chart shows other indicators; undefined are those that the operator chose.
  #chart(inds) {
    if (this.#shown) location.hash = toHash({ ...this.#shown, inds: this.#unusual(inds) });
  }

  // unusual is undefined for the set that the operator chose, so that a plain address means it.
  #unusual(inds) { return inds === undefined || inds.join() === this.#usual.join() ? undefined : inds; }

  #usual = [];

  // add puts one more indicator on the chart and says so.
  #add(expression) {
    const { instances } = this;
    if (instances.includes(expression)) return `${expression} is on the chart already.`;
    if (instances.length >= mostIndicators) return `There are ${mostIndicators} indicators on the chart: remove one first.`;
    this.#chart([...instances, expression]);
    return `${expression} is on the chart.`;
  }

  // addNamed adds an indicator with the parameters of its manifest; '' if the server does not compute it.
  async #addNamed(path) {
    await this.catalogue.refresh();
    if (!this.catalogue.has(path)) return '';
    const { entries: [entry], faults } = await this.catalogue.resolve([path]);
    return entry ? this.#add(entry.instance) : faults.join('; ');
  }

  async #go(wish) {
    const turn = ++this.#turn;
    const choice = this.pickers.choose(wish);
    if (choice === null) {
      this.#say('No symbol yet: the chart begins with the first trade.', 'empty');
      return;
    }
    const resolved = await this.#resolve(wish?.inds, turn);
    if (turn !== this.#turn) return;
    choice.inds = this.#unusual(wish?.inds && resolved.entries.map((entry) => entry.instance));
    if (toHash(choice) !== location.hash) history.replaceState(null, '', toHash(choice));
    const faults = [...resolved.faults, ...(wish?.left ?? [])];
    this.#say(faults.length > 0 ? `Left out: ${faults.join('; ')}.` : '', 'indicators');
    this.#say(wish && wish.itv !== choice.itv ? `There are no bars of ${wish.itv} here: ${choice.itv} is shown.` : '', 'interval');
    if (toHash(choice) !== this.#refusal) this.#say('', 'refused');
    if (this.#shown && toHash(this.#shown) === toHash(choice) && this.#same(resolved.entries)) return;
    this.#shown = choice;
    this.#entries = resolved.entries;
    this.pickers.show(choice);
    this.view.useIndicators(resolved.entries);
    this.shown.show(resolved.entries, choice.inds === undefined);
    if (this.panel.open) this.chooser.sourcesChanged();
    this.#say('', 'empty');
    part('chart').setAttribute('aria-label', `Chart of ${choice.sym}, ${choice.itv}`);
    this.feed.show({ sym: choice.sym, itv: choice.itv, inds: this.instances });
  }

  #same(entries) { return JSON.stringify(entries) === JSON.stringify(this.#entries.map(({ pane, levelLines, ...entry }) => entry)); }

  // resolve finds out what the chart has to know of the indicators, and tries until the server says, or something else is to be shown:
  // nobody takes back what an attempt says then.
  async #resolve(inds, turn) {
    const backoff = new Backoff({ limit: 10000 });
    while (turn === this.#turn) {
      try {
        const usual = await this.catalogue.resolve(this.catalogue.configured);
        this.#usual = usual.entries.map((entry) => entry.instance);
        return inds ? await this.catalogue.resolve(inds) : usual;
      } catch (error) {
        if (turn === this.#turn) this.#say(`The indicators could not be read (${error.message}). Trying again.`, 'indicators');
        await wait(backoff.next());
      }
    }
    return null;
  }

  #refusal = ''; // the address that a refusal led to: what it says goes away with the next one

  // refused takes away the indicator that the server does not know any more: its module may have been deactivated.
  #refused(error) {
    const { value } = error;
    if (!expressionAllowed(value) || !this.instances.includes(value)) return false;
    const left = this.instances.filter((i) => i !== value);
    this.#say(`Left out: ${error.message}.`, 'refused');
    this.#refusal = toHash({ ...this.#shown, inds: this.#unusual(left) });
    this.#chart(left);
    return true;
  }

  // lookAround reads anew what may have changed since the panel was open.
  async #lookAround(opened = true) {
    await this.catalogue.refresh().catch(() => {});
    await this.chooser.refresh();
    if (!opened) return;
    await this.#about();
    if (this.#uploads) await this.own.look();
  }

  #show(series, fresh) {
    this.view.show(series, fresh);
    this.#news();
    this.#say(this.#empty(series), 'empty');
  }

  // empty says why there is no candle, '' if there is one.
  #empty({ sym, bars }) {
    if (bars.length > 0) return '';
    if (this.pickers.lists(sym)) return 'No bars yet: the chart begins with the first trade.';
    return `No trades of ${sym} have been seen yet: the chart begins with the first one.`;
  }

  #changed() {
    if (this.feed.series.bars.length > 0) this.#say('', 'empty');
    this.view.changed();
    this.#news();
  }

  // news says in words what the markers say in the chart.
  #news() {
    const { swaps = [] } = this.feed.series ?? {};
    const swap = swaps.at(-1);
    if (swaps.length > this.#swaps) this.#reconsider();
    this.#swaps = swaps.length;
    const text = swap ? `${swap.instance} is computed by module version ${swap.version} since ${new Date(swap.t).toISOString().slice(11, 19)} UTC.` : '';
    if (part('notice').textContent !== text) part('notice').textContent = text;
  }

  // reconsider looks whether the module that took over draws something else.
  async #reconsider() {
    await this.catalogue.refresh().catch(() => {});
    if (this.#shown) this.#go(this.#shown);
  }

  #message = { history: '', older: '', empty: '', library: '', interval: '', indicators: '', refused: '' };

  #say(text, about = 'history') {
    if (this.#message[about] === text) return;
    this.#message[about] = text;
    const all = Object.values(this.#message).filter(Boolean).join(' ');
    part('message').textContent = all;
    part('message').hidden = all === '';
  }

  // about names the source of the data where the server tells one, and finds out whether it takes uploads and how long its streams
  // are silent.
  async #about() {
    const status = await api.status().catch(() => null);
    if (status === null) return;
    this.#uploads = status.uploads === true;
    this.#heartbeat = longestSilence(status.heartbeat_ms);
    const feeds = (status.feeds ?? []).map((feed) => feed.source).filter((source) => typeof source === 'string');
    if (feeds.includes('replay')) part('data').textContent = 'Data: replayed trades (demo: Bitstamp, from ta4j, MIT licence)';
    else if (feeds.length > 0) part('data').textContent = `Data: ${feeds.join(', ')}`;
  }

  // inspect is read by support and by the browser test.
  inspect() {
    const { series } = this.feed;
    return {
      shown: this.#shown, state: this.words.state, shared: this.tabs?.shared, leading: this.tabs?.leading, pos: this.feed.pos,
      bars: series ? [...series.bars] : [], swaps: series?.swaps ?? [], instances: this.instances, view: this.view.inspect(),
    };
  }
}

const page = new Page();
globalThis.klineDashboard = Object.freeze({ inspect: () => page.inspect() });
page.start();
