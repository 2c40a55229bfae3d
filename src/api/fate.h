/* SPDX-License-Identifier: Apache-2.0 */
/* fate.h - what becomes of accepted events, for whoever waits until the other side has them. */
#ifndef LS_API_FATE_H
#define LS_API_FATE_H

#include "base/arena.h"
#include "state/queue.h"

#define LS_FATE_WAIT_S 30          /* unless the caller says how long */
#define LS_FATE_WAIT_MAX_S 300     /* longer is not waited */
#define LS_FATE_PACE_US 20000      /* until the first look; each pause after it is longer, */
#define LS_FATE_PACE_MAX_US 250000 /* up to this */

/* Looks at an event once. LS_OK: every endpoint that was to get it has it. LS_BUSY: it is on its way. LS_UNDELIVERED: it is not, and time alone will not change that: it is dead
 * or was given up, an endpoint is paused or disabled, or no endpoint was to get it. err names endpoint and reason, of LS_BUSY too. Other codes are the state's. */
LS_MUST_CHECK enum ls_code ls_api_fate(struct ls_state *state, const struct ls_event *event,
                                       struct ls_error *err);
/* The time to wait is over: what ls_api_fate() said of an event that is on its way becomes LS_TIMEOUT. */
enum ls_code ls_api_fate_late(struct ls_error *err, int64_t waited_us);
/* The pause before the next look, from the one before it. */
int64_t ls_api_fate_pace(int64_t pace_us);

#endif
