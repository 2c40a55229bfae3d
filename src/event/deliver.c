/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.c - the delivery thread: a loop over sockets, timers and an inbox.
 *
 * The thread owns all lanes and transfers; nobody else touches them. What it wants of the queue it hands in as a task (a claim, an
 * outcome, a look at the endpoints), and the queue's thread puts the task back into the inbox when it is done. So there is no lock
 * around anything that takes time, and the two threads work at the same time: while one batch commits, the next one is sent.
 *
 * Sockets are waited for with epoll and libcurl's multi_socket interface, whose cost does not grow with the connections that are
 * silent: a thousand that hang cost the others nothing. Each of the three sources (sockets, inbox, timers) is emptied in turn, so that none
 * starves another.
 *
 * An outcome that the queue could not record is handed in again until it can, or until the lease has ended and somebody else may
 * deliver: at least once, never silently not at all.
 *
 * At the end what is being sent gets some time; the rest goes back without an attempt. A connection that is cut off may have delivered
 * after all: receivers tell a repetition by its id. */
#include "event/deliver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/deliver_priv.h"

#define UNSAVED_US INT64_C(500000) /* until an outcome is handed in again */
#define READ_US \
    INT64_C(1000000) /* endpoints are not read more often because others changed something */
#define STEP_US INT64_C(1000000) /* less is no step: the clock is set like that all the time */
#define SLEEP_MAX_MS 10000       /* a clock that was set is noticed after this */
#define EVENTS 128               /* of epoll at once */

/* --- work that goes to the queue and comes back */

static void ring(struct ls_deliver *d)
{
    const uint64_t one = 1;
    ssize_t written = write(d->event, &one, sizeof(one)); /* full: it is ringing already */

    (void)written;
}

/* On the queue's thread. Rings for the first one only: the inbox is emptied at once. */
static void put_into_inbox(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    struct ls_work *work = (struct ls_work *)(void *)task;
    struct ls_deliver *d = work->of;
    bool empty;

    work->rc = rc;
    work->next = NULL;
    if (rc != LS_OK)
        ls_log(LS_LOG_WARN, "deliver: the queue did not take it: %s", err->text);
    pthread_mutex_lock(&d->lock);
    empty = d->inbox == NULL;
    *d->inbox_end = work;
    d->inbox_end = &work->next;
    if (empty)
        ring(d); /* under the lock: the thread ends only after it has emptied the inbox */
    pthread_mutex_unlock(&d->lock);
}

void ls_deliver_submit(struct ls_work *work)
{
    work->task.done = put_into_inbox;
    ls_queue_submit(work->of->options.queue, &work->task);
}

void ls_deliver_retry(struct ls_work *work)
{
    struct ls_deliver *d = work->of;

    if (!d->unsaved)
        d->unsaved_us = ls_clock_monotonic_us() + UNSAVED_US;
    work->next = d->unsaved;
    d->unsaved = work;
}

static void submit_unsaved(struct ls_deliver *d)
{
    struct ls_work *work = d->unsaved;

    d->unsaved = NULL;
    while (work) {
        struct ls_work *next = work->next;

        ls_deliver_submit(work);
        work = next;
    }
}

static void empty_inbox(struct ls_deliver *d)
{
    struct ls_work *work;

    pthread_mutex_lock(&d->lock);
    work = d->inbox;
    d->inbox = NULL;
    d->inbox_end = &d->inbox;
    pthread_mutex_unlock(&d->lock);
    while (work) {
        struct ls_work *next = work->next;

        work->back(work);
        work = next;
    }
}

void ls_deliver_count(struct ls_deliver *d, uint64_t *count)
{
    pthread_mutex_lock(&d->lock);
    ++*count;
    pthread_mutex_unlock(&d->lock);
}

bool ls_deliver_stopping(struct ls_deliver *d)
{
    bool stop;

    pthread_mutex_lock(&d->lock);
    stop = d->stop;
    pthread_mutex_unlock(&d->lock);
    return stop;
}

/* --- reading the endpoints */

static enum ls_code run_reading(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                struct ls_error *err)
{
    struct ls_deliver *d = ((struct ls_work *)(void *)task)->of;

    enum ls_code rc = ls_endpoints_version(tx, &d->reading.version, err);

    ls_arena_reset(&d->reading.mem);
    if (rc == LS_OK && !d->options.qstash_key)
        rc = ls_signing_keys(tx, &d->key, &d->reading.keys, err);
    if (rc == LS_CONFIG) /* everything else goes on */
        ls_log(LS_LOG_ERROR, "deliver: %s", err->text);
    else if (rc != LS_OK)
        return rc;
    return ls_endpoint_rows(tx->state, &d->reading.mem, &d->reading.count, &d->reading.rows, err);
}

/* The key that was read signs from now on; it lives as long as the configuration that comes with it. */
static void take_key(struct ls_deliver *d)
{
    struct ls_error err = {0};

    if (d->options.qstash_key)
        return;
    d->qstash_secret = (struct ls_secret){0};
    if (*d->reading.keys.current &&
        ls_secret_read(d->reading.keys.current, LS_SIGN_QSTASH, &d->reading.mem, &d->qstash_secret,
                       &err) != LS_OK)
        ls_log(LS_LOG_ERROR, "deliver: messages go without a signature: %s", err.text);
    ls_secret_wipe(&d->reading.keys, sizeof(d->reading.keys));
}

static void read_over(struct ls_work *work)
{
    struct ls_deliver *d = work->of;

    d->reading.running = false;
    d->read_us = ls_clock_monotonic_us();
    if (work->rc != LS_OK) {
        d->reload = true;
        return;
    }
    take_key(d);
    d->version = d->reading.version;
    ls_lanes_configure(d, d->reading.rows, d->reading.count, &d->reading.mem);
    ls_arena_init(&d->reading.mem, 0);
}

static void read_endpoints(struct ls_deliver *d)
{
    d->reload = false;
    atomic_store(&d->reload_now, false);
    d->reading.running = true;
    d->reading.work = (struct ls_work){.task.run = run_reading, .of = d, .back = read_over};
    ls_deliver_submit(&d->reading.work);
}

/* --- a clock that is set back
 *
 * Deliveries are due by the clock of the day, as the senders' own times are. Set back, it would hold up by as much whatever was due already
 * or is to be tried again. So the queue is told by how much; at the start it finds out itself, by the newest event. Set forward, it does no harm:
 * what waits is tried early. */

static enum ls_code run_clock(struct ls_queue_task *task, struct ls_queue_tx *tx,
                              struct ls_error *err)
{
    struct ls_deliver *d = ((struct ls_work *)(void *)task)->of;
    int64_t count = 0;
    const enum ls_code rc = ls_queue_clock_back(tx, d->clock.told_us, &count, err);

    if (rc == LS_OK && count)
        ls_log(LS_LOG_WARN,
               "deliver: the clock was set back; %" PRId64 " deliveries are due as much earlier",
               count);
    return rc;
}

static void clock_over(struct ls_work *work)
{
    struct ls_deliver *d = work->of;

    if (work->rc == LS_OK || work->rc == LS_CORRUPT || ls_deliver_stopping(d))
        d->clock.running = false;
    else
        ls_deliver_retry(work);
}

static void tell_of_clock(struct ls_deliver *d)
{
    d->clock.told_us = d->clock.back_us;
    d->clock.back_us = 0;
    d->clock.found_out = d->clock.running = true;
    d->clock.work = (struct ls_work){.task.run = run_clock, .of = d, .back = clock_over};
    ls_deliver_submit(&d->clock.work);
}

static void look_at_clock(struct ls_deliver *d)
{
    const int64_t ahead_us = ls_clock_now_us() - ls_clock_monotonic_us(),
                  by_us = d->clock.ahead_us - ahead_us;

    d->clock.ahead_us = ahead_us;
    if (d->clock.found_out && by_us >= STEP_US) {
        ls_lanes_clock_back(d, by_us);
        d->clock.back_us += by_us;
    }
    if (!d->clock.running && (d->clock.back_us || !d->clock.found_out))
        tell_of_clock(d);
}

/* All endpoints at once are woken when another process has written to the state: it may have written endpoints. */
static void take_wakes(struct ls_deliver *d)
{
    uint64_t woken = atomic_exchange(&d->woken, 0);

    if (woken == UINT64_MAX)
        d->reload = true;
    if (woken)
        ls_lanes_wake(d, woken);
}

/* --- libcurl's sockets and timer */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *of_socket)
{
    struct ls_deliver *d = ctx;
    struct epoll_event event = {.data.fd = fd};

    (void)easy, (void)of_socket;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(d->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(d->epoll, EPOLL_CTL_MOD, fd, &event) == 0 ||
        epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    ls_log(LS_LOG_ERROR, "deliver: epoll takes no socket: %s", strerror(errno));
    return -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct ls_deliver *d = ctx;

    (void)multi;
    d->curl_due_us =
        timeout_ms < 0 ? INT64_MAX : ls_clock_monotonic_us() + (int64_t)timeout_ms * 1000;
    return 0;
}

static void take_ended(struct ls_deliver *d)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(d->multi, &left)) != NULL) {
        CURLcode rc = message->data.result;
        struct ls_transfer *t = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        ls_attempt_over(t, rc);
    }
}

static void take_socket(struct ls_deliver *d, const struct epoll_event *event)
{
    int flags = (event->events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                (event->events & EPOLLERR ? CURL_CSELECT_ERR : 0),
        running;
    uint64_t rings;

    if (event->data.fd != d->event) {
        (void)curl_multi_socket_action(d->multi, event->data.fd, flags, &running);
        return;
    }
    if (read(d->event, &rings, sizeof(rings)) < 0)
        rings = 0;
}

/* --- the loop */

static int until_ms(int64_t at_us, int64_t now_us, int most_ms)
{
    int64_t ms = at_us == INT64_MAX ? most_ms : (at_us - now_us + 999) / 1000;

    if (ms < 0)
        return 0;
    return ms < most_ms ? (int)ms : most_ms;
}

static int sleep_ms(const struct ls_deliver *d, int64_t lanes_us)
{
    int64_t now_us = ls_clock_monotonic_us();
    int ms = until_ms(lanes_us, ls_clock_now_us(), SLEEP_MAX_MS);

    ms = until_ms(d->curl_due_us, now_us, ms);
    if (d->unsaved)
        ms = until_ms(d->unsaved_us, now_us, ms);
    if (d->reload && !d->reading.running)
        ms = until_ms(d->read_us + READ_US, now_us, ms);
    return ms;
}

static void wait_for_events(struct ls_deliver *d, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(d->epoll, events, EVENTS, timeout_ms), running;

    for (int i = 0; i < count; i++)
        take_socket(d, &events[i]);
    if (d->curl_due_us <= ls_clock_monotonic_us()) {
        d->curl_due_us = INT64_MAX;
        (void)curl_multi_socket_action(d->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    take_ended(d);
}

/* What is being sent had its time. */
static void abort_all(struct ls_deliver *d)
{
    while (d->in_transit) {
        struct ls_transfer *t = d->in_transit;

        ls_attempt_abort(t);
        ls_transfer_give_back(t, ls_clock_now_us());
    }
}

/* Tells those who wait for it, and publishes what is in hand; whether there is no more to be done at all. */
static bool settle_down(struct ls_deliver *d, uint64_t asked)
{
    bool idle = d->used == 0 && d->claims == 0 && !d->reading.running && !d->clock.running &&
                !d->unsaved && !atomic_load(&d->woken) && !atomic_load(&d->reload_now);
    bool over;

    pthread_mutex_lock(&d->lock);
    d->counts.in_hand = d->used;
    over = d->stop && idle && !d->inbox;
    if (idle && !d->inbox && asked > d->idle_seen) {
        d->idle_seen = asked;
        pthread_cond_broadcast(&d->changed);
    }
    pthread_mutex_unlock(&d->lock);
    return over;
}

static bool grace_is_over(struct ls_deliver *d)
{
    bool over;

    pthread_mutex_lock(&d->lock);
    over = d->stop && d->stop_us <= ls_clock_monotonic_us();
    pthread_mutex_unlock(&d->lock);
    return over;
}

static bool wants_reading(const struct ls_deliver *d)
{
    return !d->reading.running && (atomic_load(&d->reload_now) ||
                                   (d->reload && d->read_us + READ_US <= ls_clock_monotonic_us()));
}

static void ready_all(struct ls_deliver *d)
{
    for (size_t i = 0; i < 64; i++) {
        for (struct ls_lane *lane = d->lanes[i]; lane; lane = lane->next_same)
            ls_lane_ready(lane);
    }
}

static uint64_t asked_for_idle(struct ls_deliver *d)
{
    uint64_t asked;

    pthread_mutex_lock(&d->lock);
    asked = d->idle_asked;
    pthread_mutex_unlock(&d->lock);
    return asked;
}

static void work(void *arg)
{
    struct ls_deliver *d = arg;
    bool stopping = false;

    read_endpoints(d);
    for (;;) {
        uint64_t asked = asked_for_idle(d);
        int64_t lanes_us;

        empty_inbox(d);
        take_wakes(d);
        look_at_clock(d);
        if (!stopping && ls_deliver_stopping(d)) {
            stopping = true;
            submit_unsaved(d);
            ready_all(d);
        }
        if (stopping) /* nothing is claimed any more: what endpoints are now is for the next one to read */
            atomic_store(&d->reload_now, false);
        else if (wants_reading(d))
            read_endpoints(d);
        if (d->unsaved && d->unsaved_us <= ls_clock_monotonic_us())
            submit_unsaved(d);
        lanes_us = ls_lanes_run(d);
        if (stopping && grace_is_over(d))
            abort_all(d);
        if (settle_down(d, asked))
            return;
        wait_for_events(d, stopping ? until_ms(d->curl_due_us, ls_clock_monotonic_us(), 50)
                                    : sleep_ms(d, lanes_us));
    }
}

/* --- from outside */

void ls_deliver_wake(struct ls_deliver *d, uint64_t endpoints)
{
    if (atomic_fetch_or(&d->woken, endpoints) == 0)
        ring(d);
}

void ls_deliver_reload(struct ls_deliver *d)
{
    atomic_store(&d->reload_now, true);
    ring(d);
}

bool ls_deliver_wait_idle(struct ls_deliver *d, int64_t timeout_ms)
{
    int64_t until_us = ls_clock_monotonic_us() + timeout_ms * 1000;
    uint64_t mine;
    bool idle;

    pthread_mutex_lock(&d->lock);
    mine = ++d->idle_asked;
    ring(d);
    while (d->idle_seen < mine && ls_cond_wait(&d->changed, &d->lock, until_us)) {
    }
    idle = d->idle_seen >= mine;
    pthread_mutex_unlock(&d->lock);
    return idle;
}

struct ls_deliver_counts ls_deliver_counts(struct ls_deliver *d)
{
    struct ls_deliver_counts counts;

    pthread_mutex_lock(&d->lock);
    counts = d->counts;
    pthread_mutex_unlock(&d->lock);
    return counts;
}

bool ls_deliver_status(struct ls_deliver *d, int64_t endpoint, struct ls_deliver_status *ret)
{
    struct ls_lane *lane;

    pthread_mutex_lock(&d->lock);
    lane = ls_lane_find(d, endpoint);
    if (lane)
        *ret = lane->shown;
    pthread_mutex_unlock(&d->lock);
    return lane != NULL;
}

/* --- open and close */

static enum ls_code copy_options(struct ls_deliver *d, const struct ls_deliver_options *o,
                                 struct ls_error *err)
{
    d->options = *o;
    d->key = *o->key;
    d->breaker_rule = o->breaker ? *o->breaker : ls_breaker_default;
    d->options.max_in_flight = o->max_in_flight ? o->max_in_flight : LS_DELIVER_IN_HAND;
    d->options.user_agent = ls_arena_text(&d->own, o->user_agent ? o->user_agent : "lockstep");
    d->options.ca_file = ls_arena_text(&d->own, o->ca_file);
    if (!d->options.user_agent || (o->ca_file && !d->options.ca_file))
        return ls_error_nomem(err);
    if (o->qstash_key)
        return ls_secret_read(o->qstash_key, LS_SIGN_QSTASH, &d->own, &d->qstash_secret, err);
    return LS_OK;
}

static enum ls_code open_descriptors(struct ls_deliver *d, struct ls_error *err)
{
    struct epoll_event event = {.events = EPOLLIN};

    d->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (d->epoll < 0)
        return ls_error_errno(err, errno, "cannot wait for connections");
    d->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->event < 0)
        return ls_error_errno(err, errno, "cannot wait for the queue");
    event.data.fd = d->event;
    if (epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->event, &event) != 0)
        return ls_error_errno(err, errno, "cannot wait for the queue");
    return LS_OK;
}

static enum ls_code open_multi(struct ls_deliver *d, struct ls_error *err)
{
    d->multi = curl_multi_init();
    if (!d->multi)
        return ls_error_nomem(err);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(d->multi, CURLMOPT_SOCKETDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(d->multi, CURLMOPT_TIMERDATA, d);
    curl_multi_setopt(d->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(d->multi, CURLMOPT_MAXCONNECTS, (long)d->options.max_in_flight);
    return LS_OK;
}

enum ls_code ls_deliver_open(const struct ls_deliver_options *options, struct ls_deliver **ret,
                             struct ls_error *err)
{
    struct ls_deliver *d = calloc(1, sizeof(*d));
    enum ls_code rc;

    if (!d)
        return ls_error_nomem(err);
    d->epoll = d->event = -1;
    d->curl_due_us = INT64_MAX;
    d->contact_us = INT64_MIN / 2;
    d->inbox_end = &d->inbox;
    ls_arena_init(&d->own, 0);
    ls_arena_init(&d->config, 0);
    ls_arena_init(&d->reading.mem, 0);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    rc = copy_options(d, options, err);
    if (rc == LS_OK)
        rc = open_descriptors(d, err);
    if (rc == LS_OK)
        rc = open_multi(d, err);
    if (rc == LS_OK)
        rc = ls_thread_start(&d->thread, work, d, err);
    if (rc == LS_OK)
        *ret = d;
    else
        ls_deliver_close(d, 0);
    return rc;
}

static void free_spares(struct ls_deliver *d)
{
    for (struct ls_transfer *t = d->spare, *next; t; t = next) {
        next = t->next;
        curl_easy_cleanup(t->easy);
        ls_arena_done(&t->mem);
        ls_buf_done(&t->body);
        ls_buf_done(&t->answer);
        ls_buf_done(&t->head);
        free(t);
    }
    for (struct ls_claim *c = d->spare_claims, *next; c; c = next) {
        next = c->spare;
        ls_arena_done(&c->mem);
        free(c);
    }
}

void ls_deliver_close(struct ls_deliver *d, int64_t grace_ms)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stop = true;
    d->stop_us = ls_clock_monotonic_us() + grace_ms * 1000;
    pthread_mutex_unlock(&d->lock);
    ring(d);
    ls_thread_join(&d->thread);
    free_spares(d);
    curl_multi_cleanup(d->multi);
    ls_lanes_done(d);
    if (d->event >= 0)
        close(d->event);
    if (d->epoll >= 0)
        close(d->epoll);
    ls_arena_done(&d->reading.mem);
    ls_arena_done(&d->config);
    ls_arena_done(&d->own);
    ls_seal_key_wipe(&d->key);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    free(d);
    curl_global_cleanup();
}
