// Chooses an indicator and its parameters. What it hands on is a canonical expression that the server will take.

import { element, put } from './element.js';
import { format, parseInstance } from './expression.js';
import { Parameters } from './parameters.js';

const deepest = 3; // an indicator that is a source of another one may nest that deep

const depthOf = (expression) => [...expression].reduce((most, c) => most + (c === '('), 0);

export class Chooser {
  #parts;
  #catalogue;
  #parameters;
  #manifest = null;
  #sources = () => [];
  #turn = 0;

  // onAdd(expression); sources() are the expressions on the chart.
  constructor({ form, select, help, parameters }, catalogue, { onAdd, sources }) {
    this.#parts = { select, help };
    this.#catalogue = catalogue;
    this.#parameters = new Parameters(parameters);
    this.#sources = sources;
    select.addEventListener('change', () => this.#choose());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const read = this.#manifest && this.#parameters.read();
      if (read) onAdd(format(select.value, this.#manifest, read.values, read.src));
      else this.#parameters.focusFault();
    });
  }

  // refresh takes the list anew and keeps the choice.
  async refresh() {
    const { select } = this.#parts;
    const { value } = select;
    const groups = new Map();
    for (const entry of this.#catalogue.entries) {
      const slash = entry.name.indexOf('/');
      const module = slash < 0 ? 'Built in' : entry.name.slice(0, slash);
      const title = typeof entry.title === 'string' && entry.title !== '' ? `${entry.title.slice(0, 80)} (${entry.name.slice(slash + 1)})` : entry.name.slice(slash + 1);
      if (!groups.has(module)) groups.set(module, Object.assign(element('optgroup'), { label: module }));
      groups.get(module).append(new Option(title, entry.name));
    }
    select.replaceChildren(...groups.values());
    if (this.#catalogue.has(value)) select.value = value;
    if (select.value !== value || this.#manifest === null) await this.#choose();
  }

  async #choose() {
    const { select, help } = this.#parts;
    const turn = ++this.#turn;
    this.#manifest = null;
    const manifest = await this.#catalogue.manifest(select.value).catch(() => undefined);
    if (turn !== this.#turn) return;
    this.#manifest = manifest ?? null;
    put(help, manifest ? [manifest.help, manifest.module === 'builtin' ? '' : `Module ${manifest.module}, version ${manifest.version}.`].filter(Boolean).join(' ') : 'This indicator cannot be read.');
    const sources = this.#sources().filter((x) => depthOf(x) < deepest && parseInstance(x).name !== '');
    this.#parameters.show(manifest ?? { params: [] }, sources);
  }

  // sourcesChanged offers what is on the chart now as a source.
  sourcesChanged() { this.#choose(); }
}
