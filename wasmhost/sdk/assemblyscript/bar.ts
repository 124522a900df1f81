/** One bar as the host writes it. */
@unmanaged
export class Bar {
  openTime: i64; // milliseconds since 1970
  open: f64;
  high: f64;
  low: f64;
  close: f64;
  volume: f64;
  quoteVolume: f64;
  trades: u32;
  flags: u32;
  src: f64; // the price that the user chose with src=
  takerBuyVolume: f64;
}

// Results of kl_update, and error codes.
export const WARMING: i32 = 0;
export const READY: i32 = 1;
export const ERR_INDICATOR: i32 = -1;
export const ERR_PARAMS: i32 = -2;
