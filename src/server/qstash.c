/* SPDX-License-Identifier: Apache-2.0 */
/* qstash.c - messages over HTTP as QStash's clients send them.
 *
 * A destination is the rest of the path, as it was sent (syntax.c); the query behind it is the destination's, but for what is QStash's own:
 * upstash-... parameters stand for headers, and a token in the query (caller.c) is taken out. */
#include "server/qstash.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "event/intake.h"
#include "server/syntax.h"

#define OURS "upstash-"

enum ls_code ls_qstash_queue(const struct ls_call *call, struct ls_queue **ret,
                             struct ls_response *response, struct ls_error *err)
{
    struct ls_intake *intake = call->server->options.intake;

    *ret = intake ? ls_intake_queue(intake) : NULL;
    return intake ? LS_OK
                  : ls_refuse(response, 503, err, LS_UNSUPPORTED, "messages are not taken here");
}

enum ls_code ls_qstash_guard(const struct ls_call *call, struct ls_guard *ret, struct ls_error *err)
{
    struct ls_config *config = ls_setup_config(call->server->setup);
    const enum ls_code rc =
        ls_guard_read(config ? config->events.allow : NULL, config ? config->events.allow_count : 0,
                      call->mem, ret, err);

    ls_config_free(config);
    return rc;
}

/* ---- a request as a message ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* NULL: out of memory. What is not well-formed stays as it is. */
static const char *decoded(const char *text, size_t size, struct ls_arena *mem)
{
    char *out = ls_arena_room(mem, size + 1);
    size_t n = 0;

    for (size_t i = 0; out && i < size; i++) {
        const bool coded =
            text[i] == '%' && i + 2 < size && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0;

        out[n++] = coded            ? (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]))
                   : text[i] == '+' ? ' '
                                    : text[i];
        i += coded ? 2 : 0;
    }
    if (out)
        out[n] = '\0';
    return out;
}

struct headers {
    struct ls_header *list;
    size_t count, room;
};

static bool add_header(struct headers *headers, const char *name, const char *value)
{
    if (!name || !value)
        return false;
    if (headers->count < headers->room)
        headers->list[headers->count++] = (struct ls_header){name, value};
    return true;
}

/* The query of a destination without what is ours; that goes to the headers. false: out of memory. */
static bool sort_query(const char *query, struct ls_arena *mem, struct headers *headers,
                       struct ls_buf *out)
{
    const char *separator = "?";

    while (*query) {
        const size_t length = strcspn(query, "&");
        const size_t name = strcspn(query, "=&");
        const size_t value = name < length ? name + 1 : length;

        if (strncasecmp(query, OURS, strlen(OURS)) == 0) {
            if (!add_header(headers, decoded(query, name, mem),
                            decoded(query + value, length - value, mem)))
                return false;
        } else if (name != strlen(LS_TOKEN_PARAM) || strncmp(query, LS_TOKEN_PARAM, name) != 0) {
            ls_buf_text(out, separator);
            ls_buf_add(out, query, length);
            separator = "&";
        }
        query += length + (query[length] == '&');
    }
    return !out->failed;
}

static enum ls_code read_destination(const struct ls_call *call, struct headers *headers,
                                     const char **ret, struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const char *named = ls_request_param(request, "destination");
    /* a path of a schedule has one name for it, whatever the method */
    const char *destination = named ? named : ls_request_param(request, "schedule");
    const char *query = strchr(request->target, '?');
    struct ls_buf out;
    bool fine = true;

    ls_buf_init(&out, 0);
    ls_buf_text(&out, destination);
    if (request->url_last)
        fine = sort_query(query ? query + 1 : "", call->mem, headers, &out);
    for (size_t i = 0; i < request->query_count && fine; i++)
        if (strncasecmp(request->query[i].name, OURS, strlen(OURS)) == 0)
            fine = add_header(headers, request->query[i].name, request->query[i].value);
    *ret = fine ? ls_arena_text(call->mem, ls_buf_str(&out)) : NULL;
    ls_buf_done(&out);
    return *ret ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_qstash_letter(const struct ls_call *call, struct ls_letter *ret,
                              struct ls_error *err)
{
    const struct ls_request *request = call->request;
    struct headers headers = {.room = request->header_count + LS_MESSAGE_HEADERS_MAX};
    const char *destination = NULL;
    enum ls_code rc;

    headers.list = ls_arena_array(call->mem, headers.room, sizeof *headers.list);
    if (!headers.list)
        return ls_error_nomem(err);
    for (size_t i = 0; i < request->header_count; i++)
        (void)add_header(&headers, request->headers[i].name, request->headers[i].value);
    rc = read_destination(call, &headers, &destination, err);
    *ret = (struct ls_letter){.destination = destination,
                              .queue = ls_request_param(request, "queue"),
                              .header_count = headers.count,
                              .headers = headers.list,
                              .body = request->body,
                              .body_size = request->body_size,
                              .caller_ip = request->peer,
                              .now_us = ls_clock_now_us()};
    return rc;
}

/* ---- posting ---- */

struct post {
    struct ls_posting posting;
    struct ls_request *request;
    bool list;
};

static void write_posted(struct ls_buf *out, const struct ls_posted *posted, bool with_url)
{
    ls_write_open(out, NULL, '{');
    ls_write_text(out, "messageId", posted->id);
    if (with_url)
        ls_write_text(out, "url", posted->url);
    if (posted->known)
        ls_write_bool(out, "deduplicated", true);
    ls_write_close(out, '}');
}

static void write_result(struct ls_buf *out, const struct ls_mail *mail,
                         const struct ls_posting_result *result)
{
    if (!mail->group) {
        write_posted(out, &result->posted[0], false);
        return;
    }
    ls_write_open(out, NULL, '[');
    for (size_t i = 0; i < result->count; i++)
        write_posted(out, &result->posted[i], true);
    ls_write_close(out, ']');
}

static bool write_results(const struct post *post, struct ls_response *ret)
{
    const struct ls_posting *p = &post->posting;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    if (post->list)
        ls_write_open(&out, NULL, '[');
    for (size_t i = 0; i < p->count; i++)
        write_result(&out, &p->mail[i], &p->results[i]);
    if (post->list)
        ls_write_close(&out, ']');
    ret->body = out.failed ? NULL : ls_arena_copy(p->mem, out.data, out.size);
    ret->body_size = out.size;
    ret->status = !post->list && !p->mail->group && p->results->posted->known ? 202 : 200;
    ls_buf_done(&out);
    return ret->body != NULL;
}

/* On the queue's thread. */
static void posted(struct ls_posting *posting, enum ls_code rc, const struct ls_error *err)
{
    struct post *post = posting->ctx;
    struct ls_request *request = post->request;
    struct ls_response response = {0};
    const struct ls_error no_memory = {.code = LS_NOMEM, .text = "out of memory"};

    if (rc == LS_PERMISSION) /* it is the state that refuses */
        response.status = 503;
    if (rc != LS_OK)
        ls_problem_of(request, err, &response);
    else if (!write_results(post, &response))
        ls_problem_of(request, &no_memory, &response);
    ls_server_answer(request, &response);
}

enum ls_code ls_qstash_post(struct ls_call *call, const struct ls_mail *mail, size_t count,
                            bool list, struct ls_response *ret, struct ls_error *err)
{
    struct ls_queue *queue = NULL;
    struct post *post = ls_arena_alloc(call->mem, sizeof *post);
    struct ls_audit_deed *deed = ls_audit_deed(call);
    enum ls_code rc = post && deed ? ls_qstash_queue(call, &queue, ret, err) : ls_error_nomem(err);

    if (rc != LS_OK)
        return rc;
    *post = (struct post){.posting = {.mem = call->mem,
                                      .count = count,
                                      .mail = mail,
                                      .adds = true,
                                      .done = posted,
                                      .ctx = post,
                                      .deed = deed},
                          .request = call->request,
                          .list = list};
    ret->later = true;
    ls_posting_submit(queue, &post->posting);
    return LS_OK; /* the request may be answered already */
}
