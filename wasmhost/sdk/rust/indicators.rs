// This file is yours: the indicators of manifest.json, by id. Everything that
// an indicator remembers stands in its state, as plain numbers: the host moves
// it, copies it for previews, stores it and continues it on another machine.
// No pointers, no statics, no Vec or Box in an update.

use crate::abi::{Bar, ERR_INDICATOR, ERR_PARAMS, READY, WARMING};

const SMA: u32 = 0;
const EMA: u32 = 1;
const BANDS: u32 = 2;
const CCI: u32 = 3;

/// The last n values; the values themselves lie behind it.
#[repr(C)]
struct Window {
    n: u32,
    at: u32,
    filled: u32,
    _reserved: u32,
    sum: f64,
    mult: f64, // of bands
}

/// An exponential moving average.
#[repr(C)]
struct Average {
    n: u32,
    seen: u32,
    k: f64,
    value: f64,
}

const WINDOW_SIZE: usize = core::mem::size_of::<Window>();

/// The number of bytes of a state, or an error code: it checks the parameters.
pub fn state_size(ind: u32, p: &[f64]) -> i32 {
    match (ind, p) {
        (SMA, [n]) if whole(*n, 1.0, 1000.0) => window_bytes(*n),
        (BANDS, [n, mult]) if whole(*n, 2.0, 400.0) && between(*mult, 0.0, 10.0) => window_bytes(*n),
        (CCI, [n]) if whole(*n, 2.0, 200.0) => window_bytes(*n),
        (EMA, [n]) if whole(*n, 1.0, 1000.0) => core::mem::size_of::<Average>() as i32,
        (0..=CCI, _) => ERR_PARAMS,
        _ => ERR_INDICATOR,
    }
}

fn window_bytes(n: f64) -> i32 {
    WINDOW_SIZE as i32 + 8 * n as i32
}

/// Fills a state whose bytes are all zero.
pub unsafe fn start(ind: u32, p: &[f64], state: *mut u8) {
    if ind == EMA {
        let a = &mut *(state as *mut Average);
        a.n = p[0] as u32;
        a.k = 2.0 / (p[0] + 1.0);
        return;
    }
    let w = &mut *(state as *mut Window);
    w.n = p[0] as u32;
    if ind == BANDS {
        w.mult = p[1];
    }
}

/// The number of bars after which it does not matter any more where the
/// series began.
pub fn warmup(ind: u32, p: &[f64]) -> i32 {
    if ind == EMA {
        return p[0] as i32 * 12 + 12;
    }
    p[0] as i32
}

/// Takes one bar and writes one number per output of the manifest.
pub unsafe fn update(ind: u32, state: *mut u8, b: &Bar, out: *mut f64) -> i32 {
    match ind {
        SMA => {
            let w = &mut *(state as *mut Window);
            w.push(b.src);
            if w.filled < w.n {
                return WARMING;
            }
            *out = w.sum / w.n as f64;
            READY
        }
        EMA => (*(state as *mut Average)).update(b.src, out),
        BANDS => (*(state as *mut Window)).bands(b.src, out),
        CCI => (*(state as *mut Window)).cci((b.high + b.low + b.close) / 3.0, out),
        _ => ERR_INDICATOR,
    }
}

impl Window {
    /// The numbers behind a window.
    unsafe fn values(&mut self) -> &'static mut [f64] {
        let first = (self as *mut Window as *mut u8).add(WINDOW_SIZE) as *mut f64;
        core::slice::from_raw_parts_mut(first, self.n as usize)
    }

    /// Puts a value into the window. Once around, the sum is built anew, so
    /// that rounding cannot add up and one absurd price is forgotten.
    unsafe fn push(&mut self, x: f64) {
        let values = self.values();
        let slot = values.as_mut_ptr().add(self.at as usize);
        let old = *slot;
        *slot = x;
        self.at += 1;
        if self.filled < self.n {
            self.filled += 1;
        }
        if self.at < self.n {
            self.sum += x - old;
            return;
        }
        self.at = 0;
        let mut sum = 0.0;
        for v in values.iter() {
            sum += *v;
        }
        self.sum = sum;
    }

    unsafe fn bands(&mut self, x: f64, out: *mut f64) -> i32 {
        self.push(x);
        if self.filled < self.n {
            return WARMING;
        }
        let mean = self.sum / self.n as f64;
        let mut squares = 0.0;
        for v in self.values().iter() {
            let d = *v - mean;
            squares += d * d;
        }
        let half = self.mult * (squares / self.n as f64).sqrt();
        *out = mean + half;
        *out.add(1) = mean;
        *out.add(2) = mean - half;
        READY
    }

    unsafe fn cci(&mut self, x: f64, out: *mut f64) -> i32 {
        self.push(x);
        if self.filled < self.n {
            return WARMING;
        }
        let mean = self.sum / self.n as f64;
        let mut dev = 0.0;
        for v in self.values().iter() {
            dev += (*v - mean).abs();
        }
        dev /= self.n as f64;
        // A flat window, but for rounding.
        *out = if dev <= 1e-14 * mean.abs() { 0.0 } else { (x - mean) / (0.015 * dev) };
        READY
    }
}

impl Average {
    unsafe fn update(&mut self, x: f64, out: *mut f64) -> i32 {
        if self.seen < self.n {
            // It begins with the mean of the first n values.
            self.seen += 1;
            self.value += x;
            if self.seen < self.n {
                return WARMING;
            }
            self.value /= self.n as f64;
        } else {
            self.value += self.k * (x - self.value);
        }
        *out = self.value;
        READY
    }
}

/// Tells whether v is a whole number from low to high. NaN is not.
fn whole(v: f64, low: f64, high: f64) -> bool {
    between(v, low, high) && v == v.trunc()
}

fn between(v: f64, low: f64, high: f64) -> bool {
    v >= low && v <= high
}
