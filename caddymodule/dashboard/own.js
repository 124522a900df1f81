// The user's own indicators: sign in, upload, versions. It is there where the server takes uploads.

import { saveAs } from './faults.js';
import { Modules } from './modules.js';
import { Session } from './session.js';
import { SignIn } from './signin.js';
import { Stops } from './stops.js';
import { Upload } from './upload.js';
import { Versions } from './versions.js';

const every = 3000; // while a shadow run is under way
const seldom = 10_000; // else: another user, or a fault, changes what there is

export class Own {
  #parts;
  #session = new Session();
  #modules = new Modules(this.#session);
  #timer = 0;
  #you = null;

  // onChanged() when other indicators may be there, onAdd(path) returns what to say, watched() whether somebody looks.
  constructor(parts, { onChanged, onAdd, watched }) {
    this.#parts = parts;
    Object.assign(this, { onChanged, onAdd, watched });
    this.signIn = new SignIn(parts.signIn, { onSignIn: (name, password) => this.#enter(name, password) });
    this.upload = new Upload(parts.upload, this.#modules, {
      onDone: () => this.#changed(), onFailed: (error) => { if (error.status === 401) this.#refused(error); },
      onAdd: (path, result) => this.#act(() => this.#bring(path, result)),
    });
    this.versions = new Versions(parts.versions, {
      onActivate: (module, version, now) => this.#act(async () => {
        const a = await this.#modules.activate(module, version, now);
        return a.shadow === version ? `${module} ${version} runs in the shadow of ${a.active}.` : `${module} ${a.active} is active.`;
      }),
      onRollback: (module, version) => this.#act(async () => `${module} is back at ${(await this.#modules.rollback(module, version)).active}.`),
      onAdd: (path) => this.#act(() => this.onAdd(path)),
      onStop: (module) => this.stops.fill(module),
      faults: (module, version) => this.#modules.faults(module, version),
      onSave: async (module, version, fault) => saveAs(`${module}-${version}-${fault.id}.repro.json`, await this.#modules.fault(fault)),
    });
    this.stops = new Stops(parts.stops, this.#modules, { onChanged: () => this.#changed() });
    parts.signOut.addEventListener('click', () => this.#leave());
  }

  // look asks the server what there is. Without a route for modules the section stays hidden.
  // An answer that fails by itself, of a look by the clock, takes nothing from the page: the next one is soon.
  async look(byClock = false) {
    clearTimeout(this.#timer);
    let list;
    try {
      list = await this.#modules.list();
    } catch (error) {
      if (byClock && ![401, 403, 404].includes(error.status)) this.#next(seldom);
      else this.#refused(error);
      return;
    }
    this.#parts.section.hidden = false;
    this.signIn.hidden = true;
    this.#parts.inside.hidden = false;
    this.#welcome(list.you);
    this.versions.show(list);
    await this.stops.look(Boolean(list.you?.operator));
    this.#next(list.modules.some((m) => m.activation?.shadow) ? every : seldom);
  }

  #next(after) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(after === every), after);
  }

  async #again(shadow) {
    if (!this.watched()) return this.#next(seldom);
    return shadow ? this.#changed() : this.look(true);
  }

  #welcome(you) {
    this.#you = you ?? null;
    const roles = [you?.author && 'author', you?.publisher && 'publisher', you?.operator && 'operator'].filter(Boolean).join(' and ');
    this.#parts.who.textContent = you ? `You are ${you.id}, ${roles}.` : '';
    this.#parts.signOut.hidden = !this.#session.signedIn;
    this.#parts.upload.form.hidden = !you?.author;
    this.upload.mayActivate = Boolean(you?.publisher);
  }

  #refused(error) {
    this.#parts.section.hidden = error.status === 404;
    this.#parts.inside.hidden = true;
    this.versions.clear();
    const wrong = this.#session.signedIn && error.status === 401;
    if (wrong) this.#session.signOut();
    this.signIn.hidden = !error.wantsPassword && !wrong && error.status !== 403;
    this.#parts.word.textContent = error.status === 401 && !wrong ? '' : `${error.message}.`;
    if (wrong) this.signIn.retry('The name or the password is not right.');
  }

  async #enter(name, password) {
    this.signIn.say('');
    this.#parts.word.textContent = '';
    this.#session.signIn(name, password);
    await this.look();
    if (this.#session.signedIn && !this.#parts.inside.hidden) this.#parts.who.focus();
  }

  #leave() {
    this.#session.signOut();
    this.upload.say('');
    this.look();
  }

  async #changed() {
    await this.onChanged();
    await this.look();
  }

  // act does something and says how it went.
  async #act(task) {
    const { word } = this.#parts;
    try {
      word.textContent = await task();
    } catch (error) {
      word.textContent = `Not done: ${error.message}.`;
    }
    await this.#changed();
  }

  // bring puts an indicator of an upload on the chart, and activates its version first if no other one is.
  async #bring(path, { module, version }) {
    const word = await this.onAdd(path);
    if (word !== '') return word;
    if (!this.#you?.publisher) return `${module} ${version} waits for a publisher to activate it.`;
    await this.#modules.activate(module, version, false);
    return (await this.onAdd(path)) || `${path} is not active yet.`;
  }
}
