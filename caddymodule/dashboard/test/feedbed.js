// A Feed over a server that a test fills with bars.

import { Feed } from '../feed.js';
import { FakeClock } from './fakes.js';

export const sym = 'A';
export const itv = '1m';
export const kline = (t, seq, rest = {}) => ({ sym, itv, t, o: 1, h: 1, l: 1, c: 1, v: 1, final: true, rev: 0, seq, ...rest });
export const settle = () => new Promise((resolve) => { setTimeout(resolve, 0); });

// server answers bundles from a list of bars; hold keeps answers back until release.
function server(bars) {
  const asked = [];
  const held = [];
  const api = {
    holding: false,
    bundle(_, { limit, to = Infinity }) {
      const answer = { pos: `p${bars.length}`, bars: bars.filter((b) => b.t < to).slice(-limit), ind: {} };
      asked.push({ limit, to });
      return api.holding ? new Promise((resolve) => { held.push(() => resolve(answer)); }) : Promise.resolve(answer);
    },
    values: () => Promise.resolve({ rows: [] }),
    release() { api.holding = false; held.splice(0).forEach((go) => go()); },
  };
  return { api, asked };
}

export function setUp(bars) {
  const { api, asked } = server(bars);
  const selected = [];
  const shown = [];
  const messages = [];
  const said = { history: '', older: '' };
  const clock = new FakeClock();
  const feed = new Feed({
    api, clock, select: (_, pos) => selected.push(pos), versions: () => new Map(), onSeries: (series, fresh) => shown.push(fresh), onChange() {}, onMessage: (m, about = 'history') => { messages.push(m); said[about] = m; }, onRefused: () => false,
  });
  const send = (name, data) => feed.event(name, JSON.stringify(data));
  return { api, asked, clock, feed, selected, shown, messages, said, send, times: () => [...feed.series.bars].map((b) => b.t) };
}
