// The panel beside the chart. Escape and its own button close it, and the focus goes back to where it came from.

export class Panel {
  #panel;
  #toggle;

  constructor({ panel, toggle, close }, { onOpen }) {
    this.#panel = panel;
    this.#toggle = toggle;
    this.onOpen = onOpen;
    toggle.addEventListener('click', () => this.set(panel.hidden));
    close.addEventListener('click', () => this.set(false));
    panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      this.set(false);
    });
  }

  get open() { return !this.#panel.hidden; }

  set(open) {
    this.#panel.hidden = !open;
    this.#toggle.setAttribute('aria-expanded', String(open));
    if (open) {
      this.#panel.focus();
      this.onOpen();
    } else {
      this.#toggle.focus();
    }
  }
}
