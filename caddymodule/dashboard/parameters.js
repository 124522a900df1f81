// The form of an indicator's parameters, made from its manifest: numbers with their limits, choices, switches, and the source.
// It gives values only when all of them are allowed.

import { element } from './element.js';
import { faultOf, isNumeric, prices } from './expression.js';

const maxText = 128;
const cut = (text) => (typeof text === 'string' ? text.slice(0, maxText) : '');

// field puts a label and a place for what is wrong around an input.
function field(input, id, label, help) {
  const box = element('div', 'field');
  const name = element('label', '', label);
  const fault = element('p', 'fault');
  Object.assign(input, { id });
  name.htmlFor = id;
  fault.id = `${id}-fault`;
  const described = [fault.id];
  box.append(name, input);
  if (help) {
    const note = element('p', 'help', help);
    note.id = `${id}-help`;
    described.unshift(note.id);
    box.append(note);
  }
  box.append(fault);
  input.setAttribute('aria-describedby', described.join(' '));
  return { box, fault };
}

function numberInput(param) {
  const input = element('input');
  Object.assign(input, { type: 'number', required: true, step: stepOf(param), value: String(param.default) });
  if (param.min !== undefined) input.min = String(param.min);
  if (param.max !== undefined) input.max = String(param.max);
  return input;
}

// stepOf is the step of the arrows. One that does not meet the default would make the browser refuse it.
function stepOf(param) {
  const from = param.min ?? 0;
  const steps = (param.default - from) / param.step;
  if (param.step > 0 && Math.abs(steps - Math.round(steps)) < 1e-6) return String(param.step);
  return param.type === 'int' ? '1' : 'any';
}

function selectInput(options, chosen) {
  const select = element('select');
  select.append(...options.map((text, i) => new Option(text, String(i), i === chosen, i === chosen)));
  return select;
}

function inputOf(param) {
  if (isNumeric(param)) return numberInput(param);
  if (param.type === 'enum') return selectInput(param.options.map(cut), param.default);
  return Object.assign(element('input'), { type: 'checkbox', checked: param.default === 1 });
}

function valueIn(param, input) {
  if (isNumeric(param)) return input.value.trim() === '' || input.validity.badInput ? NaN : Number(input.value);
  return param.type === 'enum' ? Number(input.value) : Number(input.checked);
}

export class Parameters {
  #root;
  #fields = []; // {param, input, fault}
  #source = null;
  #sources = [];

  constructor(root) {
    this.#root = root;
    root.addEventListener('input', () => this.read());
  }

  // show builds the form; sources are expressions that the indicator may be computed on, beside prices.
  show(manifest, sources = []) {
    this.#source = null;
    this.#fields = manifest.params.map((param) => {
      const input = inputOf(param);
      return { param, input, ...field(input, `param-${param.name}`, cut(param.title) || param.name, this.#help(param)) };
    });
    const boxes = this.#fields.map((f) => f.box);
    if (manifest.input === 'src') {
      this.#sources = [...prices, ...sources];
      this.#source = selectInput(this.#sources, 0);
      boxes.push(field(this.#source, 'param-of-source', 'Source', '').box);
    }
    this.#root.replaceChildren(...boxes);
  }

  #help(param) {
    const limits = !isNumeric(param) || (param.min === undefined && param.max === undefined) ? ''
      : param.max === undefined ? `from ${param.min}` : param.min === undefined ? `up to ${param.max}` : `${param.min} to ${param.max}`;
    return [cut(param.help), limits].filter(Boolean).join(', ');
  }

  // read returns {values, src}, or null after it has said what is wrong.
  read() {
    const values = new Map();
    let wrong = 0;
    for (const { param, input, fault } of this.#fields) {
      const value = valueIn(param, input);
      const why = faultOf(param, value);
      fault.textContent = why;
      input.setAttribute('aria-invalid', String(why !== ''));
      if (why) wrong++;
      values.set(param.name, value);
    }
    return wrong > 0 ? null : { values, src: this.#source ? this.#sources[Number(this.#source.value)] : 'close' };
  }

  // focusFault goes to the first value that is not allowed.
  focusFault() { this.#root.querySelector('[aria-invalid="true"]')?.focus(); }
}
