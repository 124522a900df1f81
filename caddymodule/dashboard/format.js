// Numbers and times as text. Nothing here depends on the locale of the browser: a price reads the same on every screen, with
// a point for decimals and commas between thousands, and times are UTC.

const maxDecimals = 18; // of a price
const plainDecimals = 12; // with more of them, small numbers are written with an exponent
const plainFrom = 1e-6;
const axisDecimals = 10; // of numbers beside such small ones
const dash = '–';

// decimalsOf counts the digits behind the point in the shortest text of x.
export function decimalsOf(x) {
  if (!Number.isFinite(x)) return 0;
  const [digits, exponent = '0'] = String(x).split('e');
  const point = digits.indexOf('.');
  const shown = point < 0 ? 0 : digits.length - point - 1;
  return Math.min(maxDecimals, Math.max(0, shown - Number(exponent)));
}

// precisionOf is the number of decimals that shows every price of the bars in full. The server cuts zeros at the end, so one bar
// alone does not tell.
export function precisionOf(bars, from = 0) {
  let most = from;
  for (const bar of bars) {
    for (const price of [bar.o, bar.h, bar.l, bar.c]) most = Math.max(most, decimalsOf(price));
  }
  return most;
}

// number writes x with a fixed number of decimals.
export function number(x, decimals) {
  if (x === null || x === undefined || !Number.isFinite(x)) return dash;
  if (Math.abs(x) >= 1e21) return String(x);
  if (decimals > plainDecimals && Math.abs(x) < plainFrom) return small(x, decimals);
  const [whole, fraction] = Math.abs(x).toFixed(decimals).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  const text = fraction === undefined ? grouped : `${grouped}.${fraction}`;
  return x < 0 && /[1-9]/.test(text) ? `−${text}` : text;
}

// small writes a number with many zeros behind the point so that it fits beside a chart: 1.2345e-10, to the same decimals.
function small(x, decimals) {
  const rounded = Number(Math.abs(x).toFixed(decimals));
  if (rounded === 0) return '0';
  const exponent = Number(rounded.toExponential().split('e')[1]);
  return `${x < 0 ? '−' : ''}${rounded.toExponential(Math.max(0, decimals + exponent))}`;
}

// axis writes x beside the chart. The library makes room for a price of 0.11111111111111 whatever the prices are: in full it would
// take half of a phone.
export function axis(x, decimals) {
  return number(x, decimals > plainDecimals && Math.abs(x) >= plainFrom ? axisDecimals : decimals);
}

// smallestStep is the least distance of two prices for the chart library, which throws on 1e-18: its inverse, rounded, is no power
// of ten.
export const smallestStep = (decimals) => Number(`1e-${Math.min(decimals, 17)}`);

// signed is number with a plus sign where it belongs.
export function signed(x, decimals) {
  const text = number(x, decimals);
  return x > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

// percent is a change in hundredths of what was before; of 0 or a price below it there are none.
export const percent = (change, before) => (before > 0 ? (100 * change) / before : NaN);

// amount writes a volume in at most six characters or so: 1.234M, 12.35, 0.0012.
export function amount(x) {
  if (x === null || x === undefined || !Number.isFinite(x)) return dash;
  const size = Math.abs(x);
  for (const [unit, letter] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e4, 'K']]) {
    if (size >= unit) return number(x / (letter === 'K' ? 1e3 : unit), 2) + letter;
  }
  if (size === 0) return '0';
  if (size >= 1) return number(x, Number.isInteger(x) ? 0 : size >= 100 ? 1 : 3);
  return number(x, Math.min(maxDecimals, 3 - Math.floor(Math.log10(size))));
}

const two = (n) => String(n).padStart(2, '0');
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// millis is what a time within a second has behind the point; most have none.
const millis = (d) => (d.getUTCMilliseconds() === 0 ? '' : `.${String(d.getUTCMilliseconds()).padStart(3, '0')}`);

// utc writes a time in milliseconds as 2026-11-21 12:19:00.
export function utc(ms) {
  const d = new Date(ms);
  return Number.isNaN(d.getTime()) ? dash : d.toISOString().slice(0, 19).replace('T', ' ') + millis(d);
}

// tick labels a mark of the time axis. kind: 0 year, 1 month, 2 day, 3 time, 4 time with seconds, as the chart library counts.
export function tick(seconds, kind) {
  const d = new Date(Math.round(seconds * 1000));
  switch (kind) {
    case 0: return String(d.getUTCFullYear());
    case 1: return months[d.getUTCMonth()];
    case 2: return `${d.getUTCDate()} ${months[d.getUTCMonth()]}`;
    case 3: return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
    default: return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}${millis(d)}`;
  }
}

// minutes cuts a time as the server writes it, 2026-11-21T12:19:00Z, behind its minutes.
export const minutes = (time) => (typeof time === 'string' ? time.slice(0, 16).replace('T', ' ') : '');

// span writes the length of a bar in milliseconds: 5m.
export function span(ms) {
  for (const [unit, letter] of [[604_800_000, 'w'], [86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'm'], [1000, 's']]) {
    if (ms >= unit && ms % unit === 0) return `${ms / unit}${letter}`;
  }
  return Number.isFinite(ms) ? `${ms}ms` : dash;
}
