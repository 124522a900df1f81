/* This file is yours: the indicators of manifest.h, by id. Everything that an
 * indicator remembers stands in its state, as plain numbers: the host moves it,
 * copies it for previews, stores it and continues it on another machine. No
 * pointers, no static variables in an update. */
#include "kl.h"
#include "manifest.h"

enum { SMA, EMA, BANDS, CCI };

/* The last n values; the values themselves lie behind it. */
typedef struct {
  u32 n, at, filled, reserved;
  double sum;
  double mult; /* of bands */
} window;

/* An exponential moving average. */
typedef struct {
  u32 n, seen;
  double k, value;
} average;

static int between(double v, double low, double high) { return v >= low && v <= high; }

/* Tells whether v is a whole number from low to high. NaN is not. */
static int whole(double v, double low, double high) { return between(v, low, high) && v == __builtin_trunc(v); }

static int window_bytes(double n) { return (int)sizeof(window) + 8 * (int)n; }

/* The number of bytes of a state, or an error code: it checks the parameters. */
int state_size(u32 ind, const double *p, u32 count) {
  switch (ind) {
    case SMA: return count == 1 && whole(p[0], 1, 1000) ? window_bytes(p[0]) : ERR_PARAMS;
    case EMA: return count == 1 && whole(p[0], 1, 1000) ? (int)sizeof(average) : ERR_PARAMS;
    case BANDS: return count == 2 && whole(p[0], 2, 400) && between(p[1], 0, 10) ? window_bytes(p[0]) : ERR_PARAMS;
    case CCI: return count == 1 && whole(p[0], 2, 200) ? window_bytes(p[0]) : ERR_PARAMS;
  }
  return ERR_INDICATOR;
}

/* Fills a state whose bytes are all zero. */
void start(u32 ind, const double *p, void *state) {
  if (ind == EMA) {
    average *a = state;
    a->n = (u32)p[0];
    a->k = 2 / (p[0] + 1);
    return;
  }
  window *w = state;
  w->n = (u32)p[0];
  if (ind == BANDS) w->mult = p[1];
}

/* The number of bars after which it does not matter any more where the series
 * began. */
int warmup(u32 ind, const double *p) { return ind == EMA ? (int)p[0] * 12 + 12 : (int)p[0]; }

/* The numbers behind a window. */
static double *values(window *w) { return (double *)(w + 1); }

/* Puts a value into the window. Once around, the sum is built anew, so that
 * rounding cannot add up and one absurd price is forgotten. */
static void push(window *w, double x) {
  double *v = values(w);
  double old = v[w->at];
  v[w->at] = x;
  w->at++;
  if (w->filled < w->n) w->filled++;
  if (w->at < w->n) {
    w->sum += x - old;
    return;
  }
  w->at = 0;
  double sum = 0;
  for (u32 i = 0; i < w->n; i++) sum += v[i];
  w->sum = sum;
}

static int sma(window *w, double x, double *out) {
  push(w, x);
  if (w->filled < w->n) return WARMING;
  out[0] = w->sum / w->n;
  return READY;
}

static int ema(average *a, double x, double *out) {
  if (a->seen < a->n) {
    /* It begins with the mean of the first n values. */
    a->seen++;
    a->value += x;
    if (a->seen < a->n) return WARMING;
    a->value /= a->n;
  } else {
    a->value += a->k * (x - a->value);
  }
  out[0] = a->value;
  return READY;
}

static int bands(window *w, double x, double *out) {
  push(w, x);
  if (w->filled < w->n) return WARMING;
  double mean = w->sum / w->n, squares = 0, *v = values(w);
  for (u32 i = 0; i < w->n; i++) {
    double d = v[i] - mean;
    squares += d * d;
  }
  double half = w->mult * __builtin_sqrt(squares / w->n);
  out[0] = mean + half;
  out[1] = mean;
  out[2] = mean - half;
  return READY;
}

static int cci(window *w, double x, double *out) {
  push(w, x);
  if (w->filled < w->n) return WARMING;
  double mean = w->sum / w->n, dev = 0, *v = values(w);
  for (u32 i = 0; i < w->n; i++) dev += __builtin_fabs(v[i] - mean);
  dev /= w->n;
  /* A flat window, but for rounding. */
  out[0] = dev <= 1e-14 * __builtin_fabs(mean) ? 0 : (x - mean) / (0.015 * dev);
  return READY;
}

/* Takes one bar and writes one number per output of the manifest. */
int update(u32 ind, void *state, const bar *b, double *out) {
  switch (ind) {
    case SMA: return sma(state, b->src, out);
    case EMA: return ema(state, b->src, out);
    case BANDS: return bands(state, b->src, out);
    case CCI: return cci(state, (b->high + b->low + b->close) / 3, out);
  }
  return ERR_INDICATOR;
}
