// What an operator has stopped, and the form that stops more. Names and reasons are foreign: they only ever become text.

import { button, element, put, text } from './element.js';
import { minutes } from './format.js';

const scopes = { module: 'module', tenant: 'tenant', all: 'everything uploaded' };

export class Stops {
  #parts;
  #modules;
  #last = '';

  // onChanged() after something was stopped or lifted.
  constructor(parts, modules, { onChanged }) {
    this.#parts = parts;
    this.#modules = modules;
    this.onChanged = onChanged;
    parts.scope.addEventListener('change', () => this.#named());
    parts.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#stop();
    });
  }

  // look shows what is stopped to whoever may change it.
  async look(operator) {
    this.#parts.form.hidden = !operator;
    if (!operator) return;
    try {
      this.#show(await this.#modules.kills());
    } catch (error) {
      put(this.#parts.word, `What is stopped is not known: ${error.message}.`);
    }
  }

  // fill writes a module into the form and leaves the reason to the operator.
  fill(module) {
    const { scope, name, reason } = this.#parts;
    scope.value = 'module';
    name.value = module;
    this.#named();
    reason.focus();
  }

  #named() { this.#parts.nameBox.hidden = this.#parts.scope.value === 'all'; }

  // show draws the list if it is new: whoever is about to press a button must not lose it.
  #show({ kills }) {
    const now = JSON.stringify(kills);
    if (now === this.#last) return;
    this.#last = now;
    const had = this.#parts.list.contains(document.activeElement);
    this.#parts.list.replaceChildren(...kills.map((k) => this.#item(k)));
    if (kills.length === 0) this.#parts.list.append(element('li', 'none', 'Nothing is stopped.'));
    if (had) this.#parts.list.focus();
  }

  #item(kill) {
    const what = titled(kill);
    const item = element('li', 'version');
    item.append(element('strong', '', what), button('Lift', `Lift ${what}`, () => this.#do(() => this.#modules.lift(kill.scope, kill.name), `${what}: lifted.`)));
    item.append(element('span', 'help', [kill.by && `by ${text(kill.by)}`, `since ${minutes(kill.since)} UTC`, text(kill.reason)].filter(Boolean).join(' · ')));
    return item;
  }

  #stop() {
    const { scope: { value: scope }, name, reason } = this.#parts;
    const wanted = scope === 'all' ? '' : name.value.trim();
    if (scope !== 'all' && wanted === '') {
      put(this.#parts.word, 'A name is needed.');
      name.focus();
      return undefined;
    }
    return this.#do(() => this.#modules.kill(scope, wanted, reason.value), `${titled({ scope, name: wanted })}: stopped on every node within a second or two.`);
  }

  async #do(task, done) {
    try {
      this.#show(await task());
      put(this.#parts.word, done);
      this.#parts.reason.value = '';
    } catch (error) {
      put(this.#parts.word, `Not done: ${error.message}.`);
    }
    await this.onChanged();
  }
}

// titled says what a kill is of.
export const titled = ({ scope, name }) => [scopes[scope] ?? text(scope), text(name)].filter(Boolean).join(' ');
