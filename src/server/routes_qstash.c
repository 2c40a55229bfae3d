/* SPDX-License-Identifier: Apache-2.0 */
/* routes_qstash.c - messages as QStash's clients publish them, and the keys that sign them. */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "event/signing.h"
#include "model/jsonload.h"
#include "server/qstash.h"

#define BODY_MAX ((size_t)8 << 20)
#define BATCH_BODY_MAX ((size_t)16 << 20)
#define BATCH_MAX 1000

/* LS_USAGE and LS_PERMISSION are the message's fault. */
static enum ls_code bad_request(enum ls_code rc, struct ls_response *ret)
{
    if (rc == LS_USAGE || rc == LS_PERMISSION)
        ret->status = 400;
    return rc;
}

static enum ls_code post_publish(struct ls_call *call, struct ls_response *ret,
                                 struct ls_error *err)
{
    struct ls_mail *mail = ls_arena_alloc(call->mem, sizeof *mail);
    struct ls_letter letter;
    struct ls_guard guard = {0};
    enum ls_code rc = mail ? ls_qstash_letter(call, &letter, err) : ls_error_nomem(err);

    if (rc == LS_OK)
        rc = ls_qstash_guard(call, &guard, err);
    if (rc == LS_OK)
        rc = ls_letter_read(&letter, &guard, call->mem, mail, err);
    return rc == LS_OK ? ls_qstash_post(call, mail, 1, false, ret, err) : bad_request(rc, ret);
}

/* ---- several at once ---- */

/* An item of a batch: {"destination", "headers": {...}, "body", "queue"}. */
static enum ls_code read_headers(const json_t *object, struct ls_arena *mem, struct ls_letter *ret,
                                 struct ls_error *err)
{
    struct ls_header *headers = ls_arena_array(mem, json_object_size(object), sizeof *headers);
    const char *name;
    const json_t *value;
    size_t count = 0;

    if (!headers)
        return ls_error_nomem(err);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (!json_is_string(value))
            return ls_error_set(err, LS_USAGE, "the header %.100s is no text", name);
        headers[count].name = ls_arena_text(mem, name);
        headers[count].value = ls_arena_text(mem, json_string_value(value));
        if (!headers[count].name || !headers[count].value)
            return ls_error_nomem(err);
        count++;
    }
    ret->headers = headers;
    ret->header_count = count;
    return LS_OK;
}

/* Left out, null, or a text. */
static enum ls_code read_text(const json_t *item, const char *name, struct ls_arena *mem,
                              const char **ret, size_t *ret_size, struct ls_error *err)
{
    const json_t *value = json_object_get(item, name);

    *ret = NULL;
    *ret_size = 0;
    if (!value || json_is_null(value))
        return LS_OK;
    if (!json_is_string(value))
        return ls_error_set(err, LS_USAGE, "%s is no text", name);
    *ret_size = json_string_length(value);
    *ret = ls_arena_copy(mem, json_string_value(value), *ret_size + 1);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_item(const struct ls_call *call, const json_t *item,
                              const struct ls_guard *guard, struct ls_mail *ret,
                              struct ls_error *err)
{
    struct ls_letter letter = {.caller_ip = call->request->peer, .now_us = ls_clock_now_us()};
    const char *body = NULL;
    size_t size;
    enum ls_code rc = read_text(item, "destination", call->mem, &letter.destination, &size, err);

    if (rc == LS_OK && !letter.destination)
        rc = ls_error_set(err, LS_USAGE, "it has no destination");
    if (rc == LS_OK)
        rc = read_text(item, "queue", call->mem, &letter.queue, &size, err);
    if (rc == LS_OK)
        rc = read_text(item, "body", call->mem, &body, &letter.body_size, err);
    letter.body = body ? body : "";
    if (rc == LS_OK)
        rc = read_headers(json_object_get(item, "headers"), call->mem, &letter, err);
    return rc == LS_OK ? ls_letter_read(&letter, guard, call->mem, ret, err) : rc;
}

static enum ls_code read_batch(struct ls_call *call, json_t *list, size_t *ret_count,
                               struct ls_mail **ret, struct ls_error *err)
{
    const size_t count = json_array_size(list);
    struct ls_mail *mail = ls_arena_array(call->mem, count, sizeof *mail);
    struct ls_guard guard = {0};
    enum ls_code rc = mail ? ls_qstash_guard(call, &guard, err) : ls_error_nomem(err);

    if (rc == LS_OK && (count == 0 || count > BATCH_MAX))
        rc = ls_error_set(err, LS_USAGE, "a batch is an array of 1 to %d messages", BATCH_MAX);
    for (size_t i = 0; i < count && rc == LS_OK; i++) {
        rc = read_item(call, json_array_get(list, i), &guard, &mail[i], err);
        if (rc == LS_USAGE || rc == LS_PERMISSION)
            ls_error_wrap(err, "message %zu", i + 1);
    }
    *ret_count = count;
    *ret = mail;
    return rc;
}

static enum ls_code post_batch(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    struct ls_mail *mail = NULL;
    json_t *list = NULL;
    size_t count = 0;
    enum ls_code rc = ls_json_load(call->request->body, call->request->body_size, 0, &list, err);

    if (rc == LS_OK)
        rc = read_batch(call, list, &count, &mail, err);
    json_decref(list);
    return rc == LS_OK ? ls_qstash_post(call, mail, count, true, ret, err) : bad_request(rc, ret);
}

/* ---- keys ---- */

struct keys_task {
    struct ls_queue_task task;
    struct ls_seal_key key;
    bool rotate;
    struct ls_signing_keys keys;
};

static enum ls_code run_keys(struct ls_queue_task *task, struct ls_queue_tx *tx,
                             struct ls_error *err)
{
    struct keys_task *t = (struct keys_task *)(void *)task;

    return t->rotate ? ls_signing_keys_rotate(tx, &t->key, &t->keys, err)
                     : ls_signing_keys(tx, &t->key, &t->keys, err);
}

static enum ls_code answer_keys(struct ls_call *call, bool rotate, struct ls_response *ret,
                                struct ls_error *err)
{
    struct keys_task t = {.task.run = run_keys, .rotate = rotate};
    struct ls_queue *queue = NULL;
    struct ls_buf out;
    enum ls_code rc = ls_qstash_queue(call, &queue, ret, err);

    if (rc == LS_OK)
        rc = ls_seal_key(ls_queue_state(queue), &t.key, err);
    if (rc == LS_OK)
        rc = ls_queue_do(queue, &t.task, err);
    ls_seal_key_wipe(&t.key);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    ls_write_open(&out, NULL, '{');
    ls_write_text(&out, "current", t.keys.current);
    ls_write_text(&out, "next", t.keys.next);
    ls_write_close(&out, '}');
    ls_secret_wipe(&t.keys, sizeof t.keys);
    return ls_answer(call, &out, ret, err);
}

static enum ls_code get_keys(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_keys(call, false, ret, err);
}

static enum ls_code post_rotate(struct ls_call *call, struct ls_response *ret, struct ls_error *err)
{
    return answer_keys(call, true, ret, err);
}

#define POSTS (LS_ROUTE_QUEUES | LS_ROUTE_ANY_TYPE | LS_ROUTE_ANY_QUERY | LS_ROUTE_ERROR)

static const struct ls_route routes[] = {
    LS_ROUTE("POST", "/v2/publish/{destination}", LS_ROLE_OPERATOR, .flags = POSTS,
             .handle = post_publish, .request = "Bytes", .response = "QstashPosted",
             .body_max = BODY_MAX,
             .summary = "Send a message to a URL or a URL group; it is on disk when this is "
                        "answered"),
    LS_ROUTE("POST", "/v2/enqueue/{queue}/{destination}", LS_ROLE_OPERATOR, .flags = POSTS,
             .handle = post_publish, .request = "Bytes", .response = "QstashPosted",
             .body_max = BODY_MAX,
             .summary = "Put a message into a queue, which is made where there is none"),
    LS_ROUTE("POST", "/v2/batch", LS_ROLE_OPERATOR, .flags = POSTS, .handle = post_batch,
             .request = "QstashBatch", .response = "QstashPostedAll", .body_max = BATCH_BODY_MAX,
             .summary = "Send several messages: all of them are taken, or none"),
    LS_ROUTE("GET", "/v2/keys", LS_ROLE_ADMIN, .flags = LS_ROUTE_DESK | LS_ROUTE_ERROR,
             .handle = get_keys, .response = "QstashKeys",
             .summary = "Show the keys that messages are signed with"),
    LS_ROUTE("POST", "/v2/keys/rotate", LS_ROLE_ADMIN,
             .flags = LS_ROUTE_DESK | LS_ROUTE_CHANGES | LS_ROUTE_ANY_TYPE | LS_ROUTE_ERROR,
             .handle = post_rotate, .request = "Nothing", .response = "QstashKeys",
             .summary = "Sign with the next key from now on, and draw a new next one"),
};

const struct ls_route_table ls_routes_qstash =
    LS_ROUTE_TABLE("qstash", "Messages, as QStash's clients send and manage them.", routes);
