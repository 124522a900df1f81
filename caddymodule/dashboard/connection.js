// One event stream with reconnection of our own. The browser's built-in one is not enough: it gives up for ever on any answer
// that is not 200, does not tell when it tries again, and cannot change its selection.

import { Backoff } from './backoff.js';
import { toQuery } from './selection.js';

export const State = Object.freeze({
  connecting: 'connecting', live: 'live', stale: 'stale', reconnecting: 'reconnecting', resynchronised: 'resynchronised', stopped: 'stopped',
});

export const eventNames = Object.freeze(['snapshot', 'kline', 'indicator', 'revise', 'gap', 'alert', 'reset', 'pos', 'bye']);

const usualHeartbeat = 15000;
const longestHeartbeat = 86400000; // a timer fires at once that is to wait for more than 24 days
const closedState = 2; // EventSource.CLOSED
const resetShown = 4000;
const longestWait = 120000; // whatever a bye asks for

// longestSilence is what the server says of its heartbeat in ms, never less than the usual: a network may hold back for as long.
export const longestSilence = (said) => Math.min(longestHeartbeat, Math.max(usualHeartbeat, Number.isFinite(said) ? said : 0));

export class Connection {
  #source = null;
  #timer = null;
  #watch = null;
  #selections = [];
  #farewell = null;
  #resetAt = -Infinity;

  // onEvent(name, text, id), onState({state, until}): until is when the next attempt begins, in ms since 1970. heartbeat() is the
  // longest silence of the server, asked anew each time: the page learns it while the stream is open.
  constructor({ address, EventSource, onEvent, onState, heartbeat = longestSilence, clock = globalThis, backoff = new Backoff() }) {
    Object.assign(this, { address, EventSource, onEvent, onState, heartbeat, clock, backoff });
    this.lastId = '';
    this.state = State.connecting;
  }

  // open streams the selections from the position id on, and ends what was open before.
  open(selections, id) {
    this.#selections = selections;
    if (id) this.lastId = id;
    this.backoff.reset();
    this.#say(State.connecting);
    this.#connect();
  }

  get selections() { return this.#selections; }

  retryNow() {
    if (this.#source === null && this.#selections.length > 0) this.#connect();
  }

  close() {
    this.#end();
    this.#selections = [];
  }

  #url() {
    const query = new URLSearchParams();
    for (const selection of this.#selections) query.append('s', toQuery(selection));
    if (this.lastId) query.set('last_event_id', this.lastId);
    return `${this.address}?${query}`;
  }

  #connect() {
    this.#end();
    const source = new this.EventSource(this.#url());
    this.#source = source;
    this.#farewell = null;
    for (const name of eventNames) source.addEventListener(name, (event) => this.#take(source, name, event));
    source.addEventListener('error', () => this.#lost(source));
    this.#alive();
  }

  #take(source, name, event) {
    if (source !== this.#source) return; // of a stream that was replaced
    this.backoff.reset();
    if (event.lastEventId) this.lastId = event.lastEventId;
    this.#alive();
    if (name === 'bye') {
      this.#bye(source, event.data);
      return;
    }
    this.#arrived(name);
    this.onEvent(name, event.data, event.lastEventId);
  }

  // arrived keeps the word about a reset on the screen long enough to be read: its snapshots follow at once.
  #arrived(name) {
    const now = this.clock.Date.now();
    if (name === 'reset') this.#resetAt = now;
    this.#say(now - this.#resetAt < resetShown ? State.resynchronised : State.live);
  }

  // bye announces the end and when to come back. Waiting for the end itself would leave the time to the browser.
  #bye(source, data) {
    try {
      this.#farewell = JSON.parse(data);
    } catch {
      this.#farewell = {};
    }
    this.#lost(source);
  }

  #lost(source) {
    if (source !== this.#source) return;
    const stopped = this.#farewell === null && source.readyState === closedState;
    const asked = this.#farewell?.retry;
    this.#end();
    const wait = Number.isFinite(asked) ? Math.min(Math.max(asked, 0), longestWait) : this.backoff.next();
    this.#timer = this.clock.setTimeout(() => this.#connect(), wait);
    this.#say(stopped ? State.stopped : State.reconnecting, this.clock.Date.now() + wait);
  }

  // alive restarts the watch for silence: after two heartbeats the stream is called stale, after four it is given up. A
  // connection whose other end vanished without a word never reports an error.
  #alive() {
    this.clock.clearTimeout(this.#watch);
    this.#watch = this.clock.setTimeout(() => {
      this.#say(State.stale);
      this.#watch = this.clock.setTimeout(() => this.#lost(this.#source), 2 * this.heartbeat());
    }, 2 * this.heartbeat() + 1000);
  }

  #end() {
    this.clock.clearTimeout(this.#timer);
    this.clock.clearTimeout(this.#watch);
    this.#source?.close();
    this.#source = null;
  }

  #say(state, until = 0) {
    if (state === this.state && until === 0 && state !== State.connecting) return;
    this.state = state;
    this.onState({ state, until });
  }
}
