// The form that sends a module: chosen or dropped, with progress, and what the server found.

import { button } from './element.js';
import { showFindings } from './findings.js';
import { moduleAllowed, mostBytes } from './modules.js';

// nameIn guesses the name of a module from that of its file: own-sum-1.0.2.wasm is most likely own-sum.
export const nameIn = (file) => file.toLowerCase().replace(/\.wasm$/, '').replace(/[-_]v?\d+\.\d+\.\d+$/, '').replace(/[^a-z0-9-]+/g, '-').replace(/^[^a-z]+|-+$/g, '').slice(0, 41);

export class Upload {
  #parts;
  #modules;
  #busy = false;

  // onDone(result) after an upload, onFailed(error) when the server refused one, onAdd(path) when an indicator is wanted.
  constructor(parts, modules, { onDone, onFailed, onAdd }) {
    this.#parts = parts;
    this.#modules = modules;
    Object.assign(this, { onDone, onFailed, onAdd });
    parts.file.addEventListener('change', () => this.#chosen());
    parts.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#takeDrops();
  }

  set mayActivate(may) {
    this.#parts.activateBox.hidden = !may;
    if (!may) this.#parts.activate.checked = false;
  }

  // A file that misses the form would replace the page.
  #takeDrops() {
    const { form, file } = this.#parts;
    const over = (event, on) => {
      event.preventDefault();
      form.classList.toggle('over', on);
    };
    for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); });
    form.addEventListener('dragover', (event) => over(event, true));
    form.addEventListener('dragleave', (event) => over(event, false));
    form.addEventListener('drop', (event) => {
      over(event, false);
      if (event.dataTransfer.files.length === 0) return;
      file.files = event.dataTransfer.files;
      this.#chosen();
    });
  }

  #chosen() {
    const [file] = this.#parts.file.files;
    if (!file) return;
    this.#parts.module.value = nameIn(file.name);
    this.say('');
    showFindings(this.#parts.findings, []);
    this.#parts.offers.replaceChildren();
  }

  say(text) { this.#parts.word.textContent = text; }

  // wrong says why the form cannot be sent, and where.
  #wrong(input, text) {
    this.say(text);
    input.focus();
  }

  async #send() {
    const { file: { files: [file] }, module, activate, findings, offers, send } = this.#parts;
    if (this.#busy) return;
    if (!file) return this.#wrong(this.#parts.file, 'Choose a file first.');
    if (file.size > mostBytes) return this.#wrong(this.#parts.file, 'A module has at most 4 MiB.');
    if (!moduleAllowed(module.value)) return this.#wrong(module, 'A module name has 2 to 41 lower-case letters, digits and hyphens, a letter first.');
    showFindings(findings, []);
    offers.replaceChildren();
    this.#busy = true;
    send.setAttribute('aria-disabled', 'true'); // disabled would lose the focus
    try {
      this.#done(await this.#modules.upload(module.value, file, { activate: activate.checked, onProgress: (share) => this.#progress(share) }));
    } catch (error) {
      this.say(`Not uploaded: ${error.message}.`);
      showFindings(findings, error.findings ?? []);
      this.onFailed(error);
    } finally {
      this.#busy = false;
      send.removeAttribute('aria-disabled');
      this.#parts.progress.hidden = true;
    }
  }

  #progress(share) {
    const { progress } = this.#parts;
    progress.hidden = false;
    progress.value = share;
    this.say(share < 1 ? `Sending, ${Math.floor(100 * share)} %` : 'Sent. The server checks the module.');
  }

  #done(result) {
    const { findings, offers } = this.#parts;
    this.say(`${result.module} ${result.version} is stored and ${result.state}.${result.activation ? ` ${result.activation}` : ''}`);
    showFindings(findings, result.findings ?? []);
    offers.replaceChildren(...(result.indicators ?? []).map((name) => {
      const path = `${result.module}/${name}`;
      return button(`Add ${path} to the chart`, '', () => this.onAdd(path, result));
    }));
    this.onDone(result);
  }
}
