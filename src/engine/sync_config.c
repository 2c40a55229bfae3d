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

static json_t *side_to_json(const struct ls_side_config *side, struct ls_arena *mem)
{
    char *url = ls_url_without_password(side->url, mem);

    if (!url)
        return NULL;
    return json_pack("{s:s, s:s?, s:s?}", "url", url, "collection", side->collection, "timezone",
                     side->zone);
}

static json_t *texts_to_json(const char *const *texts, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(texts[i]));
    return array;
}

static json_t *fields_to_json(const struct ls_field_config *fields, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_pack("[s, s]", fields[i].target, fields[i].expression));
    return array;
}

const char *ls_sync_config_to_json(const struct ls_sync_config *c, struct ls_arena *mem)
{
    const char *ret = NULL;
    char *text = NULL;
    json_t *json = json_pack(
        "{s:s?, s:o, s:o, s:o, s:o, s:s?, s:s?, s:o, s:s, s:o, s:f, s:f, s:b, s:b, s:i}", "name",
        c->name, "source", side_to_json(&c->source, mem), "target", side_to_json(&c->target, mem),
        "key", texts_to_json(c->key, c->key_count), "fields",
        fields_to_json(c->fields, c->field_count), "where", c->where, "target_where",
        c->target_where, "only", texts_to_json(c->only, c->only_count), "deletes",
        delete_words[c->deletes], "soft", fields_to_json(c->soft, c->soft_count), "brake_deletes",
        c->brake_deletes, "brake_changes", c->brake_changes, "atomic", c->atomic, "cascades",
        c->cascades_accept, "batch_rows", (int)c->batch_rows);

    if (json)
        text = json_dumps(json, JSON_COMPACT);
    if (text)
        ret = ls_arena_text(mem, text);
    free(text);
    json_decref(json);
    return ret;
}

/* ---- reading ---- */

static const char *text_member(const json_t *json, const char *name, struct ls_arena *mem)
{
    return ls_arena_text(mem, json_string_value(json_object_get(json, name)));
}

static struct ls_side_config side_from_json(const json_t *json, struct ls_arena *mem)
{
    return (struct ls_side_config){
        .url = text_member(json, "url", mem),
        .collection = text_member(json, "collection", mem),
        .zone = text_member(json, "timezone", mem),
    };
}

/* An array of texts; false when one is none. */
static bool texts_from_json(const json_t *array, struct ls_arena *mem, size_t *ret_count,
                            const char *const **ret)
{
    const size_t count = json_array_size(array);
    const char **texts = ls_arena_array(mem, count, sizeof *texts);

    for (size_t i = 0; texts && i < count; i++) {
        texts[i] = ls_arena_text(mem, json_string_value(json_array_get(array, i)));
        if (!texts[i])
            return false;
    }
    *ret = texts;
    *ret_count = count;
    return texts != NULL;
}

static bool fields_from_json(const json_t *array, struct ls_arena *mem, size_t *ret_count,
                             const struct ls_field_config **ret)
{
    const size_t count = json_array_size(array);
    struct ls_field_config *fields = ls_arena_array(mem, count, sizeof *fields);

    for (size_t i = 0; fields && i < count; i++) {
        const json_t *pair = json_array_get(array, i);

        fields[i].target = ls_arena_text(mem, json_string_value(json_array_get(pair, 0)));
        fields[i].expression = ls_arena_text(mem, json_string_value(json_array_get(pair, 1)));
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

static bool lists_from_json(const json_t *json, struct ls_arena *mem, struct ls_sync_config *c)
{
    return texts_from_json(json_object_get(json, "key"), mem, &c->key_count, &c->key) &&
           texts_from_json(json_object_get(json, "only"), mem, &c->only_count, &c->only) &&
           fields_from_json(json_object_get(json, "fields"), mem, &c->field_count, &c->fields) &&
           fields_from_json(json_object_get(json, "soft"), mem, &c->soft_count, &c->soft);
}

enum ls_code ls_sync_config_from_json(const char *text, struct ls_arena *mem,
                                      struct ls_sync_config *ret, struct ls_error *err)
{
    json_t *json = json_loads(text, 0, NULL);
    const json_int_t rows = json_integer_value(json_object_get(json, "batch_rows"));
    struct ls_sync_config c = {0};
    enum ls_code rc = LS_OK;

    c.name = text_member(json, "name", mem);
    c.source = side_from_json(json_object_get(json, "source"), mem);
    c.target = side_from_json(json_object_get(json, "target"), mem);
    c.where = text_member(json, "where", mem);
    c.target_where = text_member(json, "target_where", mem);
    c.brake_deletes = json_number_value(json_object_get(json, "brake_deletes"));
    c.brake_changes = json_number_value(json_object_get(json, "brake_changes"));
    c.atomic = json_is_true(json_object_get(json, "atomic"));
    c.cascades_accept = json_is_true(json_object_get(json, "cascades"));
    c.batch_rows = rows > 0 ? (size_t)rows : 0;
    if (!c.source.url || !c.target.url || !lists_from_json(json, mem, &c) ||
        !deletes_from_word(json_string_value(json_object_get(json, "deletes")), &c.deletes))
        rc = ls_error_set(err, LS_DATA, "the recorded configuration of the sync is incomplete");
    else
        *ret = c;
    json_decref(json);
    return rc;
}
