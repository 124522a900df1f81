import assert from 'node:assert/strict';
import { test } from 'node:test';

import { moduleAllowed } from '../modules.js';
import { nameIn } from '../upload.js';
import { compared } from '../versions.js';

test('the name of a file suggests the name of the module', () => {
  for (const [file, want] of [
    ['own-sum.wasm', 'own-sum'], ['Own Sum.WASM', 'own-sum'], ['own-sum-1.0.2.wasm', 'own-sum'], ['own_v2.0.0.wasm', 'own'], ['9lives.wasm', 'lives'], ['<img src=x>.wasm', 'img-src-x'], ['.wasm', ''],
  ]) assert.equal(nameIn(file), want, file);
  assert.equal(moduleAllowed('own-sum'), true);
  for (const bad of ['', 'a', 'Own', '../x', 'a b', 'a'.repeat(42)]) assert.equal(moduleAllowed(bad), false, bad);
});

test('a comparison is told in words', () => {
  assert.equal(compared({ bars: 1200, series: 3, differing: 0, failed: 0 }), '1,200 bars of 3 series, all equal');
  assert.equal(compared({ bars: 10, series: 1, differing: 2, max_abs: 0.5, max_rel: 0.001, failed: 1 }), '10 bars of 1 series, 2 differ by up to 0.500 (relative 0.00100), 1 failed');
  assert.equal(compared({ differing: -1 }), 'no comparison yet');
  assert.equal(compared(undefined), 'no comparison yet');
});
