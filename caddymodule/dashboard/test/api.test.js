import assert from 'node:assert/strict';
import { test } from 'node:test';

import { symbols } from '../api.js';

// A site with the page alone answers 200 and nothing for every route.
test('a site without data says what it lacks', async () => {
  const real = globalThis.fetch;
  const answers = (response) => { globalThis.fetch = async () => response; };
  try {
    answers({ ok: true, status: 200, json: async () => JSON.parse('') });
    await assert.rejects(symbols(), /does its Caddyfile have klines and kline_stream/);
    answers({ ok: false, status: 502, json: async () => JSON.parse('<html>') });
    await assert.rejects(symbols(), /the server answered 502/);
    answers({ ok: false, status: 400, json: async () => ({ detail: 'limit is at most 500', param: 'limit', limit: 500 }) });
    await assert.rejects(symbols(), { message: 'limit is at most 500', param: 'limit', limit: 500 });
  } finally {
    globalThis.fetch = real;
  }
});
