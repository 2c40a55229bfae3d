/* SPDX-License-Identifier: Apache-2.0 */
/* rate.c - at most so many in a period: a token bucket that is one number.
 *
 * The generic cell rate algorithm (ITU-T I.371): instead of counting tokens it keeps the time at which the bucket is full again. Each
 * use moves it on by period / count; what may begin is what keeps it within a burst of now. So there is no timer that
 * fills anything, and an idle bucket costs nothing.
 *
 * In nanoseconds, because a period over a count is seldom whole in microseconds: 3 in a second would drift. A clock that goes back makes
 * the bucket look emptier than it is; more than a whole burst is never waited for because of that. */
#include "event/rate.h"

static int64_t step_ns(const struct ls_rate_rule *rule)
{
    int64_t ns = rule->period_us * 1000 / rule->count;

    return ns > 0 ? ns : 1;
}

static int64_t burst_of(const struct ls_rate_rule *rule)
{
    return rule->burst && rule->burst < rule->count ? rule->burst : rule->count;
}

/* How much of the bucket is used, in steps' worth of time; not over what it holds when the clock went back. */
static int64_t used_ns(const struct ls_rate *rate, const struct ls_rate_rule *rule, int64_t now_us)
{
    int64_t used = rate->next_ns - now_us * 1000, most = 2 * burst_of(rule) * step_ns(rule);

    if (used < 0)
        return 0;
    return used < most ? used : most;
}

unsigned ls_rate_room(const struct ls_rate *rate, const struct ls_rate_rule *rule, unsigned max,
                      int64_t now_us, int64_t *ret_wait_us)
{
    int64_t used, step, room;

    *ret_wait_us = 0;
    if (rule->count == 0)
        return max;
    step = step_ns(rule);
    used = used_ns(rate, rule, now_us);
    room = (burst_of(rule) * step - used) / step;
    if (room >= max)
        return max;
    if (room < 0)
        room = 0;
    /* one more fits when what is used has gone down to what leaves room for it */
    *ret_wait_us = (used - (burst_of(rule) - room - 1) * step + 999) / 1000;
    return (unsigned)room;
}

void ls_rate_use(struct ls_rate *rate, const struct ls_rate_rule *rule, unsigned n, int64_t now_us)
{
    if (rule->count)
        rate->next_ns = now_us * 1000 + used_ns(rate, rule, now_us) + n * step_ns(rule);
}
