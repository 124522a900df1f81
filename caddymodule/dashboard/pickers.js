// The pickers of symbol and interval. Names come from the server and stay text.

import { intervalAllowed, symbolAllowed } from './selection.js';

export class Pickers {
  symbols = [];
  #extra = ''; // the symbol that is shown although the server has not listed it

  constructor({ select, fieldset, onPick }) {
    Object.assign(this, { select, fieldset, onPick });
    select.addEventListener('change', () => this.#picked());
    fieldset.addEventListener('change', () => this.#picked());
  }

  #picked() {
    const entry = this.#entry(this.select.value);
    const itv = this.fieldset.querySelector('input:checked')?.value;
    this.onPick({ sym: this.select.value, itv: entry?.intervals.includes(itv) ? itv : entry?.intervals[0] });
  }

  // set takes the answer of /v1/symbols. A name that no server of ours would send is left out.
  set(symbols) {
    this.symbols = symbols.filter((s) => symbolAllowed(s.sym)).map((s) => ({ ...s, intervals: (s.intervals ?? []).filter(intervalAllowed) }));
    const { value } = this.select;
    if (value && !this.lists(value)) this.#extra = value; // what is shown stays
    this.#fill(value);
  }

  // fill offers what is listed, and before it what is shown all the same.
  #fill(value) {
    if (this.lists(this.#extra)) this.#extra = '';
    const names = [...(this.#extra ? [this.#extra] : []), ...this.symbols.map((s) => s.sym)];
    this.select.replaceChildren(...names.map((sym) => new Option(sym, sym)));
    if (names.includes(value)) this.select.value = value;
  }

  lists(sym) { return this.symbols.some((s) => s.sym === sym); }

  // entry is what is known of a symbol. One that is not listed may be beyond the end of the list, or begin with its first trade; the
  // intervals are those of all.
  #entry(sym) {
    const [first] = this.symbols;
    return this.symbols.find((s) => s.sym === sym) ?? (first && symbolAllowed(sym) ? { ...first, sym } : first);
  }

  // choose returns what is shown for a wish: that, with the nearest interval there is; null without any symbol, since nobody knows
  // the intervals then.
  choose(wish) {
    const entry = this.#entry(wish?.sym);
    if (!entry) return null;
    const itv = entry.intervals.includes(wish?.itv) ? wish.itv : ['1m', entry.intervals[0]].find((i) => entry.intervals.includes(i));
    return itv === undefined ? null : { sym: entry.sym, itv };
  }

  show({ sym, itv }) {
    const extra = this.lists(sym) ? '' : sym;
    if (extra !== this.#extra) {
      this.#extra = extra;
      this.#fill(sym);
    }
    this.select.value = sym;
    const entry = this.#entry(sym);
    const have = [...this.fieldset.querySelectorAll('input')].map((input) => input.value).join(' ');
    if (have !== entry.intervals.join(' ')) this.#build(entry.intervals);
    for (const input of this.fieldset.querySelectorAll('input')) input.checked = input.value === itv;
    const checked = this.fieldset.querySelector('input:checked');
    if (checked) this.fieldset.scrollLeft = Math.max(0, checked.parentElement.offsetLeft - this.fieldset.clientWidth / 2);
  }

  #build(intervals) {
    const choices = intervals.map((itv) => {
      const label = document.createElement('label');
      const input = Object.assign(document.createElement('input'), { type: 'radio', name: 'interval', value: itv });
      const text = document.createElement('span');
      text.textContent = itv;
      label.append(input, text);
      return label;
    });
    this.fieldset.replaceChildren(this.fieldset.querySelector('legend'), ...choices);
  }
}
