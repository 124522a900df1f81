// The newest bars as a table: what the page shows where the chart library could not be loaded.

import { amount, number, utc } from './format.js';

const rows = 30;
const head = ['Open time (UTC)', 'Open', 'High', 'Low', 'Close', 'Volume', 'State'];

const cell = (tag, text, scope = '') => {
  const e = document.createElement(tag);
  e.textContent = text;
  if (scope) e.scope = scope;
  return e;
};

function stateOf(bar) {
  if (!bar.final) return 'forming';
  return bar.rev > 0 ? `restated, rev ${bar.rev}` : 'closed';
}

export function showTable(root, series, precision) {
  const table = document.createElement('table');
  table.createCaption().textContent = `Newest bars of ${series.sym}, ${series.itv}`;
  const header = table.createTHead().insertRow();
  head.forEach((text) => header.append(cell('th', text, 'col')));
  const body = table.createTBody();
  for (let i = series.bars.length - 1; i >= Math.max(0, series.bars.length - rows); i--) {
    const bar = series.bars.at(i);
    const row = body.insertRow();
    row.append(cell('th', utc(bar.t), 'row'));
    [bar.o, bar.h, bar.l, bar.c].forEach((price) => row.append(cell('td', number(price, precision))));
    row.append(cell('td', amount(bar.v)), cell('td', stateOf(bar)));
  }
  root.replaceChildren(table);
}
