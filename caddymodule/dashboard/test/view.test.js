import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Series } from '../series.js';
import { View } from '../view.js';
import { itv, kline, sym } from './feedbed.js';

// page is what a View needs of a browser; frame draws what waits for the next frame.
function page() {
  const waiting = new Map();
  const document = { hidden: false, title: '' };
  Object.assign(globalThis, {
    document, ResizeObserver: class { observe() {} },
    requestAnimationFrame(run) { waiting.set(waiting.size + 1, run); return waiting.size; },
    cancelAnimationFrame: (id) => { waiting.delete(id); },
  });
  const element = () => ({ textContent: '', className: '', title: '', hidden: true, dataset: {}, addEventListener() {}, replaceChildren() {} });
  const parts = Object.fromEntries(['chart', 'canvas', 'legends', 'table', 'placeholder', 'spoken', 'lastPrice', 'lastChange'].map((name) => [name, element()]));
  return { document, waiting, view: new View(parts, { onOlder() {} }), frame: () => [...waiting.values()].forEach((run) => run()) };
}

test('the title of a background tab follows the price, though no frame is drawn there', () => {
  const { document, waiting, view, frame } = page();
  const series = new Series({ sym, itv, inds: [] });
  series.page({ bars: [kline(60, 1, { c: 10 })] });
  view.show(series, true);
  assert.equal(document.title, '10 A 1m · caddy-kline');
  const price = (c) => {
    series.event('kline', kline(120, 1, { c, final: false }));
    view.changed();
    return document.title;
  };
  assert.equal(price(11), '10 A 1m · caddy-kline', 'in the foreground the next frame shows it');
  frame();
  assert.equal(document.title, '11 A 1m · caddy-kline');
  document.hidden = true;
  for (const c of [12, 13]) assert.equal(price(c), `${c} A 1m · caddy-kline`);
  assert.equal(waiting.size, 1, 'one frame waits for the tab to come back');
});
