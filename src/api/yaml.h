/* SPDX-License-Identifier: Apache-2.0 */
/* yaml.h - a YAML file as a small tree with places, for configuration. The only file that sees libyaml is yaml.c. */
#ifndef LS_API_YAML_H
#define LS_API_YAML_H

#include "base/arena.h"
#include "base/error.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

/* A node. A map's items come in pairs: name (a text), value. */
struct yaml_node {
    enum yaml_kind kind;
    const char *text; /* YAML_TEXT: the scalar, ${VAR} already replaced */
    bool quoted;      /* the scalar stood in quotes: never a number, boolean or null */
    int line, column; /* from 1 */
    size_t count;     /* list: items; map: pairs */
    struct yaml_node **items;
};

#define YAML_MAX_BYTES (1u << 20)
#define YAML_MAX_DEPTH 20
#define YAML_MAX_NODES 100000

/* Reads one document. LS_CONFIG with file, line and column: syntax, anchors and aliases (refused: a small file can
 * grow without bounds through them), more than one document, duplicate names in a map, too deep or too large. */
LS_MUST_CHECK enum ls_code ls_yaml_read(const char *path, struct ls_arena *mem,
                                        struct yaml_node **ret, struct ls_error *err);
/* The value of a name in a map, or NULL. */
const struct yaml_node *ls_yaml_get(const struct yaml_node *map, const char *name);
/* Sets LS_CONFIG with "path:line:column: " before the text. */
enum ls_code ls_yaml_error(struct ls_error *err, const char *path, const struct yaml_node *at,
                           const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
