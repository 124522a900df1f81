import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Catalogue } from '../catalogue.js';

const period = { name: 'period', type: 'int', default: 20, min: 1, max: 100 };

function setUp() {
  const list = [{ name: 'sma', version: '1.0.0', instances: ['sma(20)'] }, { name: '<b>', version: '1.0.0' }];
  const asked = [];
  const api = {
    list,
    indicators: () => Promise.resolve(list.map((e) => ({ ...e }))),
    indicator: (path) => {
      asked.push(path);
      return Promise.resolve({ input: 'src', pane: path === 'sma' ? 'overlay' : 'separate', params: [period], outputs: [{ name: 'value' }] });
    },
  };
  return { api, asked, list, catalogue: new Catalogue(api) };
}

test('names that are none are left out, manifests are read once per version', async () => {
  const { asked, list, catalogue } = setUp();
  await catalogue.refresh();
  assert.deepEqual(catalogue.entries.map((e) => e.name), ['sma']);
  await catalogue.resolve(['sma(5)', 'sma(6,src=sma(7))']);
  assert.deepEqual(asked, ['sma']);
  list[0].version = '1.0.1';
  await catalogue.refresh();
  await catalogue.resolve(['sma(5)']);
  assert.deepEqual(asked, ['sma', 'sma']);
});

test('what is wrong is named, the rest is shown once and overlays first', async () => {
  const { list, catalogue } = setUp();
  list.push({ name: 'own/sum', version: '2.0.0' }); // since the list was read
  const { entries, faults } = await catalogue.resolve(['own/sum(3)', 'sma(0)', 'gone/x(1)', 'sma(5)', 'sma(period=5)']);
  assert.deepEqual(entries.map((e) => e.instance), ['sma(5)', 'own/sum(3)']);
  assert.equal(faults.length, 2);
  assert.match(faults[0], /^sma\(0\): period: at least 1/);
  assert.match(faults[1], /^gone\/x\(1\): the server does not have/);
});
