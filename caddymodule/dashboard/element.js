// Elements of the page, made without markup: a text that a user wrote only ever becomes text.

export function element(tag, className = '', text = '') {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text) e.textContent = text;
  return e;
}

// text is what a server sent where a text belongs; anything else is none.
export const text = (value) => (typeof value === 'string' ? value : '');

// put avoids touching the page where nothing changed.
export const put = (e, text) => { if (e.textContent !== text) e.textContent = text; };

// button makes a button that says with aria what its short text leaves out.
export function button(text, spoken, onClick) {
  const e = element('button', '', text);
  e.type = 'button';
  if (spoken) e.setAttribute('aria-label', spoken);
  e.addEventListener('click', onClick);
  return e;
}
