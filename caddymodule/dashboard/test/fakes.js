// A clock and an EventSource that a test moves by hand.

export class FakeClock {
  now = 0;
  #timers = new Map();
  #next = 1;

  Date = { now: () => this.now };
  setTimeout = (run, ms) => {
    this.#timers.set(this.#next, { at: this.now + ms, run });
    return this.#next++;
  };
  clearTimeout = (id) => { this.#timers.delete(id); };

  // advance runs what is due, in the order of time.
  advance(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = due[1].at;
      due[1].run();
    }
    this.now = end;
  }
}

export function fakeEventSource() {
  return class FakeEventSource {
    static opened = [];
    static get last() { return this.opened[this.opened.length - 1]; }

    constructor(url) {
      this.url = new URL(url, 'http://test');
      this.readyState = 0;
      this.listeners = new Map();
      FakeEventSource.opened.push(this);
    }

    addEventListener(name, run) { this.listeners.set(name, run); }
    close() { this.closed = true; this.readyState = 2; }
    send(name, data, lastEventId = '') { this.listeners.get(name)({ data: JSON.stringify(data), lastEventId }); }
    fail(readyState) { this.readyState = readyState; this.listeners.get('error')({}); }
  };
}
