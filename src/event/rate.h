/* SPDX-License-Identifier: Apache-2.0 */
/* rate.h - at most so many in a period. Pure: the time is an argument, of whatever clock, as long as it is the same one. */
#ifndef LS_EVENT_RATE_H
#define LS_EVENT_RATE_H

#include <stdint.h>

struct ls_rate_rule {
    unsigned count;    /* in a period; 0: any number */
    int64_t period_us; /* 1 second to 7 days; with count 0 not looked at */
    unsigned burst;    /* at once, after a pause; 0 or over count: count */
};
/* Zeroed: nothing was used yet. */
struct ls_rate {
    int64_t next_ns; /* when the bucket will be full again */
};

/* How many may begin now, at most max. *ret_wait_us, when it is fewer: how long until one more may. */
unsigned ls_rate_room(const struct ls_rate *rate, const struct ls_rate_rule *rule, unsigned max,
                      int64_t now_us, int64_t *ret_wait_us);
/* Uses it for n that begin; more than there is room for are a debt that is waited for. */
void ls_rate_use(struct ls_rate *rate, const struct ls_rate_rule *rule, unsigned n, int64_t now_us);

#endif
