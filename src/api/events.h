/* SPDX-License-Identifier: Apache-2.0 */
/* events.h - what accepts events shares: the endpoints in force, the way to them, the types that are known. */
#ifndef LS_API_EVENTS_H
#define LS_API_EVENTS_H

#include "api/api.h"
#include "api/json.h"
#include "event/event.h"

/* The endpoints of the state, after those of the configuration and the environment were written into it. Opens the state. In mem. */
LS_MUST_CHECK enum ls_code ls_api_endpoints(struct lockstep *ls, struct ls_arena *mem,
                                            size_t *ret_count, struct ls_endpoint **ret,
                                            struct ls_error *err);
/* For the daemon: also takes away those that the configuration and the environment do not name any more. One that something is on its way to is kept, and
 * disabled. Opens the state. */
LS_MUST_CHECK enum ls_code ls_api_endpoints_settle(struct lockstep *ls, struct ls_error *err);
/* The numbers of those that want this type, into ret (room for all); how many. */
size_t ls_route(const struct ls_endpoint *endpoints, size_t count, const char *type, int64_t *ret);
/* The number of an endpoint of the state; LS_NOT_FOUND with the nearest name. The state is open. */
LS_MUST_CHECK enum ls_code ls_api_endpoint_number(struct lockstep *ls, const char *name,
                                                  struct ls_arena *mem, int64_t *ret,
                                                  struct ls_error *err);
/* The one of this name in a list; LS_NOT_FOUND with the nearest name. */
LS_MUST_CHECK enum ls_code ls_api_endpoint_find(struct ls_endpoint *list, size_t count,
                                                const char *name, struct ls_arena *mem,
                                                struct ls_endpoint **ret, struct ls_error *err);
/* Hands an endpoint to fn (NULL: to nobody) in its public form. secret: made up just now; else NULL. */
LS_MUST_CHECK enum ls_code ls_api_endpoint_tell(struct lockstep *ls, const struct ls_endpoint *e,
                                                const char *secret, lockstep_endpoint_fn *fn,
                                                void *ctx, struct ls_arena *mem,
                                                struct ls_error *err);
/* Another text with each change of an endpoint. In mem; NULL when out of memory. */
const char *ls_api_endpoint_version(const struct ls_endpoint *e, struct ls_arena *mem);

/* Puts the members of a JSON object into an endpoint; null is a member's default. LS_USAGE says what is wrong with it. */
LS_MUST_CHECK enum ls_code ls_api_endpoint_read(const char *json, size_t size, struct ls_arena *mem,
                                                struct ls_endpoint *e, struct ls_error *err);
/* Whether requests may go to this URL as far as can be known now, its host looked up. LS_UNSUPPORTED: they may not. LS_CONNECT: the host cannot be
 * looked up at the moment. */
LS_MUST_CHECK enum ls_code ls_api_destination(const struct lockstep *ls, const char *url,
                                              struct ls_arena *mem, struct ls_error *err);

/* Events to be accepted, as lockstep_emit() takes them. */
struct ls_api_emission {
    const char *json;
    size_t size;
    bool lines;
    bool hasten; /* somebody waits for their deliveries: ls_queue_hasten() */
    lockstep_accepted_fn *fn;
    void *ctx;
};
/* Accepts them; *ret, in mem, are the events. */
LS_MUST_CHECK enum ls_code ls_api_emit(struct lockstep *ls, const struct ls_api_emission *e,
                                       struct ls_arena *mem, size_t *ret_count,
                                       struct ls_event **ret, struct ls_error *err);

/* Which types are accepted. Borrows from ls. */
struct ls_event_rules ls_api_event_rules(const struct lockstep *ls);

#endif
