/* SPDX-License-Identifier: Apache-2.0 */
/* sync_config.c - a sync's configuration as JSON.
 *
 * A plan file and a run record must be able to open their job again, on a machine where
 * lockstep.yaml has changed meanwhile or never was. What is written is data that the user gave, less
 * the passwords: those come from the environment, a pass file or the URL given again. */
#include "engine/sync_config.h"

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/jsonload.h"

static const char *const delete_words[] = {"remove", "keep", "soft"};

/* ---- passwords ---- */

/* Options of a PostgreSQL URL that hold one. libpq decodes %xx in their names too. */
static const char *const secret_options[] = {"password", "sslpassword"};

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Is the option's name this word, once decoded? */
static bool is_named(const char *option, size_t size, const char *word)
{
    size_t i = 0;

    while (i < size && option[i] != '=') {
        char c = option[i++];

        if (c == '%' && i + 1 < size && hex_digit(option[i]) >= 0 &&
            hex_digit(option[i + 1]) >= 0) {
            c = (char)(hex_digit(option[i]) * 16 + hex_digit(option[i + 1]));
            i += 2;
        }
        if (c != *word++)
            return false;
    }
    return *word == '\0';
}

static bool is_secret(const char *option, size_t size)
{
    for (size_t i = 0; i < sizeof secret_options / sizeof *secret_options; i++)
        if (is_named(option, size, secret_options[i]))
            return true;
    return false;
}

/* ?a=1&b=2 without the secret ones; gives what follows. */
static const char *add_options(struct ls_buf *out, const char *query)
{
    const char *separator = "?";

    while (*query == '?' || *query == '&') {
        const size_t size = strcspn(++query, "&#");

        if (!is_secret(query, size)) {
            ls_buf_text(out, separator);
            ls_buf_add(out, query, size);
            separator = "&";
        }
        query += size;
    }
    return query;
}

/* //user:password@host without :password; gives what follows. A raw @ in a password is refused when the URL is opened; here all up to the last one goes. */
static const char *add_authority(struct ls_buf *out, const char *url)
{
    const size_t size = strcspn(url, "/?#");
    const char *at = memrchr(url, '@', size),
               *colon = at ? memchr(url, ':', (size_t)(at - url)) : NULL;

    if (colon) {
        ls_buf_add(out, url, (size_t)(colon - url));
        url = at;
        return add_authority(out, url);
    }
    ls_buf_add(out, url, size);
    return url + size;
}

char *ls_url_without_password(const char *url, struct ls_arena *mem)
{
    const char *rest = strstr(url, "://");
    struct ls_buf out;
    char *ret;

    if (!rest || strncasecmp(url, "postgres", strlen("postgres")) != 0)
        return ls_arena_text(mem, url); /* a path: what looks like an option is part of its name */
    ls_buf_init(&out, 0);
    rest += strlen("://");
    ls_buf_add(&out, url, (size_t)(rest - url));
    rest = add_authority(&out, rest);
    ls_buf_add(&out, rest, strcspn(rest, "?#"));
    rest = add_options(&out, rest + strcspn(rest, "?#"));
    ls_buf_text(&out, rest);
    ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

/* ---- writing ---- */

/* By hand: jansson can lose a part of a document on its way to text when memory is short, and says nothing. A buffer does. */

/* The next member's name. */
static void add_name(struct ls_buf *out, const char *name)
{
    if (out->size && out->data[out->size - 1] != '{')
        ls_buf_char(out, ',');
    ls_buf_printf(out, "\"%s\":", name);
}

static void add_text(struct ls_buf *out, const char *text)
{
    if (text)
        ls_text_json(out, text, strlen(text));
    else
        ls_buf_text(out, "null");
}

static void add_member(struct ls_buf *out, const char *name, const char *text)
{
    add_name(out, name);
    add_text(out, text);
}

static void add_side(struct ls_buf *out, const char *name, const struct ls_side_config *side,
                     struct ls_arena *mem)
{
    const char *url = ls_url_without_password(side->url, mem);

    out->failed |= !url;
    add_name(out, name);
    ls_buf_char(out, '{');
    add_member(out, "url", url);
    add_member(out, "collection", side->collection);
    add_member(out, "timezone", side->zone);
    add_name(out, "lock_timeout_ms");
    ls_buf_printf(out, "%d}", side->lock_timeout_ms);
}

static void add_texts(struct ls_buf *out, const char *name, const char *const *texts, size_t count)
{
    add_name(out, name);
    for (size_t i = 0; i < count; i++) {
        ls_buf_char(out, i ? ',' : '[');
        add_text(out, texts[i]);
    }
    ls_buf_text(out, count ? "]" : "[]");
}

static void add_fields(struct ls_buf *out, const char *name, const struct ls_field_config *fields,
                       size_t count)
{
    add_name(out, name);
    for (size_t i = 0; i < count; i++) {
        ls_buf_text(out, i ? ",[" : "[[");
        add_text(out, fields[i].target);
        ls_buf_char(out, ',');
        add_text(out, fields[i].expression ? fields[i].expression : fields[i].target);
        ls_buf_char(out, ']');
    }
    ls_buf_text(out, count ? "]" : "[]");
}

static void add_number(struct ls_buf *out, const char *name, double number)
{
    add_name(out, name);
    ls_decimal_from_double(out, number, 53);
}

static void add_bool(struct ls_buf *out, const char *name, bool yes)
{
    add_name(out, name);
    ls_buf_text(out, yes ? "true" : "false");
}

const char *ls_sync_config_to_json(const struct ls_sync_config *c, struct ls_arena *mem)
{
    const char *ret;
    struct ls_buf out;

    ls_buf_init(&out, 0);
    ls_buf_char(&out, '{');
    add_member(&out, "name", c->name);
    add_side(&out, "source", &c->source, mem);
    add_side(&out, "target", &c->target, mem);
    add_texts(&out, "key", c->key, c->key_count);
    add_fields(&out, "fields", c->fields, c->field_count);
    add_member(&out, "where", c->where);
    add_member(&out, "target_where", c->target_where);
    add_texts(&out, "only", c->only, c->only_count);
    add_member(&out, "deletes", delete_words[c->deletes]);
    add_fields(&out, "soft", c->soft, c->soft_count);
    add_number(&out, "brake_deletes", c->brake_deletes);
    add_number(&out, "brake_changes", c->brake_changes);
    add_bool(&out, "atomic", c->atomic);
    add_bool(&out, "cascades", c->cascades_accept);
    add_bool(&out, "silent", c->silent);
    add_name(&out, "batch_rows");
    ls_buf_printf(&out, "%zu", c->batch_rows);
    add_name(&out, "writers");
    ls_buf_printf(&out, "%zu}", c->writers);
    ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

/* ---- reading ---- */

/* A text in mem; *nomem when there is one and no memory for it. */
static const char *text_of(const json_t *json, struct ls_arena *mem, bool *nomem)
{
    const char *text = json_string_value(json), *copy = ls_arena_text(mem, text);

    *nomem |= text && !copy;
    return copy;
}

static const char *text_member(const json_t *json, const char *name, struct ls_arena *mem,
                               bool *nomem)
{
    return text_of(json_object_get(json, name), mem, nomem);
}

/* 0, the default, when it is none that could be set. */
static int lock_timeout_from_json(const json_t *json)
{
    const json_int_t ms = json_integer_value(json);

    return ms >= LS_LOCK_TIMEOUT_MIN_MS && ms <= LS_LOCK_TIMEOUT_MAX_MS ? (int)ms : 0;
}

static struct ls_side_config side_from_json(const json_t *json, struct ls_arena *mem, bool *nomem)
{
    return (struct ls_side_config){
        .url = text_member(json, "url", mem, nomem),
        .collection = text_member(json, "collection", mem, nomem),
        .zone = text_member(json, "timezone", mem, nomem),
        .lock_timeout_ms = lock_timeout_from_json(json_object_get(json, "lock_timeout_ms")),
    };
}

/* An array of texts; false when one is none. */
static bool texts_from_json(const json_t *array, struct ls_arena *mem, bool *nomem,
                            size_t *ret_count, const char *const **ret)
{
    const size_t count = json_array_size(array);
    const char **texts = ls_arena_array(mem, count, sizeof *texts);

    *nomem |= !texts;
    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = text_of(json_array_get(array, i), mem, nomem);
        if (!texts[i])
            return false;
    }
    *ret = texts;
    *ret_count = count;
    return texts != NULL;
}

static bool fields_from_json(const json_t *array, struct ls_arena *mem, bool *nomem,
                             size_t *ret_count, const struct ls_field_config **ret)
{
    const size_t count = json_array_size(array);
    struct ls_field_config *fields = ls_arena_array(mem, count, sizeof *fields);

    *nomem |= !fields;
    for (size_t i = 0; fields && i < count; i++) {
        const json_t *pair = json_array_get(array, i);

        fields[i].target = text_of(json_array_get(pair, 0), mem, nomem);
        fields[i].expression = text_of(json_array_get(pair, 1), mem, nomem);
        if (!fields[i].target || !fields[i].expression)
            return false;
    }
    *ret = fields;
    *ret_count = count;
    return fields != NULL;
}

static bool deletes_from_word(const char *word, enum ls_deletes *ret)
{
    for (size_t i = 0; word && i < sizeof delete_words / sizeof *delete_words; i++)
        if (strcmp(word, delete_words[i]) == 0) {
            *ret = (enum ls_deletes)i;
            return true;
        }
    return false;
}

static bool lists_from_json(const json_t *json, struct ls_arena *mem, bool *nomem,
                            struct ls_sync_config *c)
{
    return texts_from_json(json_object_get(json, "key"), mem, nomem, &c->key_count, &c->key) &&
           texts_from_json(json_object_get(json, "only"), mem, nomem, &c->only_count, &c->only) &&
           fields_from_json(json_object_get(json, "fields"), mem, nomem, &c->field_count,
                            &c->fields) &&
           fields_from_json(json_object_get(json, "soft"), mem, nomem, &c->soft_count, &c->soft);
}

enum ls_code ls_sync_config_from_json(const char *text, struct ls_arena *mem,
                                      struct ls_sync_config *ret, struct ls_error *err)
{
    json_t *json = NULL;
    json_int_t rows, writers;
    struct ls_sync_config c = {0};
    bool nomem = false, whole;
    enum ls_code rc = ls_json_load(text, strlen(text), 0, &json, err);

    if (rc != LS_OK)
        return rc;
    rows = json_integer_value(json_object_get(json, "batch_rows"));
    writers = json_integer_value(json_object_get(json, "writers"));
    c.name = text_member(json, "name", mem, &nomem);
    c.source = side_from_json(json_object_get(json, "source"), mem, &nomem);
    c.target = side_from_json(json_object_get(json, "target"), mem, &nomem);
    c.where = text_member(json, "where", mem, &nomem);
    c.target_where = text_member(json, "target_where", mem, &nomem);
    c.brake_deletes = json_number_value(json_object_get(json, "brake_deletes"));
    c.brake_changes = json_number_value(json_object_get(json, "brake_changes"));
    c.atomic = json_is_true(json_object_get(json, "atomic"));
    c.cascades_accept = json_is_true(json_object_get(json, "cascades"));
    c.silent = json_is_true(json_object_get(json, "silent"));
    c.batch_rows = rows > 0 ? (size_t)rows : 0;
    c.writers = writers > 0 && writers <= LS_WRITERS_MAX ? (size_t)writers : 0;
    whole = lists_from_json(json, mem, &nomem, &c) && c.source.url && c.target.url &&
            deletes_from_word(json_string_value(json_object_get(json, "deletes")), &c.deletes);
    if (nomem)
        rc = ls_error_nomem(err);
    else if (!whole)
        rc = ls_error_set(err, LS_DATA, "the recorded configuration of the sync is incomplete");
    else
        *ret = c;
    json_decref(json);
    return rc;
}
