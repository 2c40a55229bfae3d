/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c - endpoints at work: how much each may do now, what it claims, when it is looked at again.
 *
 * An endpoint has a lane, and lanes share nothing but the places for deliveries in hand, which are many more than one lane may fill. A
 * lane is looked at when something happened to it (an outcome, a claim's answer, something to claim) or when its time has
 * come; all others cost nothing. One that finds no place free lines up for the next. Looked at, it begins what it may begin of what it has claimed, and claims as much again, so that the
 * next deliveries are there when places become free: without that, each round would wait for a commit.
 *
 * What was claimed and may not begin any more (a breaker that opened, a pause, a hold) is handed back at once, so that it is due
 * when the lane goes on, and not when its lease ends. Lanes are kept until the thread ends, also those whose endpoint is gone: what is
 * in hand still belongs to them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "event/deliver_priv.h"

#define LEASE_BASE_US INT64_C(30000000) /* beyond two timeouts: one is waited for, one is used */
#define MESSAGE_LEASE_US \
    (INT64_C(1200) * 1000000)    /* messages say how long they take, up to 15 minutes */
#define PACE_US INT64_C(1000000) /* a failed claim is tried again after this */

/* --- timers: a heap by time, the earliest at 1 */

static void place(struct ls_deliver *d, size_t at, struct ls_lane *lane)
{
    d->heap[at] = lane;
    lane->heap_at = at;
}

static void sift(struct ls_deliver *d, size_t at)
{
    struct ls_lane *lane = d->heap[at];

    while (at > 1 && d->heap[at / 2]->timer_us > lane->timer_us) {
        place(d, at, d->heap[at / 2]);
        at /= 2;
    }
    for (;;) {
        size_t child = at * 2;

        if (child < d->heap_count && d->heap[child + 1]->timer_us < d->heap[child]->timer_us)
            child++;
        if (child > d->heap_count || d->heap[child]->timer_us >= lane->timer_us)
            break;
        place(d, at, d->heap[child]);
        at = child;
    }
    place(d, at, lane);
}

/* The heap has room for every lane: it is made with them. */
static void set_timer(struct ls_lane *lane, int64_t at_us)
{
    struct ls_deliver *d = lane->of;

    lane->timer_us = at_us;
    if (!lane->heap_at)
        place(d, ++d->heap_count, lane);
    sift(d, lane->heap_at);
}

/* --- lanes */

struct ls_lane *ls_lane_find(struct ls_deliver *d, int64_t number)
{
    struct ls_lane *lane = d->lanes[number & 63];

    while (lane && lane->number != number)
        lane = lane->next_same;
    return lane;
}

static bool heap_room(struct ls_deliver *d)
{
    size_t room = d->heap_room ? d->heap_room * 2 : 64;
    struct ls_lane **heap;

    if (d->heap_count + 1 < d->heap_room)
        return true;
    heap = reallocarray(d->heap, room, sizeof(struct ls_lane *));
    if (!heap)
        return false;
    d->heap = heap;
    d->heap_room = room;
    return true;
}

/* NULL when out of memory. */
static struct ls_lane *lane_new(struct ls_deliver *d, int64_t number)
{
    struct ls_lane *lane = heap_room(d) ? calloc(1, sizeof(*lane)) : NULL;

    if (!lane)
        return NULL;
    lane->of = d;
    lane->number = number;
    lane->end = &lane->first;
    pthread_mutex_lock(&d->lock); /* ls_deliver_status() looks for lanes */
    lane->next_same = d->lanes[number & 63];
    d->lanes[number & 63] = lane;
    pthread_mutex_unlock(&d->lock);
    set_timer(lane, INT64_MAX);
    return lane;
}

void ls_lanes_done(struct ls_deliver *d)
{
    for (size_t i = 0; i < 64; i++) {
        for (struct ls_lane *lane = d->lanes[i], *next; lane; lane = next) {
            next = lane->next_same;
            free(lane);
        }
    }
    free(d->heap);
}

void ls_lane_ready(struct ls_lane *lane)
{
    if (lane->ready)
        return;
    lane->ready = true;
    lane->next_ready = lane->of->ready;
    lane->of->ready = lane;
}

void ls_lanes_wake(struct ls_deliver *d, uint64_t endpoints)
{
    for (size_t i = 0; i < 64; i++) {
        if (!(endpoints >> i & 1))
            continue;
        for (struct ls_lane *lane = d->lanes[i]; lane; lane = lane->next_same) {
            lane->woken = true;
            ls_lane_ready(lane);
        }
    }
}

/* --- configuration */

static enum ls_code read_secrets(const struct ls_endpoint *e, struct ls_arena *mem,
                                 const struct ls_secret **ret, struct ls_error *err)
{
    struct ls_secret *secrets = ls_arena_array(mem, e->secret_count, sizeof(*secrets));
    enum ls_code rc = secrets ? LS_OK : ls_error_nomem(err);

    for (size_t i = 0; i < e->secret_count && rc == LS_OK; i++)
        rc = ls_secret_read(e->secrets[i], LS_SIGN_STANDARD, mem, &secrets[i], err);
    *ret = secrets;
    return rc;
}

/* A period of its own is a bucket of that many, who may all come at once; without one it is a flow. */
static struct ls_rate_rule rate_of(double a_second, int64_t period_s)
{
    if (a_second <= 0)
        return (struct ls_rate_rule){0};
    if (period_s)
        return (struct ls_rate_rule){.count = (unsigned)(a_second + 0.5),
                                     .period_us = period_s * 1000000};
    if (a_second >= 1)
        return (struct ls_rate_rule){.count = (unsigned)(a_second + 0.5), .period_us = 1000000};
    return (struct ls_rate_rule){.count = 1, .period_us = (int64_t)(1e6 / a_second)};
}

static void find_target(struct ls_lane *lane, struct ls_arena *mem)
{
    struct ls_error err = {0};
    char before[sizeof lane->refused];

    memcpy(before, lane->refused, sizeof before);
    lane->refused[0] = '\0';
    if (strcmp(lane->e.origin, LS_ENDPOINT_OF_MESSAGES) != 0 &&
        ls_guard_url(lane->of->options.guard, lane->e.url, mem, &lane->target, &err) != LS_OK)
        snprintf(lane->refused, sizeof(lane->refused), "%.*s", (int)sizeof(lane->refused) - 1,
                 err.text);
    if (*lane->refused && strcmp(before, lane->refused) != 0)
        ls_log(LS_LOG_WARN, "deliver: every delivery to endpoint %s will fail: %s", lane->e.name,
               lane->refused);
}

/* A breaker goes on from where it was kept; of an endpoint that is enabled again it begins anew, slowly. */
static void take_over(struct ls_lane *lane, const struct ls_endpoint *e, bool first)
{
    bool enabled_again = !first && *lane->e.disabled && !*e->disabled;
    struct ls_breaker breaker = lane->breaker;

    if (first && *e->breaker &&
        !ls_breaker_read(e->breaker, &lane->of->breaker_rule, ls_clock_now_us(), &breaker))
        ls_log(LS_LOG_WARN,
               "deliver: the breaker of endpoint %s begins anew: what was kept of it "
               "cannot be read",
               e->name);
    if (enabled_again)
        breaker = (struct ls_breaker){.ramp = 1};
    lane->breaker = breaker;
    if (enabled_again)
        lane->hold_us = 0;
    lane->e = *e;
}

/* A debt of the old rate is none of the new one's. */
static bool has_other_rate(const struct ls_endpoint *a, const struct ls_endpoint *b)
{
    return a->rate_resets != b->rate_resets || a->period_s != b->period_s || a->rate < b->rate ||
           a->rate > b->rate;
}

static enum ls_code configure(struct ls_deliver *d, const struct ls_endpoint_row *row,
                              struct ls_arena *mem, struct ls_error *err)
{
    struct ls_lane *lane = ls_lane_find(d, row->number);
    const struct ls_secret *secrets = NULL;
    struct ls_retry policy;
    bool first = lane == NULL;
    struct ls_endpoint e;
    enum ls_code rc = ls_endpoint_from_row(row, &d->key, mem, &e, err);

    if (rc == LS_OK)
        rc = read_secrets(&e, mem, &secrets, err);
    if (rc == LS_OK)
        rc = ls_retry_read(e.policy, &policy, err);
    if (rc != LS_OK)
        return rc;
    if (first && !(lane = lane_new(d, row->number)))
        return ls_error_nomem(err);
    if (!first && has_other_rate(&lane->e, &e))
        lane->rate = (struct ls_rate){0};
    take_over(lane, &e, first);
    lane->secrets = secrets;
    lane->policy = policy;
    lane->breaker_rule = d->breaker_rule;
    lane->rate_rule = rate_of(e.rate, e.period_s);
    find_target(lane, mem);
    lane->known = true;
    lane->woken = true;
    return LS_OK;
}

/* One that cannot be read (another key, a policy of a newer version) keeps nobody else from working. */
void ls_lanes_configure(struct ls_deliver *d, const struct ls_endpoint_row *rows, size_t count,
                        struct ls_arena *mem)
{
    struct ls_arena before = d->config;

    for (size_t i = 0; i < 64; i++) {
        for (struct ls_lane *lane = d->lanes[i]; lane; lane = lane->next_same)
            lane->known = false;
    }
    for (size_t i = 0; i < count; i++) {
        struct ls_error err = {0};

        if (configure(d, &rows[i], mem, &err) != LS_OK)
            ls_log(LS_LOG_ERROR, "deliver: nothing goes to endpoint %s: %s", rows[i].name,
                   err.text);
    }
    for (size_t i = 0; i < 64; i++) {
        for (struct ls_lane *lane = d->lanes[i]; lane; lane = lane->next_same) {
            if (!lane->known) { /* what it had lies in the arena that goes */
                lane->e = (struct ls_endpoint){.name = "(removed)",
                                               .origin = "",
                                               .disabled = "removed",
                                               .breaker = "",
                                               .url = ""};
                lane->secrets = NULL;
            }
            ls_lane_ready(lane);
        }
    }
    d->config = *mem;
    ls_arena_done(&before);
}

/* --- claiming */

/* What was accepted after a change of endpoints goes out after that change: nothing is claimed by a lane that does not know it yet. */
static enum ls_code run_claim(struct ls_queue_task *task, struct ls_queue_tx *tx,
                              struct ls_error *err)
{
    struct ls_claim *c = (struct ls_claim *)(void *)task;
    int64_t version = 0;
    enum ls_code rc;

    ls_arena_reset(&c->mem); /* of a run that failed */
    c->count = 0;
    c->until_us = tx->now_us + c->lease_us;
    rc = ls_endpoints_version(tx, &version, err);
    c->stale = version != c->version;
    if (rc != LS_OK || c->stale)
        return rc;
    return ls_queue_claim(tx, c->lane->number, c->max, c->lease_us, &c->mem, &c->count, &c->found,
                          &c->next_us, err);
}

/* NULL when out of memory. */
static struct ls_transfer *transfer_new(struct ls_deliver *d)
{
    struct ls_transfer *t = d->spare;

    if (t) {
        d->spare = t->next;
        t->next = NULL;
        return t;
    }
    t = calloc(1, sizeof(*t));
    if (t) {
        t->work.of = d;
        ls_arena_init(&t->mem, 0);
        ls_buf_init(&t->body, 0);
        ls_buf_init(&t->answer, 0);
        ls_buf_init(&t->head, 0);
    }
    return t;
}

static void line_up(struct ls_claim *c)
{
    struct ls_lane *lane = c->lane;

    for (size_t i = 0; i < c->count; i++) {
        struct ls_transfer *t = transfer_new(lane->of);

        if (!t) { /* its lease ends by itself */
            lane->of->used--;
            continue;
        }
        t->lane = lane;
        t->claim = c;
        t->delivery = &c->found[i];
        c->refs++;
        *lane->end = t;
        lane->end = &t->next;
        lane->waiting++;
    }
}

static void claimed(struct ls_work *work)
{
    struct ls_claim *c = (struct ls_claim *)(void *)work;
    struct ls_lane *lane = c->lane;
    struct ls_deliver *d = lane->of;

    d->claims--;
    lane->claiming = false;
    if (work->rc != LS_OK || c->stale)
        c->count = 0;
    d->used -= c->max - c->count;
    if (work->rc == LS_OK && c->stale)
        ls_deliver_reload(d);
    if (work->rc != LS_OK || c->stale)
        lane->next_us = ls_clock_now_us() + PACE_US;
    else if (c->count == c->max)
        lane->next_us = 0;
    else
        lane->next_us = c->next_us;
    line_up(c);
    if (c->refs == 0) {
        ls_arena_reset(&c->mem);
        c->spare = d->spare_claims;
        d->spare_claims = c;
    }
    ls_lane_ready(lane);
}

static void claim(struct ls_lane *lane, size_t max)
{
    struct ls_deliver *d = lane->of;
    struct ls_claim *c = d->spare_claims;

    if (c) {
        d->spare_claims = c->spare;
    } else {
        c = calloc(1, sizeof(*c));
        if (!c)
            return;
        ls_arena_init(&c->mem, 0);
    }
    c->work = (struct ls_work){.task.run = run_claim, .of = d, .back = claimed};
    c->lane = lane;
    c->max = max;
    c->version = d->version;
    c->lease_us = strcmp(lane->e.origin, LS_ENDPOINT_OF_MESSAGES) == 0
                      ? MESSAGE_LEASE_US
                      : 2 * lane->e.timeout_ms * 1000 + LEASE_BASE_US;
    lane->claiming = true;
    lane->woken = false;
    d->used += max;
    d->claims++;
    ls_deliver_submit(&c->work);
}

/* --- running */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void earlier(int64_t *at, int64_t other)
{
    if (other < *at)
        *at = other;
}

static struct ls_transfer *take_first(struct ls_lane *lane)
{
    struct ls_transfer *t = lane->first;

    lane->first = t->next;
    if (!lane->first)
        lane->end = &lane->first;
    t->next = NULL;
    lane->waiting--;
    return t;
}

static void hand_all_back(struct ls_lane *lane, int64_t due_us)
{
    while (lane->first)
        ls_transfer_give_back(take_first(lane), due_us);
}

static bool at_rest(const struct ls_lane *lane)
{
    return !lane->known || lane->e.paused || *lane->e.disabled || ls_deliver_stopping(lane->of);
}

/* How many may begin now. At most what the places allow; *timer: when it may be more. */
static size_t room_of(struct ls_lane *lane, int64_t now_us, int64_t *timer)
{
    unsigned most = (unsigned)lane->e.concurrency, room;
    int64_t until_us, wait_us;

    if (lane->sending >= most)
        return 0;
    room = ls_breaker_room(&lane->breaker, &lane->breaker_rule, (unsigned)lane->sending, most,
                           now_us, &until_us);
    if (room == 0) {
        earlier(timer, until_us);
        return 0;
    }
    room = ls_rate_room(&lane->rate, &lane->rate_rule, room, ls_clock_monotonic_us(), &wait_us);
    if (wait_us)
        earlier(timer, now_us + wait_us);
    return room;
}

static size_t free_places(const struct ls_deliver *d)
{
    return d->options.max_in_flight - smaller(d->used, d->options.max_in_flight);
}

/* How many more to have in hand: as many again as may be sent at once, unless something holds it back or places become few. */
static size_t wanted(const struct ls_lane *lane, size_t room)
{
    const struct ls_deliver *d = lane->of;
    size_t most = room;

    if (lane->breaker.state == LS_BREAKER_CLOSED && !lane->breaker.ramp && !lane->rate_rule.count &&
        free_places(d) > d->options.max_in_flight / 2)
        most = 2 * (size_t)lane->e.concurrency -
               smaller(lane->sending, 2 * (size_t)lane->e.concurrency);
    return most - smaller(most, lane->waiting);
}

/* No place is free. It is looked at again when one is, after those that came before it. */
static void line_up_for_places(struct ls_lane *lane)
{
    struct ls_deliver *d = lane->of;

    if (lane->lined_up)
        return;
    lane->lined_up = true;
    lane->next_lined_up = NULL;
    if (d->lined_up)
        d->lined_up_last->next_lined_up = lane;
    else
        d->lined_up = lane;
    d->lined_up_last = lane;
}

/* As many of them as there are places: each takes one at least, or gives way. */
static void call_lined_up(struct ls_deliver *d)
{
    for (size_t free = free_places(d); free && d->lined_up; free--) {
        struct ls_lane *lane = d->lined_up;

        d->lined_up = lane->next_lined_up;
        lane->lined_up = false;
        ls_lane_ready(lane);
    }
}

/* What others may see of it. */
static void show(struct ls_lane *lane, int64_t now_us)
{
    int64_t until_us = lane->hold_us > now_us ? lane->hold_us : 0;

    if (lane->breaker.state == LS_BREAKER_OPEN && lane->breaker.until_us > until_us)
        until_us = lane->breaker.until_us;
    pthread_mutex_lock(&lane->of->lock);
    lane->shown = (struct ls_deliver_status){
        .sending = lane->sending,
        .breaker = lane->breaker.state,
        .until_us = until_us,
        .failing_percent = ls_breaker_percent(&lane->breaker, &lane->breaker_rule, now_us),
    };
    pthread_mutex_unlock(&lane->of->lock);
}

static void run(struct ls_lane *lane, int64_t now_us)
{
    int64_t timer = INT64_MAX;
    size_t room = 0, want;

    if (at_rest(lane)) {
        hand_all_back(lane, now_us);
        set_timer(lane, INT64_MAX);
        return;
    }
    if (lane->hold_us > now_us)
        earlier(&timer, lane->hold_us);
    else
        room = room_of(lane, now_us, &timer);
    if (room == 0 && lane->sending == 0)
        hand_all_back(lane, now_us);
    for (; room && lane->first && lane->hold_us <= now_us; room--) {
        ls_rate_use(&lane->rate, &lane->rate_rule, 1, ls_clock_monotonic_us());
        ls_attempt_begin(take_first(lane));
    }
    want = lane->hold_us > now_us ? 0 : wanted(lane, room);
    if (want && !lane->claiming) {
        if (!lane->woken && lane->next_us > now_us)
            earlier(&timer, lane->next_us);
        else if (free_places(lane->of))
            claim(lane, smaller(want, free_places(lane->of)));
        else
            line_up_for_places(lane);
    }
    set_timer(lane, timer);
}

static void back(int64_t *at_us, int64_t by_us)
{
    if (*at_us != INT64_MAX)
        *at_us -= *at_us < by_us ? *at_us : by_us;
}

/* The breaker sees to its own times. */
void ls_lanes_clock_back(struct ls_deliver *d, int64_t by_us)
{
    for (size_t i = 0; i < 64; i++) {
        for (struct ls_lane *lane = d->lanes[i]; lane; lane = lane->next_same) {
            back(&lane->hold_us, by_us);
            back(&lane->fault_us, by_us);
            back(&lane->noted_us, by_us);
            back(&lane->next_us, by_us);
            ls_lane_ready(lane);
        }
    }
}

int64_t ls_lanes_run(struct ls_deliver *d)
{
    int64_t now_us = ls_clock_now_us();

    while (d->heap_count && d->heap[1]->timer_us <= now_us) {
        struct ls_lane *lane = d->heap[1];

        set_timer(lane, INT64_MAX);
        ls_lane_ready(lane);
    }
    call_lined_up(d);
    while (d->ready) {
        struct ls_lane *lane = d->ready;

        d->ready = lane->next_ready;
        lane->ready = false;
        run(lane, now_us);
        show(lane, now_us);
    }
    return d->heap_count ? d->heap[1]->timer_us : INT64_MAX;
}
