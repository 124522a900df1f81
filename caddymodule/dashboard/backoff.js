// Waiting times between attempts to connect: they double up to a limit, and each is drawn from the upper half of its range, so
// that the clients of a server that was restarted do not come back in one wave.

export class Backoff {
  #attempt = 0;
  #first;
  #limit;
  #random;

  constructor({ first = 1000, limit = 30000, random = Math.random } = {}) {
    this.#first = first;
    this.#limit = limit;
    this.#random = random;
  }

  // next returns the milliseconds to wait before the coming attempt.
  next() {
    const range = Math.min(this.#limit, this.#first * 2 ** Math.min(this.#attempt, 20));
    this.#attempt++;
    return Math.round(range * (0.5 + this.#random() / 2));
  }

  // reset is called when a connection has delivered something: one that opens and ends at once must not be retried at full pace.
  reset() { this.#attempt = 0; }
}
