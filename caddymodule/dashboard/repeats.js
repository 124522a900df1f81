// Asks once more, later and later, and no more after so many times in a row.

import { Backoff } from './backoff.js';

const pace = { first: 1000, limit: 30000 };
const most = 8; // one to two minutes: a server that is not there by then may be broken

export class Repeats {
  #clock;
  #ask;
  #timer = null;
  #count = 0;
  #backoff = new Backoff(pace);

  constructor(clock, ask) {
    this.#clock = clock;
    this.#ask = ask;
  }

  get due() { return this.#timer !== null; }

  // again asks once more, unless that has been done often enough.
  again() {
    if (this.#count >= most) return;
    this.#count++;
    this.#timer = this.#clock.setTimeout(this.#ask, this.#backoff.next());
  }

  // cancel is for what is asked already.
  cancel() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
  }

  // renew counts anew, for another reason to ask. The pace stays: there may be many reasons.
  renew() { this.#count = 0; }

  // succeed is called with an answer that leaves nothing to ask for.
  succeed() {
    this.cancel();
    this.renew();
    this.#backoff.reset();
  }
}
