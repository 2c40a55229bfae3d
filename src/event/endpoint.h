/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - where deliveries go: URL, secrets, which events, and how they are sent.
 *
 * The state keeps an endpoint as a row (state/queue.h): its settings as JSON, its secrets and the values of its headers sealed. */
#ifndef LS_EVENT_ENDPOINT_H
#define LS_EVENT_ENDPOINT_H

#include "event/seal.h"
#include "state/queue.h"

#define LS_ENDPOINT_SECRETS_MAX 10
#define LS_ENDPOINT_NAME_MAX 64
#define LS_ENDPOINT_PERIOD_MAX_S INT64_C(604800)

/* The origin of those that stand for messages, which bring their destination along: their names may be longer and have a colon, which no
 * other's has, and they have no URL. */
#define LS_ENDPOINT_OF_MESSAGES "message"
#define LS_ENDPOINT_MESSAGES_NAME_MAX 300
#define LS_PINNED_PARALLELISM 1u
#define LS_PINNED_RATE 2u

struct ls_endpoint_header {
    const char *name, *value;
};

/* Everything lives in the arena it was read into. */
struct ls_endpoint {
    int64_t number; /* 0: not written yet */
    const char *name;
    const char *origin; /* config, api, message */
    const char *url;
    size_t type_count; /* 0: every type */
    const char *const *types;
    const char *
        policy; /* a text of ls_retry_text(); "documented" where SYNC_WEBHOOK_URLS names it, else "standard" */
    double rate;         /* deliveries a second, or in period_s; 0: no bound */
    int64_t period_s;    /* 0: a second */
    unsigned pinned;     /* of messages: LS_PINNED_...; what messages do not change */
    int64_t rate_resets; /* how often the rate was begun anew; another number begins it anew */
    int64_t concurrency; /* at once; default 10 */
    int64_t timeout_ms;  /* of an attempt; default 10 000 */
    size_t header_count; /* sent besides */
    const struct ls_endpoint_header *headers;
    bool
        unsealed; /* read from a row with the values of headers open, as once they were: to be written anew */
    size_t secret_count; /* the newest first: each signs */
    const char *const *secrets;
    int64_t retire_us; /* from then on the newest secret alone signs; 0: all go on */
    bool paused;
    const char *disabled;           /* why it gets nothing any more; "" */
    const char *breaker;            /* JSON; "" */
    int64_t created_us, updated_us; /* of the row */
};

/* Why one gets nothing any more that the configuration had, while something is still on its way to it. */
#define LS_ENDPOINT_DROPPED "the configuration does not name it any more"

/* Defaults for what is zero. LS_CONFIG says what is wrong with it (name, URL, patterns, headers, numbers). */
LS_MUST_CHECK enum ls_code ls_endpoint_check(struct ls_endpoint *e, struct ls_error *err);

/* key NULL: without its secrets and headers. */
LS_MUST_CHECK enum ls_code ls_endpoint_from_row(const struct ls_endpoint_row *row,
                                                const struct ls_seal_key *key, struct ls_arena *mem,
                                                struct ls_endpoint *ret, struct ls_error *err);
bool ls_endpoint_is_dropped(const struct ls_endpoint *e);
/* The row's strings live in mem, or are borrowed from e. */
LS_MUST_CHECK enum ls_code ls_endpoint_to_row(const struct ls_endpoint *e,
                                              const struct ls_seal_key *key, struct ls_arena *mem,
                                              struct ls_endpoint_row *ret, struct ls_error *err);
/* The settings as one JSON object, as they are compared and (after the values of headers were replaced) shown. No secrets. In mem; NULL when out of
 * memory. */
const char *ls_endpoint_settings(const struct ls_endpoint *e, struct ls_arena *mem);
/* How many of its secrets sign now. */
size_t ls_endpoint_signers(const struct ls_endpoint *e, int64_t now_us);
/* Whether an event of this type goes there: enabled, and a pattern fits. A paused one still takes events: they wait. */
bool ls_endpoint_wants(const struct ls_endpoint *e, const char *type);

/* All endpoints of a state, as they are now. In mem. */
LS_MUST_CHECK enum ls_code ls_endpoints_read(struct ls_state *state, const struct ls_seal_key *key,
                                             struct ls_arena *mem, size_t *ret_count,
                                             struct ls_endpoint **ret, struct ls_error *err);

#endif
