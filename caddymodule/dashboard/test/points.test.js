import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Bars } from '../bars.js';
import * as points from '../points.js';
import { Values } from '../values.js';

const plot = { output: 'value', color: '#112233', negative: '#aa0000' };
const fade = (color, share) => `${color}/${share}`;
const row = (value, rest = {}) => ({ v: { value }, final: true, stable: true, rev: 0, ...rest });

test('chart times are those of the bars, also where bars share a second, and lead back to them', () => {
  assert.deepEqual([1000, 1200, 1900, 3000, 9000].map(points.key), [1, 1.2, 1.9, 3, 9]);
  for (let t = 1795263240000; t < 1795263241000; t++) assert.equal(points.timeOf(points.key(t)), t);
});

test('warm-up is whitespace, and so is the provisional value of a line', () => {
  assert.deepEqual(points.settled(undefined, plot, 5, fade), { time: 5 });
  assert.deepEqual(points.settled(row(null), plot, 5, fade), { time: 5 });
  assert.deepEqual(points.settled(row(NaN), plot, 5, fade), { time: 5 });
  assert.deepEqual(points.settled(row(7, { final: false }), plot, 5, fade), { time: 5 });
  assert.deepEqual(points.settled(row(7), plot, 5, fade), { time: 5, value: 7 });
});

test('values that have not converged are dimmed', () => {
  assert.match(points.settled(row(7, { stable: false }), plot, 5, fade).color, /^#112233\/0/);
});

test('a histogram has two colours, and a fainter one while provisional', () => {
  assert.deepEqual(points.column(row(1), plot, 5, fade), { time: 5, value: 1, color: '#112233/0.8' });
  assert.deepEqual(points.column(row(-1), plot, 5, fade), { time: 5, value: -1, color: '#aa0000/0.8' });
  assert.equal(points.column(row(-1, { final: false }), plot, 5, fade).color, '#aa0000/0.35');
});

test('the dashed end leads from the last settled value to the provisional one', () => {
  const bars = new Bars();
  bars.merge([{ t: 60000, final: true, rev: 0 }, { t: 120000, final: false, rev: 0 }]);
  const values = new Values();
  values.columns({ t: [60000, 120000], value: [1, 2] }, { provisional: (t) => t === 120000 });
  const keyOf = (t) => t / 1000;
  assert.deepEqual(points.tail(bars, values, plot, keyOf), [{ time: 60, value: 1 }, { time: 120, value: 2 }]);
  values.apply({ t: 120000, v: { value: 3 }, final: true });
  assert.deepEqual(points.tail(bars, values, plot, keyOf), []);
  assert.deepEqual(points.tail(new Bars(), values, plot, keyOf), []);
});

test('a marker stands where the output has a value, and only there', () => {
  assert.equal(points.mark(row(null), plot, 5, fade), null);
  assert.deepEqual(points.mark(row(-2), plot, 5, fade), { time: 5, position: 'inBar', shape: 'circle', size: 1, color: '#aa0000' });
  assert.equal(points.mark(row(2, { final: false }), plot, 5, fade).color, '#112233/0.35');
  assert.deepEqual(points.place(row(2), plot, 5), { time: 5, value: 2 });
  assert.deepEqual(points.place(row(null), plot, 5), { time: 5 });
});

test('an area needs both of its ends', () => {
  const band = { ...plot, output: 'upper', fillTo: 'lower' };
  assert.deepEqual(points.ends({ v: { upper: 3, lower: 1 } }, band), [3, 1]);
  assert.equal(points.ends({ v: { upper: 3, lower: null } }, band), null);
  assert.equal(points.ends(undefined, band), null);
});
