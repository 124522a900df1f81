import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Tabs } from '../tabs.js';

// FakeLocks grants a name to one holder after the other.
class FakeLocks {
  #waiting = new Map();

  request(name, options, run, tab) {
    const queue = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, queue);
    const entry = { tab, run: () => Promise.resolve(run()).then(() => this.#drop(name, entry)) };
    queue.push(entry);
    options.signal?.addEventListener('abort', () => { if (this.#waiting.get(name)[0] !== entry) this.#drop(name, entry); });
    if (queue.length === 1) entry.run();
    return Promise.resolve();
  }

  #drop(name, entry) {
    const queue = this.#waiting.get(name);
    const first = queue[0] === entry;
    const left = queue.filter((other) => other !== entry);
    this.#waiting.set(name, left);
    if (first && left.length > 0) left[0].run();
  }

  // die frees what a tab holds and waits for.
  die(tab) {
    for (const [name, queue] of this.#waiting) {
      const first = queue[0];
      const left = queue.filter((entry) => entry.tab !== tab);
      this.#waiting.set(name, left);
      if (first?.tab === tab && left.length > 0) left[0].run();
    }
  }
}

class FakeChannel {
  static all = [];
  listeners = [];
  constructor() { FakeChannel.all.push(this); }
  addEventListener(_, run) { this.listeners.push(run); }
  close() { this.gone = true; }
  postMessage(data) {
    if (this.gone) throw new Error('InvalidStateError');
    const text = JSON.stringify(data);
    FakeChannel.all.filter((c) => c !== this && !c.gone).forEach((c) => c.listeners.forEach((run) => run({ data: JSON.parse(text) })));
  }
}

function browser() {
  FakeChannel.all = [];
  const locks = new FakeLocks();
  const opened = [];
  const connect = (callbacks) => {
    const connection = { selections: [], state: 'connecting', until: 0, retryNow() {}, close() { connection.closed = true; }, ...callbacks };
    connection.open = (selections, pos) => {
      connection.selections = selections;
      opened.push({ what: selections.map((s) => `${s.sym}@${s.itv}`).join(' '), pos });
    };
    connection.send = (name, text) => callbacks.onEvent(name, text);
    connections.push(connection);
    return connection;
  };
  const connections = [];
  const tab = (id, shared = true) => {
    const seen = { events: [], states: [], joined: [] };
    const channel = shared ? new FakeChannel() : undefined;
    const own = shared ? { request: (name, ...rest) => locks.request(name, rest.length > 1 ? rest[0] : {}, rest[rest.length - 1], id) } : undefined;
    const tabs = new Tabs({
      connect, id, channel, locks: own,
      onEvent: (name, text) => seen.events.push(`${name} ${text}`), onState: ({ state }) => seen.states.push(state), onJoined: (fresh) => seen.joined.push(fresh),
    });
    return { tabs, seen, die() { channel.gone = true; locks.die(id); } };
  };
  return { tab, opened, connections };
}

const btc = { sym: 'BTC', itv: '1m', inds: [] };
const eth = { sym: 'ETH', itv: '5m', inds: [] };

test('a tab alone streams from the position of its history', () => {
  const { tab, opened } = browser();
  const a = tab('a');
  a.tabs.select(btc, 'p1');
  assert.deepEqual(opened, [{ what: 'BTC@1m', pos: 'p1' }]);
  assert.deepEqual(a.seen.joined, [true]);
  a.tabs.select(eth, 'p2');
  assert.deepEqual(opened[1], { what: 'ETH@5m', pos: 'p2' });
});

test('a second tab gets its events through the first, and one stream carries both', () => {
  const { tab, opened, connections } = browser();
  const a = tab('a');
  a.tabs.select(btc, 'p1');
  const b = tab('b');
  b.tabs.select(eth, 'p2');
  assert.equal(connections.length, 1);
  assert.deepEqual(opened[1], { what: 'BTC@1m ETH@5m', pos: '' }, 'from its own position, or the first tab would miss something');
  assert.deepEqual(b.seen.joined, [false], 'so the second tab has to read history again');
  connections[0].send('kline', '{}');
  assert.deepEqual(a.seen.events, ['kline {}']);
  assert.deepEqual(b.seen.events, ['kline {}']);
});

test('the same selection in two tabs leaves the stream alone', () => {
  const { tab, opened } = browser();
  tab('a').tabs.select(btc, 'p1');
  const b = tab('b');
  b.tabs.select(btc, 'p2');
  assert.equal(opened.length, 1);
  assert.deepEqual(b.seen.joined, [false]);
});

test('when the leader goes, another tab takes over', () => {
  const { tab, opened, connections } = browser();
  const a = tab('a');
  a.tabs.select(btc, 'p1');
  const b = tab('b');
  b.tabs.select(eth, 'p2');
  const c = tab('c');
  c.tabs.select(btc, 'p3');
  a.die();
  assert.equal(connections.length, 2);
  assert.ok(b.tabs.leading);
  assert.equal(opened[opened.length - 1].what, 'BTC@1m ETH@5m');
  connections[1].send('kline', '{}');
  assert.deepEqual(c.seen.events, ['kline {}']);
});

test('a tab that went is not streamed for any more', () => {
  const { tab, opened } = browser();
  const a = tab('a');
  a.tabs.select(btc, 'p1');
  const b = tab('b');
  b.tabs.select(eth, 'p2');
  b.die();
  a.tabs.select({ ...btc, itv: '1h' }, 'p3');
  assert.deepEqual(opened[opened.length - 1], { what: 'BTC@1h', pos: 'p3' });
});

test('a tab that is put aside gives back the stream and what it waits for', async () => {
  const { tab, opened, connections } = browser();
  const [a, b, c] = ['a', 'b', 'c'].map((id) => tab(id));
  a.tabs.select(btc, 'p1');
  b.tabs.select(eth, 'p2');
  c.tabs.select({ ...btc, itv: '1h' }, 'p3');
  b.tabs.leave(); // waits for its turn to lead
  a.tabs.leave();
  await new Promise((resolve) => setTimeout(resolve));
  assert.ok(connections[0].closed);
  assert.deepEqual([a, b, c].map((t) => t.tabs.leading), [false, false, true]);
  assert.equal(opened[opened.length - 1].what, 'BTC@1h');
  a.tabs.select(eth, 'p4'); // what still runs in a page that is going
});

test('without locks each tab has a stream of its own', () => {
  const { tab, connections } = browser();
  tab('a', false).tabs.select(btc, 'p1');
  tab('b', false).tabs.select(eth, 'p2');
  assert.equal(connections.length, 2);
});
