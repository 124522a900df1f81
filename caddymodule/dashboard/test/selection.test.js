import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fromHash, sameSelections, toHash, toQuery, union } from '../selection.js';

test('the address keeps a choice, with every character that a symbol may have', () => {
  for (const sym of ['BTCUSD', 'BTC/USD', 'brk.b', 'X:EUR-USD_1']) {
    assert.deepEqual(fromHash(toHash({ sym, itv: '5m' })), { sym, itv: '5m' });
  }
});

test('a fragment of somebody else is refused', () => {
  for (const hash of ['', '#', '#chart', '#@1m', '#BTC@', '#%', '#<img src=x onerror=alert(1)>@1m', '#BTC@1m"onload="x', `#${'A'.repeat(33)}@1m`]) {
    assert.equal(fromHash(hash), null, hash);
  }
});

test('what an address names and the page cannot show is told', () => {
  assert.deepEqual(fromHash('#A@1m:SMA(20),sma(3),sma(3)'), { sym: 'A', itv: '1m', inds: ['sma(3)'], left: ['SMA(20): not how an indicator is written'] });
  const many = Array.from({ length: 26 }, (_, i) => `sma(${i + 1})`);
  const { inds, left } = fromHash(`#A@1m:${many.join(',')}`);
  assert.deepEqual([inds, left], [many.slice(0, 24), ['sma(25), sma(26): a chart takes 24 indicators']]);
  assert.deepEqual(fromHash('#A@1m:'), { sym: 'A', itv: '1m', inds: [] });
});

test('selections become the grammar of the stream', () => {
  assert.equal(toQuery({ sym: 'A', itv: '1m', inds: ['ema(20)', 'macd(12,26,9)'] }), 'A@1m:kline,ema(20),macd(12,26,9)');
  assert.equal(toQuery({ sym: 'A', itv: '1m' }), 'A@1m:kline');
});

test('the union of tabs does not depend on their order', () => {
  const a = { sym: 'A', itv: '1m', inds: ['x', 'y'] };
  const b = { sym: 'A', itv: '1m', inds: ['y', 'z'] };
  const c = { sym: 'B', itv: '5m', inds: [] };
  assert.deepEqual(union([a, b, c]), [{ sym: 'A', itv: '1m', inds: ['x', 'y', 'z'] }, c]);
  assert.ok(sameSelections(union([a, b, c]), union([c, b, a])));
  assert.ok(!sameSelections(union([a]), union([b])));
});
