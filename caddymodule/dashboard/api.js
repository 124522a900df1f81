// The JSON routes of the server that the page reads.

import { base } from './base.js';
import { toQuery } from './selection.js';

// ServerError carries the status, and a text that is ours: the server's words are shown, its markup never.
export class ServerError extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || (status === 200
      ? 'this site answers without data: does its Caddyfile have klines and kline_stream beside kline_dashboard?'
      : `the server answered ${status}`));
    this.status = status;
    this.value = body?.value;
    this.param = body?.param;
    this.limit = body?.limit; // the bound that the parameter went beyond
    this.findings = Array.isArray(body?.findings) ? body.findings : [];
  }
}

async function get(path, params = {}, signal = undefined) {
  const query = new URLSearchParams(params).toString();
  const response = await fetch(base + path + (query && `?${query}`), { signal, headers: { Accept: 'application/json' } });
  const body = await response.json().catch(() => null);
  if (!response.ok || body === null) throw new ServerError(response.status, body);
  return body;
}

// symbols lists what the server knows, at most 5,000.
export async function symbols() {
  const all = [];
  for (let after = ''; all.length < 5000;) {
    const params = { limit: 500 };
    if (after) params.after = after;
    const page = (await get('symbols', params)).symbols ?? [];
    all.push(...page);
    if (page.length < 500) break;
    after = page[page.length - 1].sym;
  }
  return all;
}

// indicators lists what expressions may name; indicator is the manifest of one, whose name may carry its module.
export const indicators = () => get('indicators');
export const indicator = (path) => get(`indicators/${path.split('/').map(encodeURIComponent).join('/')}`);

// bundle returns {pos, bars, ind, seq?, next?}: the newest limit bars, or those before to.
export async function bundle(selection, { limit, to, signal }) {
  const params = { s: toQuery(selection), limit };
  if (to !== undefined) params.to = to;
  const body = await get('bundle', params, signal);
  return { pos: body.pos, ...body.series?.[0] };
}

// values returns rows of one indicator with flags: from t on, or without from the newest.
export const values = (selection, ind, { from, limit }) => get('values', { sym: selection.sym, itv: selection.itv, ind, limit, ...(from !== undefined && { from }) });

export const status = () => get('status');

export const streamAddress = `${base}stream`;
