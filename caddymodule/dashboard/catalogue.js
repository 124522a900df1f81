// What indicators the server has: the list, and the manifest of each one that was looked at.

import { canonical, nameAllowed, pathsOf } from './expression.js';
import { arrange, describeInstance } from './plots.js';

export class Catalogue {
  entries = [];
  #api;
  #manifests = new Map(); // by path and version

  constructor(api) { this.#api = api; }

  // refresh reads the list anew.
  async refresh() {
    const list = await this.#api.indicators();
    this.entries = (Array.isArray(list) ? list : []).filter((entry) => nameAllowed(entry?.name));
  }

  has(path) { return this.entries.some((entry) => entry.name === path); }

  // configured are the instances that the operator chose: what is shown when nobody asks for something else.
  get configured() { return this.entries.flatMap((entry) => entry.instances ?? []); }

  // manifest reads one, once per version; undefined if there is none.
  async manifest(path) {
    const entry = this.entries.find((e) => e.name === path);
    if (!entry) return undefined;
    const key = `${path} ${entry.version}`;
    if (!this.#manifests.has(key)) this.#manifests.set(key, checked(await this.#api.indicator(path)));
    return this.#manifests.get(key);
  }

  // resolve returns {entries, faults}: what the chart needs for each expression, arranged, and why others are left out.
  async resolve(expressions) {
    if (expressions.flatMap((x) => pathsOf(x)).some((path) => nameAllowed(path) && !this.has(path))) await this.refresh();
    const found = new Map();
    const faults = [];
    for (const expression of expressions) {
      const manifests = new Map();
      for (const path of pathsOf(expression)) manifests.set(path, await this.manifest(path));
      try {
        const instance = canonical(expression, (path) => manifests.get(path));
        found.set(instance, describeInstance(instance, manifests.get(pathsOf(instance)[0])));
      } catch (error) {
        faults.push(error.message);
      }
    }
    return { entries: arrange([...found.values()]), faults };
  }
}

// checked keeps the parameters that a form can be made of. Servers refuse uploads with others.
function checked(manifest) {
  const params = (manifest.params ?? []).filter((p) => /^[a-z][a-z0-9_]{0,31}$/.test(p?.name ?? '')
    && ['int', 'float', 'bool', 'enum'].includes(p.type) && (p.type !== 'enum' || Array.isArray(p.options)));
  return { ...manifest, params };
}
