import assert from 'node:assert/strict';
import { test } from 'node:test';

import { itv, kline, setUp, settle, sym } from './feedbed.js';

test('history comes first, then the stream from its position', async () => {
  const { feed, selected, shown, send, times } = setUp([kline(60, 1), kline(120, 2)]);
  await feed.show({ sym, itv, inds: [] });
  assert.deepEqual(selected, ['p2']);
  assert.deepEqual(shown, [true]);
  send('kline', kline(180, 3));
  assert.deepEqual(times(), [60, 120, 180]);
});

test('what the stream brings while history is read is applied on top of it', async () => {
  const bars = [kline(60, 1), kline(120, 2)];
  const { api, feed, shown, send, times } = setUp(bars);
  await feed.show({ sym, itv, inds: [] });
  api.holding = true;
  bars.push(kline(180, 3));
  send('reset', { reason: 'expired', series: 'all' });
  send('kline', kline(180, 3));
  send('kline', kline(240, 4));
  api.release();
  await settle();
  assert.deepEqual(times(), [60, 120, 180, 240]);
  assert.deepEqual(shown, [true, false], 'the view keeps its place');
});

test('a missing number reads history once, not for ever', async () => {
  const bars = [kline(60, 1), kline(120, 2)];
  const { asked, feed, send, times } = setUp(bars);
  await feed.show({ sym, itv, inds: [] });
  bars.push(kline(180, 3), kline(240, 4));
  send('kline', kline(240, 4));
  await settle();
  assert.deepEqual(times(), [60, 120, 180, 240]);
  assert.equal(asked.length, 2);
  send('kline', kline(300, 5));
  send('kline', kline(300, 5, { rev: 0 }));
  await settle();
  assert.equal(asked.length, 2);
});

test('a reset of other series is none of ours', async () => {
  const { asked, feed, send } = setUp([kline(60, 1)]);
  await feed.show({ sym, itv, inds: [] });
  send('reset', { reason: 'restated', series: ['B@1m'] });
  await settle();
  assert.equal(asked.length, 1);
  send('reset', { reason: 'restated', series: ['A@1m'] });
  await settle();
  assert.equal(asked.length, 2);
});

test('joining a stream that was open before reads history again', async () => {
  const { asked, feed } = setUp([kline(60, 1)]);
  await feed.show({ sym, itv, inds: [] });
  feed.joined(true);
  await settle();
  assert.equal(asked.length, 1);
  feed.joined(false);
  await settle();
  assert.equal(asked.length, 2);
});

test('older pages are read one at a time until there are none', async () => {
  const bars = Array.from({ length: 2500 }, (_, i) => kline(60 * i, i));
  const { asked, feed } = setUp(bars);
  await feed.show({ sym, itv, inds: [] });
  feed.older();
  await feed.older();
  await settle();
  assert.equal(feed.series.bars.length, 2000);
  await feed.older();
  await feed.older();
  assert.equal(feed.series.bars.length, 2500);
  assert.deepEqual(asked.map((a) => a.to), [Infinity, 60 * 1500, 60 * 500]);
});

test('an answer for a selection that was left is dropped', async () => {
  const { api, feed, selected, shown } = setUp([kline(60, 1)]);
  api.holding = true;
  const first = feed.show({ sym, itv, inds: [] });
  const second = feed.show({ sym: 'B', itv, inds: [] });
  api.release();
  await Promise.all([first, second]);
  assert.equal(shown.length, 1);
  assert.equal(selected.length, 1);
  assert.equal(feed.series.sym, 'B');
});

test('what is no JSON is ignored', async () => {
  const { feed } = setUp([kline(60, 1)]);
  await feed.show({ sym, itv, inds: [] });
  feed.event('kline', '<!doctype html>');
  assert.equal(feed.series.bars.length, 1);
});

test('an indicator that the server refuses is given up, anything else is tried again', async () => {
  const { api, feed, messages } = setUp([kline(60, 1)]);
  const refused = [];
  api.bundle = () => Promise.reject(Object.assign(new Error('gone'), { status: 404, value: 'my/own(5)' }));
  feed.onRefused = (error) => refused.push(error.value);
  await feed.show({ sym, itv, inds: ['my/own(5)'] });
  assert.deepEqual(refused, ['my/own(5)']);
  assert.deepEqual(messages, []);
  api.bundle = () => Promise.reject(Object.assign(new Error('busy'), { status: 503 }));
  feed.show({ sym, itv, inds: [] });
  await settle();
  assert.equal(refused.length, 1);
  assert.match(messages.at(-1), /busy/);
  api.bundle = () => Promise.resolve({ pos: 'p', bars: [], ind: {} });
  await feed.show({ sym, itv, inds: [] }); // ends the attempts
});

test('other indicators on the same bars bring back as many bars, and keep what is known of versions', async () => {
  const bars = Array.from({ length: 1500 }, (_, i) => kline(60 * i, i));
  const { feed, asked } = setUp(bars);
  await feed.show({ sym, itv, inds: ['a(1)'] });
  await feed.older();
  feed.series.swaps.push({ t: 60, instance: 'a(1)', version: 'v2' });
  feed.series.values.get('a(1)').version = 'v2';
  await feed.show({ sym, itv, inds: ['a(1)', 'b(1)'] });
  assert.equal(asked.at(-1).limit, 1500);
  assert.equal(feed.series.bars.length, 1500);
  assert.equal(feed.series.values.get('a(1)').version, 'v2');
  assert.equal(feed.series.swaps.length, 1);
  await feed.show({ sym, itv, inds: ['b(1)'] });
  assert.equal(feed.series.swaps.length, 0);
});

// smallPages refuses to send more than max rows, as klines { max_limit } does.
function smallPages(api, max) {
  const { bundle } = api;
  const refused = [];
  api.bundle = (selection, range) => {
    if (range.limit <= max) return bundle(selection, range);
    refused.push(range.limit);
    return Promise.reject(Object.assign(new Error(`limit is a whole number from 1 to ${max}`), { status: 400, param: 'limit', limit: max }));
  };
  return refused;
}

test('a server that allows fewer rows is asked once too much, then for as many as it allows', async () => {
  const bars = Array.from({ length: 1300 }, (_, i) => kline(60 * i, i));
  const { api, asked, feed, messages, send } = setUp(bars);
  const refused = smallPages(api, 500);
  await feed.show({ sym, itv, inds: [] });
  assert.equal(feed.series.bars.length, 500);
  await feed.older();
  assert.equal(feed.series.bars.length, 1000);
  send('reset', { reason: 'expired', series: 'all' });
  await settle();
  assert.equal(feed.series.bars.length, 500, 'a reset asks for no more either');
  await feed.older();
  await feed.older();
  assert.equal(feed.series.bars.length, 1300);
  await feed.older();
  assert.equal(asked.length, 5, 'the last page was short: there is nothing before it');
  assert.deepEqual(refused, [1000]);
  assert.deepEqual(messages.filter(Boolean), []);
});

test('flags are asked for in as many rows as the server allows', async () => {
  const { api, feed } = setUp([kline(60, 1)]);
  smallPages(api, 500);
  const limits = [];
  api.values = (_, ind, { limit }) => { limits.push(limit); return Promise.resolve({ rows: [] }); };
  await feed.show({ sym, itv, inds: ['a(1)'] });
  await settle();
  assert.deepEqual(limits, [2, 500]);
});

test('a refusal of another parameter is no word about the number of rows', async () => {
  const { api, asked, feed, messages } = setUp([kline(60, 1)]);
  const { bundle } = api;
  api.bundle = () => Promise.reject(Object.assign(new Error('no'), { status: 400, param: 's', limit: 20 }));
  feed.show({ sym, itv, inds: [] });
  await settle();
  assert.match(messages.at(-1), /could not be read/);
  api.bundle = bundle;
  await feed.show({ sym, itv, inds: [] });
  assert.equal(asked.at(-1).limit, 1000);
});

test('an older page is read over the oldest bars that have no value yet, once', async () => {
  const bars = Array.from({ length: 2500 }, (_, i) => kline(60 * i, i));
  const { api, asked, feed } = setUp(bars);
  const { bundle } = api;
  // The newest page comes from memory, which begins with it: a window of 50 bars is full at the 50th. What lies before is computed
  // over the bars before, too.
  api.bundle = (selection, range) => bundle(selection, range).then((page) => {
    const cold = range.to === undefined ? 49 : page.bars[0].t === 0 ? 49 : 0;
    const t = page.bars.map((bar) => bar.t);
    return { ...page, ind: { 'sma(50)': { t, value: t.map((at, i) => (i < cold ? null : at)) }, dead: { t, value: t.map(() => null) } } };
  });
  await feed.show({ sym, itv, inds: ['sma(50)', 'dead'] });
  await feed.older();
  await feed.older();
  await feed.older();
  assert.deepEqual(asked.map((a) => a.to), [Infinity, 60 * 1549, 60 * 549]);
  assert.equal(feed.series.bars.length, 2500);
  const values = feed.series.values.get('sma(50)');
  bars.forEach((bar, i) => assert.deepEqual(values.at(bar.t).v, { value: i < 49 ? null : bar.t }, `bar ${i}`));
});

test('an answer that says what is missing is not the beginning: it is asked for again, at a pace', async () => {
  const bars = Array.from({ length: 1500 }, (_, i) => kline(60 * i, i));
  const { api, asked, clock, feed } = setUp(bars);
  await feed.show({ sym, itv, inds: [] });
  const { bundle } = api;
  api.bundle = (selection, range) => bundle(selection, { ...range, to: 0 }).then((page) => ({ ...page, missing: [[null, range.to]] }));
  await feed.older();
  for (let i = 0; i < 50; i++) await feed.older();
  assert.equal(asked.length, 2, 'scrolling on does not ask at the pace of the wheel');
  for (let i = 0; i < 300; i++, clock.advance(1000)) await feed.older();
  assert.ok(asked.length < 30, `${asked.length} questions in five minutes`);
  const before = asked.length;
  api.bundle = bundle;
  clock.advance(30000);
  await feed.older();
  assert.equal(feed.series.bars.length, 1500);
  clock.advance(60000);
  await feed.older();
  assert.equal(asked.length, before + 1, 'that was the beginning');
});

test('history that begins with something missing goes on before it', async () => {
  const bars = Array.from({ length: 30 }, (_, i) => kline(60 * i, i));
  const { api, feed } = setUp(bars);
  const { bundle } = api;
  api.bundle = (selection, range) => bundle(selection, { ...range, limit: 10 }).then((page) => ({ ...page, missing: [[null, 60 * 20]] }));
  await feed.show({ sym, itv, inds: [] });
  api.bundle = bundle;
  await feed.older();
  assert.equal(feed.series.bars.length, 30);
});

test('a page that failed is said until one is read, and asked for at a pace', async () => {
  const bars = Array.from({ length: 2500 }, (_, i) => kline(60 * i, i));
  const { api, asked, clock, feed, said } = setUp(bars);
  await feed.show({ sym, itv, inds: [] });
  const { bundle } = api;
  let failed = 0;
  api.bundle = () => { failed++; return Promise.reject(Object.assign(new Error('busy'), { status: 503 })); };
  await feed.older();
  await feed.older();
  assert.equal(failed, 1);
  assert.match(said.older, /busy/);
  api.bundle = bundle;
  clock.advance(2000);
  await feed.older();
  assert.equal(said.older, '');
  await feed.older();
  assert.equal(asked.length, 3, 'after a success there is nothing to wait for');
});

test('what failed for a selection that was left is not said, nor kept, of the next', async () => {
  const bars = Array.from({ length: 2500 }, (_, i) => kline(60 * i, i));
  const { api, feed, said } = setUp(bars);
  await feed.show({ sym, itv, inds: [] });
  const { bundle } = api;
  let fail;
  api.bundle = () => new Promise((_, reject) => { fail = () => reject(new Error('late')); });
  const page = feed.older();
  api.bundle = bundle;
  await feed.show({ sym: 'B', itv, inds: [] });
  fail();
  await page;
  assert.equal(said.older, '');
  api.bundle = () => Promise.reject(new Error('away'));
  await feed.older();
  assert.match(said.older, /away/, 'the failure of the one before delays nothing');
  const next = feed.show({ sym: 'C', itv, inds: [] });
  assert.equal(said.older, '', 'at once, not when C is there');
  await settle();
  assert.match(said.history, /away/);
  api.bundle = bundle;
  const last = feed.show({ sym: 'D', itv, inds: [] });
  assert.equal(said.history, '');
  await Promise.all([next, last]);
});

test('a page that stays open for weeks keeps its newest bars, and draws them anew when it drops the oldest', async () => {
  const { feed, send, times } = setUp([kline(0, 0)]);
  await feed.show({ sym, itv, inds: [] });
  let most = 0;
  let cuts = 0;
  for (let n = 1; n < 100_000; n++) {
    const before = feed.series.bars.first.t;
    send('kline', kline(60 * n, n));
    const { rebuild } = feed.series.take();
    if (feed.series.bars.first.t > before) cuts += rebuild ? 1 : NaN;
    most = Math.max(most, feed.series.bars.length);
  }
  assert.equal(most, 30_000);
  assert.equal(cuts, 7);
  const left = times();
  assert.deepEqual([left[0], left.at(-1)], [60 * (100_000 - left.length), 60 * 99_999]);
  assert.ok(left.length >= 20_000, `${left.length} bars`);
});
