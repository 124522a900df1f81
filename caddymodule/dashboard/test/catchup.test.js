import assert from 'node:assert/strict';
import { test } from 'node:test';

import { itv, kline, setUp, settle, sym } from './feedbed.js';

const minutes = (...all) => all.map((n) => kline(60 * n, n));

// started shows two bars; later answers of the server have what a test adds to its bars, as those of a node that is behind the stream.
async function started(...first) {
  const bars = first.length > 0 ? first : minutes(1, 2);
  const bed = setUp(bars);
  await bed.feed.show({ sym, itv, inds: ['a(1)'] });
  const pass = async (ms) => {
    bed.clock.advance(ms);
    await settle();
  };
  return { ...bed, bars, pass, waited: async (seconds) => { for (let i = 0; i < seconds; i++) await pass(1000); } };
}

const snapshot = (...bars) => ({ sym, itv, seq: bars.at(-1).seq, bars, forming: null, ind: {} });

test('a hole that a node behind cannot fill yet is filled when it can, and what has come is shown meanwhile', async () => {
  const { asked, bars, pass, waited, send, times, feed } = await started();
  send('kline', kline(300, 5));
  send('indicator', { sym, itv, ind: 'a(1)', t: 300, v: { value: 7 }, final: true, rev: 0, seq: 5 });
  await settle();
  send('kline', kline(360, 6));
  assert.deepEqual(times(), [60, 120, 300, 360]);
  assert.equal(feed.series.values.get('a(1)').at(300).v.value, 7);
  bars.push(...minutes(3, 4, 5, 6));
  await pass(1000);
  assert.deepEqual(times(), [60, 120, 180, 240, 300, 360]);
  assert.equal(asked.length, 3);
  await waited(600);
  assert.equal(asked.length, 3, 'then it is whole');
});

test('a reset whose history comes from a node behind is answered anew when it can be', async () => {
  const { api, asked, bars, pass, send, times } = await started();
  api.holding = true;
  send('reset', { reason: 'expired', series: 'all' });
  send('snapshot', snapshot(kline(300, 5)));
  api.release();
  await settle();
  send('kline', kline(360, 6));
  assert.deepEqual(times(), [60, 120, 300, 360]);
  bars.push(...minutes(3, 4, 5, 6));
  await pass(1000);
  assert.deepEqual(times(), [60, 120, 180, 240, 300, 360]);
  assert.equal(asked.length, 3);
});

test('a snapshot that comes behind the history of a node behind is noticed too', async () => {
  const { bars, pass, send, times } = await started();
  send('reset', { reason: 'overflow', series: 'all' });
  await settle();
  send('snapshot', snapshot(kline(300, 5)));
  await settle();
  bars.push(...minutes(3, 4, 5));
  await pass(1000);
  assert.deepEqual(times(), [60, 120, 180, 240, 300]);
});

test('a node that stays behind is asked less and less, then no more until something else is lost', async () => {
  const { asked, bars, waited, send, times } = await started();
  const counts = [];
  send('kline', kline(300, 5));
  for (let minute = 0; minute < 10; minute++) {
    await waited(60);
    counts.push(asked.length);
  }
  assert.equal(asked.length, 1 + 1 + 8, `after each minute ${counts}`);
  assert.ok(counts[0] <= 8, `${counts[0]} questions in the first minute`);
  assert.deepEqual(times(), [60, 120, 300]);
  send('kline', kline(360, 6));
  await waited(60);
  assert.equal(asked.length, 10, 'nothing was lost');
  bars.push(...minutes(3, 4, 5, 6, 7, 8));
  send('kline', kline(480, 8));
  await settle();
  assert.deepEqual(times(), [60, 120, 180, 240, 300, 360, 420, 480]);
  assert.equal(asked.length, 11);
});

test('a history whose newest event is a bar before those that were asked for leaves nothing to ask for', async () => {
  const { api, asked, bars, waited, send } = await started();
  const { bundle } = api;
  api.bundle = async (...all) => ({ ...await bundle(...all), seq: 5 });
  bars.push(...minutes(3));
  send('kline', kline(300, 5)); // 4 is lost: it restated a bar that is on no page
  await waited(600);
  assert.equal(asked.length, 2);
});

test('holes are no reason to ask sooner while a question is due', async () => {
  const { asked, waited, send } = await started();
  for (let n = 0; n < 600; n++) {
    send('kline', kline(60 * (10 + 2 * n), 10 + 2 * n));
    await waited(1);
  }
  assert.ok(asked.length < 40, `${asked.length} questions in ten minutes, of 600 holes`);
});

test('a reset while history is read reads it once more: the answer on its way may be older', async () => {
  const { api, asked, bars, pass, waited, send, feed } = await started(kline(60, 1, { c: 1 }));
  api.holding = true;
  send('reset', { reason: 'restated', series: ['A@1m:a(1)'] });
  bars[0] = kline(60, 1, { c: 2 });
  send('reset', { reason: 'restated', series: ['A@1m:kline'] });
  api.release();
  await settle();
  await pass(1000);
  assert.equal(feed.series.bars.last.c, 2);
  await waited(600);
  assert.equal(asked.length, 3);
});

test('joining a stream while history is read reads it once more, too', async () => {
  const { api, asked, feed, pass, send } = await started();
  api.holding = true;
  send('reset', { reason: 'expired', series: 'all' });
  feed.joined(false);
  api.release();
  await settle();
  await pass(1000);
  assert.equal(asked.length, 3);
});

test('what a reset took back is not kept where the history of a node behind ends', async () => {
  const { bars, feed, send, times } = await started(...minutes(1, 2, 3));
  feed.series.values.get('a(1)').columns({ t: [180], value: [7] });
  bars.pop();
  send('reset', { reason: 'restated', series: 'all' });
  await settle();
  assert.deepEqual(times(), [60, 120]);
  assert.equal(feed.series.values.get('a(1)').at(180), undefined);
});

test('numbers begin anew with another log', async () => {
  const { asked, bars, waited, send, times } = await started(kline(60, 500), kline(120, 501));
  bars.splice(0, 2, ...minutes(1, 2));
  send('reset', { reason: 'foreign', series: 'all' });
  await settle();
  send('snapshot', snapshot(kline(120, 2)));
  await waited(120);
  assert.equal(asked.length, 2, 'lower ones are not behind');
  bars.push(...minutes(3, 4));
  send('kline', kline(240, 4));
  await settle();
  assert.deepEqual(times(), [60, 120, 180, 240], 'nor do the old ones hide a hole');
});

test('another selection is not asked for on account of the one before', async () => {
  const { api, asked, waited, feed, send } = await started();
  send('kline', kline(300, 5));
  await settle();
  api.holding = true;
  const shown = feed.show({ sym: 'B', itv, inds: [] });
  await waited(120);
  assert.equal(asked.length, 3);
  api.release();
  await shown;
  await waited(120);
  assert.equal(asked.length, 3);
});
