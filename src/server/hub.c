/* SPDX-License-Identifier: Apache-2.0 */
/* hub.c - what happens, told as it happens.
 *
 * Whoever publishes formats the message once and puts it into the buffer of every listener that wants it. A listener that does not read
 * fast enough to keep its buffer under its maximum is cut off: it comes again by itself, names the last message that it heard, and is
 * told what it missed. So one slow listener costs a bounded buffer and delays nobody.
 *
 * Numbers begin at the time of the start in microseconds, so that they grow over restarts and a number of an earlier process is known as
 * such: what was missed then cannot be told, which the listener learns by the event `reset`.
 *
 * A connection that carries nothing for a while is taken for dead by proxies. So a comment goes out every few seconds, by a thread that sleeps while
 * nobody listens.
 *
 * Who was let in once does not listen for ever: that thread looks at each listener's pass again before each comment, and at once when this process
 * withdrew something. It asks without the lock, for the answer may take seconds; whoever left meanwhile is not there any more when it comes. Somebody of whom
 * nothing can be told, because the state is away, may stay for a minute. What has an expiry gets nothing behind it. Not here: other processes' changes
 * before the next comment. */
#include "server/hub.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"

#define KEPT 1000                         /* messages, for those who come back */
#define KEPT_BYTES ((size_t)1 << 20)      /* of them together */
#define WAITING_BYTES ((size_t)512 << 10) /* of one listener */
#define SECOND INT64_C(1000000)
#define ALIVE_US (15 * SECOND)
#define UNKNOWN_US (60 * SECOND)

struct message {
    int64_t number;
    char *event, *about, *text; /* text: as it is sent */
    size_t size;
    bool last; /* of what it is about */
};

struct listener {
    struct listener *next;
    struct ls_stream *stream;
    char *about, *prefix; /* NULL: all */
    uint64_t number;
    bool has_pass;
    struct ls_pass pass;
    int64_t known_us; /* monotonic; when it was let in, or looked at with success */
};

struct ls_hub {
    struct ls_hub_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ls_thread thread;
    bool stopped, look_again;
    int64_t next_number;
    uint64_t next_listener;
    struct message kept[KEPT]; /* a ring */
    size_t first, count, bytes;
    struct listener *listeners;
    struct ls_hub_figures figures;
};

/* ---- messages ---- */

static void forget_oldest(struct ls_hub *hub)
{
    struct message *m = &hub->kept[hub->first];

    hub->bytes -= m->size;
    free(m->event);
    free(m->about);
    free(m->text);
    memset(m, 0, sizeof *m);
    hub->first = (hub->first + 1) % KEPT;
    hub->count--;
}

/* As it is sent. */
static void write_event(struct ls_buf *out, int64_t number, const char *event, const char *json)
{
    ls_buf_printf(out, "id: %" PRId64 "\nevent: %s\ndata: ", number, event);
    ls_buf_text(out, json);
    ls_buf_text(out, "\n\n");
}

static bool fill(struct message *m, int64_t number, const char *event, const char *about,
                 const char *json, bool last)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    write_event(&text, number, event, json);
    *m = (struct message){.number = number,
                          .event = strdup(event),
                          .about = strdup(about),
                          .text = text.failed ? NULL : strdup(ls_buf_str(&text)),
                          .size = text.size,
                          .last = last};
    ls_buf_done(&text);
    if (m->event && m->about && m->text)
        return true;
    free(m->event);
    free(m->about);
    free(m->text);
    memset(m, 0, sizeof *m);
    return false;
}

static bool wants(const struct listener *l, const struct message *m)
{
    return (!l->about || strcmp(l->about, m->about) == 0) &&
           (!l->prefix || ls_text_starts(m->event, l->prefix));
}

/* Ends those of whom it is true, and counts them. The lock is held. */
static void let_go_where(struct ls_hub *hub, bool (*is)(const struct listener *l, void *ctx),
                         void *ctx, uint64_t *count)
{
    for (struct listener **at = &hub->listeners; *at;) {
        struct listener *l = *at;

        if (!is(l, ctx)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        hub->figures.listeners--;
        (*count)++;
        ls_stream_end(l->stream);
        free(l->about);
        free(l->prefix);
        free(l);
    }
}

static bool has_left(const struct listener *l, void *ctx)
{
    (void)ctx;
    return ls_stream_left(l->stream);
}

static bool has_expired(const struct listener *l, void *ctx)
{
    const int64_t *now_us = ctx;

    return l->has_pass && l->pass.expires_us && l->pass.expires_us <= *now_us;
}

/* Those who get nothing any more: they make room for others. The lock is held. */
static void sweep(struct ls_hub *hub)
{
    int64_t now_us = ls_clock_now_us();
    uint64_t left = 0;

    let_go_where(hub, has_left, NULL, &left);
    let_go_where(hub, has_expired, &now_us, &hub->figures.withdrawn);
}

struct delivery {
    const struct message *message; /* NULL: to all */
    const char *text;
    size_t size;
};

static bool cannot_take(const struct listener *l, void *ctx)
{
    const struct delivery *d = ctx;

    return (!d->message || wants(l, d->message)) && !ls_stream_offer(l->stream, d->text, d->size);
}

static bool has_heard_the_last(const struct listener *l, void *ctx)
{
    return l->about && wants(l, ctx);
}

/* The lock is held. */
static void send_to_all(struct ls_hub *hub, struct delivery *d)
{
    sweep(hub);
    let_go_where(hub, cannot_take, d, &hub->figures.dropped);
}

void ls_hub_publish(struct ls_hub *hub, const char *event, const char *about, const char *json,
                    bool last)
{
    struct message *m;
    uint64_t done = 0;

    (void)pthread_mutex_lock(&hub->lock);
    if (hub->count == KEPT)
        forget_oldest(hub);
    m = &hub->kept[(hub->first + hub->count) % KEPT];
    if (!hub->stopped && fill(m, hub->next_number, event, about, json, last)) {
        hub->next_number++;
        hub->count++;
        hub->bytes += m->size;
        hub->figures.messages++;
        send_to_all(hub, &(struct delivery){m, m->text, m->size});
        if (last)
            let_go_where(hub, has_heard_the_last, m, &done);
        while (hub->bytes > KEPT_BYTES && hub->count > 1)
            forget_oldest(hub);
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

/* ---- listeners ---- */

/* The number behind which somebody is told who has heard of `after` last, and whether something before it is lost to them: it is not kept any more, or was
 * a number of somebody else's. The lock is held. */
static int64_t begins_behind(const struct ls_hub *hub, int64_t after, bool *ret_lost)
{
    const int64_t newest = hub->next_number - 1;
    const int64_t before_oldest = hub->count ? hub->kept[hub->first].number - 1 : newest;

    *ret_lost = after && (after < before_oldest || after > newest);
    if (!after || after > newest)
        return newest;
    return after < before_oldest ? before_oldest : after;
}

static const struct message *kept(const struct ls_hub *hub, size_t i)
{
    return &hub->kept[(hub->first + i) % KEPT];
}

/* What comes before all else. Whoever is cut off right behind it comes back with its number, and is told what follows. */
static void write_beginning(struct ls_buf *out, int64_t behind, bool lost,
                            const struct ls_hub_wish *wish)
{
    ls_buf_text(out, "retry: 2000\n\n");
    if (lost)
        write_event(out, behind, "reset", "{}");
    if (wish->first)
        write_event(out, behind, wish->first, wish->first_json);
}

/* Everything that the listener gets before the first new message. */
static bool catch_up(struct ls_hub *hub, const struct ls_hub_wish *wish, struct listener *l)
{
    bool lost, ok;
    const int64_t behind = begins_behind(hub, wish->after, &lost);
    struct ls_buf text;

    ls_buf_init(&text, WAITING_BYTES);
    write_beginning(&text, behind, lost, wish);
    for (size_t i = 0; i < hub->count; i++) {
        const struct message *m = kept(hub, i);

        if (m->number > behind && wants(l, m))
            ls_buf_add(&text, m->text, m->size);
    }
    ok = !text.failed && ls_stream_offer(l->stream, text.data, text.size);
    ls_buf_done(&text);
    return ok;
}

/* The lock is held. NULL: it is not kept any more, or has not been told. */
static const struct message *last_of(const struct ls_hub *hub, const char *about)
{
    for (size_t i = hub->count; i-- > 0;)
        if (kept(hub, i)->last && strcmp(kept(hub, i)->about, about) == 0)
            return kept(hub, i);
    return NULL;
}

bool ls_hub_over(struct ls_hub *hub, const struct ls_hub_wish *wish, struct ls_buf *out)
{
    const struct ls_hub_wish plain = {0};
    const struct message *last;
    int64_t behind;
    bool lost, heard;

    (void)pthread_mutex_lock(&hub->lock);
    behind = begins_behind(hub, wish->after, &lost);
    last = last_of(hub, wish->about);
    heard = wish->after && !lost && last && last->number <= wish->after;
    if (last && last->number <= behind)
        behind = last->number - 1;
    if (!heard)
        write_beginning(out, behind, lost, last ? &plain : wish);
    for (size_t i = 0; i < hub->count && !heard; i++) {
        const struct message *m = kept(hub, i);

        if (m->number > behind && strcmp(m->about, wish->about) == 0)
            ls_buf_add(out, m->text, m->size);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return !heard;
}

static void free_unjoined(struct listener *l)
{
    ls_stream_leave(l->stream);
    ls_stream_end(l->stream);
    free(l->about);
    free(l->prefix);
    free(l);
}

static struct listener *new_listener(const struct ls_hub_wish *wish)
{
    struct listener *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->about = wish->about ? strdup(wish->about) : NULL;
    l->prefix = wish->prefix ? strdup(wish->prefix) : NULL;
    l->has_pass = wish->pass != NULL;
    if (wish->pass)
        l->pass = *wish->pass;
    l->known_us = ls_clock_monotonic_us();
    l->stream = ls_stream_new(WAITING_BYTES);
    if (l->stream && (!wish->about || l->about) && (!wish->prefix || l->prefix))
        return l;
    free_unjoined(l);
    return NULL;
}

struct ls_stream *ls_hub_join(struct ls_hub *hub, const struct ls_hub_wish *wish, bool *ret_full)
{
    struct listener *l = NULL;
    struct ls_stream *ret = NULL;

    (void)pthread_mutex_lock(&hub->lock);
    sweep(hub);
    *ret_full = hub->stopped || hub->figures.listeners >= hub->options.most;
    if (!*ret_full)
        l = new_listener(wish);
    if (l && catch_up(hub, wish, l)) {
        ret = l->stream;
        l->number = hub->next_listener++;
        l->next = hub->listeners;
        hub->listeners = l;
        if (hub->figures.listeners++ == 0)
            (void)pthread_cond_signal(&hub->changed);
    } else if (l) {
        free_unjoined(l);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return ret;
}

/* ---- who may still listen ---- */

/* A listener that is looked at, and what was found. */
struct found {
    uint64_t number;
    struct ls_pass pass;
    enum { MAY, MAY_NOT, UNKNOWN } what;
};

struct findings {
    struct found *list; /* in the order of the listeners; who left meanwhile is still in it */
    size_t count;
    int64_t now_us, unknown_us;
};

/* Everybody who has a pass. The lock is held. false: out of memory. */
static bool list_passes(const struct ls_hub *hub, struct findings *ret)
{
    ret->list = calloc(hub->figures.listeners, sizeof *ret->list);
    for (const struct listener *l = hub->listeners; l && ret->list; l = l->next)
        if (l->has_pass)
            ret->list[ret->count++] = (struct found){.number = l->number, .pass = l->pass};
    return ret->list != NULL;
}

static void look_at(const struct ls_hub *hub, struct found *f)
{
    struct ls_error err = {0};
    bool still = false;
    const enum ls_code rc = hub->options.still(hub->options.ctx, &f->pass, &still, &err);

    f->what = rc != LS_OK ? UNKNOWN : still ? MAY : MAY_NOT;
}

static const struct found *finding_of(const struct findings *all, const struct listener *l)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].number == l->number)
            return &all->list[i];
    return NULL;
}

static bool may_not(const struct listener *l, void *ctx)
{
    const struct findings *all = ctx;
    const struct found *f = finding_of(all, l);

    return f && (f->what == MAY_NOT ||
                 (f->what == UNKNOWN && all->now_us - l->known_us >= all->unknown_us));
}

/* The lock is held, and let go meanwhile. */
static void look_at_passes(struct ls_hub *hub)
{
    struct findings all = {.unknown_us = hub->options.unknown_us};

    if (!hub->options.still || !list_passes(hub, &all))
        return;
    (void)pthread_mutex_unlock(&hub->lock);
    for (size_t i = 0; i < all.count; i++)
        look_at(hub, &all.list[i]);
    (void)pthread_mutex_lock(&hub->lock);
    all.now_us = ls_clock_monotonic_us();
    for (struct listener *l = hub->listeners; l; l = l->next) {
        const struct found *f = finding_of(&all, l);

        if (f && f->what == MAY)
            l->known_us = all.now_us;
    }
    let_go_where(hub, may_not, &all, &hub->figures.withdrawn);
    free(all.list);
}

void ls_hub_look_again(struct ls_hub *hub)
{
    (void)pthread_mutex_lock(&hub->lock);
    hub->look_again = true;
    (void)pthread_cond_signal(&hub->changed);
    (void)pthread_mutex_unlock(&hub->lock);
}

/* ---- the thread ---- */

static void keep_alive(void *arg)
{
    static const char comment[] = ":\n\n";
    struct ls_hub *hub = arg;
    int64_t until = 0;

    (void)pthread_mutex_lock(&hub->lock);
    while (!hub->stopped) {
        if (!hub->listeners) {
            until = 0;
            hub->look_again = false;
            (void)pthread_cond_wait(&hub->changed, &hub->lock);
            continue;
        }
        if (!until)
            until = ls_clock_monotonic_us() + hub->options.alive_us;
        if (!hub->look_again && ls_cond_wait(&hub->changed, &hub->lock, until))
            continue;
        hub->look_again = false;
        look_at_passes(hub);
        if (ls_clock_monotonic_us() < until)
            continue;
        send_to_all(hub, &(struct delivery){NULL, comment, sizeof comment - 1});
        until = 0;
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

enum ls_code ls_hub_open(const struct ls_hub_options *options, struct ls_hub **ret,
                         struct ls_error *err)
{
    struct ls_hub *hub = calloc(1, sizeof *hub);
    enum ls_code rc;

    if (!hub)
        return ls_error_nomem(err);
    (void)pthread_mutex_init(&hub->lock, NULL);
    (void)pthread_cond_init(&hub->changed, NULL);
    hub->options = *options;
    hub->options.alive_us = options->alive_us ? options->alive_us : ALIVE_US;
    hub->options.unknown_us = options->unknown_us ? options->unknown_us : UNKNOWN_US;
    hub->next_number = ls_clock_now_us();
    rc = ls_thread_start(&hub->thread, keep_alive, hub, err);
    if (rc == LS_OK)
        *ret = hub;
    else
        ls_hub_close(hub);
    return rc;
}

static bool anybody(const struct listener *l, void *ctx)
{
    (void)l;
    (void)ctx;
    return true;
}

void ls_hub_stop(struct ls_hub *hub)
{
    uint64_t done = 0;

    (void)pthread_mutex_lock(&hub->lock);
    hub->stopped = true;
    let_go_where(hub, anybody, NULL, &done);
    (void)pthread_cond_signal(&hub->changed);
    (void)pthread_mutex_unlock(&hub->lock);
}

void ls_hub_close(struct ls_hub *hub)
{
    if (!hub)
        return;
    ls_hub_stop(hub);
    ls_thread_join(&hub->thread);
    while (hub->count)
        forget_oldest(hub);
    (void)pthread_cond_destroy(&hub->changed);
    (void)pthread_mutex_destroy(&hub->lock);
    free(hub);
}

void ls_hub_figures(struct ls_hub *hub, struct ls_hub_figures *ret)
{
    (void)pthread_mutex_lock(&hub->lock);
    sweep(hub);
    *ret = hub->figures;
    (void)pthread_mutex_unlock(&hub->lock);
}
