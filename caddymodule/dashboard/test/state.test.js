import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Series } from '../series.js';
import { stateOf } from '../state.js';

const indicator = (kind = 'line') => ({ instance: 'own/x(3)', plots: [{ output: 'value', kind }] });

function loaded(values) {
  const series = new Series({ sym: 'B', itv: '1m', inds: ['own/x(3)'] }, new Map([['own/x(3)', '11111111']]));
  series.page({ bars: [{ t: 60000, final: true, rev: 0 }, { t: 120000, final: true, rev: 0 }], ind: { 'own/x(3)': { t: [60000, 120000], value: values } } });
  return series;
}

const event = (t, value, rest) => ({ sym: 'B', itv: '1m', ind: 'own/x(3)', t, v: { value }, final: true, rev: 0, ver: '11111111', ...rest });

test('a line that is there needs no words', () => {
  assert.deepEqual(stateOf(indicator(), loaded([1, 2])), { word: '', bad: false });
  assert.equal(stateOf(indicator(), new Series({ sym: 'B', itv: '1m', inds: ['own/x(3)'] })).word, '');
});

test('warm-up is said, but not of markers, which may stand anywhere', () => {
  const series = loaded([null, null]);
  series.flags('own/x(3)', [[120000, null, 0]]);
  assert.equal(stateOf(indicator(), series).word, 'warming up');
  assert.equal(stateOf(indicator('marker'), series).word, '');
});

test('faults are said, as history and as the stream tell them', () => {
  const series = loaded([null, null]);
  series.flags('own/x(3)', [[120000, null, 8]]);
  assert.deepEqual(stateOf(indicator(), series), { word: 'quarantined: taken out of service after faults', bad: true });
  series.event('kline', { sym: 'B', itv: '1m', t: 180000, final: true, rev: 0 });
  series.event('indicator', event(180000, null, { fault: 'error', stable: false }));
  assert.equal(stateOf(indicator(), series).word, 'failed: no values');
  series.event('kline', { sym: 'B', itv: '1m', t: 240000, final: true, rev: 0 });
  series.event('indicator', event(240000, 3));
  assert.equal(stateOf(indicator(), series).word, '');
  series.event('indicator', event(240000, null, { rev: 1, fault: '<b>not a word of ours</b>' }));
  assert.equal(stateOf(indicator(), series).bad, false);
});

test('another version is said until the page is left', () => {
  const series = loaded([1, 2]);
  series.event('kline', { sym: 'B', itv: '1m', t: 180000, final: true, rev: 0 });
  series.event('indicator', event(180000, 4, { ver: '22222222' }));
  assert.equal(stateOf(indicator(), series).word, 'version 22222222 since 00:03:00');
});
