// This file is yours: the indicators of manifest.ts, by id. Everything that an
// indicator remembers stands in its state, as plain numbers: the host moves it,
// copies it for previews, stores it and continues it on another machine. No
// new, no arrays, no strings, no globals in an update.

import { Bar, WARMING, READY, ERR_INDICATOR, ERR_PARAMS } from "./bar";

const SMA: u32 = 0;
const EMA: u32 = 1;
const BANDS: u32 = 2;
const CCI: u32 = 3;

/** The last n values; the values themselves lie behind it. */
@unmanaged
class Window {
  n: u32;
  at: u32;
  filled: u32;
  reserved: u32;
  sum: f64;
  mult: f64; // of bands
}

/** An exponential moving average. */
@unmanaged
class Average {
  n: u32;
  seen: u32;
  k: f64;
  value: f64;
}

/** Number i at an address. */
@inline
function at(p: usize, i: u32): f64 {
  return load<f64>(p + ((<usize>i) << 3));
}

function between(v: f64, low: f64, high: f64): bool {
  return v >= low && v <= high;
}

/** Tells whether v is a whole number from low to high. NaN is not. */
function whole(v: f64, low: f64, high: f64): bool {
  return between(v, low, high) && v == trunc<f64>(v);
}

function windowBytes(n: f64): i32 {
  return <i32>offsetof<Window>() + 8 * <i32>n;
}

/** The number of bytes of a state, or an error code: it checks the parameters. */
export function stateSize(ind: u32, p: usize, count: u32): i32 {
  if (ind == SMA) return count == 1 && whole(at(p, 0), 1, 1000) ? windowBytes(at(p, 0)) : ERR_PARAMS;
  if (ind == EMA) return count == 1 && whole(at(p, 0), 1, 1000) ? <i32>offsetof<Average>() : ERR_PARAMS;
  if (ind == BANDS) return count == 2 && whole(at(p, 0), 2, 400) && between(at(p, 1), 0, 10) ? windowBytes(at(p, 0)) : ERR_PARAMS;
  if (ind == CCI) return count == 1 && whole(at(p, 0), 2, 200) ? windowBytes(at(p, 0)) : ERR_PARAMS;
  return ERR_INDICATOR;
}

/** Fills a state whose bytes are all zero. */
export function start(ind: u32, p: usize, state: usize): void {
  if (ind == EMA) {
    const a = changetype<Average>(state);
    a.n = <u32>at(p, 0);
    a.k = 2 / (at(p, 0) + 1);
    return;
  }
  const w = changetype<Window>(state);
  w.n = <u32>at(p, 0);
  if (ind == BANDS) w.mult = at(p, 1);
}

/**
 * The number of bars after which it does not matter any more where the series
 * began.
 */
export function warmup(ind: u32, p: usize): i32 {
  return ind == EMA ? <i32>at(p, 0) * 12 + 12 : <i32>at(p, 0);
}

/** The address of the numbers behind a window. */
@inline
function values(w: Window): usize {
  return changetype<usize>(w) + offsetof<Window>();
}

/**
 * Puts a value into the window. Once around, the sum is built anew, so that
 * rounding cannot add up and one absurd price is forgotten.
 */
function push(w: Window, x: f64): void {
  const v = values(w);
  const slot = v + ((<usize>w.at) << 3);
  const old = load<f64>(slot);
  store<f64>(slot, x);
  w.at++;
  if (w.filled < w.n) w.filled++;
  if (w.at < w.n) {
    w.sum += x - old;
    return;
  }
  w.at = 0;
  let sum: f64 = 0;
  const n = w.n;
  for (let i: u32 = 0; i < n; i++) sum += at(v, i);
  w.sum = sum;
}

function sma(w: Window, x: f64, out: usize): i32 {
  push(w, x);
  if (w.filled < w.n) return WARMING;
  store<f64>(out, w.sum / <f64>w.n);
  return READY;
}

function ema(a: Average, x: f64, out: usize): i32 {
  if (a.seen < a.n) {
    // It begins with the mean of the first n values.
    a.seen++;
    a.value += x;
    if (a.seen < a.n) return WARMING;
    a.value /= <f64>a.n;
  } else {
    a.value += a.k * (x - a.value);
  }
  store<f64>(out, a.value);
  return READY;
}

function bands(w: Window, x: f64, out: usize): i32 {
  push(w, x);
  if (w.filled < w.n) return WARMING;
  const n = w.n, v = values(w);
  const mean = w.sum / <f64>n;
  let squares: f64 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const d = at(v, i) - mean;
    squares += d * d;
  }
  const half = w.mult * sqrt<f64>(squares / <f64>n);
  store<f64>(out, mean + half);
  store<f64>(out, mean, 8);
  store<f64>(out, mean - half, 16);
  return READY;
}

function cci(w: Window, x: f64, out: usize): i32 {
  push(w, x);
  if (w.filled < w.n) return WARMING;
  const n = w.n, v = values(w);
  const mean = w.sum / <f64>n;
  let dev: f64 = 0;
  for (let i: u32 = 0; i < n; i++) dev += abs<f64>(at(v, i) - mean);
  dev /= <f64>n;
  // A flat window, but for rounding.
  store<f64>(out, dev <= 1e-14 * abs<f64>(mean) ? 0 : (x - mean) / (0.015 * dev));
  return READY;
}

/** Takes one bar and writes one number per output of the manifest. */
export function update(ind: u32, state: usize, b: Bar, out: usize): i32 {
  if (ind == SMA) return sma(changetype<Window>(state), b.src, out);
  if (ind == EMA) return ema(changetype<Average>(state), b.src, out);
  if (ind == BANDS) return bands(changetype<Window>(state), b.src, out);
  if (ind == CCI) return cci(changetype<Window>(state), (b.high + b.low + b.close) / 3, out);
  return ERR_INDICATOR;
}
