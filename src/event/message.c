/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - what a message says of its own delivery.
 *
 * It is checked when it is accepted and again when it is delivered, by the same function: what lies in the state may come from an
 * older version, or from a hand. What stands in a header goes onto the wire as it is; so no control character gets
 * in, which could begin another header, and none of the headers by which both ends agree where a request ends. */
#include "event/message.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "event/retry.h"

#define METHOD_MAX 16
#define TIMEOUT_MAX_MS INT64_C(43200000) /* 12 hours, QStash's longest */

static const char token_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";

static bool is_token(const char *text)
{
    return *text && strspn(text, token_chars) == strlen(text);
}

bool ls_message_header_fits(const char *name, const char *value)
{
    static const char *const of_the_connection[] = {
        "host",    "content-length", "transfer-encoding", "connection", "keep-alive",    "te",
        "trailer", "upgrade",        "proxy-connection",  "expect",     "http2-settings"};

    for (size_t i = 0; i < sizeof(of_the_connection) / sizeof(of_the_connection[0]); i++) {
        if (ls_text_equal_nocase(name, of_the_connection[i]))
            return false;
    }
    for (; *value; value++) {
        if (((unsigned char)*value < 0x20 && *value != '\t') || *value == 0x7f)
            return false;
    }
    return is_token(name);
}

static enum ls_code read_headers(const json_t *list, struct ls_arena *mem, struct ls_message *m,
                                 struct ls_error *err)
{
    size_t count = json_array_size(list);
    struct ls_header *headers = ls_arena_array(mem, count, sizeof(*headers));

    if (list && !json_is_array(list))
        return ls_error_set(err, LS_DATA, "the headers of a message are no list");
    if (count > LS_MESSAGE_HEADERS_MAX)
        return ls_error_set(err, LS_DATA, "a message has %zu headers, %d are the most", count,
                            LS_MESSAGE_HEADERS_MAX);
    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(list, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));

        if (!name || !value || !ls_message_header_fits(name, value))
            return ls_error_set(err, LS_DATA, "a message has a header that cannot be sent: %.100s",
                                name && is_token(name) ? name : "(no name)");
        headers[i] = (struct ls_header){ls_arena_text(mem, name), ls_arena_text(mem, value)};
        if (!headers[i].name || !headers[i].value)
            return ls_error_nomem(err);
    }
    m->headers = headers;
    m->header_count = count;
    return LS_OK;
}

/* A member that may be missing; false when it is there and no number in range. */
static bool read_number(const json_t *json, const char *name, int64_t max, bool *ret_said,
                        int64_t *ret)
{
    const json_t *value = json_object_get(json, name);

    *ret_said = value && !json_is_null(value);
    *ret = json_integer_value(value);
    return !*ret_said || (json_is_integer(value) && *ret >= 0 && *ret <= max);
}

static enum ls_code read_text(const json_t *json, const char *name, struct ls_arena *mem,
                              const char **ret, struct ls_error *err)
{
    const json_t *value = json_object_get(json, name);

    *ret = NULL;
    if (!value || json_is_null(value))
        return LS_OK;
    if (!json_is_string(value))
        return ls_error_set(err, LS_DATA, "the %s of a message is no text", name);
    *ret = ls_arena_text(mem, json_string_value(value));
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code read_members(const json_t *json, struct ls_arena *mem, struct ls_message *m,
                                 struct ls_error *err)
{
    int64_t retries;
    bool timeout_said;
    enum ls_code rc = read_text(json, "url", mem, &m->url, err);

    if (rc == LS_OK)
        rc = read_text(json, "method", mem, &m->method, err);
    if (rc == LS_OK)
        rc = read_text(json, "retry_delay", mem, &m->retry_delay, err);
    if (rc == LS_OK)
        rc = read_headers(json_object_get(json, "headers"), mem, m, err);
    if (rc != LS_OK)
        return rc;
    if (!m->method)
        m->method = "POST";
    if (!m->url)
        return ls_error_set(err, LS_DATA, "a message has no url");
    if (!is_token(m->method) || strlen(m->method) > METHOD_MAX)
        return ls_error_set(err, LS_DATA, "a message has a method that is none");
    if (!read_number(json, "retries", LS_RETRY_ATTEMPTS_MAX - 1, &m->retries_said, &retries) ||
        !read_number(json, "timeout_ms", TIMEOUT_MAX_MS, &timeout_said, &m->timeout_ms))
        return ls_error_set(err, LS_DATA, "the retries or timeout_ms of a message is out of range");
    m->retries = (unsigned)retries;
    m->qstash = json_is_true(json_object_get(json, "qstash"));
    return m->retry_delay ? ls_retry_expression_check(m->retry_delay, err) : LS_OK;
}

enum ls_code ls_message_read(const char *text, struct ls_arena *mem, struct ls_message *ret,
                             struct ls_error *err)
{
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    struct ls_message m = {0};
    enum ls_code rc;

    if (!json_is_object(json)) {
        json_decref(json);
        return ls_error_set(err, LS_DATA, "the options of a message are no JSON object");
    }
    rc = read_members(json, mem, &m, err);
    json_decref(json);
    if (rc == LS_OK)
        *ret = m;
    return rc;
}

static void text_member(struct ls_buf *out, const char *name, const char *value)
{
    ls_buf_printf(out, "\"%s\":", name);
    ls_text_json(out, value, strlen(value));
}

void ls_message_write(struct ls_buf *out, const struct ls_message *m)
{
    text_member(out, "url", m->url);
    ls_buf_char(out, ',');
    text_member(out, "method", m->method ? m->method : "POST");
    ls_buf_text(out, ",\"headers\":[");
    for (size_t i = 0; i < m->header_count; i++) {
        ls_buf_text(out, i ? ",[" : "[");
        ls_text_json(out, m->headers[i].name, strlen(m->headers[i].name));
        ls_buf_char(out, ',');
        ls_text_json(out, m->headers[i].value, strlen(m->headers[i].value));
        ls_buf_char(out, ']');
    }
    ls_buf_char(out, ']');
    if (m->retries_said)
        ls_buf_printf(out, ",\"retries\":%u", m->retries);
    if (m->retry_delay) {
        ls_buf_char(out, ',');
        text_member(out, "retry_delay", m->retry_delay);
    }
    if (m->timeout_ms)
        ls_buf_printf(out, ",\"timeout_ms\":%" PRId64, m->timeout_ms);
    ls_buf_text(out, m->qstash ? ",\"qstash\":true" : ",\"qstash\":false");
}
