/* SPDX-License-Identifier: Apache-2.0 */
/* handler.c - what handlers need over and over.
 *
 * A cursor is the number that the page before ended with, so that a page costs the same wherever it is, and what is added meanwhile
 * moves nothing. Callers take it as it is.
 *
 * Bodies are read strictly: a member that is not known is more likely a mistake than something to pass over, and a name that
 * stands there twice is one that two readers understand differently. */
#include "server/handler.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "lockstep.h"
#include "model/jsonload.h"
#include "state/reserve.h"

#define DEPTH_MAX 64
#define LIMIT_DEFAULT 50
#define LS_CURSOR_MAX 300 /* a name of the characters A-Z a-z 0-9 . _ - */

/* ---- answers ---- */

enum ls_code ls_answer(struct ls_call *call, struct ls_buf *out, struct ls_response *ret,
                       struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    ret->body = out->failed ? NULL : ls_arena_copy(call->mem, ls_buf_str(out), out->size);
    ret->body_size = out->size;
    if (!ret->body)
        rc = ls_error_nomem(err);
    ls_buf_done(out);
    return rc;
}

enum ls_code ls_answer_text(struct ls_call *call, char *text, struct ls_response *ret,
                            struct ls_error *err)
{
    ret->body = ls_arena_text(call->mem, text);
    ret->body_size = text ? strlen(text) : 0;
    lockstep_free(text);
    return ret->body ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_call_failed(const struct lockstep_error *error, struct ls_error *err)
{
    for (enum ls_code rc = LS_OK + 1; rc < LS_CODE_COUNT; rc++)
        if (strcmp(ls_code_name(rc), error->name) == 0)
            return ls_error_set(err, rc, "%s", error->text);
    return ls_error_set(err, LS_INTERNAL, "%s", error->text);
}

/* ---- pages ---- */

static enum ls_code read_limit(const struct ls_call *call, size_t *ret, struct ls_error *err)
{
    const char *limit = ls_request_query(call->request, "limit");
    uint64_t n = LIMIT_DEFAULT;

    if (limit && (!ls_text_to_u64(limit, strlen(limit), &n) || n < 1 || n > LS_PAGE_MAX))
        return ls_error_set(err, LS_USAGE, "limit is a number from 1 to %d", LS_PAGE_MAX);
    *ret = (size_t)n;
    return LS_OK;
}

static enum ls_code no_cursor(struct ls_error *err)
{
    return ls_error_set(err, LS_USAGE,
                        "cursor is what an earlier page gave as `next`, and nothing else");
}

enum ls_code ls_page_read(const struct ls_call *call, struct ls_page *ret, struct ls_error *err)
{
    const char *cursor = ls_request_query(call->request, "cursor");

    *ret = (struct ls_page){0};
    if (cursor && (cursor[0] != 'p' ||
                   !ls_text_to_i64(cursor + 1, strlen(cursor + 1), &ret->after) || ret->after < 1))
        return no_cursor(err);
    return read_limit(call, &ret->limit, err);
}

enum ls_code ls_page_by_name_read(const struct ls_call *call, struct ls_page_by_name *ret,
                                  struct ls_error *err)
{
    const char *cursor = ls_request_query(call->request, "cursor");

    *ret = (struct ls_page_by_name){.after = cursor ? cursor + 1 : NULL};
    if (cursor && (cursor[0] != 'n' || !cursor[1]))
        return no_cursor(err);
    return read_limit(call, &ret->limit, err);
}

/* The same request with another cursor. */
static void add_link(const struct ls_call *call, const char *cursor, struct ls_response *ret)
{
    const struct ls_request *request = call->request;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_printf(&out, "<%.*s?", (int)strcspn(request->target, "?"), request->target);
    for (const char *at = strchr(request->target, '?'); at && *at;) {
        const size_t length = strcspn(++at, "&");

        if (length && strncmp(at, "cursor=", strlen("cursor=")) != 0) {
            ls_buf_add(&out, at, length);
            ls_buf_char(&out, '&');
        }
        at += length;
    }
    ls_buf_printf(&out, "cursor=%s>; rel=\"next\"", cursor);
    if (!out.failed)
        ls_response_header(ret, "Link", ls_arena_text(call->mem, ls_buf_str(&out)));
    ls_buf_done(&out);
}

/* cursor NULL: it was the last page. */
static void end_page(const struct ls_call *call, struct ls_buf *out, const char *cursor,
                     struct ls_response *ret)
{
    ls_write_close(out, ']');
    if (cursor) {
        ls_buf_printf(out, ",\"next\":\"%s\"}", cursor);
        add_link(call, cursor, ret);
    } else {
        ls_buf_text(out, ",\"next\":null}");
    }
}

void ls_page_end(const struct ls_call *call, struct ls_buf *out, bool more, int64_t last,
                 struct ls_response *ret)
{
    char cursor[24];

    snprintf(cursor, sizeof cursor, "p%lld", (long long)last);
    end_page(call, out, more ? cursor : NULL, ret);
}

void ls_page_by_name_end(const struct ls_call *call, struct ls_buf *out, bool more,
                         const char *last, struct ls_response *ret)
{
    char cursor[LS_CURSOR_MAX];

    snprintf(cursor, sizeof cursor, "n%s", last);
    end_page(call, out, more ? cursor : NULL, ret);
}

/* ---- versions ---- */

/* NULL: any will do. */
static enum ls_code read_if_match(struct ls_call *call, const char **ret, struct ls_error *err)
{
    const char *tag = ls_request_header(call->request, "If-Match");
    const size_t length = tag ? strlen(tag) : 0;

    *ret = NULL;
    if (!tag || strcmp(tag, "*") == 0)
        return LS_OK;
    if (length < 2 || tag[0] != '"' || strchr(tag + 1, '"') != tag + length - 1)
        return ls_error_set(err, LS_USAGE,
                            "If-Match takes one entity tag as it came in ETag, with its quotes");
    *ret = ls_arena_text_n(call->mem, tag + 1, length - 2);
    return *ret ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_change_version(struct ls_call *call, ls_versioned_fn *change,
                               struct ls_response *ret, struct ls_error *err)
{
    const char *seen = NULL;
    enum ls_code rc = read_if_match(call, &seen, err);

    if (rc == LS_OK)
        rc = change(call, seen, ret, err);
    if (rc == LS_CHANGED)
        ret->status = 412;
    return rc;
}

void ls_response_version(const struct ls_call *call, const char *version, struct ls_response *ret)
{
    ls_response_header(ret, "ETag", ls_arena_printf(call->mem, "\"%s\"", version));
}

/* ---- flags ---- */

enum ls_code ls_query_flag(const struct ls_call *call, const char *name, bool *ret,
                           struct ls_error *err)
{
    const char *value = ls_request_query(call->request, name);

    *ret = value && strcmp(value, "true") == 0;
    if (value && !*ret && strcmp(value, "false") != 0)
        return ls_error_set(err, LS_USAGE, "%s is true or false", name);
    return LS_OK;
}

/* ---- bodies ---- */

/* Brackets within brackets, outside of strings: looked at before a recursive parser is let near. */
static bool is_shallow(const char *text, size_t size)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < size; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > DEPTH_MAX)
                return false;
        } else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

static enum ls_code wrong_type(const struct ls_member *m, const char *wanted, struct ls_error *err)
{
    return ls_error_set(err, LS_USAGE, "%s: %s is expected", m->name, wanted);
}

static enum ls_code read_texts(const struct ls_call *call, const struct ls_member *m,
                               const json_t *value, struct ls_texts *ret, struct ls_error *err)
{
    const size_t count = json_is_array(value) ? json_array_size(value) : 1;
    const char **texts = ls_arena_array(call->mem, count, sizeof *texts);

    if (!texts)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;

        if (!json_is_string(item))
            return wrong_type(m, "a list of texts", err);
        texts[i] = ls_arena_text(call->mem, json_string_value(item));
        if (!texts[i])
            return ls_error_nomem(err);
    }
    *ret = (struct ls_texts){count, texts};
    return LS_OK;
}

/* null says nothing, so it is no value for what is needed. */
static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

static enum ls_code read_member(const struct ls_call *call, const struct ls_member *m,
                                const json_t *value, void *ret, struct ls_error *err)
{
    void *at = (char *)ret + m->offset;

    if (is_absent(value))
        return LS_OK;
    switch (m->type) {
    case LS_MEMBER_TEXT:
        if (!json_is_string(value))
            return wrong_type(m, "a text", err);
        *(const char **)at = ls_arena_text(call->mem, json_string_value(value));
        return *(const char **)at ? LS_OK : ls_error_nomem(err);
    case LS_MEMBER_BOOL:
        if (!json_is_boolean(value))
            return wrong_type(m, "true or false", err);
        *(bool *)at = json_is_true(value);
        return LS_OK;
    case LS_MEMBER_COUNT:
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return wrong_type(m, "a number", err);
        *(int64_t *)at = json_integer_value(value);
        return LS_OK;
    case LS_MEMBER_TEXTS:
        return read_texts(call, m, value, at, err);
    }
    return ls_error_set(err, LS_INTERNAL, "%s has a type that is none", m->name);
}

static enum ls_code unknown_member(const char *name, const struct ls_member *members, size_t count,
                                   struct ls_error *err)
{
    const char *known[32], *near;
    size_t n = 0;

    for (; n < count && n < sizeof known / sizeof *known; n++)
        known[n] = members[n].name;
    near = ls_text_nearest(name, known, n);
    return ls_error_set(err, LS_USAGE, "there is no member \"%.60s\" here%s%s%s", name,
                        near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum ls_code read_members(const struct ls_call *call, json_t *body,
                                 const struct ls_member *members, size_t count, void *ret,
                                 struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    const char *name;
    json_t *value;

    json_object_foreach(body, name, value)
    {
        size_t i = 0;

        while (i < count && strcmp(members[i].name, name) != 0)
            i++;
        rc = i < count ? read_member(call, &members[i], value, ret, err)
                       : unknown_member(name, members, count, err);
        if (rc != LS_OK)
            return rc;
    }
    for (size_t i = 0; i < count; i++)
        if (members[i].needed && is_absent(json_object_get(body, members[i].name)))
            return ls_error_set(err, LS_USAGE, "%s is missing", members[i].name);
    return LS_OK;
}

enum ls_code ls_body_object(const struct ls_call *call, json_t **ret, struct ls_error *err)
{
    const struct ls_request *request = call->request;
    const bool empty = request->body_size == 0;
    json_error_t why;

    *ret = NULL;
    if (!is_shallow(request->body, request->body_size))
        return ls_error_set(err, LS_USAGE, "the body has more than %d levels", DEPTH_MAX);
    *ret = json_loadb(empty ? "{}" : request->body, empty ? 2 : request->body_size,
                      JSON_REJECT_DUPLICATES, &why);
    if (!*ret)
        return ls_error_set(err, LS_USAGE, "the body is not JSON: %s (line %d, column %d)",
                            ls_json_why(&why), why.line, why.column);
    if (json_is_object(*ret))
        return LS_OK;
    json_decref(*ret);
    *ret = NULL;
    return ls_error_set(err, LS_USAGE, "the body has to be a JSON object");
}

enum ls_code ls_body_read(const struct ls_call *call, const struct ls_member *members, size_t count,
                          void *ret, struct ls_error *err)
{
    json_t *body = NULL;
    enum ls_code rc = ls_body_object(call, &body, err);

    if (rc == LS_OK)
        rc = read_members(call, body, members, count, ret, err);
    json_decref(body);
    return rc;
}

/* ---- syncs ---- */

enum ls_code ls_call_sync(const struct ls_call *call, const char *name, struct ls_response *ret,
                          struct ls_error *err)
{
    const struct ls_config *config = call->ls->config;
    const size_t count = config ? config->sync_count : 0;
    const char *near;

    for (size_t i = 0; i < count; i++)
        if (strcmp(config->names[i], name) == 0)
            return LS_OK;
    near = config ? ls_text_nearest(name, config->names, count) : NULL;
    return ls_refuse(ret, 404, err, LS_NOT_FOUND, "there is no sync named \"%.200s\"%s%.200s%s",
                     name, near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* ---- runs ---- */

static void answer_waiting(void *ctx, const struct ls_run_end *end)
{
    struct ls_request *request = ctx;
    struct ls_response response = {.status = 200};

    if (end->run) {
        char *json = lockstep_history_json(end->run);

        response.body = ls_arena_text(request->mem, json);
        response.body_size = response.body ? strlen(json) : 0;
        lockstep_free(json);
        if (!response.body)
            ls_problem(request, 503, "nomem", "out of memory", &response);
    } else {
        struct ls_error err = {0};

        (void)ls_call_failed(end->error, &err);
        response.status = 0;
        ls_problem_of(request, &err, &response);
    }
    ls_server_answer(request, &response);
}

static bool makes_journal(const struct ls_run_wish *wish)
{
    return !wish->dry_run && strcmp(wish->kind, "verify") != 0;
}

static enum ls_code has_room(struct lockstep *ls, struct ls_error *err)
{
    const enum ls_code rc = ls_api_state(ls, true, err);

    return rc == LS_OK ? ls_state_room(ls->state, err) : rc;
}

/* Queues it and answers 202, or puts the request off until it is over. */
enum ls_code ls_call_run(struct ls_call *call, struct ls_run_wish *wish, bool wait,
                         struct ls_response *ret, struct ls_error *err)
{
    char id[37] = "";
    enum ls_code rc;

    wish->actor = ls_audit_actor(call->caller, call->mem);
    wish->about = ls_audit_about(call->request, NULL);
    if (!wish->actor || !wish->about)
        return ls_error_nomem(err);
    rc = makes_journal(wish) ? has_room(call->ls, err) : LS_OK;
    if (rc != LS_OK)
        return rc;
    if (wait) {
        wish->done = answer_waiting;
        wish->ctx = call->request;
        ret->later = true;
    }
    rc = ls_runs_start(call->server->runs, wish, id, err);
    if (rc != LS_OK) {
        ret->later = false;
        return rc;
    }
    if (wait)
        return LS_OK; /* the request may be gone */
    ret->status = 202;
    ls_response_header(ret, "Location", ls_arena_printf(call->mem, "/api/v1/runs/%s", id));
    ret->body = ls_arena_printf(call->mem, "{\"id\":\"%s\",\"status\":\"queued\"}", id);
    ret->body_size = ret->body ? strlen(ret->body) : 0;
    return LS_OK;
}

/* The brakes to go past, as the library takes them: "" for all. */
enum ls_code ls_call_force(struct ls_call *call, const struct ls_texts *names,
                           const char **ret_force, struct ls_response *ret, struct ls_error *err)
{
    struct ls_buf out;
    unsigned forced;
    enum ls_code rc;

    *ret_force = NULL;
    if (names->count == 0)
        return LS_OK;
    if (!ls_role_may(call->caller->role, LS_ROLE_ADMIN))
        return ls_refuse(ret, 403, err, LS_PERMISSION, "only an admin may go past a brake");
    ls_buf_init(&out, 0);
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->texts[i], "all") != 0)
            ls_buf_printf(&out, "%s%s", out.size ? "," : "", names->texts[i]);
    *ret_force = ls_arena_text(call->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    if (!*ret_force)
        return ls_error_nomem(err);
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->texts[i], "all") == 0)
            *ret_force = "";
    rc = ls_api_forced(*ret_force, &forced, err);
    return rc;
}
