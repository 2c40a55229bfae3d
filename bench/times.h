/* SPDX-License-Identifier: Apache-2.0 */
/* times.h - durations that were measured, and what stands at a place among them. */
#ifndef LS_BENCH_TIMES_H
#define LS_BENCH_TIMES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct times {
    int64_t *us;
    size_t count, room;
};

static inline void times_add(struct times *t, int64_t us)
{
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 4096;
        t->us = realloc(t->us, t->room * sizeof *t->us);
        if (!t->us)
            abort();
    }
    t->us[t->count++] = us;
}

static inline int times_order(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static inline void times_sort(struct times *t)
{
    if (t->count)
        qsort(t->us, t->count, sizeof *t->us, times_order);
}

/* Of sorted ones, in milliseconds: 0.5 is the median. */
static inline double times_at(const struct times *t, double place)
{
    const size_t i = (size_t)((double)t->count * place);

    return t->count ? (double)t->us[i < t->count ? i : t->count - 1] / 1000 : 0;
}

#endif
