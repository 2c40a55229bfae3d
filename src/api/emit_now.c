/* SPDX-License-Identifier: Apache-2.0 */
/* emit_now.c - events whose sender waits until the other side has them, and the queue processed by whoever calls.
 *
 * Deliveries are the daemon's. A program that uses the library without one is not left waiting: the call then runs deliveries itself, for as long as it lasts, the way the
 * daemon does. When a daemon starts meanwhile, both claim from the same queue, and each delivery is claimed once; one whose claim the new daemon took for that of a dead
 * process may be sent twice, which receivers have to expect anyway. */
#include <time.h>

#include "api/events.h"
#include "api/fate.h"
#include "base/clock.h"
#include "event/callback.h"
#include "event/deliver.h"
#include "event/seal.h"
#include "schedule/scheduler.h"

#define GRACE_MS 5000 /* for deliveries that are being sent, at the end */

/* Deliveries of this process; all NULL where a daemon is at work. */
struct courier {
    struct ls_arena mem; /* of guard */
    struct ls_guard guard;
    struct ls_queue *queue;
    struct ls_deliver *deliver;
};

static void dismiss(struct courier *c)
{
    ls_deliver_close(c->deliver, GRACE_MS);
    ls_queue_close(c->queue);
    ls_arena_done(&c->mem);
}

static enum ls_code engage(struct lockstep *ls, struct courier *c, struct ls_error *err)
{
    const struct ls_events_config *events = ls->config ? &ls->config->events : NULL;
    static const struct ls_queue_options quiet;
    struct ls_seal_key key;
    struct ls_deliver_options options = {
        .key = &key, .guard = &c->guard, .recorded = ls_callback_recorded};
    enum ls_code rc = ls_api_state(ls, true, err);

    if (rc != LS_OK || ls_state_at_work(ls->state, LS_SCHEDULER_LOCK))
        return rc;
    rc = ls_guard_read(events ? events->allow : NULL, events ? events->allow_count : 0, &c->mem,
                       &c->guard, err);
    if (rc == LS_OK)
        rc = ls_queue_open(ls->state_url, &quiet, &c->queue, err);
    if (rc == LS_OK)
        rc = ls_seal_key(ls_state_where(ls->state), &key, err);
    if (rc != LS_OK)
        return rc;
    options.queue = c->queue;
    rc = ls_deliver_open(&options, &c->deliver, err);
    ls_seal_key_wipe(&key);
    return rc;
}

/* ---- waiting ---- */

static void rest(int64_t us)
{
    const struct timespec pause = {.tv_nsec = us * 1000};

    (void)nanosleep(&pause, NULL);
}

/* Until every endpoint has all of them. */
static enum ls_code wait_for(struct lockstep *ls, const struct ls_event *events, size_t count,
                             int64_t wait_us, struct ls_error *err)
{
    const int64_t began_us = ls_clock_monotonic_us();
    int64_t pace_us = 0;

    for (size_t i = 0; i < count;) {
        enum ls_code rc = ls_api_fate(ls->state, &events[i], err);
        const int64_t waited_us = ls_clock_monotonic_us() - began_us;

        if (rc == LS_OK) {
            i++;
            continue;
        }
        if (rc == LS_BUSY && ls_cancel_wanted(&ls->cancel))
            return ls_error_set(err, LS_CANCELLED, "cancelled; the events are kept");
        if (rc == LS_BUSY && waited_us >= wait_us)
            return ls_api_fate_late(err, waited_us);
        if (rc != LS_BUSY)
            return rc;
        pace_us = ls_api_fate_pace(pace_us);
        rest(pace_us);
    }
    return LS_OK;
}

int lockstep_emit_now(struct lockstep *ls, const char *json, size_t size, bool lines,
                      int64_t wait_ms, lockstep_accepted_fn *fn, void *ctx,
                      struct lockstep_error *error)
{
    const struct ls_api_emission e = {json, size, lines, true, fn, ctx};
    struct ls_event *events = NULL;
    struct courier courier = {0};
    struct ls_error err = {0};
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_arena_init(&courier.mem, 0);
    rc = ls_api_emit(ls, &e, &mem, &count, &events, &err);
    if (rc == LS_OK)
        rc = engage(ls, &courier, &err);
    if (rc == LS_OK)
        rc = wait_for(ls, events, count,
                      wait_ms > 0 ? wait_ms * 1000 : LS_FATE_WAIT_S * INT64_C(1000000), &err);
    dismiss(&courier);
    ls_arena_done(&mem);
    return rc == LS_OK ? LOCKSTEP_OK : ls_api_end(ls, &err, error);
}

/* ---- the queue ---- */

int lockstep_process_queue(struct lockstep *ls, int64_t wait_ms, struct lockstep_queue_stats *ret,
                           struct lockstep_error *error)
{
    struct courier courier = {0};
    struct ls_error err = {0};
    struct ls_endpoint *endpoints = NULL;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&courier.mem, 0);
    rc = ls_api_endpoints(ls, &courier.mem, &count, &endpoints, &err);
    if (rc == LS_OK)
        rc = engage(ls, &courier, &err);
    if (rc == LS_OK && courier.deliver)
        (void)ls_deliver_wait_idle(courier.deliver, wait_ms > 0 ? wait_ms : LS_FATE_WAIT_S * 1000);
    dismiss(&courier);
    if (rc != LS_OK)
        return ls_api_end(ls, &err, error);
    return lockstep_queue_stats(ls, ret, error);
}
