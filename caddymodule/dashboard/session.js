// Who the user is on the routes of modules. Name and password are kept in this object alone: they are gone with the page. The
// browser must not keep or send them by itself, and must not ask with a window of its own.

const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const challenged = (response) => /\b(basic|digest)\b/i.test(response.headers.get('WWW-Authenticate') ?? '');

export class Session {
  #authorization = '';
  #credentials = 'omit';

  signIn(name, password) { this.#authorization = `Basic ${encode(`${name}:${password}`)}`; }
  signOut() { this.#authorization = ''; }
  get signedIn() { return this.#authorization !== ''; }
  get headers() { return this.#authorization ? { Authorization: this.#authorization } : {}; }

  // fetch asks without cookies first. Where something else than a password tells who the user is, a cookie of a single sign-on for
  // example, it asks again with them: such a refusal opens no window of the browser.
  async fetch(path, { method = 'GET', headers = {}, body } = {}) {
    const ask = () => fetch(path, {
      method, body, credentials: this.#credentials, redirect: 'manual', cache: 'no-store', headers: { Accept: 'application/json', ...this.headers, ...headers },
    });
    const response = await ask();
    if (this.#credentials !== 'omit' || this.signedIn || !elsewhere(response)) return response;
    this.#credentials = 'same-origin';
    const again = await ask();
    if (!again.ok) this.#credentials = 'omit';
    return again;
  }

  // wantsPassword tells whether a refusal can be answered with a name and a password.
  static wantsPassword(response) { return response.status === 401 && challenged(response); }
}

const elsewhere = (response) => response.type === 'opaqueredirect' || (response.status === 401 && !challenged(response));
