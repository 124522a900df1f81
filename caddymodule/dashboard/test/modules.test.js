import assert from 'node:assert/strict';
import { test } from 'node:test';

import { span } from '../format.js';
import { Modules, moduleAllowed } from '../modules.js';
import { titled } from '../stops.js';
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

test('a kill is named by what it stops', () => {
  assert.equal(titled({ scope: 'module', name: 'my-sum' }), 'module my-sum');
  assert.equal(titled({ scope: 'tenant', name: 'default' }), 'tenant default');
  assert.equal(titled({ scope: 'all' }), 'everything uploaded');
  assert.equal(titled({ scope: {}, name: 7 }), '');
});

test('the length of a bar has the largest unit that divides it', () => {
  for (const [ms, want] of [[250, '250ms'], [1000, '1s'], [90_000, '90s'], [300_000, '5m'], [86_400_000, '1d'], [604_800_000, '1w'], [0, '0ms'], [undefined, '–']]) assert.equal(span(ms), want);
});

test('a rollback names the version that shall go', async () => {
  let sent;
  const session = { fetch: async (path, options) => {
    sent = `${options.method} ${path} ${options.body}`;
    return { ok: true, json: async () => ({ active: '1.0.0' }) };
  } };
  await new Modules(session).rollback('my-sum', '1.1.0');
  assert.equal(sent, 'POST /v1/modules/my-sum/rollback {"version":"1.1.0"}');
});

test('names in addresses of kills and faults are escaped, and a file is never asked for where the server says', async () => {
  const asked = [];
  const session = { fetch: async (path, options = {}) => {
    asked.push(`${options.method ?? 'GET'} ${path}`);
    return { ok: true, json: async () => ({ kills: [], repros: [{ id: '../../evil', links: { repro: 'https://evil.example/' } }] }), blob: async () => 'file' };
  } };
  const modules = new Modules(session);
  await modules.kill('all', '', 'x');
  await modules.lift('module', '../a?b');
  const [fault] = await modules.faults('m/..', '1.0.0');
  assert.equal(await modules.fault(fault), 'file');
  assert.deepEqual(asked, [
    'PUT /v1/modules/_kills/all', 'DELETE /v1/modules/_kills/module/..%2Fa%3Fb', 'GET /v1/modules/m%2F../1.0.0/repros', 'GET /v1/modules/m%2F../1.0.0/repros/..%2F..%2Fevil.json',
  ]);
});
