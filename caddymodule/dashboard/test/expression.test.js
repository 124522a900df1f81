import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canonical, expressionAllowed, faultOf, format, pathsOf } from '../expression.js';

const period = { name: 'period', type: 'int', default: 20, min: 1, max: 100 };
const manifests = new Map([
  ['sma', { input: 'src', params: [period] }],
  ['obv', { input: 'src', params: [{ name: 'profile', type: 'enum', options: ['talib', 'tv'], default: 0 }] }],
  ['stoch', { input: 'bar', params: [period] }],
  ['own-mod/band', { input: 'src', params: [{ name: 'mult', type: 'float', default: 2, min: 0 }, { name: 'fill', type: 'bool', default: 0 }, period] }],
]);
const read = (text) => canonical(text, (path) => manifests.get(path));

test('every spelling of an instance has one canonical form', () => {
  for (const [text, want] of [
    ['sma', 'sma(20)'], ['sma()', 'sma(20)'], ['sma(period=7)', 'sma(7)'], ['sma(7.0,src=close)', 'sma(7)'], ['builtin/sma(7)', 'sma(7)'],
    ['sma(7,src=hl2)', 'sma(7,src=hl2)'], ['obv', 'obv'], ['obv(tv)', 'obv(profile=tv)'], ['obv(profile=talib)', 'obv'],
    ['own-mod/band(1.5,30)', 'own-mod/band(1.5,30)'], ['own-mod/band(fill=true)', 'own-mod/band(2,20,fill=true)'],
    ['sma(5,src=own-mod/band(src=sma(3)))', 'sma(5,src=own-mod/band(2,20,src=sma(3)))'], ['own-mod/band(1e-7)', 'own-mod/band(1e-07,20)'],
  ]) assert.equal(read(text), want, text);
});

test('what the server would refuse is refused here', () => {
  for (const text of [
    'sma(0)', 'sma(101)', 'sma(1.5)', 'sma(x)', 'sma(1,2)', 'sma(period=1,period=2)', 'sma(2,period=3)', 'nix(1)', 'stoch(5,src=hl2)', 'obv(profile=x)', 'sma(5', 'sma(5))', 'sma(5)x',
    'sma(5,src=nix)', 'own-mod/band(NaN)', 'own-mod/band(Infinity)', 'own-mod/band(0x10)', 'own-mod/band(fill=2)', 'sma(src=sma(src=sma(src=sma(src=sma))))',
  ]) assert.throws(() => read(text), Error, text);
});

test('a link cannot carry anything but an expression', () => {
  for (const text of ['<img src=x>', 'sma(5)&s=x', 'SMA(5)', 'sma (5)', 'sma#', '', `s${'(5'.repeat(200)}`]) assert.equal(expressionAllowed(text), false, text);
});

test('paths are those of the chain', () => {
  assert.deepEqual(pathsOf('rsi(14,src=own-mod/band(2,src=sma(3,src=hl2)))'), ['rsi', 'own-mod/band', 'sma']);
});

test('values of a form are held against the parameter', () => {
  assert.equal(faultOf(period, 20), '');
  for (const value of [NaN, 0, 101, 2.5, Infinity, undefined]) assert.notEqual(faultOf(period, value), '', String(value));
  assert.equal(format('sma', manifests.get('sma'), new Map([['period', 33]]), 'hl2'), 'sma(33,src=hl2)');
});
