/* SPDX-License-Identifier: Apache-2.0 */
/* limits.c - token buckets in a table that does not grow.
 *
 * A subject is known by 64 bits of a hash with a key of this process, so nobody can choose subjects that share a bucket. The table is sets of
 * eight: a new subject takes the place of the one in its set that was used longest ago, which has its whole burst again when it comes back. So
 * who has thousands of addresses can make buckets be forgotten, but has that many buckets anyway; others lose nothing by it.
 *
 * IPv6 addresses are counted by their first 64 bits, which is what one customer gets. */
#include "server/limits.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "event/rate.h"

#define WAYS 8
#define SETS (LS_LIMITS_ROOM / WAYS)
#define SECOND INT64_C(1000000)

struct bucket {
    uint64_t subject; /* 0: empty */
    int64_t used_us;
    struct ls_rate rate;
};

struct ls_limits {
    pthread_mutex_t lock;
    uint64_t key;
    struct ls_rate_rule rules[LS_LIMIT_COUNT];
    struct bucket buckets[SETS][WAYS];
};

enum ls_code ls_limits_open(int64_t rate, struct ls_limits **ret, struct ls_error *err)
{
    struct ls_limits *limits = calloc(1, sizeof *limits);

    if (!limits)
        return ls_error_nomem(err);
    pthread_mutex_init(&limits->lock, NULL);
    limits->key = ls_random_u64();
    limits->rules[LS_LIMIT_LOOKUP] = (struct ls_rate_rule){200, 2 * SECOND, 0};
    limits->rules[LS_LIMIT_FAILURE] = (struct ls_rate_rule){30, 60 * SECOND, 0};
    ls_limits_rate(limits, rate);
    *ret = limits;
    return LS_OK;
}

void ls_limits_rate(struct ls_limits *limits, int64_t rate)
{
    pthread_mutex_lock(&limits->lock);
    limits->rules[LS_LIMIT_CALLER] = (struct ls_rate_rule){(unsigned)(2 * rate), 2 * SECOND, 0};
    pthread_mutex_unlock(&limits->lock);
}

void ls_limits_close(struct ls_limits *limits)
{
    if (!limits)
        return;
    pthread_mutex_destroy(&limits->lock);
    free(limits);
}

/* What stands for a subject; of an IPv6 address its network. Never 0. */
static uint64_t subject_of(const struct ls_limits *limits, enum ls_limit limit, const char *kind,
                           const char *subject)
{
    unsigned char six[16];
    uint64_t hash = ls_hash64(kind, strlen(kind), limits->key + limit);

    hash = inet_pton(AF_INET6, subject, six) == 1 ? ls_hash64(six, 8, hash)
                                                  : ls_hash64(subject, strlen(subject), hash);
    return hash ? hash : 1;
}

/* The bucket of a subject, a new one where it has none. Under the lock. */
static struct bucket *find(struct ls_limits *limits, uint64_t subject, int64_t now_us)
{
    struct bucket *set = limits->buckets[subject % SETS], *oldest = set;

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].subject == subject) {
            set[i].used_us = now_us;
            return &set[i];
        }
        if (!set[i].subject || (oldest->subject && set[i].used_us < oldest->used_us))
            oldest = &set[i];
    }
    *oldest = (struct bucket){.subject = subject, .used_us = now_us};
    return oldest;
}

static bool look(struct ls_limits *limits, enum ls_limit limit, const char *kind,
                 const char *subject, int64_t now_us, bool use, int64_t *ret_wait_us)
{
    const uint64_t hash = subject_of(limits, limit, kind, subject);
    struct bucket *bucket;
    bool room;

    pthread_mutex_lock(&limits->lock);
    bucket = find(limits, hash, now_us);
    room = ls_rate_room(&bucket->rate, &limits->rules[limit], 1, now_us, ret_wait_us) > 0;
    if (room && use)
        ls_rate_use(&bucket->rate, &limits->rules[limit], 1, now_us);
    pthread_mutex_unlock(&limits->lock);
    return room;
}

bool ls_limits_use(struct ls_limits *limits, enum ls_limit limit, const char *kind,
                   const char *subject, int64_t now_us, int64_t *ret_wait_us)
{
    return look(limits, limit, kind, subject, now_us, true, ret_wait_us);
}

bool ls_limits_room(struct ls_limits *limits, enum ls_limit limit, const char *kind,
                    const char *subject, int64_t now_us, int64_t *ret_wait_us)
{
    return look(limits, limit, kind, subject, now_us, false, ret_wait_us);
}
