// What the checks of a module found, as a list: which check, which indicator and bar, and the message. All of it may be foreign.

import { element, text } from './element.js';

const most = 100;

export function showFindings(list, findings) {
  list.replaceChildren(...findings.slice(0, most).map(item));
  if (findings.length > most) list.append(element('li', '', `and ${findings.length - most} more`));
  list.hidden = findings.length === 0;
}

function item(finding) {
  const warning = finding.severity === 'warning';
  const place = [
    finding.indicator ? `indicator ${text(finding.indicator)}` : '', finding.bar > 0 ? `bar ${Number(finding.bar)}` : '', finding.offset > 0 ? `byte ${Number(finding.offset)}` : '',
  ].filter(Boolean).join(', ');
  const li = element('li', warning ? 'finding' : 'finding bad');
  const check = [warning ? 'Warning' : 'Error', text(finding.check), text(finding.code)].filter(Boolean).join(' ');
  li.append(element('strong', 'check-name', check), element('span', 'place', place), element('span', 'text', text(finding.message)));
  return li;
}
