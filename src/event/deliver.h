/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.h - the thread that delivers: claims what is due, signs, sends, and hands back what became of it.
 *
 * One thread, whatever the number of endpoints. Each endpoint has its own bounds (how many at once, how many a second) and its own
 * breaker, so that one that hangs or fails holds up nobody else. An attempt is over when the queue has recorded it. Nothing is
 * delivered while an endpoint is paused, disabled, on hold (it asked us to wait) or its breaker is open; its deliveries stay
 * where they are, and no attempt is used up. */
#ifndef LS_EVENT_DELIVER_H
#define LS_EVENT_DELIVER_H

#include "event/breaker.h"
#include "event/endpoint.h"
#include "event/guard.h"
#include "event/queue.h"

struct ls_deliver;

#define LS_DELIVER_IN_HAND 1024 /* deliveries in hand at once, unless it is told otherwise */

/* An attempt that is recorded; strings are borrowed for the call. */
struct ls_deliver_report {
    int64_t endpoint, event; /* numbers */
    const char *endpoint_name, *event_id, *event_type;
    int64_t
        attempt; /* the delivery's first one is 1; 0: none was used up (a fault of ours, or it was parked) */
    int status; /* of HTTP; 0: no answer */
    int64_t duration_us;
    const char *error;           /* why there was no answer, or what is wrong with it; "" */
    enum ls_delivery_state next; /* DELIVERED, DEAD, or PENDING until due_us */
    int64_t due_us;
    enum ls_breaker_change change; /* what it did to the endpoint's breaker */
    const char *disabled;          /* the endpoint gets nothing any more, and why; "" */
};

struct ls_deliver_options {
    struct ls_queue *queue;        /* borrowed until ls_deliver_close() */
    const struct ls_seal_key *key; /* opens the endpoints' secrets; copied */
    const struct ls_guard
        *guard; /* borrowed until ls_deliver_close(): another one needs another thread */
    const struct ls_breaker_rule *breaker; /* NULL: ls_breaker_default; copied */
    const char *
        qstash_key; /* signs what is sent as QStash does; NULL: the state's own (signing.h). Copied, as the next two */
    const char *user_agent; /* NULL: lockstep */
    const char *ca_file;    /* certificates to trust instead of the system's; NULL */
    size_t max_in_flight;   /* deliveries in hand, over all endpoints; 0: 1024 */
    /* Each recorded attempt. On the delivery thread: short. NULL: nobody listens. */
    void (*attempted)(void *ctx, const struct ls_deliver_report *report);
    /* In the transaction that records it, before its commit: what a delivery's end leads to (a callback, say). On the queue's thread; it
     * may run again when the transaction fails. NULL: nothing. */
    enum ls_code (*recorded)(void *ctx, struct ls_queue_tx *tx, const struct ls_delivery *delivery,
                             const struct ls_delivery_end *end, struct ls_error *err);
    void *ctx;
};

/* Starts the thread; it reads the endpoints by itself. Only one of them over a queue. */
LS_MUST_CHECK enum ls_code ls_deliver_open(const struct ls_deliver_options *options,
                                           struct ls_deliver **ret, struct ls_error *err);
/* Claims nothing more, lets what is being sent end for grace_ms, gives back the rest without using up an attempt, and ends the
 * thread. The queue has to be open until it returns. NULL is fine. */
void ls_deliver_close(struct ls_deliver *d, int64_t grace_ms);

/* Endpoints have got something to claim: the `woken` of the queue's options. Any thread, never blocks. */
void ls_deliver_wake(struct ls_deliver *d, uint64_t endpoints);
/* Endpoints were made, changed or removed by this process: they are read again. (What other processes do is noticed.) Any thread. */
void ls_deliver_reload(struct ls_deliver *d);
/* Waits until nothing is in hand and nothing can be delivered now, but at most timeout_ms; false when that is over. Any thread but the
 * queue's and this one's. */
bool ls_deliver_wait_idle(struct ls_deliver *d, int64_t timeout_ms);

struct ls_deliver_counts {
    uint64_t attempts, delivered, failed, dead; /* failed: attempts; dead: deliveries */
    uint64_t faults;                            /* attempts that came to nothing on our side */
    uint64_t late;    /* outcomes that came after the lease, and changed nothing */
    uint64_t in_hand; /* now */
};
struct ls_deliver_counts ls_deliver_counts(struct ls_deliver *d);

/* How an endpoint fares. false: it is not known (yet). Any thread. */
struct ls_deliver_status {
    unsigned sending;
    enum ls_breaker_state breaker;
    int64_t until_us;         /* nothing is sent before (breaker, hold); 0 */
    unsigned failing_percent; /* on the way to being disabled: ls_breaker_percent() */
};
bool ls_deliver_status(struct ls_deliver *d, int64_t endpoint, struct ls_deliver_status *ret);

#endif
