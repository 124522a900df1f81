// Turns the manifests of indicators into what the chart draws: plots with their pane, colour and number format.
// Manifests are written by users: every value that reaches the chart is checked here against a closed set.

import { parseInstance } from './expression.js';

const palette = ['#2962ff', '#ff6d00', '#26a69a', '#ef5350', '#7e57c2', '#00897b'];
// For lines over the candles: none looks like a candle.
const overlayPalette = ['#2962ff', '#ff6d00', '#7e57c2', '#d81b60', '#0097a7', '#8d6e63', '#9e9d24'];
const colorForm = /^#[0-9a-fA-F]{6}$/;
const kinds = new Set(['line', 'histogram', 'columns', 'area', 'band', 'marker', 'dots']);
const styles = new Map([['solid', 0], ['dotted', 1], ['dashed', 2]]);
const maxText = 64;

const color = (value, fallback) => (colorForm.test(value ?? '') ? value.toLowerCase() : fallback);
const text = (value, fallback) => (typeof value === 'string' && value !== '' ? value.slice(0, maxText) : fallback);
const finite = (value) => typeof value === 'number' && Number.isFinite(value);

// labelOf fills the manifest's short text: "MACD {fast} {slow} {signal}" becomes "MACD 12 26 9".
export function labelOf(instance, manifest) {
  const { positional, named } = parseInstance(instance);
  const numeric = (manifest.params ?? []).filter((p) => p.type === 'int' || p.type === 'float');
  const values = new Map(numeric.map((p, i) => [p.name, positional[i] ?? String(p.default ?? '')]));
  named.forEach((value, name) => values.set(name, value));
  let label = text(manifest.short, instance).replace(/\{(\w+)\}/g, (_, name) => values.get(name) ?? '');
  named.forEach((value, name) => { label += name === 'src' ? ` of ${value}` : ` ${value}`; });
  return label.slice(0, maxText);
}

// plotOf is one output; fillTo is the output to which the area between both is filled, null for none.
function plotOf(output, i, outputs) {
  const precision = Number.isInteger(output.precision) && output.precision >= 0 && output.precision <= 12 ? output.precision : null;
  const base = color(output.color, palette[i % palette.length]);
  return {
    output: output.name,
    title: text(output.title, output.name),
    kind: kinds.has(output.plot) ? output.plot : 'line',
    color: base,
    negative: color(output.color_neg, base),
    style: styles.get(output.style) ?? 0,
    fillTo: outputs.some((o) => o !== output && o.name === output.fill_to) ? output.fill_to : null,
    price: output.format === 'price' || output.format === undefined,
    precision,
  };
}

// describeInstance is what the chart needs to know of one instance.
export function describeInstance(instance, manifest) {
  const outputs = manifest.outputs ?? [];
  const range = Array.isArray(manifest.range) && manifest.range.length === 2 && manifest.range.every(finite) ? manifest.range : null;
  return {
    instance,
    label: labelOf(instance, manifest),
    title: text(manifest.title, instance),
    overlay: manifest.pane === 'overlay',
    range,
    levels: (manifest.levels ?? []).filter((l) => finite(l.value)).slice(0, 8).map((l) => l.value),
    version: text(manifest.sha256, '').slice(0, 8),
    plots: outputs.filter((o) => o.plot !== 'none').map((output, i) => plotOf(output, i, outputs)),
  };
}

// apart gives a line over the candles another colour where one before it has the same: of sma(20) and sma(50) nobody could tell which
// is which. Plots of several outputs keep what their manifest says.
function apart(entry, taken) {
  const [plot, ...more] = entry.plots;
  const own = plot?.color;
  const free = more.length === 0 && taken.has(own) ? overlayPalette.find((c) => !taken.has(c)) : undefined;
  const plots = free === undefined ? entry.plots : [{ ...plot, color: free, negative: plot.negative === own ? free : plot.negative }];
  plots.forEach((p) => taken.add(p.color));
  return { ...entry, plots };
}

// arrange puts overlays first, each in a colour of its own as far as they last: that is the order of the panes.
export function arrange(entries) {
  const taken = new Set();
  return [...entries.filter((e) => e.overlay).map((e) => apart(e, taken)), ...entries.filter((e) => !e.overlay)];
}
