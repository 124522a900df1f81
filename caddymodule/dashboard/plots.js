// Turns the manifests of the configured indicators into what the chart draws: plots with their pane, colour and number format.
// Manifests are written by users: every value that reaches the chart is checked here against a closed set.

const palette = ['#2962ff', '#ff6d00', '#26a69a', '#ef5350', '#7e57c2', '#00897b'];
const colorForm = /^#[0-9a-fA-F]{6}$/;
const kinds = new Set(['line', 'histogram', 'area', 'dots']);
const styles = new Map([['solid', 0], ['dotted', 1], ['dashed', 2]]);
const maxText = 64;

const color = (value, fallback) => (colorForm.test(value ?? '') ? value.toLowerCase() : fallback);
const text = (value, fallback) => (typeof value === 'string' && value !== '' ? value.slice(0, maxText) : fallback);
const finite = (value) => typeof value === 'number' && Number.isFinite(value);

// splitArguments cuts "14,src=ema(20)" at the commas outside parentheses.
export function splitArguments(list) {
  const parts = [];
  let depth = 0;
  let begin = 0;
  for (let i = 0; i <= list.length; i++) {
    const c = list[i];
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (i === list.length || (c === ',' && depth === 0)) {
      if (i > begin) parts.push(list.slice(begin, i));
      begin = i + 1;
    }
  }
  return parts;
}

// parseInstance splits "macd(12,26,9,profile=tv)" into its name, positional and named arguments.
export function parseInstance(instance) {
  const open = instance.indexOf('(');
  const list = open < 0 ? [] : splitArguments(instance.slice(open + 1, instance.lastIndexOf(')')));
  const path = open < 0 ? instance : instance.slice(0, open);
  const named = new Map();
  const positional = [];
  for (const part of list) {
    const equals = part.indexOf('=');
    if (equals > 0 && !part.slice(0, equals).includes('(')) named.set(part.slice(0, equals), part.slice(equals + 1));
    else positional.push(part);
  }
  return { name: path.slice(path.lastIndexOf('/') + 1), positional, named };
}

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

function plotOf(output, i) {
  const precision = Number.isInteger(output.precision) && output.precision >= 0 && output.precision <= 12 ? output.precision : null;
  const base = color(output.color, palette[i % palette.length]);
  return {
    output: output.name,
    title: text(output.title, output.name),
    kind: kinds.has(output.plot) ? output.plot : 'line',
    color: base,
    negative: color(output.color_neg, base),
    style: styles.get(output.style) ?? 0,
    price: output.format === 'price' || output.format === undefined,
    precision,
  };
}

// describe returns one entry per configured instance, overlays first.
export function describe(manifests) {
  const found = [];
  for (const manifest of manifests) {
    const outputs = (manifest.outputs ?? []).filter((o) => o.plot !== 'none');
    const range = Array.isArray(manifest.range) && manifest.range.length === 2 && manifest.range.every(finite) ? manifest.range : null;
    for (const instance of manifest.instances ?? []) {
      found.push({
        instance,
        label: labelOf(instance, manifest),
        title: text(manifest.title, instance),
        overlay: manifest.pane === 'overlay',
        range,
        levels: (manifest.levels ?? []).filter((l) => finite(l.value)).slice(0, 8).map((l) => l.value),
        version: text(manifest.sha256, '').slice(0, 8),
        plots: outputs.map(plotOf),
      });
    }
  }
  return [...found.filter((f) => f.overlay), ...found.filter((f) => !f.overlay)];
}
