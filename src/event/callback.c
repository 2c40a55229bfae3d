/* SPDX-License-Identifier: Apache-2.0 */
/* callback.c - callbacks: after each attempt the callback, after the last one that failed the failure callback.
 *
 * They are messages like any other, with their own retries, and are taken in the transaction that records the attempt: so there is one for
 * each recorded attempt, whatever is killed. Where the callback may go was looked at when the message was taken, and is again
 * when it is sent.
 *
 * What has changed since (its URL group is gone, there are as many lanes as there may be) is the callback's loss alone: it is left out, the log
 * says so, and the attempt is recorded all the same. Or the message would be sent again and again for the sake of its callback. What is wrong
 * with the state fails the attempt's record with it: then both are tried again. */
#include "event/callback.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "event/kept.h"

void ls_dead_id(int64_t done_us, int64_t event, char out[LS_DEAD_ID])
{
    (void)snprintf(out, LS_DEAD_ID, "%" PRId64 "-%" PRId64, done_us / 1000, event);
}

static void text_member(struct ls_buf *out, const char *name, const char *text)
{
    if (!text)
        return;
    ls_buf_printf(out, ",\"%s\":", name);
    ls_text_json(out, text, strlen(text));
}

static void base64_member(struct ls_buf *out, const char *name, const void *data, size_t size)
{
    ls_buf_printf(out, ",\"%s\":\"", name);
    ls_text_base64(out, data, size);
    ls_buf_char(out, '"');
}

static void write_body(struct ls_buf *out, const struct ls_delivery *d,
                       const struct ls_delivery_end *end, const struct ls_kept *kept,
                       const char *dead_id)
{
    const struct ls_attempt *a = &end->attempt;

    ls_buf_printf(out, "{\"status\":%d,", a->status);
    ls_kept_write_head(out, "header", a->head ? a->head : "");
    base64_member(out, "body", a->answer ? a->answer : "", a->answer_size);
    ls_buf_printf(out, ",\"retried\":%" PRId64 ",\"maxRetries\":%u", d->attempts,
                  kept->message.retries);
    text_member(out, "dlqId", dead_id);
    text_member(out, "error", a->error && *a->error ? a->error : NULL);
    text_member(out, "sourceMessageId", d->e.id);
    text_member(out, "topicName", kept->topic);
    text_member(out, "endpointName", kept->endpoint);
    text_member(out, "url", kept->message.url);
    text_member(out, "method", kept->message.method);
    ls_buf_char(out, ',');
    ls_kept_write_headers(out, "sourceHeader", kept, false);
    base64_member(out, "sourceBody", d->e.data, d->e.data_size);
    ls_buf_printf(out, ",\"notBefore\":%" PRId64 ",\"createdAt\":%" PRId64, kept->not_before_ms,
                  d->e.accepted_us / 1000);
    text_member(out, "scheduleId", kept->schedule);
    text_member(out, "queueName", kept->queue);
    text_member(out, "callerIP", kept->caller_ip);
    ls_buf_char(out, '}');
}

/* A callback to be taken. */
struct posting {
    const struct ls_callback *callback;
    const struct ls_buf *body;
    struct ls_arena *mem;
};

/* The callback was checked when its message was taken: what its headers say can be read. */
static enum ls_code post(struct ls_queue_tx *tx, void *ctx, struct ls_error *err)
{
    static const struct ls_header type = {"Content-Type", "application/json"};
    const struct posting *p = ctx;
    const struct ls_callback *callback = p->callback;
    struct ls_header *headers = ls_arena_array(p->mem, callback->header_count + 1, sizeof *headers);
    const struct ls_letter letter = {.destination = callback->url,
                                     .header_count = callback->header_count + 1,
                                     .headers = headers,
                                     .body = p->body->data,
                                     .body_size = p->body->size};
    struct ls_posting_result result = {0};
    struct ls_mail mail;
    enum ls_code rc;

    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < callback->header_count; i++)
        headers[i] = callback->headers[i];
    headers[callback->header_count] = type;
    rc = ls_letter_read(&letter, NULL, p->mem, &mail, err);
    return rc == LS_OK ? ls_mail_accept(tx, &mail, p->mem, &result, err) : rc;
}

/* What is wrong with the callback, not with the state. */
static bool is_its_own(enum ls_code rc)
{
    static const enum ls_code own[] = {LS_NOT_FOUND, LS_LIMIT,      LS_CONFIG, LS_USAGE,
                                       LS_DATA,      LS_CONSTRAINT, LS_TYPE,   LS_UNSUPPORTED};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i] == rc)
            return true;
    return false;
}

static enum ls_code left_out(enum ls_code rc, const struct ls_delivery *d, const char *what,
                             const struct ls_error *err)
{
    if (!is_its_own(rc))
        return rc;
    ls_log(LS_LOG_WARN, "message %s: its %s was left out: %s", d->e.id, what, err->text);
    return LS_OK;
}

static enum ls_code call_back(struct ls_queue_tx *tx, const struct ls_delivery *d,
                              const struct ls_delivery_end *end, const struct ls_kept *kept,
                              struct ls_arena *mem, struct ls_error *err)
{
    const bool dead = end->next == LS_DELIVERY_DEAD;
    const struct {
        const struct ls_callback *callback;
        const char *what;
    } each[] = {{&kept->callback, "callback"},
                {dead ? &kept->failure_callback : NULL, "failure callback"}};
    char dead_id[LS_DEAD_ID];
    struct ls_buf body;
    enum ls_code rc = LS_OK;

    ls_dead_id(tx->now_us, d->event, dead_id);
    ls_buf_init(&body, 0);
    write_body(&body, d, end, kept, dead ? dead_id : NULL);
    if (body.failed)
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < 2 && rc == LS_OK; i++) {
        struct posting p = {each[i].callback, &body, mem};

        if (!p.callback || !p.callback->url)
            continue;
        rc = ls_queue_part(tx, post, &p, err);
        if (rc != LS_OK)
            rc = left_out(rc, d, each[i].what, err);
    }
    ls_buf_done(&body);
    return rc;
}

enum ls_code ls_callback_recorded(void *ctx, struct ls_queue_tx *tx,
                                  const struct ls_delivery *delivery,
                                  const struct ls_delivery_end *end, struct ls_error *err)
{
    struct ls_kept kept;
    struct ls_arena mem;
    enum ls_code rc;

    (void)ctx;
    if (!*delivery->e.options || !strstr(delivery->e.options, "callback\":{"))
        return LS_OK;
    ls_arena_init(&mem, 0);
    rc = ls_kept_read(delivery->e.options, &mem, &kept, err);
    rc = rc == LS_OK ? call_back(tx, delivery, end, &kept, &mem, err)
                     : left_out(rc, delivery, "callback", err);
    ls_arena_done(&mem);
    return rc;
}
