// What a tab looks at: symbol, interval and the indicators on it. In the address it is #BTC%2FUSD@5m, or with indicators of the
// user's own choice #BTC%2FUSD@5m:sma(33),rsi(14); for the server it is the value of s=.

import { expressionAllowed, splitArguments } from './expression.js';

const symbolForm = /^[A-Za-z0-9][A-Za-z0-9._:/_-]{0,31}$/;
const intervalForm = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,15}$/;
const longestEcho = 64;
export const mostIndicators = 24;

// fromHash returns {sym, itv, inds}, inds being undefined for the usual ones, or null when the fragment is none of ours. What the
// address names and the page cannot show is left out, and left says so.
export function fromHash(hash) {
  let text;
  try {
    text = decodeURIComponent(hash.replace(/^#/, ''));
  } catch {
    return null; // a broken percent sign
  }
  const at = text.lastIndexOf('@');
  const sym = text.slice(0, Math.max(at, 0));
  const colon = text.indexOf(':', at + 1);
  const itv = text.slice(at + 1, colon < 0 ? undefined : colon);
  if (!symbolForm.test(sym) || !intervalForm.test(itv)) return null;
  return colon < 0 ? { sym, itv } : { sym, itv, ...distinct(splitArguments(text.slice(colon + 1))) };
}

function distinct(expressions) {
  const all = [...new Set(expressions)];
  const inds = all.filter(expressionAllowed);
  const left = all.filter((text) => !expressionAllowed(text)).map((text) => `${text.slice(0, longestEcho)}: not how an indicator is written`);
  if (inds.length > mostIndicators) left.push(`${inds.slice(mostIndicators).join(', ')}: a chart takes ${mostIndicators} indicators`);
  return { inds: inds.slice(0, mostIndicators), ...(left.length > 0 && { left }) };
}

export function toHash({ sym, itv, inds }) {
  return `#${encodeURIComponent(sym)}@${encodeURIComponent(itv)}${inds ? `:${inds.join(',')}` : ''}`;
}

// toQuery is the text of one s= parameter.
export function toQuery({ sym, itv, inds = [] }) {
  return `${sym}@${itv}:${['kline', ...inds].join(',')}`;
}

// union merges the selections of several tabs: one entry per symbol and interval, in a fixed order, so that two equal unions are
// equal as text.
export function union(selections) {
  const merged = new Map();
  for (const { sym, itv, inds = [] } of selections) {
    const key = `${sym}@${itv}`;
    const entry = merged.get(key) ?? { sym, itv, inds: new Set() };
    inds.forEach((ind) => entry.inds.add(ind));
    merged.set(key, entry);
  }
  return [...merged.keys()].sort().map((key) => {
    const { sym, itv, inds } = merged.get(key);
    return { sym, itv, inds: [...inds].sort() };
  });
}

export const sameSelections = (a, b) => a.map(toQuery).join(' ') === b.map(toQuery).join(' ');

export const symbolAllowed = (sym) => typeof sym === 'string' && symbolForm.test(sym);
export const intervalAllowed = (itv) => typeof itv === 'string' && intervalForm.test(itv);
