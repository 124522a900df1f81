// The routes of modules: listing, uploading with progress, activating, rolling back.

import { ServerError } from './api.js';
import { base } from './base.js';
import { Session } from './session.js';

const modules = `${base}modules`;
const nameForm = /^[a-z][a-z0-9-]{1,40}$/;

export const mostBytes = 4 << 20;
export const moduleAllowed = (name) => nameForm.test(name);

export class Modules {
  #session;

  constructor(session) { this.#session = session; }

  // list returns {you, modules}.
  list() { return this.#ask(modules); }

  activate(module, version, now) { return this.#post(module, 'activate', { version, now }); }
  // rollback names the version that shall go: asked for twice, it would bring it back.
  rollback(module, version) { return this.#post(module, 'rollback', { version }); }

  // kills returns {kills}, as do kill and lift, which change them. Of everything there is no name.
  kills() { return this.#ask(`${modules}/_kills`); }
  kill(scope, name, reason) { return this.#ask(killed(scope, name), { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ reason }) }); }
  lift(scope, name) { return this.#ask(killed(scope, name), { method: 'DELETE' }); }

  // faults lists those that are kept of a version, each with the path of its file; fault returns the file.
  async faults(module, version) {
    const path = `${modules}/${encodeURIComponent(module)}/${encodeURIComponent(version)}/repros`;
    const { repros } = await this.#ask(path);
    return repros.map((r) => ({ ...r, path: `${path}/${encodeURIComponent(r.id)}.json` }));
  }

  async fault({ path }) {
    const response = await this.#session.fetch(path);
    if (!response.ok) throw new ServerError(response.status, await response.json().catch(() => null));
    return response.blob();
  }

  // upload sends a file; onProgress(share) is called with 0 to 1. A request of this kind would make the browser open its own
  // window for a password that is wrong: the list is read first, which does not.
  async upload(module, file, { activate, onProgress }) {
    await this.list();
    const { status, text } = await send(`${modules}/${encodeURIComponent(module)}?activate=${activate ? 1 : 0}`, file, this.#session.headers, onProgress);
    const body = parse(text);
    if (status < 200 || status > 299 || body === null) throw new ServerError(status, body ?? { title: words[status] });
    return body;
  }

  #post(module, action, body) {
    const rest = body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {};
    return this.#ask(`${modules}/${encodeURIComponent(module)}/${action}`, { method: 'POST', ...rest });
  }

  async #ask(path, options) {
    const response = await this.#session.fetch(path, options);
    const body = await response.json().catch(() => null);
    if (response.ok && body !== null) return body;
    const error = new ServerError(response.status, body ?? { title: words[response.status] });
    error.wantsPassword = Session.wantsPassword(response);
    throw error;
  }
}

const killed = (scope, name) => [`${modules}/_kills`, scope, name].filter(Boolean).map((part, i) => (i === 0 ? part : encodeURIComponent(part))).join('/');

// Words for answers without a text: of what stands in front of our handlers.
const words = {
  0: 'the server did not answer, or sends to another page to sign in', 401: 'the name or the password is not right', 403: 'this user may not do that', 413: 'the file is too large',
};

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function send(path, file, headers, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', path);
    for (const [name, value] of Object.entries({ Accept: 'application/json', 'Content-Type': 'application/wasm', ...headers })) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', (event) => { if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total); });
    request.addEventListener('load', () => resolve({ status: request.status, text: request.responseText }));
    request.addEventListener('error', () => reject(new Error('the connection broke before the server answered')));
    request.send(file);
  });
}
