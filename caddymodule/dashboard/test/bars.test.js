import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Bars, Place } from '../bars.js';

const kline = (t, rest = {}) => ({ t, o: 1, h: 2, l: 0.5, c: 1.5, v: 3, final: true, rev: 0, q: 'trades', ...rest });
const times = (bars) => [...bars].map((bar) => bar.t);

test('a forming bar moves, closes and is followed', () => {
  const bars = new Bars();
  assert.equal(bars.apply(kline(60, { final: false, c: 1 })), Place.append);
  assert.equal(bars.apply(kline(60, { final: false, c: 2 })), Place.last);
  assert.equal(bars.apply(kline(60, { c: 3 })), Place.last);
  assert.equal(bars.apply(kline(120, { final: false })), Place.append);
  assert.equal(bars.at(0).c, 3);
});

test('a closed bar is not opened again by a late forming frame', () => {
  const bars = new Bars();
  bars.apply(kline(60, { c: 3 }));
  assert.equal(bars.apply(kline(60, { final: false, c: 9 })), Place.none);
  assert.equal(bars.last.c, 3);
});

test('a forming frame behind the last bar is dropped', () => {
  const bars = new Bars();
  bars.merge([kline(60), kline(180)]);
  assert.equal(bars.apply(kline(120, { final: false })), Place.none);
  assert.deepEqual(times(bars), [60, 180]);
});

test('the same bar twice and older revisions change nothing', () => {
  const bars = new Bars();
  bars.apply(kline(60, { rev: 2, c: 7 }));
  assert.equal(bars.apply(kline(60, { rev: 2, c: 8 })), Place.none);
  assert.equal(bars.apply(kline(60, { rev: 1, c: 8 })), Place.none);
  assert.equal(bars.last.c, 7);
});

test('a revision of an older bar is told apart from one in an empty bucket', () => {
  const bars = new Bars();
  bars.merge([kline(60), kline(180)]);
  assert.equal(bars.apply(kline(60, { rev: 1 })), Place.older);
  assert.equal(bars.apply(kline(120, { rev: 1 })), Place.between);
  assert.equal(bars.apply(kline(0, { rev: 1 })), Place.between);
  assert.deepEqual(times(bars), [0, 60, 120, 180]);
});

test('pages in any order and overlap give ascending unique bars', () => {
  // Every split of ten bars into an older and a newer page that overlap by up to three bars.
  const all = Array.from({ length: 10 }, (_, i) => kline(i * 60));
  for (let cut = 0; cut <= 10; cut++) {
    for (let overlap = 0; overlap <= 3; overlap++) {
      const bars = new Bars();
      bars.merge(all.slice(cut));
      bars.merge(all.slice(0, Math.min(10, cut + overlap)));
      assert.deepEqual(times(bars), all.map((k) => k.t), `cut ${cut}, overlap ${overlap}`);
    }
  }
});

test('history and stream join the same way wherever the seam is', () => {
  // The events of a series in their order, as the server sends them; history holds the first n of them.
  const events = [
    kline(60, { final: false, c: 1 }), kline(60, { c: 2 }), kline(120, { final: false, c: 3 }), kline(120, { c: 4 }),
    kline(60, { rev: 1, c: 5 }), kline(180, { final: false, c: 6 }), kline(60, { rev: 2, c: 7 }), kline(180, { c: 8 }),
  ];
  const want = new Bars();
  events.forEach((e) => want.apply(e));
  for (let n = 0; n <= events.length; n++) {
    const history = new Bars();
    events.slice(0, n).forEach((e) => history.apply(e));
    for (let from = 0; from <= n; from++) {
      const bars = new Bars();
      bars.merge([...history]);
      events.slice(from).forEach((e) => bars.apply(e));
      assert.deepEqual([...bars], [...want], `history of ${n} events, stream from event ${from}`);
    }
  }
});
