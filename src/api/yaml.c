/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.c - a YAML file as a small tree with places.
 *
 * Built from libyaml's events rather than its documents, because events show anchors and aliases: a file
 * of a kilobyte can unfold into gigabytes through them, and a configuration needs none. Everything is a text, a list or a
 * map; what a text means (a number, a boolean) is decided where it is used, so `no` is never a country by accident. */
#include "api/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "api/config.h"
#include "base/file.h"
#include "base/text.h"

struct reader {
    const char *path;
    yaml_parser_t parser;
    struct ls_arena *mem;
    size_t nodes;
    int depth;
};

enum ls_code ls_yaml_error(struct ls_error *err, const char *path, const struct yaml_node *at,
                           const char *fmt, ...)
{
    char text[700];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return ls_error_set(err, LS_CONFIG, "%s:%d:%d: %s", path, at->line, at->column, text);
}

static struct yaml_node place_of(const yaml_mark_t *mark)
{
    return (struct yaml_node){.line = (int)mark->line + 1, .column = (int)mark->column + 1};
}

static enum ls_code syntax_error(struct reader *r, struct ls_error *err)
{
    const struct yaml_node at = place_of(&r->parser.problem_mark);

    if (r->parser.error == YAML_MEMORY_ERROR)
        return ls_error_nomem(err);
    return ls_yaml_error(err, r->path, &at, "this is not YAML: %s%s%s",
                         r->parser.problem ? r->parser.problem : "unreadable",
                         r->parser.context ? ", " : "", r->parser.context ? r->parser.context : "");
}

static enum ls_code next_event(struct reader *r, yaml_event_t *event, struct ls_error *err)
{
    return yaml_parser_parse(&r->parser, event) ? LS_OK : syntax_error(r, err);
}

static enum ls_code read_node(struct reader *r, yaml_event_t *event, struct yaml_node **ret,
                              struct ls_error *err);

/* A growing list of nodes in the arena. */
static enum ls_code push(struct reader *r, struct yaml_node *node, size_t *room,
                         struct yaml_node *item, size_t used, struct ls_error *err)
{
    if (used == *room) {
        const size_t wanted = *room ? *room * 2 : 8;
        struct yaml_node **items = ls_arena_array(r->mem, wanted, sizeof *items);

        if (!items)
            return ls_error_nomem(err);
        if (used)
            memcpy(items, node->items, used * sizeof *items);
        node->items = items;
        *room = wanted;
    }
    node->items[used] = item;
    return LS_OK;
}

static enum ls_code check_name(struct reader *r, const struct yaml_node *map, size_t used,
                               const struct yaml_node *name, struct ls_error *err)
{
    if (name->kind != YAML_TEXT)
        return ls_yaml_error(err, r->path, name, "a name is expected here, not a list or a map");
    for (size_t i = 0; i < used; i += 2)
        if (strcmp(map->items[i]->text, name->text) == 0)
            return ls_yaml_error(err, r->path, name, "\"%s\" stands here twice (first in line %d)",
                                 name->text, map->items[i]->line);
    return LS_OK;
}

/* Items until the end event of a list or a map. */
static enum ls_code read_items(struct reader *r, struct yaml_node *node, struct ls_error *err)
{
    size_t used = 0, room = 0;
    enum ls_code rc = LS_OK;

    if (++r->depth > YAML_MAX_DEPTH)
        return ls_yaml_error(err, r->path, node, "more than %d levels", YAML_MAX_DEPTH);
    while (rc == LS_OK) {
        yaml_event_t event;
        struct yaml_node *item = NULL;

        rc = next_event(r, &event, err);
        if (rc != LS_OK)
            break;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        rc = read_node(r, &event, &item, err);
        if (rc == LS_OK && node->kind == YAML_MAP && used % 2 == 0)
            rc = check_name(r, node, used, item, err);
        if (rc == LS_OK)
            rc = push(r, node, &room, item, used++, err);
    }
    r->depth--;
    node->count = node->kind == YAML_MAP ? used / 2 : used;
    return rc;
}

static enum ls_code read_text(struct reader *r, const yaml_event_t *event, struct yaml_node *node,
                              struct ls_error *err)
{
    const char *raw = (const char *)event->data.scalar.value;
    struct ls_error why;
    enum ls_code rc;

    node->kind = YAML_TEXT;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (strlen(raw) != event->data.scalar.length)
        return ls_yaml_error(err, r->path, node, "a text with a NUL byte");
    rc = ls_config_expand(raw, r->mem, &node->text, &why);
    if (rc == LS_CONFIG)
        return ls_yaml_error(err, r->path, node, "%s", why.text);
    if (rc != LS_OK && err)
        *err = why;
    return rc;
}

/* Takes the event over. */
static enum ls_code read_node(struct reader *r, yaml_event_t *event, struct yaml_node **ret,
                              struct ls_error *err)
{
    struct yaml_node *node = ls_arena_alloc(r->mem, sizeof *node);
    const yaml_char_t *anchor =
        event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
        : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
        : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.anchor
                                                   : NULL;
    enum ls_code rc;

    if (!node || ++r->nodes > YAML_MAX_NODES) {
        yaml_event_delete(event);
        return node ? ls_error_set(err, LS_CONFIG, "%s: more than %d entries", r->path,
                                   YAML_MAX_NODES)
                    : ls_error_nomem(err);
    }
    *node = place_of(&event->start_mark);
    if (event->type == YAML_ALIAS_EVENT || anchor) {
        rc = ls_yaml_error(
            err, r->path, node,
            "anchors (&) and aliases (*) are not allowed here: write the value out, or "
            "quote a text that begins with such a sign");
    } else if (event->type == YAML_SCALAR_EVENT) {
        rc = read_text(r, event, node, err);
    } else {
        node->kind = event->type == YAML_MAPPING_START_EVENT ? YAML_MAP : YAML_LIST;
        rc = read_items(r, node, err);
    }
    yaml_event_delete(event);
    *ret = node;
    return rc;
}

/* Stream start, document start, a node, document end, stream end. */
static enum ls_code read_document(struct reader *r, struct yaml_node **ret, struct ls_error *err)
{
    yaml_event_t event;
    enum ls_code rc = LS_OK;

    *ret = NULL;
    while (rc == LS_OK) {
        rc = next_event(r, &event, err);
        if (rc != LS_OK)
            break;
        if (event.type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT ||
            event.type == YAML_DOCUMENT_END_EVENT || event.type == YAML_NO_EVENT) {
            yaml_event_delete(&event);
        } else if (*ret) {
            const struct yaml_node at = place_of(&event.start_mark);

            yaml_event_delete(&event);
            rc = ls_yaml_error(err, r->path, &at, "a second document begins here; one is enough");
        } else {
            rc = read_node(r, &event, ret, err);
        }
    }
    if (rc == LS_OK && !*ret)
        rc = ls_error_set(err, LS_CONFIG, "%s is empty. `lockstep init SOURCE TARGET` writes one",
                          r->path);
    return rc;
}

enum ls_code ls_yaml_read(const char *path, struct ls_arena *mem, struct yaml_node **ret,
                          struct ls_error *err)
{
    struct reader r = {.path = path, .mem = mem};
    char *data = NULL;
    size_t size = 0;
    enum ls_code rc = ls_file_read(path, YAML_MAX_BYTES, mem, &data, &size, err);

    if (rc == LS_DATA)
        return ls_error_set(err, LS_CONFIG, "%s is larger than 1 MiB: that is no configuration",
                            path);
    if (rc == LS_NOT_FOUND)
        return ls_error_set(err, rc,
                            "there is no configuration %s. `lockstep init SOURCE TARGET -c %s` "
                            "writes one",
                            path, path);
    if (rc != LS_OK)
        return ls_error_wrap(err, "cannot read the configuration");
    if (ls_utf8_check(data, size) != size)
        return ls_error_set(err, LS_CONFIG, "%s: byte %zu is not UTF-8", path,
                            ls_utf8_check(data, size));
    if (ls_text_starts(data,
                       "\xef\xbb\xbf")) { /* a byte order mark, which libyaml takes for text */
        data += 3;
        size -= 3;
    }
    if (!yaml_parser_initialize(&r.parser))
        return ls_error_nomem(err);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)data, size);
    rc = read_document(&r, ret, err);
    yaml_parser_delete(&r.parser);
    return rc;
}

const struct yaml_node *ls_yaml_get(const struct yaml_node *map, const char *name)
{
    if (map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->items[2 * i]->text, name) == 0)
            return map->items[2 * i + 1];
    return NULL;
}
