/* SPDX-License-Identifier: Apache-2.0 */
/* receiver.c - a message that came in: is it from who it should be from, and what does it say?
 *
 * Nothing of a message is parsed before its signature fits. Then the body has to be one JSON value without doubt: UTF-8, complete, no member twice (of
 * two members one program takes the first and the next one the last).
 *
 * What it says is data here, not code: for each scheme a line of expressions over body and headers, in the language of the field expressions. So a
 * receiver for a sender that nobody thought of needs no code either.
 *
 * A message without an id cannot be told from its repetition: it gets one of its own, and what it does has to bear being done twice. It is not
 * known by its body, because a record that changes there and back sends the same body twice and means it.
 *
 * A message from the future would keep all later ones from its record, so its time may be off by the window at most. One from the past may be a late
 * repetition; how old it may be is bounded where the signature covers a time, or where the receiver says so. */
#include "event/receiver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "event/event.h"
#include "model/json.h"
#include "model/jsonload.h"
#include "model/jsontext.h"

enum field { BODY, HEADERS, FIRST_PART };

#define FIELD(n, t)                                                                              \
    {                                                                                            \
        .name = (n), .type = LS_T_##t, .native = "", .engine = "", .precision = -1, .scale = -1, \
    }
static const struct ls_field message_fields[LS_SAID_FIELDS] = {
    [BODY] = FIELD("body", JSON),
    [HEADERS] = FIELD("headers", JSON),
    [FIRST_PART + LS_SAID_DATA] = FIELD("data", JSON),
    [FIRST_PART + LS_SAID_TYPE] = FIELD("type", TEXT),
    [FIRST_PART + LS_SAID_ID] = FIELD("id", TEXT),
    [FIRST_PART + LS_SAID_RESOURCE] = FIELD("resource", TEXT),
    [FIRST_PART + LS_SAID_AT] = FIELD("at", TIMESTAMPTZ),
};
static const struct ls_schema message_schema = {
    .collection = "the message", .field_count = LS_SAID_FIELDS, .fields = message_fields};

/* ---- what each scheme's messages say, and where ---- */

#define HEADER(name) "headers ->> '$.\"" name "\"'"
#define MEMBER(path) "body ->> '$." path "'"

/*                    data, type, id, resource, at, delete */
static const char *const said[LS_SIGN_SCHEME_COUNT][LS_SAID_PART_COUNT] = {
    [LS_SIGN_DOCUMENTED] = {"body -> '$.data'", MEMBER("type"), MEMBER("id"), MEMBER("resourceId"),
                            MEMBER("timestamp"), "type LIKE '%.deleted'"},
    [LS_SIGN_STANDARD] = {"coalesce(body -> '$.data', body)", MEMBER("type"),
                          "coalesce(" HEADER("webhook-id") ", " HEADER("svix-id") ")",
                          "data ->> '$.id'",
                          "coalesce(" MEMBER("timestamp") ", " HEADER(
                              "webhook-timestamp") ", " HEADER("svix-timestamp") ")",
                          "type LIKE '%.deleted'"},
    [LS_SIGN_GITHUB] = {"body", HEADER("x-github-event"), HEADER("x-github-delivery"), "NULL",
                        "NULL", MEMBER("action") " = 'deleted'"},
    [LS_SIGN_STRIPE] = {"body -> '$.data.object'", MEMBER("type"), MEMBER("id"),
                        MEMBER("data.object.id"), MEMBER("created"), "type LIKE '%.deleted'"},
    [LS_SIGN_SHOPIFY] = {"body",
                         "coalesce(" HEADER("x-shopify-topic") ", " HEADER("shopify-topic") ")",
                         "coalesce(" HEADER("x-shopify-webhook-id") ", " HEADER(
                             "shopify-webhook-id") ", " HEADER("x-shopify-event-id") ")",
                         MEMBER("id"),
                         "coalesce(" MEMBER("updated_at") ", " HEADER("x-shopify-triggered-at") ")",
                         "type LIKE '%/delete'"},
    [LS_SIGN_SUPABASE] =
        {"body -> '$.user'", MEMBER("metadata.name"), HEADER("webhook-id"), MEMBER("user.id"),
         "coalesce(" MEMBER("user.updated_at") ", " HEADER("webhook-timestamp") ")", "0"},
    [LS_SIGN_HEADER] =
        {"coalesce(nullif(body -> '$.record', 'null'), body -> '$.old_record', body)",
         MEMBER("type"), "NULL", "data ->> '$.id'", "NULL", "type = 'DELETE'"},
    [LS_SIGN_QSTASH] = {"body", MEMBER("type"), HEADER("upstash-message-id"), MEMBER("id"), "NULL",
                        "0"},
};

static const char *const part_words[LS_SAID_PART_COUNT] = {
#define X(name, word) word,
    LS_SAID_PARTS(X)
#undef X
};

static const char *expression_of(const struct ls_receiver *r, size_t part)
{
    return r->parts[part] ? r->parts[part] : said[r->scheme][part];
}

/* ---- is it from who it should be from? ---- */

static enum ls_code read_secrets(const struct ls_receiver *r, struct ls_arena *mem,
                                 struct ls_secret **ret, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    *ret = ls_arena_array(mem, r->secret_count, sizeof **ret);
    if (!*ret)
        return ls_error_nomem(err);
    for (size_t i = 0; i < r->secret_count && rc == LS_OK; i++)
        rc = ls_secret_read(r->secrets[i], r->scheme, mem, &(*ret)[i], err);
    return rc;
}

enum ls_code ls_receiver_verify(const struct ls_receiver *r, const struct ls_arrival *a,
                                int64_t now_us, struct ls_arena *mem, struct ls_sign_finding *ret,
                                struct ls_error *err)
{
    const struct ls_sign_message message = {a->headers, a->header_count, a->body, a->size};
    struct ls_secret *secrets = NULL;
    enum ls_code rc = read_secrets(r, mem, &secrets, err);
    const struct ls_sign_rule rule = {.scheme = r->scheme,
                                      .secrets = secrets,
                                      .secret_count = r->secret_count,
                                      .header = r->header,
                                      .window_s = r->window_s};

    if (rc == LS_OK)
        (void)ls_sign_verify(&rule, &message, now_us / 1000000, ret);
    return rc;
}

/* ---- headers ---- */

/* Nothing that lets somebody in is kept, or seen by expressions. */
static bool secret_header(const struct ls_receiver *r, const char *name)
{
    static const char *const names[] = {"authorization", "proxy-authorization", "cookie",
                                        "x-cron-secret"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (ls_text_equal_nocase(name, names[i]))
            return true;
    return r->scheme == LS_SIGN_HEADER && r->header && ls_text_equal_nocase(name, r->header);
}

static void add_lower(struct ls_buf *out, const char *name)
{
    struct ls_buf lower;

    ls_buf_init(&lower, 0);
    for (; *name; name++)
        ls_buf_char(&lower, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
    ls_text_json(out, lower.data ? lower.data : "", lower.size);
    out->failed |= lower.failed;
    ls_buf_done(&lower);
}

enum ls_code ls_receiver_headers(const struct ls_receiver *r, const struct ls_arrival *a,
                                 struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    struct ls_buf out;
    bool first = true;

    ls_buf_init(&out, 0);
    ls_buf_char(&out, '{');
    for (size_t i = 0; i < a->header_count; i++) {
        const struct ls_header *h = &a->headers[i];

        if (secret_header(r, h->name) ||
            ls_utf8_check(h->value, strlen(h->value)) != strlen(h->value))
            continue;
        ls_buf_text(&out, first ? "" : ",");
        add_lower(&out, h->name);
        ls_buf_char(&out, ':');
        ls_text_json(&out, h->value, strlen(h->value));
        first = false;
    }
    ls_buf_char(&out, '}');
    *ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return *ret ? LS_OK : ls_error_nomem(err);
}

/* ---- what does it say? ---- */

enum ls_code ls_said_value(const struct ls_said *m, const char *expression, struct ls_arena *mem,
                           struct ls_value *ret, struct ls_error *err)
{
    struct ls_expr *expr = NULL;
    int id = 0;
    enum ls_code rc = ls_expr_parse(expression, &message_schema, mem, &expr, err);

    if (rc == LS_OK)
        rc = ls_eval_add(m->eval, expr, &id, err);
    return rc == LS_OK ? ls_eval_value(m->eval, id, m->fields, mem, ret, err) : rc;
}

void ls_said_done(struct ls_said *m)
{
    ls_eval_close(m->eval);
    m->eval = NULL;
}

void ls_said_recall(struct ls_said *m, const char *id, int64_t at_us)
{
    m->id = id;
    m->at_us = at_us;
    m->fields[FIRST_PART + LS_SAID_ID] = ls_value_text(id);
    m->fields[FIRST_PART + LS_SAID_AT].i = at_us;
}

/* The value as a text field of the message; NULL where it has none. */
static enum ls_code as_text(const struct ls_value *v, struct ls_arena *mem, const char **ret,
                            struct ls_error *err)
{
    struct ls_buf out;

    *ret = NULL;
    if (v->type == LS_T_NULL)
        return LS_OK;
    ls_buf_init(&out, 0);
    ls_value_to_text(&out, v);
    *ret = out.failed ? NULL : ls_arena_text_n(mem, out.data ? out.data : "", out.size);
    ls_buf_done(&out);
    return *ret ? LS_OK : ls_error_nomem(err);
}

#define SECONDS_MAX INT64_C(100000000000) /* from here on a number of a time is in milliseconds */

static bool number_as_time(int64_t n, int64_t *ret_us)
{
    const int64_t unit = n < SECONDS_MAX ? 1000000 : 1000;

    *ret_us = n > 0 && n < INT64_MAX / unit ? n * unit : 0;
    return *ret_us != 0;
}

/* RFC 3339, without a zone in UTC; or a number since 1970, in seconds or milliseconds. */
static bool as_time(const struct ls_value *v, struct ls_arena *mem, int64_t *ret_us)
{
    struct ls_error ignored;
    struct ls_value read;
    int64_t n = 0;

    if (v->type == LS_T_TIMESTAMPTZ || v->type == LS_T_INT)
        return v->type == LS_T_INT ? number_as_time(v->i, ret_us) : (*ret_us = v->i, true);
    if (v->type == LS_T_DOUBLE && v->d > 0 && v->d < 1e15)
        return number_as_time((int64_t)v->d, ret_us);
    if (v->type != LS_T_TEXT)
        return false;
    if (ls_text_to_i64(v->data, v->size, &n))
        return number_as_time(n, ret_us);
    if (ls_value_from_text(LS_T_TIMESTAMPTZ, v->data, v->size, mem, &read, &ignored) != LS_OK &&
        ls_value_from_text(LS_T_TIMESTAMP, v->data, v->size, mem, &read, &ignored) != LS_OK)
        return false;
    *ret_us = read.i;
    return read.i != LS_TIME_INFINITY && read.i != LS_TIME_MINUS_INFINITY;
}

static bool is_true(const struct ls_value *v)
{
    return (v->type == LS_T_BOOL && v->b) || (v->type == LS_T_INT && v->i != 0);
}

static bool is_wanted(const struct ls_receiver *r, const char *type)
{
    bool wanted = r->type_count == 0;

    for (size_t i = 0; i < r->type_count && !wanted; i++)
        wanted = ls_event_type_fits(type, r->types[i]);
    return wanted;
}

#define TEXT_MAX 512 /* bytes of an id, a type, a resource: a key of a table */

static enum ls_code take_text(const char *what, const struct ls_value *v, struct ls_arena *mem,
                              const char **ret, struct ls_value *field, struct ls_error *err)
{
    enum ls_code rc = as_text(v, mem, ret, err);

    if (rc != LS_OK || !*ret)
        return rc;
    if (strlen(*ret) > TEXT_MAX || strlen(*ret) != strcspn(*ret, "\r\n"))
        return ls_error_set(err, LS_DATA, "its %s is longer than %d bytes, or more than a line",
                            what, TEXT_MAX);
    *field = ls_value_text(*ret);
    return LS_OK;
}

static enum ls_code take_time(const struct ls_receiver *r, const struct ls_value *v, int64_t now_us,
                              struct ls_arena *mem, int64_t *ret_us, struct ls_error *err)
{
    const int64_t window_us = (r->window_s ? r->window_s : LS_SIGN_WINDOW_S) * 1000000;

    *ret_us = now_us;
    if (v->type == LS_T_NULL)
        return LS_OK;
    if (!as_time(v, mem, ret_us))
        return ls_error_set(err, LS_DATA,
                            "its time cannot be read: RFC 3339, or seconds since 1970");
    if (*ret_us > now_us + window_us)
        return ls_error_set(err, LS_DATA, "its time is in the future");
    if (r->window_s && *ret_us < now_us - window_us)
        return ls_error_set(err, LS_DATA,
                            "it is too old: this receiver takes messages of the last %" PRId64 " s",
                            r->window_s);
    return LS_OK;
}

/* The part's place in what expressions read; `delete` has none. */
static enum ls_code take_part(const struct ls_receiver *r, size_t part, const struct ls_value *v,
                              int64_t now_us, struct ls_arena *mem, struct ls_said *m,
                              struct ls_error *err)
{
    struct ls_value *field = &m->fields[FIRST_PART + part];

    switch ((enum ls_said_part)part) {
    case LS_SAID_DATA:
        if (v->type == LS_T_TEXT || v->type == LS_T_JSON)
            *field = ls_value_data(LS_T_JSON, v->data, v->size);
        return LS_OK;
    case LS_SAID_TYPE:
        return take_text("type", v, mem, &m->type, field, err);
    case LS_SAID_ID:
        return take_text("id", v, mem, &m->id, field, err);
    case LS_SAID_RESOURCE:
        return take_text("resource", v, mem, &m->resource, field, err);
    case LS_SAID_AT:
        *field = (struct ls_value){.type = LS_T_TIMESTAMPTZ};
        return take_time(r, v, now_us, mem, &field->i, err);
    case LS_SAID_DELETE:
        m->deletes = is_true(v);
        return LS_OK;
    case LS_SAID_PART_COUNT:
        break;
    }
    return LS_OK;
}

static enum ls_code read_parts(const struct ls_receiver *r, int64_t now_us, struct ls_arena *mem,
                               struct ls_said *m, struct ls_error *err)
{
    enum ls_code rc = ls_eval_open(&m->eval, err);

    for (size_t part = 0; part < LS_SAID_PART_COUNT && rc == LS_OK; part++) {
        struct ls_value v;

        rc = ls_said_value(m, expression_of(r, part), mem, &v, err);
        if (rc == LS_OK)
            rc = take_part(r, part, &v, now_us, mem, m, err);
        else
            ls_error_wrap(err, "%s", part_words[part]);
    }
    return rc;
}

/* One JSON value, and the same to everybody who reads it. */
static enum ls_code check_body(const void *body, size_t size, struct ls_error *err)
{
    json_t *json = NULL;
    enum ls_code rc;

    if (ls_utf8_check(body, size) != size)
        return ls_error_set(err, LS_DATA, "the body is not UTF-8");
    if (!ls_json_valid(body, size))
        return ls_error_set(err, LS_DATA, "the body is no JSON, or is cut off");
    if (ls_json_has_nul(body, size)) /* its texts would end there, and name another record */
        return ls_error_set(err, LS_DATA, "the body has \\u0000 in it, which no text may hold");
    rc = ls_json_load(
        body, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &json, err);
    if (rc == LS_OK && !json)
        rc = ls_error_set(err, LS_DATA,
                          "the body is JSON with a member that is there twice, or a number that "
                          "is too large");
    json_decref(json);
    return rc;
}

static enum ls_code make_id(struct ls_arena *mem, struct ls_said *m, struct ls_error *err)
{
    char uuid[37];

    if (m->id && *m->id)
        return LS_OK;
    ls_uuid_new(uuid);
    m->id = ls_arena_text(mem, uuid);
    if (!m->id)
        return ls_error_nomem(err);
    m->fields[FIRST_PART + LS_SAID_ID] = ls_value_text(m->id);
    return LS_OK;
}

enum ls_code ls_receiver_read(const struct ls_receiver *r, const char *headers_json,
                              const void *body, size_t size, int64_t now_us, struct ls_arena *mem,
                              struct ls_said *ret, struct ls_error *err)
{
    enum ls_code rc = check_body(body, size, err);

    *ret = (struct ls_said){.headers = headers_json};
    ret->fields[BODY] = ls_value_data(LS_T_JSON, body, size);
    ret->fields[HEADERS] = ls_value_data(LS_T_JSON, headers_json, strlen(headers_json));
    if (rc == LS_OK)
        rc = read_parts(r, now_us, mem, ret, err);
    if (rc == LS_OK)
        rc = make_id(mem, ret, err);
    if (rc != LS_OK)
        return rc;
    ret->at_us = ret->fields[FIRST_PART + LS_SAID_AT].i;
    ret->type = ret->type ? ret->type : "";
    ret->resource = ret->resource ? ret->resource : "";
    ret->wanted = is_wanted(r, ret->type);
    if (r->scheme == LS_SIGN_DOCUMENTED && !r->parts[LS_SAID_TYPE] &&
        (!*ret->type || !*ret->resource))
        return ls_error_set(err, LS_DATA, "it has no %s", *ret->type ? "resourceId" : "type");
    return LS_OK;
}

/* ---- the receiver itself ---- */

static enum ls_code check_expression(const char *what, const char *text, struct ls_error *err)
{
    struct ls_expr *expr = NULL;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_expr_parse(text, &message_schema, &mem, &expr, err);
    if (rc != LS_OK)
        ls_error_wrap(err, "%s", what);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_receiver_check(const struct ls_receiver *r, struct ls_error *err)
{
    struct ls_secret *secrets = NULL;
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = read_secrets(r, &mem, &secrets, err);
    ls_arena_done(&mem);
    for (size_t i = 0; i < LS_SAID_PART_COUNT && rc == LS_OK; i++)
        rc = check_expression(part_words[i], expression_of(r, i), err);
    for (size_t i = 0; i < r->only_count && rc == LS_OK; i++)
        rc = check_expression(r->only[i].target, r->only[i].expression, err);
    for (size_t i = 0; i < r->target_count && rc == LS_OK; i++)
        for (size_t f = 0; f < r->targets[i].field_count && rc == LS_OK; f++)
            rc = check_expression(r->targets[i].fields[f].target,
                                  r->targets[i].fields[f].expression, err);
    return rc;
}
