/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c - an answer that is written while it is sent.
 *
 * Bytes pass through one buffer with a maximum. A reader that finds it empty sleeps, and the writer that puts something in wakes it: the
 * flag that says so changes under the lock with the buffer, so no wake-up is lost and none comes twice. */
#include "server/stream.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"

struct ls_stream {
    pthread_mutex_t lock;
    pthread_cond_t room;
    struct ls_buf data;
    size_t at;   /* what of data has been taken */
    size_t most; /* that may wait */
    bool ended, left, abandoned, asleep;
    void (*wake)(void *ctx);
    void *ctx;
};

struct ls_stream *ls_stream_new(size_t max_bytes)
{
    struct ls_stream *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->most = max_bytes;
    ls_buf_init(&s->data, 0);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->room, NULL);
    return s;
}

/* Unlocks, and frees when both sides are through. */
static void unlock(struct ls_stream *s)
{
    const bool over = s->ended && s->left;

    (void)pthread_mutex_unlock(&s->lock);
    if (!over)
        return;
    ls_buf_done(&s->data);
    (void)pthread_cond_destroy(&s->room);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static void wake(struct ls_stream *s)
{
    if (!s->asleep)
        return;
    s->asleep = false;
    s->wake(s->ctx);
}

/* What was taken is cut off once it is as much as may wait: each byte moves at most once. */
static void compact(struct ls_stream *s)
{
    const size_t left = s->data.size - s->at;

    if (s->at < s->most || left > s->at)
        return;
    memcpy(s->data.data, s->data.data + s->at, left);
    ls_buf_cut(&s->data, left);
    s->at = 0;
}

static bool add(struct ls_stream *s, const void *data, size_t size)
{
    compact(s);
    ls_buf_add(&s->data, data, size);
    wake(s);
    return !s->data.failed;
}

static bool unwanted(const struct ls_stream *s)
{
    return s->left || s->abandoned;
}

bool ls_stream_write(struct ls_stream *s, const void *data, size_t size)
{
    bool ok;

    (void)pthread_mutex_lock(&s->lock);
    while (!unwanted(s) && s->data.size - s->at > 0 && s->data.size - s->at + size > s->most)
        (void)pthread_cond_wait(&s->room, &s->lock);
    ok = !unwanted(s) && add(s, data, size);
    unlock(s);
    return ok;
}

bool ls_stream_offer(struct ls_stream *s, const void *data, size_t size)
{
    bool ok;

    (void)pthread_mutex_lock(&s->lock);
    ok = !unwanted(s) && s->data.size - s->at + size <= s->most && add(s, data, size);
    unlock(s);
    return ok;
}

bool ls_stream_left(struct ls_stream *s)
{
    bool left;

    (void)pthread_mutex_lock(&s->lock);
    left = unwanted(s);
    (void)pthread_mutex_unlock(&s->lock);
    return left;
}

void ls_stream_end(struct ls_stream *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->ended = true;
    wake(s);
    unlock(s);
}

long ls_stream_read(struct ls_stream *s, void *out, size_t size, void (*sleep)(void *ctx),
                    void (*wake_up)(void *ctx), void *ctx)
{
    size_t n;
    long ret;

    (void)pthread_mutex_lock(&s->lock);
    n = s->abandoned ? 0 : s->data.size - s->at;
    if (n > size)
        n = size;
    if (n > 0) {
        memcpy(out, s->data.data + s->at, n);
        s->at += n;
        if (s->at == s->data.size) {
            ls_buf_reset(&s->data);
            s->at = 0;
        }
        (void)pthread_cond_signal(&s->room);
        ret = (long)n;
    } else if (s->ended || s->abandoned || s->data.failed) {
        ret = -1;
    } else {
        s->asleep = true;
        s->wake = wake_up;
        s->ctx = ctx;
        sleep(ctx);
        ret = 0;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return ret;
}

void ls_stream_abandon(struct ls_stream *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->abandoned = true;
    (void)pthread_cond_signal(&s->room);
    wake(s);
    unlock(s);
}

void ls_stream_leave(struct ls_stream *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->left = true;
    s->asleep = false;
    (void)pthread_cond_signal(&s->room);
    unlock(s);
}
