// The faults that nodes have kept of a version: a list that is asked for when somebody wants it, each with a link to the file that repeats it.

import { button, element, text } from './element.js';
import { span, utc } from './format.js';

const words = {
  trap: 'an instruction trapped', fuel: 'out of fuel', stack: 'calls went too deep', panic: 'it gave up', system: 'it called the system', growth: 'its memory grew', slow: 'too slow',
};

// faultsOf makes the button that shows the faults of a version below it. load() returns the list, save(fault) downloads one.
export function faultsOf(name, count, { load, save }) {
  const box = element('div', 'faults');
  const list = element('ul');
  const word = element('p', 'bad');
  const show = button(`${count} ${count === 1 ? 'fault' : 'faults'}`, `Show the faults of ${name}`, async () => {
    try {
      list.replaceChildren(...(await load()).map((fault) => item(name, fault, save, word)));
      word.textContent = '';
    } catch (error) {
      word.textContent = `The faults cannot be shown: ${error.message}.`;
    }
  });
  box.append(show, list, word);
  return box;
}

function item(name, fault, save, word) {
  const li = element('li', 'finding bad');
  const kind = text(fault.fault);
  const bar = fault.t > 0 ? `bar of ${span(fault.interval_ms)} at ${utc(fault.t)} UTC` : '';
  const link = element('a', '', 'Download');
  link.href = fault.path;
  link.setAttribute('aria-label', `Download the fault ${kind} of ${name}`);
  // The password goes with a request of the page alone: the browser, following the link, would not have it.
  link.addEventListener('click', async (event) => {
    event.preventDefault();
    try {
      await save(fault);
    } catch (error) {
      word.textContent = `Not downloaded: ${error.message}.`;
    }
  });
  li.append(element('strong', 'check-name', kind in words ? `${kind}: ${words[kind]}` : kind), element('span', 'place', [text(fault.indicator), bar].filter(Boolean).join(', ')), link, element('span', 'text', text(fault.text)));
  return li;
}

// saveAs hands a file to the browser as a download.
export function saveAs(name, blob) {
  const link = element('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // the browser reads it behind our back
}
