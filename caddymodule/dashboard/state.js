// What an indicator is doing, in words: the chart alone does not say why there is no line.

import { utc } from './format.js';

const faults = { quarantined: 'quarantined: taken out of service after faults', error: 'failed: no values' };

// stateOf returns {word, bad} for the newest bar: '' where there is nothing to say.
export function stateOf({ instance, plots }, series) {
  const values = series.values.get(instance);
  const row = newest(series.bars, values);
  if (row === undefined) return { word: '', bad: false };
  const fault = faults[row.fault];
  if (fault) return { word: fault, bad: true };
  const empty = Object.values(row.v).every((x) => x === null);
  if (empty && !row.stable && plots.some((plot) => plot.kind !== 'marker')) return { word: 'warming up', bad: false };
  const swap = series.swaps.findLast((s) => s.instance === instance);
  return { word: swap ? `version ${swap.version} since ${utc(swap.t).slice(11)}` : '', bad: false };
}

// newest is the row of the last bar, or of the one before while the last has none yet.
function newest(bars, values) {
  for (let i = bars.length - 1; i >= Math.max(0, bars.length - 2); i--) {
    const row = values?.at(bars.at(i).t);
    if (row) return row;
  }
  return undefined;
}
