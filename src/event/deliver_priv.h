/* SPDX-License-Identifier: Apache-2.0 */
/* deliver_priv.h - what deliver.c, lane.c and attempt.c share. All of it belongs to the delivery thread, but for what says otherwise. */
#ifndef LS_EVENT_DELIVER_PRIV_H
#define LS_EVENT_DELIVER_PRIV_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "base/thread.h"
#include "event/deliver.h"
#include "event/message.h"
#include "event/rate.h"
#include "event/retry.h"
#include "event/sign.h"
#include "event/signing.h"

/* A task that the queue has, and the inbox gets back. */
struct ls_work {
    struct ls_queue_task task;
    struct ls_deliver *of;
    void (*back)(struct ls_work *work); /* on the delivery thread, when the queue is done with it */
    enum ls_code rc;                    /* how that went */
    struct ls_work *next;               /* in the inbox */
};

/* A claim and the deliveries it gave, which live in its arena until the last of them is recorded. */
struct ls_claim {
    struct ls_work work;
    struct ls_lane *lane;
    size_t max;
    int64_t lease_us, until_us; /* until_us: the end of the lease */
    struct ls_arena mem;
    size_t count;
    struct ls_delivery *found;
    int64_t next_us;
    int64_t version; /* of the endpoints that the lane knows */
    bool stale;      /* there is another one: nothing was claimed */
    size_t refs;
    struct ls_claim *spare; /* in the list of those to be used again */
};

#define LS_ANSWER_HEADERS 8
#define LS_ANSWER_VALUE 128

/* A delivery in hand: waiting for a free place, being sent, or being recorded. */
struct ls_transfer {
    struct ls_work work;
    struct ls_lane *lane;
    struct ls_claim *claim;
    const struct ls_delivery *delivery;
    struct ls_transfer *next,
        *prev; /* in the lane's line, the list of those being sent, or the spare ones */

    /* the request */
    CURL *easy;
    struct ls_arena mem;
    struct curl_slist *headers;
    struct ls_buf body;
    struct ls_message message; /* of a delivery that brings its destination along */
    bool own_target;           /* ... so: message is set */
    bool hopeless;             /* it can never be sent */
    struct ls_guard_target target;
    struct ls_retry policy;
    int64_t timeout_ms, at_us, began_us; /* at_us: of the clock; began_us: monotonic */
    bool sending;

    /* the answer */
    struct ls_buf answer, head; /* head: of messages, its lines */
    size_t answer_size;         /* all that came */
    bool head_over;             /* its headers are complete */
    struct ls_header answer_headers[LS_ANSWER_HEADERS];
    char answer_values[LS_ANSWER_HEADERS][LS_ANSWER_VALUE];
    size_t answer_header_count;
    enum ls_guard_kind
        refused;      /* an address that may not be connected to; LS_GUARD_PUBLIC: none was */
    int socket_errno; /* of a socket that could not be made */
    char curl_error[CURL_ERROR_SIZE];

    /* the outcome */
    struct ls_delivery_end end;
    char address[64], error[400];
    enum ls_breaker_change change;
    const char *disabled; /* static; NULL: it is not */
    bool note;            /* the breaker is recorded as well, as it was */
    struct ls_breaker breaker;
    bool late;
};

/* An endpoint at work. */
struct ls_lane {
    struct ls_deliver *of;
    int64_t number;
    struct ls_endpoint e; /* in the arena of the configuration */
    const struct ls_secret *secrets;
    struct ls_retry policy;
    struct ls_breaker_rule breaker_rule;
    struct ls_rate_rule rate_rule;
    struct ls_guard_target target;
    bool known;        /* it stands in the configuration that was read last */
    char refused[400]; /* why its URL may not be sent to; "" */

    struct ls_breaker breaker;
    struct ls_rate rate;
    int64_t hold_us;  /* nothing goes before: it asked us to wait, or a fault of ours */
    int64_t fault_us; /* since when nothing but faults of ours; 0 */
    unsigned faults;  /* how many of them */
    int64_t noted_us; /* when the breaker was recorded last */
    unsigned sending;
    size_t waiting; /* claimed, and not begun */
    struct ls_transfer *first, **end;
    bool claiming, woken;
    size_t reserved; /* places for what the claim may give */
    int64_t next_us; /* when there will be something to claim */

    bool ready; /* in the list of those to be looked at */
    struct ls_lane *next_ready;
    bool lined_up; /* it waits for a place */
    struct ls_lane *next_lined_up;
    int64_t timer_us;               /* when to be looked at; INT64_MAX */
    size_t heap_at;                 /* its place among the timers; 0: in none */
    struct ls_lane *next_same;      /* with the same number modulo 64 */
    struct ls_deliver_status shown; /* under the lock */
};

struct ls_deliver {
    struct ls_deliver_options options;
    struct ls_seal_key key;
    struct ls_breaker_rule breaker_rule;
    struct ls_secret qstash_secret; /* in the configuration's arena, or own */
    struct ls_arena own;            /* of what was copied from the options */

    CURLM *multi;
    int epoll, event;    /* descriptors */
    int64_t curl_due_us; /* monotonic; INT64_MAX */
    int64_t contact_us;  /* monotonic: when an address was last connected to */

    struct ls_arena config;
    struct ls_lane *lanes[64]; /* by number modulo 64 */
    struct ls_lane *ready;
    struct ls_lane *lined_up, *lined_up_last; /* who waits for a place, in order */
    struct ls_lane **heap;                    /* by timer_us, from 1 on */
    size_t heap_count, heap_room;
    struct ls_transfer *spare, *in_transit; /* in_transit: being sent */
    struct ls_claim *spare_claims;
    struct ls_work *unsaved; /* to be handed in again at unsaved_us, monotonic */
    int64_t unsaved_us;
    size_t used, claims; /* places, tasks on their way */

    struct {
        struct ls_work work;
        struct ls_arena mem;
        struct ls_endpoint_row *rows;
        size_t count;
        struct ls_signing_keys keys;
        int64_t version; /* of the endpoints */
        bool running;
    } reading;
    struct {
        struct ls_work work;
        int64_t ahead_us; /* the clock's, of the monotonic one */
        int64_t back_us;  /* by which it was set back, and the queue was not told yet */
        int64_t told_us;  /* 0: to find out itself */
        bool running, found_out;
    } clock;
    int64_t version; /* of the endpoints that the lanes have */
    bool reload;     /* others may have changed endpoints */
    int64_t read_us; /* monotonic: when they were read last */

    _Atomic uint64_t woken;
    atomic_bool reload_now;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct ls_work *inbox, **inbox_end;
    bool stop;
    int64_t stop_us; /* monotonic: the end of the grace */
    uint64_t idle_asked, idle_seen;
    struct ls_deliver_counts counts;
    struct ls_thread thread;
};

/* --- deliver.c */
void ls_deliver_submit(struct ls_work *work); /* to the queue; back() follows */
void ls_deliver_retry(struct ls_work *work);  /* the same, in a while */
void ls_deliver_count(struct ls_deliver *d, uint64_t *count);
bool ls_deliver_stopping(struct ls_deliver *d);

/* --- lane.c */
struct ls_lane *ls_lane_find(struct ls_deliver *d, int64_t number);
/* Takes over rows that were read; mem becomes the configuration. */
void ls_lanes_configure(struct ls_deliver *d, const struct ls_endpoint_row *rows, size_t count,
                        struct ls_arena *mem);
void ls_lanes_wake(struct ls_deliver *d, uint64_t endpoints);
void ls_lane_ready(struct ls_lane *lane);
/* Looks at all that are ready or whose time has come; INT64_MAX or when the next one's will have. */
int64_t ls_lanes_run(struct ls_deliver *d);
/* The clock was set back: what was to come is to come as much earlier. */
void ls_lanes_clock_back(struct ls_deliver *d, int64_t by_us);
/* Hands a delivery back without an attempt, due again at due_us. */
void ls_transfer_give_back(struct ls_transfer *t, int64_t due_us);
void ls_lanes_done(struct ls_deliver *d);

/* --- attempt.c */
/* Begins to send; one that cannot begin ends at once. */
void ls_attempt_begin(struct ls_transfer *t);
/* It is over, as libcurl says. */
void ls_attempt_over(struct ls_transfer *t, CURLcode rc);
/* Takes it out of libcurl's hands. */
void ls_attempt_abort(struct ls_transfer *t);

#endif
