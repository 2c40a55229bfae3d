/* SPDX-License-Identifier: Apache-2.0 */
/* config_value.c - the values of lockstep.yaml: ${VAR}, texts, words, numbers, and maps by a table of names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/config_read.h"
#include "base/duration.h"
#include "base/text.h"
#include "model/decimal.h"

/* ---- ${VAR} ---- */

static const char *variable(const char *name, size_t length)
{
    char text[256];

    if (length == 0 || length >= sizeof text)
        return NULL;
    memcpy(text, name, length);
    text[length] = '\0';
    return getenv(text);
}

static bool is_variable_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        const char c = name[i];

        if (!(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (i && c >= '0' && c <= '9')))
            return false;
    }
    return length > 0;
}

/* One ${...}; at stands behind the brace. */
static enum ls_code expand_one(struct ls_buf *out, const char *at, const char *end,
                               struct ls_error *err)
{
    const size_t name_length = strcspn(at, ":}");
    const char *rest = at + name_length, *value;

    if (!is_variable_name(at, name_length) || (*rest == ':' && rest[1] != '-'))
        return ls_error_set(err, LS_CONFIG,
                            "what stands between ${ and } is not NAME or NAME:-default. The text "
                            "${ itself is written $${");
    if (*rest == ':' && memmem(rest, (size_t)(end - rest), "${", 2))
        return ls_error_set(err, LS_CONFIG,
                            "the default of ${%.*s} holds another ${: one is enough",
                            (int)name_length, at);
    value = variable(at, name_length);
    if (*rest == ':' && (!value || !*value))
        ls_buf_add(out, rest + 2, (size_t)(end - rest - 2));
    else if (value)
        ls_buf_text(out, value);
    else
        return ls_error_set(
            err, LS_CONFIG,
            "the environment variable %.*s is not set. Set it, or give a default: ${%.*s:-...}",
            (int)name_length, at, (int)name_length, at);
    return LS_OK;
}

enum ls_code ls_config_expand(const char *text, struct ls_arena *mem, const char **ret,
                              struct ls_error *err)
{
    struct ls_buf out;
    enum ls_code rc = LS_OK;

    ls_buf_init(&out, YAML_MAX_BYTES);
    for (const char *p; rc == LS_OK && (p = strstr(text, "${")) != NULL;) {
        const char *end = strchr(p, '}');

        if (p > text && p[-1] == '$') { /* $${ is the text ${ */
            ls_buf_add(&out, text, (size_t)(p - text - 1));
            ls_buf_text(&out, "${");
            text = p + 2;
            continue;
        }
        ls_buf_add(&out, text, (size_t)(p - text));
        if (!end)
            rc = ls_error_set(err, LS_CONFIG, "a ${ has no }. The text ${ itself is written $${");
        else
            rc = expand_one(&out, p + 2, end, err);
        text = end ? end + 1 : text;
    }
    ls_buf_text(&out, text);
    if (rc == LS_OK) {
        *ret = out.failed ? NULL : ls_arena_text(mem, ls_buf_str(&out));
        if (!*ret)
            rc = ls_error_nomem(err);
    }
    ls_buf_done(&out);
    return rc;
}

/* ---- kinds of values ---- */

enum ls_code ls_config_text(struct ls_config_reader *l, const struct yaml_node *node,
                            const char **ret, struct ls_error *err)
{
    if (node->kind != YAML_TEXT)
        return ls_yaml_error(err, l->path, node, "a text is expected here, not a %s",
                             node->kind == YAML_LIST ? "list" : "map");
    if (!*node->text)
        return ls_yaml_error(err, l->path, node, "a text is expected here, and this is empty");
    *ret = node->text;
    return LS_OK;
}

enum ls_code ls_config_bool(struct ls_config_reader *l, const struct yaml_node *node, bool *ret,
                            struct ls_error *err)
{
    const bool is_true = node->kind == YAML_TEXT && strcmp(node->text, "true") == 0;

    if (!is_true && (node->kind != YAML_TEXT || strcmp(node->text, "false") != 0))
        return ls_yaml_error(err, l->path, node, "true or false is expected here");
    *ret = is_true;
    return LS_OK;
}

/* One of a few words. */
enum ls_code ls_config_word(struct ls_config_reader *l, const struct yaml_node *node,
                            const char *const *words, size_t count, size_t *ret,
                            struct ls_error *err)
{
    struct ls_buf all;
    enum ls_code rc;

    for (size_t i = 0; node->kind == YAML_TEXT && i < count; i++)
        if (strcmp(node->text, words[i]) == 0) {
            *ret = i;
            return LS_OK;
        }
    ls_buf_init(&all, 1000);
    for (size_t i = 0; i < count; i++)
        ls_buf_printf(&all, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", words[i]);
    rc = ls_yaml_error(err, l->path, node, "%s is expected here", ls_buf_str(&all));
    ls_buf_done(&all);
    return rc;
}

/* "20%", "20 %" or "0.2"; "off" is 1. */
enum ls_code ls_config_share(struct ls_config_reader *l, const struct yaml_node *node, double *ret,
                             struct ls_error *err)
{
    const char *text = node->kind == YAML_TEXT ? node->text : "";
    const size_t digits = strspn(text, "0123456789.");
    const char *end = text + digits + strspn(text + digits, " ");
    double share;

    if (strcmp(text, "off") == 0) {
        *ret = 1;
        return LS_OK;
    }
    share = ls_decimal_to_double(text, digits); /* NaN when it is no number */
    if (*end == '%') {
        share /= 100;
        end++;
    }
    if (*end || !(share > 0 && share <= 1))
        return ls_yaml_error(err, l->path, node, "a share is expected here: 20%%, 0.2 or off");
    *ret = share;
    return LS_OK;
}

/* A whole number from 1 to max; of: what it counts. */
enum ls_code ls_config_count(struct ls_config_reader *l, const struct yaml_node *node,
                             const char *of, int64_t max, int64_t *ret, struct ls_error *err)
{
    int64_t count = 0;

    if (node->kind != YAML_TEXT || !ls_text_to_i64(node->text, strlen(node->text), &count) ||
        count < 1 || count > max)
        return ls_yaml_error(err, l->path, node, "a number of %s from 1 to %lld is expected here",
                             of, (long long)max);
    *ret = count;
    return LS_OK;
}

enum ls_code ls_config_is_map(struct ls_config_reader *l, const struct yaml_node *node,
                              const char *of, struct ls_error *err)
{
    if (node->kind == YAML_MAP)
        return LS_OK;
    return ls_yaml_error(err, l->path, node, "%s is expected here, as `name: value` lines", of);
}

enum ls_code ls_config_map(struct ls_config_reader *l, const struct yaml_node *map,
                           const struct ls_config_entry *entries, size_t count, const char *what,
                           struct ls_error *err)
{
    enum ls_code rc = ls_config_is_map(l, map, what, err);

    for (size_t i = 0; i < map->count && rc == LS_OK; i++) {
        const struct yaml_node *name = map->items[2 * i];
        const char *known[32], *near;
        size_t e = 0;

        while (e < count && strcmp(entries[e].name, name->text) != 0)
            e++;
        if (e < count) {
            rc = entries[e].read(l, map->items[2 * i + 1], err);
            continue;
        }
        for (size_t k = 0; k < count; k++)
            known[k] = entries[k].name;
        near = ls_text_nearest(name->text, known, count);
        rc = ls_yaml_error(err, l->path, name, "%s has no setting \"%s\"%s%s%s", what, name->text,
                           near ? ". Did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    }
    return rc;
}

enum ls_code ls_config_later(struct ls_config_reader *l, const struct yaml_node *node,
                             struct ls_error *err)
{
    return ls_yaml_error(
        err, l->path, node,
        "this setting is known but this version of lockstep cannot do it yet. Take the line out");
}

enum ls_code ls_config_duration(struct ls_config_reader *l, const struct yaml_node *node,
                                int64_t min_ms, int64_t max_ms, int64_t *ret, struct ls_error *err)
{
    char expected[160];

    if (ls_duration_read(node->kind == YAML_TEXT ? node->text : "", min_ms, max_ms, ret))
        return LS_OK;
    ls_duration_expected(min_ms, max_ms, expected);
    return ls_yaml_error(err, l->path, node, "%s", expected);
}

enum ls_code ls_config_texts(struct ls_config_reader *l, const struct yaml_node *node,
                             const char *const **ret, size_t *ret_count, struct ls_error *err)
{
    const size_t count = node->kind == YAML_LIST ? node->count : 1;
    const char **texts = ls_arena_array(l->mem, count, sizeof *texts);
    enum ls_code rc = texts ? LS_OK : ls_error_nomem(err);

    for (size_t i = 0; i < count && rc == LS_OK; i++)
        rc = ls_config_text(l, node->kind == YAML_LIST ? node->items[i] : node, &texts[i], err);
    *ret = texts;
    *ret_count = count;
    return rc;
}
