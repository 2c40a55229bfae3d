/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c - endpoints: checked, and turned into rows of the state and back.
 *
 * What is sealed is one text: a secret a line, then, where there are headers, an empty line and the value of each in its line. Neither holds a line's end, and no
 * secret is empty. The settings of such a row have the headers' names alone, ["X-Team"]; those of an older one have the values, ["X-Team","billing"]. */
#include "event/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "base/text.h"
#include "event/event.h"
#include "model/jsonload.h"

#define CONCURRENCY 10
#define TIMEOUT_MS 10000
#define TIMEOUT_MAX_MS 120000

/* ---- checks ---- */

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static bool is_of_messages(const struct ls_endpoint *e)
{
    return e->origin && strcmp(e->origin, LS_ENDPOINT_OF_MESSAGES) == 0;
}

static bool name_is_good(const struct ls_endpoint *e)
{
    const bool longer = is_of_messages(e);
    const size_t length = strlen(e->name);

    return length > 0 &&
           length <= (size_t)(longer ? LS_ENDPOINT_MESSAGES_NAME_MAX : LS_ENDPOINT_NAME_MAX) &&
           strspn(e->name, longer ? NAME_LETTERS ":" : NAME_LETTERS) == length;
}

static bool visible(const char *text)
{
    for (; *text; text++)
        if (*text <= 0x20 || *text >= 0x7f)
            return false;
    return true;
}

static bool url_is_good(const struct ls_endpoint *e)
{
    return is_of_messages(e) || (visible(e->url) && (ls_text_starts(e->url, "https://") ||
                                                     ls_text_starts(e->url, "http://")));
}

/* Letters, digits and the few signs of RFC 9110 tokens that headers have in practice. */
static bool header_name_is_good(const char *name)
{
    return *name &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               strlen(name);
}

/* Those that delivery writes itself. */
static bool header_is_ours(const char *name)
{
    static const char *const ours[] = {
        "host",       "content-length",    "transfer-encoding", "connection",
        "webhook-id", "webhook-timestamp", "webhook-signature", "x-webhook-signature"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ls_text_equal_nocase(ours[i], name))
            return true;
    return false;
}

static enum ls_code check_headers(const struct ls_endpoint *e, struct ls_error *err)
{
    for (size_t i = 0; i < e->header_count; i++) {
        const struct ls_endpoint_header *h = &e->headers[i];

        if (!header_name_is_good(h->name))
            return ls_error_set(err, LS_CONFIG, "endpoint %s: \"%.100s\" is no name of a header",
                                e->name, h->name);
        if (header_is_ours(h->name))
            return ls_error_set(err, LS_CONFIG,
                                "endpoint %s: the header %s is written by lockstep itself", e->name,
                                h->name);
        for (const char *c = h->value; *c; c++)
            if ((unsigned char)*c < 0x20 || *c == 0x7f)
                return ls_error_set(err, LS_CONFIG,
                                    "endpoint %s: the header %s holds a control character", e->name,
                                    h->name);
    }
    return LS_OK;
}

static enum ls_code check_types(const struct ls_endpoint *e, struct ls_error *err)
{
    for (size_t i = 0; i < e->type_count; i++) {
        const char *type = e->types[i], *star = strchr(type, '*');

        if (!*type || !visible(type) || (star && star[1]))
            return ls_error_set(err, LS_CONFIG,
                                "endpoint %s: \"%.100s\" is no type of an event: such as "
                                "enrollment.created, enrollment.* or *",
                                e->name, type);
    }
    return LS_OK;
}

static enum ls_code check_secrets(const struct ls_endpoint *e, struct ls_error *err)
{
    if (e->secret_count > LS_ENDPOINT_SECRETS_MAX)
        return ls_error_set(err, LS_CONFIG, "endpoint %s has %zu secrets, %d are the most", e->name,
                            e->secret_count, LS_ENDPOINT_SECRETS_MAX);
    for (size_t i = 0; i < e->secret_count; i++)
        if (!*e->secrets[i] || strlen(e->secrets[i]) > 512 || strchr(e->secrets[i], '\n'))
            return ls_error_set(err, LS_CONFIG,
                                "endpoint %s: a secret is a line of 1 to 512 characters", e->name);
    return LS_OK;
}

static enum ls_code check_numbers(const struct ls_endpoint *e, struct ls_error *err)
{
    if (e->concurrency < 1 || e->concurrency > 1000)
        return ls_error_set(err, LS_CONFIG, "endpoint %s: concurrency is a number from 1 to 1000",
                            e->name);
    if (e->timeout_ms < 100 || e->timeout_ms > TIMEOUT_MAX_MS)
        return ls_error_set(err, LS_CONFIG, "endpoint %s: timeout is 100 ms to %d s", e->name,
                            TIMEOUT_MAX_MS / 1000);
    if (!(e->rate >= 0 && e->rate <= 1e6))
        return ls_error_set(err, LS_CONFIG,
                            "endpoint %s: rate is a number of deliveries a second, up to 1000000",
                            e->name);
    if (e->period_s < 0 || e->period_s > LS_ENDPOINT_PERIOD_MAX_S)
        return ls_error_set(err, LS_CONFIG, "endpoint %s: the period of a rate is at most 7 days",
                            e->name);
    return LS_OK;
}

enum ls_code ls_endpoint_check(struct ls_endpoint *e, struct ls_error *err)
{
    enum ls_code rc;

    if (!e->policy)
        e->policy = "standard";
    if (!e->concurrency)
        e->concurrency = CONCURRENCY;
    if (!e->timeout_ms)
        e->timeout_ms = TIMEOUT_MS;
    if (!e->disabled)
        e->disabled = "";
    if (!e->breaker)
        e->breaker = "";
    if (!name_is_good(e))
        return ls_error_set(err, LS_CONFIG,
                            "\"%.100s\" is no name of an endpoint: 1 to %d letters, digits, dots, "
                            "dashes and underscores",
                            e->name, LS_ENDPOINT_NAME_MAX);
    if (!url_is_good(e))
        return ls_error_set(err, LS_CONFIG,
                            "endpoint %s: its url has to begin with https:// (or http://, for this "
                            "machine and allowed networks)",
                            e->name);
    rc = check_types(e, err);
    if (rc == LS_OK)
        rc = check_headers(e, err);
    if (rc == LS_OK)
        rc = check_secrets(e, err);
    return rc == LS_OK ? check_numbers(e, err) : rc;
}

size_t ls_endpoint_signers(const struct ls_endpoint *e, int64_t now_us)
{
    return e->secret_count > 1 && e->retire_us && e->retire_us <= now_us ? 1 : e->secret_count;
}

bool ls_endpoint_is_dropped(const struct ls_endpoint *e)
{
    return strcmp(e->disabled, LS_ENDPOINT_DROPPED) == 0;
}

bool ls_endpoint_wants(const struct ls_endpoint *e, const char *type)
{
    if (*e->disabled)
        return false;
    for (size_t i = 0; i < e->type_count; i++)
        if (ls_event_type_fits(type, e->types[i]))
            return true;
    return e->type_count == 0;
}

/* ---- settings ---- */

static json_t *list_of(const char *const *texts, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_string(texts[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *headers_of(const struct ls_endpoint *e, bool values)
{
    json_t *list = json_array();

    for (size_t i = 0; i < e->header_count; i++)
        if (json_array_append_new(list, json_pack("[ss*]", e->headers[i].name,
                                                  values ? e->headers[i].value : NULL)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Of most endpoints it is 0, and not there. */
static bool add_number(json_t *json, const char *name, int64_t number)
{
    return !number || json_object_set_new(json, name, json_integer(number)) == 0;
}

static const char *settings_of(const struct ls_endpoint *e, bool values, struct ls_arena *mem)
{
    json_t *json =
        json_pack("{so, ss, sf, sI, sI, so}", "types", list_of(e->types, e->type_count), "policy",
                  e->policy, "rate", e->rate, "concurrency", (json_int_t)e->concurrency,
                  "timeout_ms", (json_int_t)e->timeout_ms, "headers", headers_of(e, values));
    const bool whole = add_number(json, "period_s", e->period_s) &&
                       add_number(json, "pinned", (int64_t)e->pinned) &&
                       add_number(json, "rate_resets", e->rate_resets) &&
                       add_number(json, "retire_us", e->retire_us);
    char *text = json && whole ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    const char *ret = text ? ls_arena_text(mem, text) : NULL;

    json_decref(json);
    free(text);
    return ret;
}

const char *ls_endpoint_settings(const struct ls_endpoint *e, struct ls_arena *mem)
{
    return settings_of(e, true, mem);
}

static const char **read_texts(const json_t *list, struct ls_arena *mem)
{
    const char **texts = ls_arena_array(mem, json_array_size(list), sizeof *texts);

    for (size_t i = 0; texts && i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));

        texts[i] = ls_arena_text(mem, text ? text : "");
        if (!texts[i])
            return NULL;
    }
    return texts;
}

/* *ret_open: some have their values here. The others' are "" so far. */
static struct ls_endpoint_header *read_headers(const json_t *list, struct ls_arena *mem,
                                               bool *ret_open)
{
    struct ls_endpoint_header *headers =
        ls_arena_array(mem, json_array_size(list), sizeof *headers);

    for (size_t i = 0; headers && i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char **parts = read_texts(one, mem);
        const bool open = json_array_size(one) > 1;

        if (!parts || !json_array_size(one))
            return NULL;
        headers[i] = (struct ls_endpoint_header){parts[0], open ? parts[1] : ""};
        *ret_open = *ret_open || open;
    }
    return headers;
}

static enum ls_code read_settings(const char *text, struct ls_arena *mem, struct ls_endpoint *e,
                                  struct ls_error *err)
{
    json_t *json = NULL;
    const json_t *types, *headers;
    enum ls_code rc = ls_json_load(text, strlen(text), 0, &json, err);

    if (rc != LS_OK)
        return rc;
    if (!json)
        return ls_error_set(err, LS_CORRUPT, "the settings of endpoint %s are no JSON", e->name);
    types = json_object_get(json, "types");
    headers = json_object_get(json, "headers");
    e->type_count = json_array_size(types);
    e->types = read_texts(types, mem);
    e->header_count = json_array_size(headers);
    e->headers = read_headers(headers, mem, &e->unsealed);
    e->policy = ls_arena_text(mem, json_string_value(json_object_get(json, "policy")));
    e->rate = json_number_value(json_object_get(json, "rate"));
    e->period_s = json_integer_value(json_object_get(json, "period_s"));
    e->pinned = (unsigned)json_integer_value(json_object_get(json, "pinned"));
    e->rate_resets = json_integer_value(json_object_get(json, "rate_resets"));
    e->concurrency = json_integer_value(json_object_get(json, "concurrency"));
    e->timeout_ms = json_integer_value(json_object_get(json, "timeout_ms"));
    e->retire_us = json_integer_value(json_object_get(json, "retire_us"));
    if (!e->types || !e->headers)
        rc = ls_error_nomem(err);
    json_decref(json);
    return rc;
}

/* ---- rows ---- */

static const char *sealed_for(const struct ls_endpoint *e, struct ls_arena *mem)
{
    return ls_arena_printf(mem, "endpoint %s", e->name);
}

/* Up to an empty line; *text stands behind it. */
static void take_secrets(char **text, const char **secrets, size_t *ret_count)
{
    const char *line;

    while ((line = strsep(text, "\n")) && *line)
        if (*ret_count < LS_ENDPOINT_SECRETS_MAX)
            secrets[(*ret_count)++] = line;
}

static enum ls_code take_values(char **text, struct ls_endpoint *e, struct ls_arena *mem,
                                struct ls_error *err)
{
    struct ls_endpoint_header *headers = ls_arena_array(mem, e->header_count, sizeof *headers);

    if (!headers)
        return ls_error_nomem(err);
    for (size_t i = 0; i < e->header_count; i++) {
        headers[i] = (struct ls_endpoint_header){e->headers[i].name, strsep(text, "\n")};
        if (!headers[i].value)
            return ls_error_set(err, LS_CORRUPT,
                                "the sealed headers of endpoint %s are not those of its settings",
                                e->name);
    }
    e->headers = headers;
    return LS_OK;
}

static enum ls_code read_sealed(const struct ls_endpoint_row *row, const struct ls_seal_key *key,
                                struct ls_arena *mem, struct ls_endpoint *e, struct ls_error *err)
{
    const char **secrets = ls_arena_array(mem, LS_ENDPOINT_SECRETS_MAX, sizeof *secrets);
    const char *what = sealed_for(e, mem);
    char *text = NULL;
    size_t size = 0;
    enum ls_code rc = LS_OK;

    e->secrets = secrets;
    e->secret_count = 0;
    if (!secrets || !what)
        return ls_error_nomem(err);
    if (!key)
        e->header_count = 0;
    if (row->secrets_size && key)
        rc = ls_unseal(key, what, row->secrets, row->secrets_size, mem, &text, &size, err);
    if (rc != LS_OK || !key)
        return rc;
    take_secrets(&text, secrets, &e->secret_count);
    return e->unsealed ? LS_OK : take_values(&text, e, mem, err);
}

enum ls_code ls_endpoint_from_row(const struct ls_endpoint_row *row, const struct ls_seal_key *key,
                                  struct ls_arena *mem, struct ls_endpoint *ret,
                                  struct ls_error *err)
{
    enum ls_code rc;

    *ret = (struct ls_endpoint){
        .number = row->number,
        .name = ls_arena_text(mem, row->name),
        .origin = ls_arena_text(mem, row->origin),
        .url = ls_arena_text(mem, row->url),
        .paused = row->paused,
        .disabled = ls_arena_text(mem, row->disabled),
        .breaker = ls_arena_text(mem, row->breaker),
        .created_us = row->created_us,
        .updated_us = row->updated_us,
    };
    if (!ret->name || !ret->origin || !ret->url || !ret->disabled || !ret->breaker)
        return ls_error_nomem(err);
    rc = read_settings(row->settings, mem, ret, err);
    if (rc == LS_OK)
        rc = read_sealed(row, key, mem, ret, err);
    return rc == LS_OK ? ls_endpoint_check(ret, err) : rc;
}

static void write_plain(struct ls_buf *out, const struct ls_endpoint *e)
{
    for (size_t i = 0; i < e->secret_count; i++)
        ls_buf_printf(out, "%s%s", i ? "\n" : "", e->secrets[i]);
    if (e->header_count)
        ls_buf_text(out, e->secret_count ? "\n" : "");
    for (size_t i = 0; i < e->header_count; i++)
        ls_buf_printf(out, "\n%s", e->headers[i].value);
}

enum ls_code ls_endpoint_to_row(const struct ls_endpoint *e, const struct ls_seal_key *key,
                                struct ls_arena *mem, struct ls_endpoint_row *ret,
                                struct ls_error *err)
{
    struct ls_buf plain, sealed;
    const char *what = sealed_for(e, mem);

    *ret = (struct ls_endpoint_row){
        .number = e->number,
        .name = e->name,
        .origin = e->origin,
        .url = e->url,
        .settings = settings_of(e, false, mem),
        .paused = e->paused,
        .disabled = e->disabled ? e->disabled : "",
        .breaker = e->breaker ? e->breaker : "",
    };
    ls_buf_init(&plain, 0);
    ls_buf_init(&sealed, 0);
    write_plain(&plain, e);
    if (plain.size && what && !plain.failed)
        ls_seal(&sealed, key, what, plain.data, plain.size);
    ret->secrets_size = sealed.size;
    ret->secrets = ls_arena_copy(mem, sealed.data ? sealed.data : "", sealed.size);
    if (plain.failed || sealed.failed || !what || !ret->settings)
        ret->secrets = NULL;
    if (plain.data)
        sodium_memzero(plain.data, plain.size);
    ls_buf_done(&plain);
    ls_buf_done(&sealed);
    return ret->secrets ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_endpoints_read(struct ls_state *state, const struct ls_seal_key *key,
                               struct ls_arena *mem, size_t *ret_count, struct ls_endpoint **ret,
                               struct ls_error *err)
{
    struct ls_endpoint_row *rows = NULL;
    struct ls_endpoint *found;
    enum ls_code rc = ls_endpoint_rows(state, mem, ret_count, &rows, err);

    if (rc != LS_OK)
        return rc;
    found = ls_arena_array(mem, *ret_count, sizeof *found);
    if (!found)
        return ls_error_nomem(err);
    for (size_t i = 0; i < *ret_count && rc == LS_OK; i++)
        rc = ls_endpoint_from_row(&rows[i], key, mem, &found[i], err);
    *ret = found;
    return rc;
}
