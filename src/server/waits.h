/* SPDX-License-Identifier: Apache-2.0 */
/* waits.h - requests that are answered once the events that they brought have arrived, or will not. Any thread. */
#ifndef LS_SERVER_WAITS_H
#define LS_SERVER_WAITS_H

#include "server/route.h"
#include "server/worker.h"
#include "state/queue.h"

struct ls_waits;
/* setup: borrowed. most: requests at once. Starts the thread. */
LS_MUST_CHECK enum ls_code ls_waits_open(struct ls_setup *setup, size_t most, struct ls_waits **ret,
                                         struct ls_error *err);
/* Answers all that wait with what is known by now; whoever comes later is answered at once. */
void ls_waits_stop(struct ls_waits *all);
/* Stops and frees. NULL is fine. */
void ls_waits_close(struct ls_waits *all);

/* A place for a request, before its events are accepted. false: too many wait. */
LS_MUST_CHECK bool ls_waits_enter(struct ls_waits *all);
/* Gives the place back: the events were not accepted. */
void ls_waits_leave(struct ls_waits *all);
/* The request waits for its events, for wait_us at most, and is answered: 200 with body (in the request's arena) once all have arrived, else with a problem. The events
 * are copied; after an error (no memory) the request is still the caller's, and so is the place. */
LS_MUST_CHECK enum ls_code ls_waits_add(struct ls_waits *all, struct ls_request *request,
                                        const struct ls_event *events, size_t count,
                                        int64_t wait_us, const char *body, struct ls_error *err);

#endif
