// The values of one indicator on one series, by open time. A row is {v, final, stable, rev, fault}: v by output name,
// null for none; fault is 'error' or 'quarantined' where the module has failed, else ''.

const meta = new Set(['t', 'sym', 'itv', 'ind', 'rev', 'seq', 'forming', 'why']);

const flag = { stable: 1, error: 4, quarantined: 8 };

export class Values {
  #rows = new Map();
  version = '';

  at(t) { return this.#rows.get(t); }

  // empty tells whether there is no value of a bar.
  empty(t) { return Object.values(this.#rows.get(t)?.v ?? {}).every((v) => v === null); }

  // columns merges {"t":[..],"<output>":[..]}; the newest may belong to the forming bar, which provisional tells. Rows that are
  // there with a higher revision stay, and final ones that have a value. It returns the times that changed.
  columns(columns, { rev = 0, provisional = () => false, force = false } = {}) {
    const changed = [];
    const names = Object.keys(columns).filter((name) => !meta.has(name) && Array.isArray(columns[name]));
    (columns.t ?? []).forEach((t, i) => {
      const have = this.#rows.get(t);
      const final = !provisional(t);
      if (have !== undefined && !force && (have.rev > rev || (have.rev === rev && have.final && !this.empty(t)))) return;
      const v = {};
      names.forEach((name) => { v[name] = columns[name][i] ?? null; });
      const first = this.empty(t) && names.some((name) => v[name] !== null);
      const known = first ? undefined : have; // what was said of a bar without a value is not said of this one
      this.#rows.set(t, { v, final, stable: known?.stable ?? true, rev, fault: known?.fault ?? '' });
      changed.push(t);
    });
    return changed;
  }

  // keep takes over the rows of another from a time on, but for those that are final here.
  keep(other, from) {
    for (const [t, row] of other.#rows) {
      if (t >= from && !this.#rows.get(t)?.final) this.#rows.set(t, row);
    }
  }

  // cut drops the rows before a time.
  cut(from) {
    for (const t of this.#rows.keys()) if (t < from) this.#rows.delete(t);
  }

  // apply takes one indicator event and reports whether anything changed.
  apply(event) {
    const have = this.#rows.get(event.t);
    if (have !== undefined && have.final && (!event.final || have.rev >= event.rev)) return false;
    this.#rows.set(event.t, { v: event.v ?? {}, final: event.final, stable: event.stable !== false, rev: event.rev ?? 0, fault: event.fault ?? '' });
    return true;
  }

  // mark notes what the flags of a row of /v1/values say, and whether that was new.
  mark(t, flags) {
    const have = this.#rows.get(t);
    if (have === undefined) return false;
    const stable = (flags & flag.stable) !== 0;
    const fault = (flags & flag.quarantined) !== 0 ? 'quarantined' : (flags & flag.error) !== 0 ? 'error' : '';
    const changed = have.stable !== stable || have.fault !== fault;
    Object.assign(have, { stable, fault });
    return changed;
  }
}
