/* The exports of the ABI kl1, in front of indicators.c. */
#include "kl.h"

#define EXPORT(name) __attribute__((export_name(name)))

/* What the host knows of a series. */
typedef struct {
  u32 ind, count;
  const double *params;
  u32 flags;
  i64 interval_ms, session_offset;
  double tick_size;
  u32 from_version, reserved[5];
} config;

/* One series of a batch. */
typedef struct {
  u32 ind, state, bars, n, stride, out, out_stride;
  int rc;
} job;

/* The compiler may call these two. */
void *memset(void *to, int c, unsigned long n) {
  unsigned char *p = to;
  while (n--) *p++ = (unsigned char)c;
  return to;
}

void *memcpy(void *to, const void *from, unsigned long n) {
  unsigned char *p = to;
  const unsigned char *q = from;
  while (n--) *p++ = *q++;
  return to;
}

EXPORT("kl_abi") int kl_abi(void) { return 1 << 16; }

EXPORT("kl_describe") u64 kl_describe(void) { return (u64)(u32)manifest << 32 | manifest_length; }

/* A region that is never moved, freed or used again. */
EXPORT("kl_alloc") u32 kl_alloc(u32 size) {
  extern unsigned char __heap_base;
  static u32 next;
  if (next == 0) next = ((u32)&__heap_base + 15) & ~15u;
  u64 end = (u64)next + ((u64)size + 15 & ~15ull);
  u64 have = (u64)__builtin_wasm_memory_size(0) << 16;
  if (end > have) {
    u64 pages = (end - have + 65535) >> 16;
    if (pages > 65535 || __builtin_wasm_memory_grow(0, (u32)pages) == (unsigned long)-1) return 0;
  }
  u32 at = next;
  next = (u32)end;
  return at;
}

static int size_of(const config *c) { return state_size(c->ind, c->params, c->count); }

EXPORT("kl_state_size") int kl_state_size(const config *c) { return size_of(c); }

EXPORT("kl_init") int kl_init(const config *c, void *state) {
  int size = size_of(c);
  if (size < 0) return size;
  memset(state, 0, (unsigned long)size);
  start(c->ind, c->params, state);
  return 0;
}

EXPORT("kl_warmup") int kl_warmup(const config *c) {
  int size = size_of(c);
  return size < 0 ? size : warmup(c->ind, c->params);
}

EXPORT("kl_update") int kl_update(u32 ind, void *state, const bar *b, double *out) {
  return update(ind, state, b, out);
}

EXPORT("kl_update_batch") int kl_update_batch(job *jobs, u32 n) {
  for (u32 i = 0; i < n; i++) {
    job *j = &jobs[i];
    for (u32 k = 0; k < j->n; k++) {
      j->rc = update(j->ind, (void *)j->state, (const bar *)(j->bars + k * j->stride), (double *)(j->out + k * j->out_stride));
      if (j->rc < 0) {
        j->n = k;
        break;
      }
    }
  }
  return 0;
}
