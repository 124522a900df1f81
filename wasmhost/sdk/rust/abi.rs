use crate::indicators;
use std::alloc::{alloc, Layout};

static MANIFEST: &str = include_str!("manifest.json");

// Results of kl_update, and error codes.
pub const WARMING: i32 = 0;
pub const READY: i32 = 1;
pub const ERR_INDICATOR: i32 = -1;
pub const ERR_PARAMS: i32 = -2;

/// One bar as the host writes it.
#[repr(C)]
#[allow(dead_code)]
pub struct Bar {
    pub open_time: i64, // milliseconds since 1970
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    pub quote_volume: f64,
    pub trades: u32,
    pub flags: u32,
    pub src: f64, // the price that the user chose with src=
    pub taker_buy_volume: f64,
}

/// What the host knows of a series.
#[repr(C)]
struct Config {
    ind: u32,
    count: u32,
    params: u32, // address of count numbers
    flags: u32,
    interval_ms: i64,
    session_offset: i64,
    tick_size: f64,
    from_version: u32,
    _reserved: [u32; 5],
}

/// One series of a batch.
#[repr(C)]
struct Job {
    ind: u32,
    state: u32,
    bars: u32,
    n: u32,
    stride: u32,
    out: u32,
    out_stride: u32,
    rc: i32,
}

impl Config {
    unsafe fn values(&self) -> &[f64] {
        if self.count == 0 || self.count > 32 || self.params == 0 {
            return &[];
        }
        core::slice::from_raw_parts(self.params as *const f64, self.count as usize)
    }
}

#[no_mangle]
pub extern "C" fn kl_abi() -> i32 {
    1 << 16
}

#[no_mangle]
pub extern "C" fn kl_describe() -> i64 {
    ((MANIFEST.as_ptr() as u64) << 32 | MANIFEST.len() as u64) as i64
}

/// A region that is never moved, freed or used again.
#[no_mangle]
pub unsafe extern "C" fn kl_alloc(size: u32) -> u32 {
    match Layout::from_size_align(size.max(16) as usize, 16) {
        Ok(layout) => alloc(layout) as u32,
        Err(_) => 0,
    }
}

#[no_mangle]
pub unsafe extern "C" fn kl_state_size(cfg: u32) -> i32 {
    let c = &*(cfg as *const Config);
    indicators::state_size(c.ind, c.values())
}

#[no_mangle]
pub unsafe extern "C" fn kl_init(cfg: u32, state: u32) -> i32 {
    let c = &*(cfg as *const Config);
    let size = indicators::state_size(c.ind, c.values());
    if size < 0 {
        return size;
    }
    core::ptr::write_bytes(state as *mut u8, 0, size as usize);
    indicators::start(c.ind, c.values(), state as *mut u8);
    0
}

#[no_mangle]
pub unsafe extern "C" fn kl_warmup(cfg: u32) -> i32 {
    let c = &*(cfg as *const Config);
    let size = indicators::state_size(c.ind, c.values());
    if size < 0 {
        return size;
    }
    indicators::warmup(c.ind, c.values())
}

#[no_mangle]
pub unsafe extern "C" fn kl_update(ind: u32, state: u32, bar: u32, out: u32) -> i32 {
    indicators::update(ind, state as *mut u8, &*(bar as *const Bar), out as *mut f64)
}

#[no_mangle]
pub unsafe extern "C" fn kl_update_batch(jobs: u32, n: u32) -> i32 {
    for i in 0..n {
        let j = &mut *((jobs + i * 32) as *mut Job);
        for k in 0..j.n {
            let bar = &*((j.bars + k * j.stride) as *const Bar);
            j.rc = indicators::update(j.ind, j.state as *mut u8, bar, (j.out + k * j.out_stride) as *mut f64);
            if j.rc < 0 {
                j.n = k;
                break;
            }
        }
    }
    0
}
