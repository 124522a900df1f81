// One stream for all tabs of a browser. HTTP/1.1 allows six connections per host: with a stream per tab, the seventh request of a
// few open tabs would wait for ever. One tab leads: it holds a Web Lock and the stream, and passes events on through a
// BroadcastChannel. When it goes, the lock passes to the next one: a page gives back what it has before it is put aside, since the
// browser may keep it, with its locks, for the way back. Where the page is not in a secure context there are no locks,
// and each tab has a stream of its own.

import { base } from './base.js';
import { State } from './connection.js';
import { sameSelections, union } from './selection.js';

// Two pages of one origin may be those of two nodes.
const channelName = `caddy-kline ${base}`;
const leaderLock = `caddy-kline-leader ${base}`;
const tabLock = (tab) => `caddy-kline-tab-${tab}`;

export class Tabs {
  #tab;
  #locks;
  #channel;
  #connection = null; // of the leader
  #selections = new Map(); // of the leader: by tab
  #mine = null;
  #leaving = new AbortController();
  #left = new Promise((resolve) => this.#leaving.signal.addEventListener('abort', () => resolve()));

  // onEvent(name, data), onState({state, until}), onJoined(fresh): fresh is false when the stream was open before, so that history
  // has to be read once more to be sure that the two meet.
  constructor({ connect, onEvent, onState, onJoined, locks, channel, id }) {
    Object.assign(this, { connect, onEvent, onState, onJoined });
    this.#tab = id;
    this.#locks = locks;
    this.#channel = channel;
    this.shared = Boolean(locks && channel);
    if (!this.shared) {
      this.#lead();
      return;
    }
    channel.addEventListener('message', (message) => this.#receive(message.data));
    this.#hold(tabLock(id));
    this.#hold(leaderLock, () => this.#lead());
  }

  get leading() { return this.#connection !== null; }

  // select says what this tab looks at; pos is the position of the history that it has.
  select(selection, pos) {
    this.#mine = { selection, pos };
    if (this.leading) this.#join(this.#tab, this.#mine);
    else this.#post({ type: 'select', tab: this.#tab, ...this.#mine });
  }

  retryNow() {
    if (this.leading) this.#connection.retryNow();
    else this.#post({ type: 'retry' });
  }

  // leave gives back the stream and all locks, also those that are only waited for: a page that is put aside would be granted them
  // and do nothing. There is no way back.
  leave() {
    this.#leaving.abort();
    this.#connection?.close();
    this.#connection = null;
    this.#channel?.close();
  }

  #hold(name, run = () => {}) {
    this.#locks.request(name, { signal: this.#leaving.signal }, () => {
      run();
      return this.#left;
    }).catch((err) => { if (!this.#leaving.signal.aborted) throw err; });
  }

  #post(message) { if (this.shared && !this.#leaving.signal.aborted) this.#channel.postMessage(message); }

  #lead() {
    this.#connection = this.connect({
      onEvent: (name, text) => {
        if (this.#selections.size > 1 || !this.#selections.has(this.#tab)) this.#post({ type: 'event', name, text });
        this.onEvent(name, text);
      },
      onState: (state) => {
        this.#post({ type: 'state', state });
        this.onState(state);
      },
    });
    if (this.#mine) this.#join(this.#tab, this.#mine);
    this.#post({ type: 'leader' });
  }

  #receive(message) {
    if (this.leading) {
      if (message.type === 'select') this.#join(message.tab, message);
      if (message.type === 'retry') this.#connection.retryNow();
      return;
    }
    switch (message.type) {
      case 'leader':
        if (this.#mine) this.select(this.#mine.selection, this.#mine.pos);
        break;
      case 'event': this.onEvent(message.name, message.text); break;
      case 'state': this.onState(message.state); break;
      case 'joined': if (message.tab === this.#tab) this.onJoined(message.fresh); break;
    }
  }

  // join makes the stream carry the selection of a tab. A stream that has to grow goes on from its own last position, not from
  // that of the tab: the others must not miss what lies between.
  #join(tab, { selection, pos }) {
    if (!this.#selections.has(tab) && tab !== this.#tab) this.#forgetWhenGone(tab);
    this.#selections.set(tab, selection);
    const wanted = union(this.#selections.values());
    const alone = this.#selections.size === 1;
    const open = this.#connection.selections;
    const same = sameSelections(wanted, open);
    const fresh = open.length === 0 || (alone && !same);
    if (fresh) this.#connection.open(wanted, pos);
    else if (!same) this.#connection.open(wanted, '');
    this.#joined(tab, fresh);
  }

  #joined(tab, fresh) {
    const { state, until } = this.#connection;
    if (tab === this.#tab) {
      this.onJoined(fresh);
      return;
    }
    this.#post({ type: 'joined', tab, fresh });
    this.#post({ type: 'state', state: { state: state ?? State.connecting, until: until ?? 0 } });
  }

  // A tab holds a lock as long as it lives; whoever gets that lock knows that the tab is gone, however it ended.
  #forgetWhenGone(tab) {
    this.#locks.request(tabLock(tab), () => { this.#selections.delete(tab); });
  }
}

// forBrowser wires Tabs to what this browser has.
export function forBrowser(callbacks, scope = globalThis) {
  const locks = scope.navigator?.locks;
  const channel = locks && scope.BroadcastChannel ? new scope.BroadcastChannel(channelName) : undefined;
  const id = Array.from(scope.crypto.getRandomValues(new Uint32Array(3)), (n) => n.toString(36)).join('');
  return new Tabs({ ...callbacks, locks: channel ? locks : undefined, channel, id });
}
