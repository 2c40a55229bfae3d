/* SPDX-License-Identifier: Apache-2.0 */
/* listener.c - a connection that waits for what other processes commit to the queue.
 *
 * It has a thread of its own, as libpq waits on a socket and the queue's thread on its mailbox. A connection that was lost is opened
 * again, with growing pauses; until then, and whenever it hears again, the queue looks by itself. */
#include "event/listener.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/thread.h"

#define PAUSE_MS 250 /* before the first try to hear again; twice as long before each next one */
#define PAUSE_MAX_MS 5000

struct ls_listener {
    struct ls_listener_options options;
    char *url;
    int stop; /* eventfd: can be read once the thread is to end */
    struct ls_thread thread;
};

/* true when it is to end. */
static bool pause_ms(const struct ls_listener *l, int ms)
{
    struct pollfd one = {.fd = l->stop, .events = POLLIN};

    return poll(&one, 1, ms) > 0;
}

/* Until the connection is lost; true when it is to end. */
static bool hear(struct ls_listener *l, struct ls_state_watch *watch)
{
    struct ls_error err;
    int writer = 0;
    enum ls_code rc;

    l->options.hears(l->options.ctx, true);
    while ((rc = ls_state_watch_wait(watch, l->stop, &writer, &err)) == LS_OK && writer)
        l->options.heard(l->options.ctx, writer);
    if (rc == LS_OK)
        return true;
    ls_log(LS_LOG_WARN, "queue: commits of others are looked for until they are heard again: %s",
           err.text);
    l->options.hears(l->options.ctx, false);
    return false;
}

static void work(void *arg)
{
    struct ls_listener *l = arg;
    int ms = PAUSE_MS;
    bool stop = false;

    while (!stop) {
        struct ls_state_watch *watch = NULL;
        struct ls_error err;

        if (ls_state_watch_open(l->url, &watch, &err) == LS_OK) {
            stop = hear(l, watch);
            ms = PAUSE_MS;
        } else {
            ls_log(LS_LOG_DEBUG, "queue: commits of others cannot be heard: %s", err.text);
        }
        ls_state_watch_close(watch);
        stop = stop || pause_ms(l, ms);
        ms = ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : ms * 2;
    }
}

enum ls_code ls_listener_open(const char *state_url, const struct ls_listener_options *options,
                              struct ls_listener **ret, struct ls_error *err)
{
    struct ls_listener *l;
    enum ls_code rc = LS_OK;

    *ret = NULL;
    if (!ls_state_watchable(state_url))
        return LS_OK;
    l = calloc(1, sizeof *l);
    if (!l)
        return ls_error_nomem(err);
    *l = (struct ls_listener){.options = *options, .stop = eventfd(0, EFD_CLOEXEC)};
    if (l->stop < 0)
        rc = ls_error_errno(err, errno, "cannot wait for the state");
    if (rc == LS_OK && state_url && !(l->url = strdup(state_url)))
        rc = ls_error_nomem(err);
    if (rc == LS_OK)
        rc = ls_thread_start(&l->thread, work, l, err);
    if (rc == LS_OK)
        *ret = l;
    else
        ls_listener_close(l);
    return rc;
}

void ls_listener_close(struct ls_listener *l)
{
    const uint64_t one = 1;

    if (!l)
        return;
    if (l->stop >= 0)
        (void)!write(l->stop, &one, sizeof one);
    ls_thread_join(&l->thread);
    if (l->stop >= 0)
        close(l->stop);
    free(l->url);
    free(l);
}
