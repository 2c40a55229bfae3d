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
 * A connection that carries nothing for a while is taken for dead by proxies, and a listener that went away is only noticed when
 * something is sent. So a comment goes out every few seconds, by a thread that sleeps while nobody listens. */
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
#define ALIVE_EVERY_US 15000000

struct message {
    int64_t number;
    char *event, *about, *text; /* text: as it is sent */
    size_t size;
};

struct listener {
    struct listener *next;
    struct ls_stream *stream;
    char *about, *prefix; /* NULL: all */
};

struct ls_hub {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct ls_thread thread;
    bool stopped;
    int64_t next_number;
    struct message kept[KEPT]; /* a ring */
    size_t first, count, bytes;
    struct listener *listeners;
    size_t most;
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

static bool fill(struct message *m, int64_t number, const char *event, const char *about,
                 const char *json)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    ls_buf_printf(&text, "id: %" PRId64 "\nevent: %s\ndata: ", number, event);
    ls_buf_text(&text, json);
    ls_buf_text(&text, "\n\n");
    *m = (struct message){number, strdup(event), strdup(about),
                          text.failed ? NULL : strdup(ls_buf_str(&text)), text.size};
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

static void let_go(struct listener *l)
{
    ls_stream_end(l->stream);
    free(l->about);
    free(l->prefix);
    free(l);
}

/* Sends to those who want it (all, when m is NULL) and lets go of who cannot take it. The lock is held. */
static void send_to_all(struct ls_hub *hub, const struct message *m, const char *text, size_t size,
                        bool last)
{
    for (struct listener **at = &hub->listeners; *at;) {
        struct listener *l = *at;
        const bool wanted = !m || wants(l, m);
        const bool taken = !wanted || ls_stream_offer(l->stream, text, size);

        if (taken && !(wanted && last && l->about)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        hub->figures.listeners--;
        hub->figures.dropped += !taken;
        let_go(l);
    }
}

void ls_hub_publish(struct ls_hub *hub, const char *event, const char *about, const char *json,
                    bool last)
{
    struct message *m;

    (void)pthread_mutex_lock(&hub->lock);
    if (hub->count == KEPT)
        forget_oldest(hub);
    m = &hub->kept[(hub->first + hub->count) % KEPT];
    if (!hub->stopped && fill(m, hub->next_number, event, about, json)) {
        hub->next_number++;
        hub->count++;
        hub->bytes += m->size;
        hub->figures.messages++;
        send_to_all(hub, m, m->text, m->size, last);
        while (hub->bytes > KEPT_BYTES && hub->count > 1)
            forget_oldest(hub);
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

/* ---- listeners ---- */

/* Everything that the listener gets before the first new message. */
static bool catch_up(struct ls_hub *hub, const struct ls_hub_wish *wish, struct listener *l)
{
    const int64_t oldest = hub->count ? hub->kept[hub->first].number : hub->next_number;
    struct ls_buf text;
    bool ok;

    ls_buf_init(&text, WAITING_BYTES);
    ls_buf_text(&text, "retry: 2000\n\n");
    if (wish->after && wish->after + 1 < oldest)
        ls_buf_text(&text, "event: reset\ndata: {}\n\n");
    if (wish->first)
        ls_buf_printf(&text, "event: %s\ndata: %s\n\n", wish->first, wish->first_json);
    for (size_t i = 0; wish->after && i < hub->count; i++) {
        const struct message *m = &hub->kept[(hub->first + i) % KEPT];

        if (m->number > wish->after && wants(l, m))
            ls_buf_add(&text, m->text, m->size);
    }
    ok = !text.failed && ls_stream_offer(l->stream, text.data, text.size);
    ls_buf_done(&text);
    return ok;
}

static struct listener *new_listener(const struct ls_hub_wish *wish)
{
    struct listener *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->about = wish->about ? strdup(wish->about) : NULL;
    l->prefix = wish->prefix ? strdup(wish->prefix) : NULL;
    l->stream = ls_stream_new(WAITING_BYTES);
    if (l->stream && (!wish->about || l->about) && (!wish->prefix || l->prefix))
        return l;
    free(l->about);
    free(l->prefix);
    ls_stream_leave(l->stream);
    ls_stream_end(l->stream);
    free(l);
    return NULL;
}

struct ls_stream *ls_hub_join(struct ls_hub *hub, const struct ls_hub_wish *wish, bool *ret_full)
{
    struct listener *l = NULL;
    struct ls_stream *ret = NULL;

    (void)pthread_mutex_lock(&hub->lock);
    *ret_full = hub->stopped || hub->figures.listeners >= hub->most;
    if (!*ret_full)
        l = new_listener(wish);
    if (l && catch_up(hub, wish, l)) {
        ret = l->stream;
        l->next = hub->listeners;
        hub->listeners = l;
        if (hub->figures.listeners++ == 0)
            (void)pthread_cond_signal(&hub->changed);
    } else if (l) {
        ls_stream_leave(l->stream);
        let_go(l);
    }
    (void)pthread_mutex_unlock(&hub->lock);
    return ret;
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
            (void)pthread_cond_wait(&hub->changed, &hub->lock);
            continue;
        }
        if (!until)
            until = ls_clock_monotonic_us() + ALIVE_EVERY_US;
        if (ls_cond_wait(&hub->changed, &hub->lock, until))
            continue;
        send_to_all(hub, NULL, comment, sizeof comment - 1, false);
        until = 0;
    }
    (void)pthread_mutex_unlock(&hub->lock);
}

enum ls_code ls_hub_open(size_t most, struct ls_hub **ret, struct ls_error *err)
{
    struct ls_hub *hub = calloc(1, sizeof *hub);
    enum ls_code rc;

    if (!hub)
        return ls_error_nomem(err);
    (void)pthread_mutex_init(&hub->lock, NULL);
    (void)pthread_cond_init(&hub->changed, NULL);
    hub->most = most;
    hub->next_number = ls_clock_now_us();
    rc = ls_thread_start(&hub->thread, keep_alive, hub, err);
    if (rc == LS_OK)
        *ret = hub;
    else
        ls_hub_close(hub);
    return rc;
}

void ls_hub_stop(struct ls_hub *hub)
{
    (void)pthread_mutex_lock(&hub->lock);
    hub->stopped = true;
    while (hub->listeners) {
        struct listener *l = hub->listeners;

        hub->listeners = l->next;
        let_go(l);
    }
    hub->figures.listeners = 0;
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
    *ret = hub->figures;
    (void)pthread_mutex_unlock(&hub->lock);
}
