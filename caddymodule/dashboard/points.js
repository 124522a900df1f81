// What the chart library is fed, computed from bars and values. Each function returns one point; a point with a time alone is
// whitespace: warm-up, or nothing to draw.

const faint = 0.35;

// key is a time as the chart library counts, in seconds. It takes fractions of them: whole ones would put bars of 250ms where they
// do not belong.
export const key = (t) => t / 1000;

// timeOf is the time that a key was made of.
export const timeOf = (seconds) => Math.round(seconds * 1000);

// candle outlines a bar that the data covers only in part.
export function candle(bar, time, theme) {
  const point = { time, open: bar.o, high: bar.h, low: bar.l, close: bar.c };
  if (bar.q === 'partial') {
    point.color = '#00000000';
    point.borderColor = bar.c >= bar.o ? theme.up : theme.down;
  }
  return point;
}

export function volume(bar, time, theme, fade) {
  return { time, value: bar.v, color: fade(bar.c >= bar.o ? theme.up : theme.down, bar.final ? 0.55 : 0.3) };
}

const drawable = (row, output) => Number.isFinite(row?.v?.[output]);

// settled is a value that will not move any more. Values before an indicator has converged are dimmed.
export function settled(row, plot, time, fade) {
  if (!drawable(row, plot.output) || !row.final) return { time };
  const value = row.v[plot.output];
  return row.stable ? { time, value } : { time, value, color: fade(plot.color, faint) };
}

// column is a bar of a histogram, in one of two colours; provisional and unstable ones are dimmed.
export function column(row, plot, time, fade) {
  if (!drawable(row, plot.output)) return { time };
  const value = row.v[plot.output];
  const color = value < 0 ? plot.negative : plot.color;
  return { time, value, color: fade(color, row.final && row.stable ? 0.8 : faint) };
}

// mark is the marker at a value, null for none; where a marker stands it has a value, so that the scale makes room for it.
export function mark(row, plot, time, fade) {
  if (!drawable(row, plot.output)) return null;
  const color = row.v[plot.output] < 0 ? plot.negative : plot.color;
  return { time, position: 'inBar', shape: 'circle', size: 1, color: row.final ? color : fade(color, faint) };
}

// place is the point of the line without a line that carries the markers.
export function place(row, plot, time) { return drawable(row, plot.output) ? { time, value: row.v[plot.output] } : { time }; }

// ends are the two values between which an area is filled, null where one is missing.
export function ends(row, plot) {
  return drawable(row, plot.output) && drawable(row, plot.fillTo) ? [row.v[plot.output], row.v[plot.fillTo]] : null;
}

// tail is the dashed line from the last settled value to the provisional one, or nothing.
export function tail(bars, values, plot, keyOf) {
  const last = bars.last;
  const row = last && values.at(last.t);
  if (!drawable(row, plot.output) || row.final) return [];
  const end = { time: keyOf(last.t), value: row.v[plot.output] };
  const before = bars.at(bars.length - 2);
  const from = before && values.at(before.t);
  return drawable(from, plot.output) ? [{ time: keyOf(before.t), value: from.v[plot.output] }, end] : [end];
}
