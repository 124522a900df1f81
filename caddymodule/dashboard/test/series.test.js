import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Series } from '../series.js';

const sym = 'BTC/USD';
const itv = '1m';
const kline = (t, seq, rest = {}) => ({ sym, itv, t, o: 1, h: 2, l: 0.5, c: 1.5, v: 3, final: true, rev: 0, seq, ...rest });
const value = (t, v, rest = {}) => ({ sym, itv, ind: 'ema(2)', t, v: { value: v }, final: true, rev: 0, seq: 1, stable: true, ver: 'aaaaaaaa', ...rest });

function loaded() {
  const series = new Series({ sym, itv, inds: ['ema(2)'] }, new Map([['ema(2)', 'aaaaaaaa']]));
  series.page({
    bars: [kline(60, 1), kline(120, 2), kline(180, 2, { final: false })],
    ind: { 'ema(2)': { t: [60, 120, 180], value: [null, 5, 6] } },
  });
  series.take();
  return series;
}

test('a page asks for everything to be drawn, an event for its own bar', () => {
  const series = new Series({ sym, itv, inds: [] });
  series.page({ bars: [kline(60, 1)] });
  assert.deepEqual(series.take(), { rebuild: true, times: [] });
  series.event('kline', kline(120, 1, { final: false }));
  assert.deepEqual(series.take(), { rebuild: false, times: [120] });
  assert.deepEqual(series.take(), { rebuild: false, times: [] });
});

test('many frames of one bar are one change', () => {
  const series = loaded();
  for (let i = 0; i < 1000; i++) series.event('kline', kline(180, 2, { final: false, c: i }));
  assert.deepEqual(series.take(), { rebuild: false, times: [180] });
  assert.equal(series.bars.last.c, 999);
});

test('a late trade in an empty bucket sets all data anew', () => {
  const series = loaded();
  series.event('revise', kline(90, 3, { rev: 1, why: 'late' }));
  assert.equal(series.take().rebuild, true);
});

test('a long restatement sets all data anew, a short one does not', () => {
  const short = loaded();
  short.event('revise', { sym, itv, ind: 'ema(2)', rev: 1, t: [120], value: [9] });
  assert.deepEqual(short.take(), { rebuild: false, times: [120] });
  assert.equal(short.values.get('ema(2)').at(120).v.value, 9);
  const t = Array.from({ length: 500 }, (_, i) => 60 * i);
  short.event('revise', { sym, itv, ind: 'ema(2)', rev: 2, t, value: t.map(() => 1) });
  assert.equal(short.take().rebuild, true);
});

test('a number that is missing is noticed, a repeated one is not', () => {
  const series = loaded();
  assert.equal(series.event('kline', kline(180, 3)), true);
  assert.equal(series.event('kline', kline(180, 3)), true, 'a repeat');
  assert.equal(series.event('kline', kline(240, 3, { final: false })), true, 'forming frames repeat the last number');
  assert.equal(series.event('kline', kline(300, 5)), false, 'number 4 is missing');
  assert.equal(series.event('kline', kline(360, 6)), true, 'said once');
});

test('a snapshot that is further than the data is a hole', () => {
  assert.equal(loaded().event('snapshot', { sym, itv, seq: 2, bars: [kline(120, 2)], forming: null, ind: {} }), true);
  assert.equal(loaded().event('snapshot', { sym, itv, seq: 9, bars: [kline(600, 9)], forming: null, ind: {} }), false);
});

test('a snapshot brings the forming bar and its values', () => {
  const series = loaded();
  series.event('snapshot', {
    sym, itv, seq: 2, bars: [], forming: kline(180, 2, { final: false, c: 42 }),
    ind: { 'ema(2)': { t: [], value: [], seq: 1, forming: value(180, 7, { final: false }) } },
  });
  assert.equal(series.bars.last.c, 42);
  assert.deepEqual(series.values.get('ema(2)').at(180), { v: { value: 7 }, final: false, stable: true, rev: 0, fault: '' });
});

test('provisional values follow the forming bar and become final', () => {
  const series = loaded();
  assert.equal(series.values.get('ema(2)').at(180).final, false, 'of a page');
  series.event('indicator', value(180, 8, { final: false }));
  series.event('indicator', value(180, 9));
  series.event('indicator', value(180, 1, { final: false }));
  assert.deepEqual(series.values.get('ema(2)').at(180).v, { value: 9 });
});

test('another version of a module is noted once', () => {
  const series = loaded();
  series.event('indicator', value(180, 8, { final: false, ver: 'bbbbbbbb' }));
  series.event('indicator', value(180, 9, { ver: 'bbbbbbbb' }));
  assert.deepEqual(series.swaps, [{ t: 180, instance: 'ema(2)', version: 'bbbbbbbb' }]);
});

test('other series and unknown indicators are left alone', () => {
  const series = loaded();
  series.event('kline', { ...kline(240, 99), itv: '5m' });
  series.event('indicator', { ...value(180, 9), ind: 'rsi(14)' });
  assert.equal(series.changed, false);
});

test('values that have not converged are marked', () => {
  const series = loaded();
  series.flags('ema(2)', [[60, null, 0], [120, 5, 0], [180, 6, 1]]);
  assert.equal(series.values.get('ema(2)').at(120).stable, false);
  assert.equal(series.values.get('ema(2)').at(180).stable, true);
});

test('a cut takes the oldest bars with their values, and what comes of them later is left alone', () => {
  const series = loaded();
  series.swaps = [60, 180].map((t) => ({ t, instance: 'ema(2)', version: 'bbbbbbbb' }));
  series.event('kline', kline(180, 3));
  series.cut(2);
  assert.deepEqual([...series.bars].map((bar) => bar.t), [120, 180]);
  assert.equal(series.values.get('ema(2)').at(60), undefined);
  assert.equal(series.values.get('ema(2)').at(120).v.value, 5);
  assert.deepEqual(series.swaps.map((swap) => swap.t), [180]);
  assert.deepEqual(series.take(), { rebuild: true, times: [] });
  assert.equal(series.event('revise', kline(60, 4, { rev: 1, why: 'late' })), true);
  assert.deepEqual([...series.bars].map((bar) => bar.t), [120, 180], 'alone it would stand beside a hole');
  assert.equal(series.seq, 4);
});
