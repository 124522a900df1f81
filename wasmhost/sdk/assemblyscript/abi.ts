// The exports of the ABI kl1, in front of indicators.ts. There is nothing to
// change here. @unmanaged classes are views of the host's memory.

import { MANIFEST } from "./manifest";
import { stateSize, start, warmup, update } from "./indicators";
import { Bar } from "./bar";

/** What the host knows of a series. */
@unmanaged
class Config {
  ind: u32;
  count: u32;
  params: usize; // address of count numbers
  flags: u32;
}

/** One series of a batch. */
@unmanaged
class Job {
  ind: u32;
  state: usize;
  bars: usize;
  n: u32;
  stride: u32;
  out: usize;
  outStride: u32;
  rc: i32;
}

const text = String.UTF8.encode(MANIFEST);

export function kl_abi(): i32 {
  return 1 << 16;
}

export function kl_describe(): u64 {
  return ((changetype<usize>(text) as u64) << 32) | (text.byteLength as u64);
}

/** A region that is never moved, freed or used again. */
export function kl_alloc(size: u32): usize {
  return heap.alloc(max<u32>(size, 16));
}

export function kl_state_size(cfg: usize): i32 {
  const c = changetype<Config>(cfg);
  return stateSize(c.ind, c.params, c.count);
}

export function kl_init(cfg: usize, state: usize): i32 {
  const c = changetype<Config>(cfg);
  const size = stateSize(c.ind, c.params, c.count);
  if (size < 0) return size;
  memory.fill(state, 0, size);
  start(c.ind, c.params, state);
  return 0;
}

export function kl_warmup(cfg: usize): i32 {
  const c = changetype<Config>(cfg);
  const size = stateSize(c.ind, c.params, c.count);
  return size < 0 ? size : warmup(c.ind, c.params);
}

export function kl_update(ind: u32, state: usize, bar: usize, out: usize): i32 {
  return update(ind, state, changetype<Bar>(bar), out);
}

export function kl_update_batch(jobs: usize, n: u32): i32 {
  for (let i: u32 = 0; i < n; i++) {
    const j = changetype<Job>(jobs + i * 32);
    const bars = j.n;
    for (let k: u32 = 0; k < bars; k++) {
      j.rc = update(j.ind, j.state, changetype<Bar>(j.bars + k * j.stride), j.out + k * j.outStride);
      if (j.rc < 0) {
        j.n = k;
        break;
      }
    }
  }
  return 0;
}
