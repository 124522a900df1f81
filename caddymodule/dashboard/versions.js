// The stored modules with their versions: state, comparison of the shadow run, and buttons for those who may activate.

import { button, element, text } from './element.js';
import { faultsOf } from './faults.js';
import { minutes, number } from './format.js';

export class Versions {
  #root;
  #last = '';

  // onActivate(module, version, now), onRollback(module, version), onAdd(path), onStop(module), faults(module, version), onSave(module, version, fault).
  constructor(root, { onActivate, onRollback, onAdd, onStop, faults, onSave }) {
    this.#root = root;
    Object.assign(this, { onActivate, onRollback, onAdd, onStop, faults, onSave });
  }

  // show draws the answer of the server, if anything in it is new. The focus stays on a button that is still there.
  show({ you, modules }) {
    const now = JSON.stringify([you, modules]);
    if (now === this.#last) return;
    this.#last = now;
    const spoken = this.#root.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
    this.#root.replaceChildren(...modules.filter((m) => !m.builtin).map((m) => this.#module(m, Boolean(you?.publisher), Boolean(you?.operator))));
    if (spoken !== null) ([...this.#root.querySelectorAll('button')].find((b) => b.getAttribute('aria-label') === spoken) ?? this.#root).focus();
  }

  clear() {
    this.#last = '';
    this.#root.replaceChildren();
  }

  #module(m, publisher, operator) {
    const box = element('section', 'module');
    const name = text(m.module);
    box.setAttribute('aria-label', `Module ${name}`);
    const head = element('div', 'head');
    head.append(element('h4', '', name));
    const { active, previous, shadow, comparison, stopped } = m.activation ?? {};
    if (publisher && previous) head.append(button('Roll back', `Roll back ${name} to ${previous}`, () => this.onRollback(name, active)));
    if (operator && !stopped) head.append(button('Stop', `Stop ${name}`, () => this.onStop(name)));
    const list = element('ul');
    list.append(...(m.versions ?? []).toReversed().map((v) => this.#version(name, v, publisher)));
    box.append(head);
    if (stopped) box.append(element('p', 'bad', `Stopped by the operator since ${minutes(stopped.since)} UTC (${halted[stopped.scope] ?? text(stopped.scope)})${stopped.reason ? `: ${text(stopped.reason)}` : '.'}`));
    if (shadow) box.append(element('p', 'help comparison', `Shadow run of ${text(shadow)}: ${compared(comparison)}`));
    box.append(list);
    return box;
  }

  #version(module, v, publisher) {
    const version = text(v.version);
    const state = text(v.state);
    const item = element('li', 'version');
    item.append(element('strong', '', version), element('span', `badge ${state === 'active' ? 'on' : ''}`.trim(), state));
    if (publisher && state === 'shadow') item.append(button('Activate now', `Activate ${module} ${version} now`, () => this.onActivate(module, version, true)));
    else if (publisher && state !== 'active') item.append(button('Activate', `Activate ${module} ${version}`, () => this.onActivate(module, version, false)));
    if (state === 'active') {
      for (const name of v.indicators ?? []) item.append(button('Add to the chart', `Add ${module}/${text(name)} to the chart`, () => this.onAdd(`${module}/${text(name)}`)));
    }
    const notes = [v.author ? `by ${text(v.author)}` : '', minutes(v.time) && `${minutes(v.time)} UTC`, (v.indicators ?? []).join(', '), this.#found(v), state !== 'shadow' && v.comparison ? `shadow run: ${compared(v.comparison)}` : ''];
    item.append(element('span', 'help', notes.filter(Boolean).join(' · ')));
    if (v.faults > 0) item.append(faultsOf(`${module} ${version}`, v.faults, { load: () => this.faults(module, version), save: (fault) => this.onSave(module, version, fault) }));
    return item;
  }

  #found(v) {
    const { length } = v.findings ?? [];
    return length === 0 ? '' : `${length} ${length === 1 ? 'warning' : 'warnings'}`;
  }
}

const halted = { module: 'this module', tenant: 'all of its tenant', all: 'everything uploaded' };

// compared says in words what the comparison of two versions has shown.
export function compared(c) {
  if (!c || typeof c.bars !== 'number') return 'no comparison yet';
  const words = [`${number(c.bars, 0)} bars of ${number(c.series, 0)} series`];
  if (c.differing === 0) words.push('all equal');
  else words.push(`${number(c.differing, 0)} differ by up to ${text(c.max_abs?.toPrecision?.(3))} (relative ${text(c.max_rel?.toPrecision?.(3))})`);
  if (c.failed > 0) words.push(`${number(c.failed, 0)} failed`);
  return words.join(', ');
}
