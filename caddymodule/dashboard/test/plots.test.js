import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseInstance, splitArguments } from '../expression.js';
import { arrange, describeInstance, labelOf } from '../plots.js';

const macd = {
  name: 'macd', short: 'MACD {fast} {slow} {signal}', title: 'MACD', pane: 'separate', instances: ['macd(12,26,9)'], sha256: 'd47c529f00',
  params: [{ name: 'fast', type: 'int', default: 12 }, { name: 'slow', type: 'int', default: 26 }, { name: 'signal', type: 'int', default: 9 }, { name: 'profile', type: 'enum' }],
  levels: [{ value: 0 }],
  outputs: [
    { name: 'macd', title: 'MACD', plot: 'line', color: '#2962ff', format: 'price' },
    { name: 'hist', title: 'Histogram', plot: 'histogram', color: '#26A69A', color_neg: '#ef5350' },
    { name: 'degenerate', plot: 'none' },
  ],
};

test('arguments are cut outside parentheses', () => {
  assert.deepEqual(splitArguments('14,src=ema(20,src=sma(3,4)),x'), ['14', 'src=ema(20,src=sma(3,4))', 'x']);
  assert.deepEqual(splitArguments(''), []);
});

test('an instance is taken apart', () => {
  const { name, positional, named } = parseInstance('own/bbands(20,2,ma=ema)');
  assert.equal(name, 'bbands');
  assert.deepEqual(positional, ['20', '2']);
  assert.deepEqual([...named], [['ma', 'ema']]);
  assert.equal(parseInstance('obv').name, 'obv');
});

test('labels are filled from parameters and defaults', () => {
  assert.equal(labelOf('macd(5,10,3)', macd), 'MACD 5 10 3');
  assert.equal(labelOf('macd', macd), 'MACD 12 26 9');
  assert.equal(labelOf('macd(5,10,3,profile=tv)', macd), 'MACD 5 10 3 tv');
  assert.equal(labelOf('macd(5,10,3,src=ema(20))', macd), 'MACD 5 10 3 of ema(20)');
});

test('a manifest gives plots, pane, levels and two colours', () => {
  const entry = describeInstance('macd(12,26,9)', macd);
  assert.equal(entry.overlay, false);
  assert.deepEqual(entry.levels, [0]);
  assert.equal(entry.version, 'd47c529f');
  assert.deepEqual(entry.plots.map((p) => [p.output, p.kind, p.color, p.negative]), [
    ['macd', 'line', '#2962ff', '#2962ff'], ['hist', 'histogram', '#26a69a', '#ef5350'],
  ]);
});

test('overlays come first', () => {
  const all = [describeInstance('macd(12,26,9)', macd), describeInstance('ema(20)', { ...macd, pane: 'overlay' })];
  assert.deepEqual(arrange(all).map((e) => e.instance), ['ema(20)', 'macd(12,26,9)']);
});

test('lines over the candles differ in colour as far as the palette lasts', () => {
  const line = (color) => ({ pane: 'overlay', outputs: [{ name: 'value', plot: 'line', color }] });
  const bands = { pane: 'overlay', outputs: [{ name: 'up', color: '#2962ff' }, { name: 'low', color: '#2962ff' }] };
  const shown = (...list) => arrange(list.map((manifest, i) => describeInstance(`i(${i})`, manifest))).map((e) => e.plots.map((p) => [p.color, p.negative]).join(' '));
  assert.deepEqual(shown(line('#2962ff'), line('#2962ff'), line('#ff6d00'), line('#123456')), ['#2962ff,#2962ff', '#ff6d00,#ff6d00', '#7e57c2,#7e57c2', '#123456,#123456']);
  assert.deepEqual(shown(bands, line('#2962ff')), ['#2962ff,#2962ff #2962ff,#2962ff', '#ff6d00,#ff6d00'], 'bands keep their own');
  const many = shown(...Array.from({ length: 9 }, () => line('#2962ff')));
  assert.equal(new Set(many).size, 7);
  assert.equal(many[8], '#2962ff,#2962ff');
  assert.deepEqual(shown({ ...line('#2962ff'), pane: 'separate' }, { ...line('#2962ff'), pane: 'separate' }), ['#2962ff,#2962ff', '#2962ff,#2962ff']);
});

test('what a manifest could smuggle in is replaced', () => {
  const entry = describeInstance('macd(12,26,9)', {
    ...macd, range: ['0', Infinity], levels: [{ value: '1' }, { value: NaN }, { value: 5 }], title: 'x'.repeat(500),
    outputs: [{ name: 'a', plot: 'iframe', color: 'red;background:url(//x)', style: 'javascript:', precision: 1e9 }],
  });
  assert.equal(entry.range, null);
  assert.deepEqual(entry.levels, [5]);
  assert.equal(entry.title.length, 64);
  const [plot] = entry.plots;
  assert.equal(plot.kind, 'line');
  assert.match(plot.color, /^#[0-9a-f]{6}$/);
  assert.equal(plot.style, 0);
  assert.equal(plot.precision, null);
});

test('bands, columns and markers are what they say, and are filled to outputs that exist', () => {
  const { plots } = describeInstance('own/x', {
    outputs: [
      { name: 'upper', plot: 'band', fill_to: 'lower' }, { name: 'lower', plot: 'band', fill_to: 'nothing' }, { name: 'c', plot: 'columns', fill_to: 'c' },
      { name: 'm', plot: 'marker', fill_to: 'hidden' }, { name: 'hidden', plot: 'none' },
    ],
  });
  assert.deepEqual(plots.map((p) => [p.kind, p.fillTo]), [['band', 'lower'], ['band', null], ['columns', null], ['marker', 'hidden']]);
});
