/* SPDX-License-Identifier: Apache-2.0 */
/* kept.c - a message as the queue keeps it. */
#include "event/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/text.h"
#include "model/jsonload.h"

/* ---- reading ---- */

static bool read_text(const json_t *json, const char *name, struct ls_arena *mem, const char **ret)
{
    const char *text = json_string_value(json_object_get(json, name));

    *ret = text ? ls_arena_text(mem, text) : NULL;
    return !text || *ret;
}

static bool read_flow(const json_t *json, struct ls_arena *mem, struct ls_flow *ret)
{
    ret->parallelism = json_integer_value(json_object_get(json, "parallelism"));
    ret->rate = json_integer_value(json_object_get(json, "rate"));
    ret->period_s = json_integer_value(json_object_get(json, "period"));
    return read_text(json, "key", mem, &ret->key);
}

static bool read_callback(const json_t *json, struct ls_arena *mem, struct ls_callback *ret)
{
    const json_t *list = json_object_get(json, "headers");
    struct ls_header *headers = ls_arena_array(mem, json_array_size(list), sizeof *headers);

    if (!headers || !read_text(json, "url", mem, &ret->url))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));

        headers[i].name = ls_arena_printf(mem, "upstash-%s", name ? name : "");
        headers[i].value = ls_arena_text(mem, value ? value : "");
        if (!headers[i].name || !headers[i].value)
            return false;
    }
    ret->headers = headers;
    ret->header_count = json_array_size(list);
    return true;
}

static bool read_all(const json_t *json, struct ls_arena *mem, struct ls_kept *ret)
{
    const struct {
        const char *name;
        const char **into;
    } texts[] = {{"queue", &ret->queue},        {"topic", &ret->topic},
                 {"endpoint", &ret->endpoint},  {"schedule", &ret->schedule},
                 {"labels", &ret->labels},      {"redact", &ret->redact},
                 {"caller_ip", &ret->caller_ip}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!read_text(json, texts[i].name, mem, texts[i].into))
            return false;
    ret->not_before_ms = json_integer_value(json_object_get(json, "not_before"));
    return read_flow(json_object_get(json, "flow"), mem, &ret->flow) &&
           read_callback(json_object_get(json, "callback"), mem, &ret->callback) &&
           read_callback(json_object_get(json, "failure_callback"), mem, &ret->failure_callback);
}

enum ls_code ls_kept_read(const char *options, struct ls_arena *mem, struct ls_kept *ret,
                          struct ls_error *err)
{
    json_t *json = NULL;
    enum ls_code rc;

    *ret = (struct ls_kept){0};
    rc = ls_message_read(options, mem, &ret->message, err);
    if (rc == LS_OK)
        rc = ls_json_load(options, strlen(options), 0, &json, err);
    if (rc == LS_OK && !read_all(json, mem, ret))
        rc = ls_error_nomem(err);
    json_decref(json);
    return rc;
}

/* ---- hiding ---- */

/* "body,header[Authorization]"; some write headers[...]. */
bool ls_kept_hides(const struct ls_kept *kept, const char *part, const char *name)
{
    const size_t length = strlen(part);

    for (const char *at = kept->redact; at && *at; at += strcspn(at, ","), at += *at == ',') {
        at += strspn(at, " ");
        if (strncasecmp(at, part, length) != 0)
            continue;
        at += length;
        at += *at == 's';
        if (*at == '\0' || *at == ',' || *at == ' ')
            return true;
        if (*at == '[' && name && strncasecmp(at + 1, name, strlen(name)) == 0 &&
            at[1 + strlen(name)] == ']')
            return true;
    }
    return false;
}

void ls_kept_hide(struct ls_buf *out, const void *data, size_t size)
{
    char hex[LS_SHA256_HEX];
    struct ls_sha256 h;

    ls_sha256_init(&h);
    ls_sha256_add(&h, data, size);
    ls_sha256_hex(&h, hex);
    ls_buf_text(out, "REDACTED:");
    ls_buf_text(out, hex);
}

/* ---- headers as JSON ---- */

static bool is_ours(const char *name)
{
    return ls_text_equal_nocase(name, "upstash-schedule-id") ||
           ls_text_equal_nocase(name, "upstash-topic-name") ||
           ls_text_equal_nocase(name, "upstash-caller-ip");
}

static bool is_secret(const char *name)
{
    static const char *const secrets[] = {"authorization", "proxy-authorization", "cookie",
                                          "x-cron-secret", "x-api-key"};

    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (ls_text_equal_nocase(name, secrets[i]))
            return true;
    return false;
}

/* As Go writes names: Content-Type. */
static void write_name(struct ls_buf *out, const char *name, size_t length)
{
    char text[200];
    bool upper = true;
    size_t n = 0;

    for (; n < length && n < sizeof text - 1; n++) {
        const char c = name[n];

        text[n] = upper && c >= 'a' && c <= 'z'    ? (char)(c - 'a' + 'A')
                  : !upper && c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a')
                                                   : c;
        upper = c == '-';
    }
    text[n] = '\0';
    ls_text_json(out, text, n);
}

/* A line of an object whose values are arrays: one of each name, with all of its values. */
struct line {
    const char *name, *value;
    size_t name_size, value_size;
};

static bool same_name(const struct line *a, const struct line *b)
{
    return a->name_size == b->name_size && strncasecmp(a->name, b->name, a->name_size) == 0;
}

static void write_lines(struct ls_buf *out, const struct ls_kept *kept, const struct line *lines,
                        size_t count)
{
    const char *comma = "";
    struct ls_buf hidden;

    ls_buf_init(&hidden, 0);
    ls_buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        const char *between = "";
        bool seen = false;

        for (size_t j = 0; j < i && !seen; j++)
            seen = same_name(&lines[i], &lines[j]);
        if (seen)
            continue;
        ls_buf_text(out, comma);
        write_name(out, lines[i].name, lines[i].name_size);
        ls_buf_text(out, ":[");
        for (size_t j = i; j < count; j++) {
            if (!same_name(&lines[i], &lines[j]))
                continue;
            ls_buf_text(out, between);
            if (kept &&
                (is_secret(lines[j].name) || ls_kept_hides(kept, "header", lines[j].name))) {
                ls_buf_reset(&hidden);
                ls_kept_hide(&hidden, lines[j].value, lines[j].value_size);
                ls_text_json(out, hidden.failed ? "" : hidden.data,
                             hidden.failed ? 0 : hidden.size);
            } else {
                ls_text_json(out, lines[j].value, lines[j].value_size);
            }
            between = ",";
        }
        ls_buf_char(out, ']');
        comma = ",";
    }
    ls_buf_char(out, '}');
    ls_buf_done(&hidden);
}

void ls_kept_write_headers(struct ls_buf *out, const char *name, const struct ls_kept *kept,
                           bool to_people)
{
    struct line lines[LS_MESSAGE_HEADERS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < kept->message.header_count && count < LS_MESSAGE_HEADERS_MAX; i++) {
        const struct ls_header *h = &kept->message.headers[i];

        if (!is_ours(h->name))
            lines[count++] = (struct line){h->name, h->value, strlen(h->name), strlen(h->value)};
    }
    ls_buf_printf(out, "\"%s\":", name);
    write_lines(out, to_people ? kept : NULL, lines, count);
}

void ls_kept_write_head(struct ls_buf *out, const char *name, const char *head)
{
    struct line lines[LS_MESSAGE_HEADERS_MAX];
    size_t count = 0;

    while (*head && count < LS_MESSAGE_HEADERS_MAX) {
        const size_t length = strcspn(head, "\n");
        const char *colon = memchr(head, ':', length);

        if (colon) {
            const char *value = colon + 1 + (colon[1] == ' ');

            lines[count++] =
                (struct line){head, value, (size_t)(colon - head), length - (size_t)(value - head)};
        }
        head += length + (head[length] == '\n');
    }
    ls_buf_printf(out, "\"%s\":", name);
    write_lines(out, NULL, lines, count);
}
