/* SPDX-License-Identifier: Apache-2.0 */
/* call.c - the HTTP call of a schedule.
 *
 * A name or value that could end a header early would let whoever makes a schedule write headers of their own into our request: so both are
 * checked when it is made, and again when it is read. */
#include "schedule/call.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define HEADERS_MAX 50
#define HEADERS_BYTES 16384

static bool is_token(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "-_.!#$%&'*+^`|~";

    return *text && strlen(text) <= 100 && text[strspn(text, allowed)] == '\0';
}

static bool is_value(const char *text)
{
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return ls_utf8_check(text, strlen(text)) == strlen(text);
}

/* Length and connection are the sender's affair, and what we say of the call is not to be forged. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"host",       "content-length", "transfer-encoding",
                                       "connection", "upgrade",        "te",
                                       "trailer",    "expect"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ls_text_equal_nocase(name, ours[i]))
            return true;
    return strncasecmp(name, LS_CALL_PREFIX, strlen(LS_CALL_PREFIX)) == 0;
}

static enum ls_code check_header(const char *name, const char *value, struct ls_error *err)
{
    if (!is_token(name) || is_ours(name))
        return ls_error_set(err, LS_CONFIG, "a call cannot set the header \"%.60s\"",
                            ls_utf8_check(name, strlen(name)) == strlen(name) ? name : "?");
    if (!is_value(value))
        return ls_error_set(err, LS_CONFIG,
                            "the value of the header %s holds a byte that no header can have",
                            name);
    return LS_OK;
}

static enum ls_code read_object(json_t *object, struct ls_arena *mem, size_t *ret_count,
                                struct ls_call_header **ret, struct ls_error *err)
{
    struct ls_call_header *list = ls_arena_array(mem, json_object_size(object), sizeof *list);
    enum ls_code rc = list ? LS_OK : ls_error_nomem(err);
    const char *name;
    json_t *value;
    size_t count = 0;

    json_object_foreach(object, name, value)
    {
        const char *text = json_string_value(value);

        if (rc == LS_OK && !text)
            rc = ls_error_set(err, LS_CONFIG, "the header %.60s is not a text", name);
        if (rc == LS_OK)
            rc = check_header(name, text, err);
        if (rc != LS_OK)
            break;
        list[count] = (struct ls_call_header){ls_arena_text(mem, name), ls_arena_text(mem, text)};
        if (!list[count].name || !list[count].value)
            rc = ls_error_nomem(err);
        count++;
    }
    if (rc == LS_OK) {
        *ret = list;
        *ret_count = count;
    }
    return rc;
}

enum ls_code ls_call_headers(const char *json, struct ls_arena *mem, size_t *ret_count,
                             struct ls_call_header **ret, struct ls_error *err)
{
    json_t *object;
    enum ls_code rc;

    *ret_count = 0;
    *ret = NULL;
    if (!json || !*json)
        return LS_OK;
    if (strlen(json) > HEADERS_BYTES)
        return ls_error_set(err, LS_CONFIG, "the headers of a call take at most 16 KiB");
    object = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(object) || json_object_size(object) > HEADERS_MAX)
        rc = ls_error_set(err, LS_CONFIG,
                          "headers are a JSON object of at most %d texts, such as "
                          "{\"x-cron-secret\":\"...\"}",
                          HEADERS_MAX);
    else
        rc = read_object(object, mem, ret_count, ret, err);
    json_decref(object);
    return rc;
}

void ls_call_headers_json(const struct ls_call_header *headers, size_t count, struct ls_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        ls_buf_char(out, i ? ',' : '{');
        ls_text_json(out, headers[i].name, strlen(headers[i].name));
        ls_buf_char(out, ':');
        ls_text_json(out, headers[i].value, strlen(headers[i].value));
    }
    if (count)
        ls_buf_char(out, '}');
}

enum ls_code ls_call_check(const struct ls_schedule *s, struct ls_error *err)
{
    const char *method = s->method ? s->method : "";
    struct ls_call_header *headers = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    if (!*method || strlen(method) > 20 ||
        method[strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] != '\0')
        return ls_error_set(err, LS_CONFIG,
                            "schedule %s: a method is a word in capitals, such as POST or GET",
                            s->id);
    if (s->body_size > LS_CALL_BODY_MAX)
        return ls_error_set(err, LS_CONFIG, "schedule %s: a body takes at most 1 MiB", s->id);
    ls_arena_init(&mem, 0);
    rc = ls_call_headers(s->headers, &mem, &count, &headers, err);
    if (rc == LS_CONFIG)
        rc = ls_error_wrap(err, "schedule %s", s->id);
    ls_arena_done(&mem);
    return rc;
}
