/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - the time now, and identities that need chance.
 *
 * The only place that asks the clock or the kernel for chance; everything that decides
 * takes both as arguments, so that it can be tested and replayed.
 *
 * Chance comes from getentropy(), not from a generator of ours: a generator would have
 * to be seeded, shared between threads and told about fork(). What is drawn here is
 * some bytes a run, so its price does not matter. */
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define US_PER_S INT64_C(1000000)
#define YEAR_0000_S INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define YEAR_9999_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define ENTROPY_MAX ((size_t)256)         /* what getentropy() gives at once */

/* No clock can fail on a system that has it, and Linux has these. */
static int64_t read_clock(clockid_t id)
{
    struct timespec ts = {0};

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000;
}

int64_t ls_clock_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t ls_clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t ls_clock_process_us(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/* Writes v with exactly `width` digits, and `end` behind them; returns what follows. */
static char *put(char *at, int width, int v, char end)
{
    for (int i = width - 1; i >= 0; i--, v /= 10)
        at[i] = (char)('0' + v % 10);
    at[width] = end;
    return at + width + 1;
}

void ls_clock_iso(int64_t unix_us, char out[25])
{
    int64_t s = unix_us / US_PER_S, us = unix_us % US_PER_S;
    struct tm tm = {0};
    time_t t;

    if (us < 0) { /* C rounds towards zero; time goes down */
        us += US_PER_S;
        s--;
    }
    if (s < YEAR_0000_S) {
        s = YEAR_0000_S;
        us = 0;
    } else if (s > YEAR_9999_S) {
        s = YEAR_9999_S;
        us = US_PER_S - 1;
    }
    t = (time_t)s;
    (void)gmtime_r(&t, &tm);
    out = put(out, 4, tm.tm_year + 1900, '-');
    out = put(out, 2, tm.tm_mon + 1, '-');
    out = put(out, 2, tm.tm_mday, 'T');
    out = put(out, 2, tm.tm_hour, ':');
    out = put(out, 2, tm.tm_min, ':');
    out = put(out, 2, tm.tm_sec, '.');
    out = put(out, 3, (int)(us / 1000), 'Z');
    *out = '\0';
}

void ls_random_bytes(void *out, size_t size)
{
    unsigned char *at = out;

    while (size) {
        size_t n = size < ENTROPY_MAX ? size : ENTROPY_MAX;

        if (getentropy(at, n) != 0)
            abort();
        at += n;
        size -= n;
    }
}

uint64_t ls_random_u64(void)
{
    uint64_t v;

    ls_random_bytes(&v, sizeof(v));
    return v;
}

void ls_uuid_new(char out[37])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char b[16];

    ls_random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[b[i] >> 4];
        *out++ = digits[b[i] & 0x0f];
    }
    *out = '\0';
}
