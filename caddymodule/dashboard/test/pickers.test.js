import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { Pickers } from '../pickers.js';
import { fromHash } from '../selection.js';

// As much of a select and a fieldset as the pickers use.
class FakeSelect {
  options = [];
  #value = '';
  addEventListener() {}
  replaceChildren(...options) { this.options = options; this.#value = options[0]?.value ?? ''; }
  prepend(option) { this.options.unshift(option); }
  get value() { return this.#value; }
  set value(value) { this.#value = this.options.some((o) => o.value === value) ? value : ''; }
}

const fieldset = () => ({ addEventListener() {}, querySelectorAll: () => [], querySelector: () => null, replaceChildren() {} });

before(() => {
  globalThis.Option = class { constructor(text, value) { Object.assign(this, { text, value }); } };
  globalThis.document = { createElement: () => ({ append() {} }) };
});

function setUp(symbols = [{ sym: 'BTCUSD', intervals: ['1m', '5m'] }, { sym: 'ETHUSD', intervals: ['1m', '5m'] }]) {
  const select = new FakeSelect();
  const pickers = new Pickers({ select, fieldset: fieldset(), onPick() {} });
  pickers.set(symbols);
  return { pickers, select, names: () => select.options.map((o) => o.value) };
}

test('a symbol that the server has not listed is shown as it was asked for', () => {
  const { pickers, select, names } = setUp();
  const choice = pickers.choose(fromHash('#NEW%2FUSD@5m'));
  assert.deepEqual(choice, { sym: 'NEW/USD', itv: '5m' });
  assert.equal(pickers.lists('NEW/USD'), false);
  pickers.show(choice);
  assert.equal(select.value, 'NEW/USD');
  pickers.set([{ sym: 'BTCUSD', intervals: ['1m', '5m'] }]);
  assert.equal(select.value, 'NEW/USD', 'a new list keeps it');
  pickers.set([{ sym: 'BTCUSD', intervals: ['1m', '5m'] }, { sym: 'NEW/USD', intervals: ['1m', '5m'] }]);
  assert.deepEqual([select.value, names()], ['NEW/USD', ['BTCUSD', 'NEW/USD']], 'once, when the server lists it');
  assert.equal(pickers.lists('NEW/USD'), true);
});

test('one that is not listed goes when another is shown', () => {
  const { pickers, names } = setUp();
  pickers.show({ sym: 'NEW', itv: '1m' });
  pickers.show({ sym: 'ODD', itv: '1m' });
  assert.deepEqual(names(), ['ODD', 'BTCUSD', 'ETHUSD']);
  pickers.show({ sym: 'ETHUSD', itv: '1m' });
  assert.deepEqual(names(), ['BTCUSD', 'ETHUSD']);
});

test('an interval that the server does not have is replaced, a symbol only where none is asked for', () => {
  const { pickers } = setUp();
  assert.deepEqual(pickers.choose({ sym: 'NEW', itv: '7m' }), { sym: 'NEW', itv: '1m' });
  assert.deepEqual(pickers.choose({ sym: 'ETHUSD', itv: '7m' }), { sym: 'ETHUSD', itv: '1m' });
  assert.deepEqual(pickers.choose(null), { sym: 'BTCUSD', itv: '1m' });
  assert.equal(setUp([]).pickers.choose({ sym: 'NEW', itv: '1m' }), null, 'nobody knows the intervals yet');
});
