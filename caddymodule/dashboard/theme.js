// Colours of the chart, which the style sheet cannot reach: the library draws on a canvas. They are read from the custom
// properties of the page, so that both have one source.

const names = ['surface', 'text', 'muted', 'line', 'grid', 'up', 'down', 'accent', 'warn'];

export const dark = globalThis.matchMedia?.('(prefers-color-scheme: dark)');

export function colors() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

// fade adds transparency to #rrggbb.
export function fade(color, share) {
  const alpha = Math.round(share * 255).toString(16).padStart(2, '0');
  return /^#[0-9a-f]{6}$/i.test(color) ? color + alpha : color;
}
