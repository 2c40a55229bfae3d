/* SPDX-License-Identifier: Apache-2.0 */
/* group.c - URL groups. Their members are kept as JSON: a group is read whole whenever a message goes to it. */
#include "event/group.h"

#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "model/jsonload.h"

/* ---- reading ---- */

static enum ls_code read_members(const char *text, struct ls_arena *mem, struct ls_group *ret,
                                 struct ls_error *err)
{
    json_t *list = NULL;
    enum ls_code rc = ls_json_load(text, strlen(text), 0, &list, err);

    if (rc == LS_OK && !json_is_array(list))
        rc =
            ls_error_set(err, LS_CORRUPT, "the URLs of the group %.100s cannot be read", ret->name);
    ret->count = json_array_size(list);
    ret->members = ls_arena_array(mem, ret->count, sizeof *ret->members);
    if (rc == LS_OK && !ret->members)
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < ret->count && rc == LS_OK; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *url = json_string_value(json_object_get(item, "url"));

        ret->members[i] = (struct ls_group_member){name ? ls_arena_text(mem, name) : NULL,
                                                   ls_arena_text(mem, url ? url : "")};
        if ((name && !ret->members[i].name) || !ret->members[i].url)
            rc = ls_error_nomem(err);
    }
    json_decref(list);
    return rc;
}

static enum ls_code from_row(const struct ls_url_group_row *row, struct ls_arena *mem,
                             struct ls_group *ret, struct ls_error *err)
{
    *ret = (struct ls_group){
        .name = row->name, .created_us = row->created_us, .updated_us = row->updated_us};
    return read_members(row->endpoints, mem, ret, err);
}

enum ls_code ls_group_read(struct ls_state *state, const char *name, struct ls_arena *mem,
                           struct ls_group *ret, bool *ret_found, struct ls_error *err)
{
    struct ls_url_group_row *rows = NULL;
    size_t count = 0;
    enum ls_code rc = ls_url_group_rows(state, name, mem, &count, &rows, err);

    *ret = (struct ls_group){.name = name};
    *ret_found = rc == LS_OK && count;
    return *ret_found ? from_row(&rows[0], mem, ret, err) : rc;
}

enum ls_code ls_groups_read(struct ls_state *state, struct ls_arena *mem, size_t *ret_count,
                            struct ls_group **ret, struct ls_error *err)
{
    struct ls_url_group_row *rows = NULL;
    enum ls_code rc = ls_url_group_rows(state, NULL, mem, ret_count, &rows, err);
    struct ls_group *found = rc == LS_OK ? ls_arena_array(mem, *ret_count, sizeof *found) : NULL;

    if (rc == LS_OK && !found)
        rc = ls_error_nomem(err);
    for (size_t i = 0; rc == LS_OK && i < *ret_count; i++)
        rc = from_row(&rows[i], mem, &found[i], err);
    *ret = found;
    return rc;
}

/* ---- changing ---- */

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static bool is_one(const struct ls_group_member *m, const struct ls_group_member *wanted)
{
    return same(m->name, wanted->name) || same(m->url, wanted->url);
}

static enum ls_code write(struct ls_queue_tx *tx, const struct ls_group *group,
                          struct ls_error *err)
{
    struct ls_buf out;
    enum ls_code rc;

    ls_buf_init(&out, 0);
    ls_buf_char(&out, '[');
    for (size_t i = 0; i < group->count; i++) {
        const struct ls_group_member *m = &group->members[i];

        ls_buf_text(&out, i ? ",{\"url\":" : "{\"url\":");
        ls_text_json(&out, m->url, strlen(m->url));
        if (m->name) {
            ls_buf_text(&out, ",\"name\":");
            ls_text_json(&out, m->name, strlen(m->name));
        }
        ls_buf_char(&out, '}');
    }
    ls_buf_char(&out, ']');
    rc = out.failed ? ls_error_nomem(err)
                    : ls_url_group_save(tx, group->name, ls_buf_str(&out), err);
    ls_buf_done(&out);
    return rc;
}

enum ls_code ls_group_add(struct ls_queue_tx *tx, const char *name,
                          const struct ls_group_member *members, size_t count, struct ls_arena *mem,
                          struct ls_error *err)
{
    struct ls_group group;
    struct ls_group_member *all = NULL;
    bool found;
    enum ls_code rc = ls_group_read(tx->state, name, mem, &group, &found, err);

    if (rc == LS_OK && !(all = ls_arena_array(mem, group.count + count, sizeof *all)))
        rc = ls_error_nomem(err);
    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < group.count; i++)
        all[i] = group.members[i];
    group.members = all;
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < group.count && !is_one(&all[at], &members[i]))
            at++;
        all[at] = members[i];
        group.count += at == group.count;
    }
    if (group.count > LS_GROUP_MAX)
        return ls_error_set(err, LS_USAGE, "a URL group has at most %d URLs", LS_GROUP_MAX);
    return write(tx, &group, err);
}

enum ls_code ls_group_take(struct ls_queue_tx *tx, const char *name,
                           const struct ls_group_member *members, size_t count,
                           struct ls_arena *mem, bool *ret_found, struct ls_error *err)
{
    struct ls_group group;
    size_t kept = 0;
    bool removed;
    enum ls_code rc = ls_group_read(tx->state, name, mem, &group, ret_found, err);

    if (rc != LS_OK || !*ret_found)
        return rc;
    for (size_t i = 0; i < group.count; i++) {
        bool taken = false;

        for (size_t j = 0; j < count && !taken; j++)
            taken = is_one(&group.members[i], &members[j]);
        if (!taken)
            group.members[kept++] = group.members[i];
    }
    group.count = kept;
    return kept ? write(tx, &group, err) : ls_url_group_remove(tx, name, &removed, err);
}
