/* SPDX-License-Identifier: Apache-2.0 */
/* retry.c - what becomes of a delivery after an attempt.
 *
 * Everything but 2xx is a failure, redirects too: nothing is followed, since the one who answers could lead anywhere. Nearly
 * every failure is tried again, 4xx included: a receiver that is being deployed answers 404, and one whose secret was just rotated 401. What ends at once
 * is what the receiver says of itself: 410, which also disables the endpoint (Standard Webhooks), and 489 with
 * a header of its own (QStash). Some would rather see 4xx in the dead letters at once, which is a setting.
 *
 * A policy's pause grows, and chance is added on top, never taken away: so the pause is the least that a receiver can count on.
 * At the largest pause chance is taken off instead, or everybody would meet again there. What a receiver asks for (Retry-After)
 * counts when it is longer than that, up to a limit of the policy: it can slow us down, not stop us.
 *
 * The named policies. `documented` is the document's: three attempts in seconds, which a minute of maintenance outlasts; so it
 * serves where something else tries again later. `standard` is the schedule that Standard Webhooks gives as its example.
 * `fast` is for receivers on the same network, `long` for those that are away for days. `qstash` is e^(2.5 n) seconds, as
 * QStash does when nothing else is said. */
#include "event/retry.h"

#include <string.h>

#define S INT64_C(1000)
#define MIN (60 * S)
#define HOUR (60 * MIN)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const int64_t standard_ms[] = {5 * S,     5 * MIN,   30 * MIN,  2 * HOUR, 5 * HOUR,
                                      10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR};
/* e^(2.5 n) seconds for n = 1, 2, ...: 12 s, 2 min 28 s, 30 min 8 s, 6 h 7 min 6 s, then a day */
static const int64_t qstash_ms[] = {12182, 148413, 1808042, 22026466, LS_RETRY_DAY_MS};

const struct ls_retry ls_retry_policies[] = {
    {.name = "documented",
     .summary = "3 attempts within seconds",
     .attempts = 3,
     .first_ms = 1 * S,
     .factor_percent = 200,
     .max_ms = 30 * S,
     .jitter_percent = 20,
     .asked_max_ms = 30 * S},
    {.name = "standard",
     .summary = "10 attempts within three days, as Standard Webhooks proposes",
     .attempts = COUNT(standard_ms) + 1,
     .pauses_ms = standard_ms,
     .pause_count = COUNT(standard_ms),
     .max_ms = 24 * HOUR,
     .jitter_percent = 20,
     .asked_max_ms = 24 * HOUR,
     .throttled_min_ms = 1 * MIN},
    {.name = "fast",
     .summary = "6 attempts within half a minute",
     .attempts = 6,
     .first_ms = S / 2,
     .factor_percent = 200,
     .max_ms = 10 * S,
     .jitter_percent = 20,
     .asked_max_ms = 1 * MIN},
    {.name = "long",
     .summary = "24 attempts within a week",
     .attempts = 24,
     .first_ms = 30 * S,
     .factor_percent = 200,
     .max_ms = 12 * HOUR,
     .jitter_percent = 20,
     .asked_max_ms = 24 * HOUR,
     .throttled_min_ms = 1 * MIN},
    {.name = "qstash",
     .summary = "4 attempts within half an hour, as QStash by itself",
     .attempts = 4,
     .pauses_ms = qstash_ms,
     .pause_count = COUNT(qstash_ms),
     .max_ms = LS_RETRY_DAY_MS,
     .jitter_percent = 5,
     .asked_max_ms = LS_RETRY_DAY_MS},
};
const size_t ls_retry_policy_count = COUNT(ls_retry_policies);

const struct ls_retry *ls_retry_find(const char *name)
{
    for (size_t i = 0; i < ls_retry_policy_count; i++) {
        if (strcmp(ls_retry_policies[i].name, name) == 0)
            return &ls_retry_policies[i];
    }
    return NULL;
}

static bool pauses_fit(const struct ls_retry *p)
{
    for (size_t i = 0; i < p->pause_count; i++) {
        if (p->pauses_ms[i] < 0 || p->pauses_ms[i] > 30 * LS_RETRY_DAY_MS)
            return false;
    }
    return p->pause_count > 0;
}

enum ls_code ls_retry_check(const struct ls_retry *p, struct ls_error *err)
{
    if (p->attempts < 1 || p->attempts > LS_RETRY_ATTEMPTS_MAX)
        return ls_error_set(err, LS_CONFIG, "attempts is %u: 1 to %d are possible", p->attempts,
                            LS_RETRY_ATTEMPTS_MAX);
    if (p->expression)
        return ls_retry_expression_check(p->expression, err);
    if (p->pauses_ms && !pauses_fit(p))
        return ls_error_set(err, LS_CONFIG, "a pause between attempts is 0 to 30 days");
    if (!p->pauses_ms &&
        (p->first_ms < 0 || p->max_ms < p->first_ms || p->max_ms > 30 * LS_RETRY_DAY_MS))
        return ls_error_set(
            err, LS_CONFIG,
            "the first pause is longer than the longest one, or that is over 30 days");
    if (!p->pauses_ms && (p->factor_percent < 100 || p->factor_percent > 10000))
        return ls_error_set(err, LS_CONFIG, "a pause grows by a factor of 1 to 100");
    if (p->jitter_percent > 100)
        return ls_error_set(err, LS_CONFIG, "jitter is at most 100 percent");
    return LS_OK;
}

static int64_t grown(const struct ls_retry *p, unsigned attempt)
{
    int64_t pause_ms = p->first_ms;

    for (unsigned i = 1; i < attempt && pause_ms < p->max_ms; i++)
        pause_ms = pause_ms * p->factor_percent / 100; /* at most 30 days times 100: no overflow */
    return pause_ms < p->max_ms ? pause_ms : p->max_ms;
}

int64_t ls_retry_pause_ms(const struct ls_retry *p, unsigned attempt)
{
    int64_t pause_ms = -1;

    if (attempt == 0)
        return 0;
    if (p->expression)
        pause_ms = ls_retry_expression_ms(p->expression, attempt - 1);
    if (pause_ms >= 0)
        return pause_ms;
    if (p->pause_count)
        return p->pauses_ms[attempt <= p->pause_count ? attempt - 1 : p->pause_count - 1];
    return grown(p, attempt);
}

/* chance: between 0 and all of the share. */
static int64_t by_chance(int64_t pause_ms, unsigned percent, uint64_t chance)
{
    int64_t share_ms = pause_ms / 100 * percent + pause_ms % 100 * percent / 100;

    return share_ms > 0 ? (int64_t)(chance % (uint64_t)(share_ms + 1)) : 0;
}

static bool throttled(const struct ls_retry_answer *a)
{
    return a->status == 429 || a->status == 502 || a->status == 504 || a->timed_out;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t next_pause(const struct ls_retry *p, unsigned attempts,
                          const struct ls_retry_answer *a, uint64_t chance)
{
    int64_t asked_ms = a->asked_ms < p->asked_max_ms ? a->asked_ms : p->asked_max_ms;
    int64_t least_ms = larger(asked_ms, throttled(a) ? p->throttled_min_ms : 0);
    int64_t pause_ms = ls_retry_pause_ms(p, attempts), extra_ms;

    if (pause_ms < least_ms)
        return least_ms + by_chance(least_ms, p->jitter_percent, chance);
    extra_ms = by_chance(pause_ms, p->jitter_percent, chance);
    if (p->expression || !p->max_ms || pause_ms + extra_ms <= p->max_ms)
        return pause_ms + extra_ms;
    return pause_ms < p->max_ms ? p->max_ms : larger(pause_ms - extra_ms, least_ms);
}

static bool is_client_error(int status)
{
    return status >= 400 && status < 500 && status != 408 && status != 425 && status != 429;
}

struct ls_retry_decision ls_retry_decide(const struct ls_retry *p, unsigned attempts,
                                         const struct ls_retry_answer *a, uint64_t chance)
{
    if (a->status >= 200 && a->status < 300)
        return (struct ls_retry_decision){.verdict = LS_RETRY_DONE};
    if (a->status == 410)
        return (struct ls_retry_decision){LS_RETRY_DISABLE, 0,
                                          "the receiver is gone for good (410)"};
    if (a->final)
        return (struct ls_retry_decision){LS_RETRY_DEAD, 0,
                                          "the receiver says that another attempt is useless"};
    if (p->client_errors_end && is_client_error(a->status))
        return (struct ls_retry_decision){LS_RETRY_DEAD, 0, "the receiver refuses it (4xx)"};
    if (attempts >= p->attempts)
        return (struct ls_retry_decision){LS_RETRY_DEAD, 0, "the last attempt failed"};
    return (struct ls_retry_decision){LS_RETRY_AGAIN, next_pause(p, attempts, a, chance), NULL};
}
