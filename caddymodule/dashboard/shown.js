// The list of indicators on the chart, each with a button that takes it away.

import { button, element } from './element.js';

export class Shown {
  #list;
  #standard;

  constructor({ list, standard }, { onRemove, onStandard }) {
    this.#list = list;
    this.#standard = standard;
    this.onRemove = onRemove;
    standard.addEventListener('click', onStandard);
  }

  // show lists the entries; usual tells that they are the ones the operator chose.
  show(entries, usual) {
    const focused = [...this.#list.querySelectorAll('button')].indexOf(document.activeElement);
    this.#list.replaceChildren(...entries.map((entry) => this.#item(entry)));
    if (entries.length === 0) this.#list.append(element('li', 'none', 'None'));
    this.#standard.hidden = usual;
    if (focused < 0) return;
    // The button that had the focus is gone: the next one takes it.
    const buttons = this.#list.querySelectorAll('button');
    (buttons[Math.min(focused, buttons.length - 1)] ?? this.#list).focus();
  }

  #item(entry) {
    const item = element('li');
    const swatch = element('span', 'swatch');
    swatch.style.backgroundColor = entry.plots[0]?.color ?? '';
    const name = element('span', 'name', entry.label);
    const path = element('code', '', entry.instance);
    item.append(swatch, name, path, button('Remove', `Remove ${entry.label}`, () => this.onRemove(entry.instance)));
    return item;
  }
}
