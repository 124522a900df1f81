/* The ABI kl1 between the host and indicators.c. There is nothing to change
 * in this file and in kl.c. */
#ifndef KL_H
#define KL_H

typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

enum { WARMING = 0, READY = 1, ERR_INDICATOR = -1, ERR_PARAMS = -2 };

/* One bar as the host writes it. */
typedef struct {
  i64 open_time; /* milliseconds since 1970 */
  double open, high, low, close;
  double volume, quote_volume;
  u32 trades, flags;
  double src; /* the price that the user chose with src= */
  double taker_buy_volume;
} bar;

/* What indicators.c provides. */
extern const char manifest[];
extern const u32 manifest_length;
int state_size(u32 ind, const double *p, u32 count);
void start(u32 ind, const double *p, void *state);
int warmup(u32 ind, const double *p);
int update(u32 ind, void *state, const bar *b, double *out);

#endif
