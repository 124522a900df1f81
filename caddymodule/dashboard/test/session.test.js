import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Session } from '../session.js';

const real = globalThis.fetch;
afterEach(() => { globalThis.fetch = real; });

const answer = (status, challenge) => ({ status, ok: status < 300, type: 'basic', headers: new Headers(challenge ? { 'WWW-Authenticate': challenge } : {}) });

// answering notes each request and gives the answers in turn.
function answering(...answers) {
  const asked = [];
  globalThis.fetch = (path, options) => {
    asked.push({ path, credentials: options.credentials, authorization: options.headers.Authorization, redirect: options.redirect });
    return Promise.resolve(answers.shift());
  };
  return asked;
}

test('a password goes into the header alone, and the browser may not act by itself', async () => {
  const asked = answering(answer(401, 'Basic realm="x"'), answer(200));
  const session = new Session();
  assert.equal(Session.wantsPassword(await session.fetch('/v1/modules')), true);
  session.signIn('änn', 'pass:wörd');
  await session.fetch('/v1/modules');
  assert.deepEqual(asked.map((a) => a.credentials), ['omit', 'omit']);
  assert.equal(asked[0].authorization, undefined);
  assert.equal(new TextDecoder().decode(Uint8Array.from(atob(asked[1].authorization.slice(6)), (c) => c.charCodeAt(0))), 'änn:pass:wörd');
  session.signOut();
  assert.deepEqual(session.headers, {});
  assert.equal(JSON.stringify(session), '{}');
});

test('where no password is asked for, cookies may tell who it is', async () => {
  const asked = answering(answer(401), answer(200), answer(200));
  const session = new Session();
  assert.equal((await session.fetch('/v1/modules')).status, 200);
  await session.fetch('/v1/modules');
  assert.deepEqual(asked.map((a) => a.credentials), ['omit', 'same-origin', 'same-origin']);
});

test('cookies that do not help are not sent again', async () => {
  const asked = answering(answer(401), answer(401), answer(401, 'Basic'));
  const session = new Session();
  await session.fetch('/v1/modules');
  await session.fetch('/v1/modules');
  assert.deepEqual(asked.map((a) => a.credentials), ['omit', 'same-origin', 'omit']);
});
