import assert from 'node:assert/strict';
import { test } from 'node:test';

import { amount, axis, decimalsOf, number, percent, precisionOf, signed, smallestStep, tick, utc } from '../format.js';

test('decimals are those of the shortest text, with and without an exponent', () => {
  for (const [x, want] of [[1, 0], [1.5, 1], [64012.01, 2], [0.00000001, 8], [1.25e-7, 9], [1e21, 0], [NaN, 0], [5e-324, 18], [1.2345e-10, 14], [3e-18, 18]]) {
    assert.equal(decimalsOf(x), want, String(x));
  }
});

test('precision is that of the finest price', () => {
  const bar = { o: 818, h: 818.5, l: 811.21, c: 818 };
  assert.equal(precisionOf([bar]), 2);
  assert.equal(precisionOf([bar], 4), 4, 'it never shrinks while a series is shown');
  assert.equal(precisionOf([]), 0);
});

test('numbers have fixed decimals and commas, whatever the locale', () => {
  for (const [x, decimals, want] of [
    [64012.1, 2, '64,012.10'], [1234567, 0, '1,234,567'], [-0.5, 2, '−0.50'], [-0.001, 2, '0.00'], [0, 0, '0'], [999, 0, '999'],
    [1000, 1, '1,000.0'], [null, 2, '–'], [undefined, 2, '–'], [NaN, 2, '–'], [Infinity, 2, '–'],
  ]) assert.equal(number(x, decimals), want, `${x} with ${decimals}`);
  assert.equal(signed(1.5, 1), '+1.5');
  assert.equal(signed(0.0001, 2), '0.00');
  assert.equal(signed(-1.5, 1), '−1.5');
});

test('a change has no percentage of 0 or of a price below it', () => {
  assert.equal(percent(-1, 4), -25);
  assert.equal(signed(percent(-55.9, 18.27), 2), '−305.97');
  for (const before of [0, -37.63]) assert.equal(signed(percent(47.64, before), 2), '–');
});

test('amounts stay short', () => {
  for (const [x, want] of [[0, '0'], [0.00123456, '0.001235'], [0.5, '0.5000'], [12.3456, '12.346'], [632.21892052, '632.2'], [9999, '9,999'], [400, '400'],
    [12345, '12.35K'], [1234567, '1.23M'], [5e9, '5.00B'], [7e12, '7.00T'], [null, '–']]) assert.equal(amount(x), want, String(x));
});

test('prices with up to 18 places keep their digits, and small ones stay short', () => {
  for (const [x, decimals, want] of [
    [1.2345e-10, 14, '1.2345e-10'], [1.2e-10, 14, '1.2000e-10'], [-1.2345e-10, 14, '−1.2345e-10'], [4e-13, 13, '4e-13'], [1e-18, 18, '1e-18'],
    [9.999996e-10, 14, '1.00000e-9'], [4e-15, 14, '0'], [6e-15, 14, '1e-14'], [0, 18, '0'],
    [0.12345678901234, 14, '0.12345678901234'], [1.2345e-10, 12, '0.000000000123'], [1e-7, 8, '0.00000010'],
  ]) assert.equal(number(x, decimals), want, `${x} with ${decimals}`);
  assert.equal(precisionOf([{ o: 1.2345e-10, h: 1.3e-10, l: 1.2e-10, c: 1.21e-10 }]), 14);
  assert.equal(signed(2e-13, 14), '+2.0e-13');
  assert.equal(amount(3.2e-15), '3.200e-15');
  assert.equal(amount(1.5e-7), '0.0000001500');
});

test('the axis stays narrow: the chart library measures a price of 0.11111111111111 for its width', () => {
  assert.equal(axis(0.11111111111111, 15), '0.1111111111');
  assert.equal(axis(-0.88888888888889, 18), '−0.8888888889');
  assert.equal(axis(1.2345e-10, 14), '1.2345e-10');
  assert.equal(axis(0.11111111111111, 12), number(0.11111111111111, 12));
});

test('the steps of the price axis are what the chart library takes', () => {
  for (let decimals = 0; decimals <= 20; decimals++) {
    const base = Math.round(1 / smallestStep(decimals));
    assert.equal(base, Number(`1e${Math.min(decimals, 17)}`), String(decimals));
  }
});

test('times are UTC', () => {
  assert.equal(utc(1795263240000), '2026-11-21 12:14:00');
  assert.equal(utc(1795263240250), '2026-11-21 12:14:00.250', 'within a second');
  assert.equal(utc(NaN), '–');
  assert.equal(tick(1795263240, 3), '12:14');
  assert.equal(tick(1795263245, 4), '12:14:05');
  assert.equal(tick(1795263245.25, 4), '12:14:05.250');
  assert.equal(tick(1795263240, 2), '21 Nov');
  assert.equal(tick(1795263240, 1), 'Nov');
  assert.equal(tick(1795263240, 0), '2026');
});
