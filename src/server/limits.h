/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h - how much one caller may ask, and how often one address may be wrong: token buckets in a table that does not grow. */
#ifndef LS_SERVER_LIMITS_H
#define LS_SERVER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ls_limits;

#define LS_LIMITS_ROOM 4096 /* subjects that are remembered */

/* What is counted. */
enum ls_limit {
    LS_LIMIT_CALLER,  /* requests of a caller: as configured */
    LS_LIMIT_LOOKUP,  /* looking for a token in the state, by address: 100 a second */
    LS_LIMIT_FAILURE, /* credentials that were wrong, by address: 30 a minute */
    LS_LIMIT_COUNT
};

/* rate: requests a second of one caller, twice that at once. */
LS_MUST_CHECK enum ls_code ls_limits_open(int64_t rate, struct ls_limits **ret,
                                          struct ls_error *err);
/* Another rate from here on. */
void ls_limits_rate(struct ls_limits *limits, int64_t rate);
void ls_limits_close(struct ls_limits *limits);

/* Uses one of what this subject has left. false: there is nothing left; *ret_wait_us says until when. now_us: monotonic. Any thread. Where the table is
 * full, the subject that was counted longest ago is forgotten. */
bool ls_limits_use(struct ls_limits *limits, enum ls_limit limit, const char *kind,
                   const char *subject, int64_t now_us, int64_t *ret_wait_us);
/* Whether there is one left; uses nothing. */
bool ls_limits_room(struct ls_limits *limits, enum ls_limit limit, const char *kind,
                    const char *subject, int64_t now_us, int64_t *ret_wait_us);

#endif
