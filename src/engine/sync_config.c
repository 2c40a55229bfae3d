/* SPDX-License-Identifier: Apache-2.0 */
/* sync_config.c - a sync's configuration as JSON.
 *
 * A plan file and a run record must be able to open their job again, on a machine where
 * lockstep.yaml has changed meanwhile or never was. What is written is data that the user gave, less
 * the passwords: those come from the environment, a pass file or the URL given again. */
#include "engine/sync_config.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"

static const char *const delete_words[] = {"remove", "keep", "soft"};

/* Where the value of a `password=` parameter ends. */
static const char *parameter_end(const char *at)
{
    return at + strcspn(at, "&# ");
}

char *ls_url_without_password(const char *url, struct ls_arena *mem)
{
    const char *host = strstr(url, "://"), *at, *colon;
    struct ls_buf out;
    char *ret;

    ls_buf_init(&out, 0);
    host = host ? host + 3 : url;
    at = host == url ? NULL : memchr(host, '@', strcspn(host, "/#"));
    colon = at ? memchr(host, ':', (size_t)(at - host)) : NULL;
    if (colon) {
        ls_buf_add(&out, url, (size_t)(colon - url));
        url = at;
    }
    for (const char *p;
         (p = strstr(url, "password=")) != NULL && p > url && strchr("?& ", p[-1]);) {
        ls_buf_add(&out, url, (size_t)(p - url));
        url = parameter_end(p);
        url += *url == '&';
    }
    ls_buf_text(&out, url);
    ret = out.failed ? NULL : ls_arena_text(mem, out.data ? out.data : "");
    ls_buf_done(&out);
    return ret;
}

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

static size_t texts_from_json(const json_t *array, struct ls_arena *mem, const char *const **ret)
{
    const size_t count = json_array_size(array);
    const char **texts = ls_arena_array(mem, count, sizeof *texts);

    *ret = texts;
    if (!texts)
        return 0;
    for (size_t i = 0; i < count; i++)
        texts[i] = ls_arena_text(mem, json_string_value(json_array_get(array, i)));
    return count;
}

static size_t fields_from_json(const json_t *array, struct ls_arena *mem,
                               const struct ls_field_config **ret)
{
    const size_t count = json_array_size(array);
    struct ls_field_config *fields = ls_arena_array(mem, count, sizeof *fields);

    *ret = fields;
    if (!fields)
        return 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(array, i);

        fields[i].target = ls_arena_text(mem, json_string_value(json_array_get(pair, 0)));
        fields[i].expression = ls_arena_text(mem, json_string_value(json_array_get(pair, 1)));
    }
    return count;
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

enum ls_code ls_sync_config_from_json(const char *text, struct ls_arena *mem,
                                      struct ls_sync_config *ret, struct ls_error *err)
{
    json_t *json = json_loads(text, 0, NULL);
    struct ls_sync_config c = {0};
    enum ls_code rc = LS_OK;

    c.name = text_member(json, "name", mem);
    c.source = side_from_json(json_object_get(json, "source"), mem);
    c.target = side_from_json(json_object_get(json, "target"), mem);
    c.key_count = texts_from_json(json_object_get(json, "key"), mem, &c.key);
    c.only_count = texts_from_json(json_object_get(json, "only"), mem, &c.only);
    c.field_count = fields_from_json(json_object_get(json, "fields"), mem, &c.fields);
    c.soft_count = fields_from_json(json_object_get(json, "soft"), mem, &c.soft);
    c.where = text_member(json, "where", mem);
    c.target_where = text_member(json, "target_where", mem);
    c.brake_deletes = json_number_value(json_object_get(json, "brake_deletes"));
    c.brake_changes = json_number_value(json_object_get(json, "brake_changes"));
    c.atomic = json_is_true(json_object_get(json, "atomic"));
    c.cascades_accept = json_is_true(json_object_get(json, "cascades"));
    c.batch_rows = (size_t)json_integer_value(json_object_get(json, "batch_rows"));
    if (!c.source.url || !c.target.url ||
        !deletes_from_word(json_string_value(json_object_get(json, "deletes")), &c.deletes))
        rc = ls_error_set(err, LS_DATA, "the recorded configuration of the sync is incomplete");
    else
        *ret = c;
    json_decref(json);
    return rc;
}
