// The state of the connection in words, with a countdown beside it. The word is announced to screen readers, the seconds are not.

const words = {
  connecting: 'connecting', live: 'live', stale: 'stale: no sign of life from the server', reconnecting: 'reconnecting',
  resynchronised: 'resynchronised', stopped: 'stopped by the server, trying again',
};

export class ConnectionWords {
  #timer = null;

  constructor({ box, word, countdown, retry, onRetry }) {
    Object.assign(this, { box, word, countdown, retry });
    retry.addEventListener('click', onRetry);
  }

  show({ state, until }) {
    clearInterval(this.#timer);
    this.state = state;
    this.box.dataset.state = state;
    if (this.word.textContent !== words[state]) this.word.textContent = words[state];
    this.retry.hidden = until === 0;
    const count = () => {
      this.countdown.textContent = until === 0 ? '' : ` in ${Math.max(0, Math.ceil((until - Date.now()) / 1000))} s`;
    };
    count();
    if (until !== 0) this.#timer = setInterval(count, 500);
  }
}
