import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Backoff } from '../backoff.js';
import { Connection, longestSilence } from '../connection.js';
import { FakeClock, fakeEventSource } from './fakes.js';

const selection = [{ sym: 'A', itv: '1m', inds: ['ema(20)'] }];

function setUp(options = {}) {
  const clock = new FakeClock();
  const EventSource = fakeEventSource();
  const events = [];
  const states = [];
  const connection = new Connection({
    address: '/v1/stream', EventSource, clock, backoff: new Backoff({ random: () => 1 }),
    ...options, onEvent: (name, text, id) => events.push([name, text, id]), onState: ({ state, until }) => states.push([state, until && until - clock.now]),
  });
  connection.open(selection, 'v1.x.1');
  return { clock, EventSource, events, states, connection };
}

const lastState = (states) => states[states.length - 1];

test('waiting times double up to a limit and are drawn from the upper half', () => {
  const long = new Backoff({ first: 1000, limit: 8000, random: () => 1 });
  assert.deepEqual(Array.from({ length: 6 }, () => long.next()), [1000, 2000, 4000, 8000, 8000, 8000]);
  const short = new Backoff({ first: 1000, limit: 8000, random: () => 0 });
  assert.deepEqual([short.next(), short.next()], [500, 1000]);
  short.reset();
  assert.equal(short.next(), 500);
});

test('the stream begins at the position of the history', () => {
  const { EventSource, states } = setUp();
  assert.equal(EventSource.last.url.searchParams.get('last_event_id'), 'v1.x.1');
  assert.deepEqual(EventSource.last.url.searchParams.getAll('s'), ['A@1m:kline,ema(20)']);
  assert.deepEqual(states, [['connecting', 0]]);
});

test('an event makes it live and is passed on', () => {
  const { EventSource, states, events } = setUp();
  EventSource.last.send('pos', { resume: 'v1.x.1', frames: 0 }, 'v1.x.2');
  assert.deepEqual(lastState(states), ['live', 0]);
  assert.deepEqual(events, [['pos', '{"resume":"v1.x.1","frames":0}', 'v1.x.2']]);
});

test('a lost connection is resumed from the last id, with a growing wait', () => {
  const { clock, EventSource, states } = setUp();
  EventSource.last.send('kline', {}, 'v1.x.7');
  EventSource.last.fail(0);
  assert.deepEqual(lastState(states), ['reconnecting', 1000]);
  clock.advance(999);
  assert.equal(EventSource.opened.length, 1);
  clock.advance(1);
  assert.equal(EventSource.opened.length, 2);
  assert.equal(EventSource.last.url.searchParams.get('last_event_id'), 'v1.x.7');
  EventSource.last.fail(0);
  assert.deepEqual(lastState(states), ['reconnecting', 2000]);
});

test('a refusal, on which browsers give up, is tried again too', () => {
  const { clock, EventSource, states } = setUp();
  EventSource.last.fail(2);
  assert.deepEqual(lastState(states), ['stopped', 1000]);
  clock.advance(1000);
  assert.equal(EventSource.opened.length, 2);
  EventSource.last.send('kline', {});
  assert.deepEqual(lastState(states), ['live', 0]);
});

test('silence is stale after two heartbeats, and a new connection after four', () => {
  const { clock, EventSource, states } = setUp();
  EventSource.last.send('pos', {}, 'v1.x.2');
  clock.advance(30999);
  assert.equal(lastState(states)[0], 'live');
  clock.advance(1);
  assert.equal(lastState(states)[0], 'stale');
  EventSource.last.send('pos', {}, 'v1.x.3');
  assert.equal(lastState(states)[0], 'live');
  const first = EventSource.last;
  clock.advance(61000);
  assert.equal(lastState(states)[0], 'reconnecting');
  assert.ok(first.closed);
  clock.advance(1000);
  assert.equal(EventSource.opened.length, 2);
});

test('a server that is silent for longer by its own word is live until then', () => {
  let heartbeat = 15000;
  const { clock, EventSource, states } = setUp({ heartbeat: () => heartbeat });
  heartbeat = 120000; // the answer comes after the stream was opened
  EventSource.last.send('pos', {}, 'v1.x.2');
  for (let i = 3; i < 8; i++) {
    clock.advance(heartbeat);
    EventSource.last.send('pos', {}, `v1.x.${i}`);
  }
  assert.deepEqual(states, [['connecting', 0], ['live', 0]]);
  assert.equal(EventSource.opened.length, 1);
  clock.advance(2 * heartbeat + 1000);
  assert.equal(lastState(states)[0], 'stale');
  clock.advance(2 * heartbeat);
  assert.equal(lastState(states)[0], 'reconnecting');
});

test('only a heartbeat that is longer than the usual one counts', () => {
  for (const said of [0, 1000, undefined, null, NaN, '60000', -1]) assert.equal(longestSilence(said), 15000, String(said));
  assert.equal(longestSilence(60000), 60000);
  assert.equal(longestSilence(1e15), 86400000, 'timers cannot wait for longer than some days');
});

test('a bye says when to come back', () => {
  const { clock, EventSource, states, events } = setUp();
  EventSource.last.send('bye', { reason: 'drain', retry: 5200 });
  assert.deepEqual(lastState(states), ['reconnecting', 5200]);
  assert.deepEqual(events, []);
  clock.advance(5200);
  assert.equal(EventSource.opened.length, 2);
});

test('a bye without a sense does not stop the page', () => {
  const { clock, EventSource } = setUp();
  EventSource.last.listeners.get('bye')({ data: 'nonsense', lastEventId: '' });
  clock.advance(1000);
  assert.equal(EventSource.opened.length, 2);
  EventSource.last.send('bye', { reason: 'x', retry: 1e12 });
  clock.advance(120000);
  assert.equal(EventSource.opened.length, 3);
});

test('a reset is said long enough to be read', () => {
  const { clock, EventSource, states } = setUp();
  EventSource.last.send('reset', { reason: 'expired', series: 'all' }, 'v1.x.9');
  EventSource.last.send('kline', {});
  assert.equal(lastState(states)[0], 'resynchronised');
  clock.advance(4000);
  EventSource.last.send('kline', {});
  assert.equal(lastState(states)[0], 'live');
});

test('another selection replaces the stream, whose last events are ignored', () => {
  const { EventSource, events, connection } = setUp();
  const before = EventSource.last;
  connection.open([{ sym: 'B', itv: '5m', inds: [] }], '');
  assert.ok(before.closed);
  before.send('kline', {}, 'v1.x.99');
  assert.deepEqual(events, []);
  assert.equal(EventSource.last.url.searchParams.get('last_event_id'), 'v1.x.1', 'without a position it goes on from its own');
});

test('retry now does not wait, and does not cut a stream that is open', () => {
  const { EventSource, connection } = setUp();
  connection.retryNow();
  assert.equal(EventSource.opened.length, 1);
  EventSource.last.fail(0);
  connection.retryNow();
  assert.equal(EventSource.opened.length, 2);
});
