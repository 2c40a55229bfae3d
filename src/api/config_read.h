/* SPDX-License-Identifier: Apache-2.0 */
/* config_read.h - what the readers of lockstep.yaml share: the reader's state, the kinds of values, maps by tables. */
#ifndef LS_API_CONFIG_READ_H
#define LS_API_CONFIG_READ_H

#include "api/config.h"
#include "api/yaml.h"

struct store {
    const char *name, *url, *zone;
    int lock_timeout_ms;
};

/* What the readers work on. */
struct ls_config_reader {
    const char *path;
    struct ls_arena *mem;
    struct ls_config *config;
    struct store *stores;
    size_t store_count;
    struct ls_sync_config *sync; /* the one being read */
    struct store *store;         /* likewise */
    struct ls_endpoint *endpoint;
    struct ls_receiver *receiver;
    struct ls_receiver_target *target; /* of it */
    struct ls_resource *resource;
    struct ls_schedule *schedule;
};

typedef enum ls_code ls_config_read_fn(struct ls_config_reader *l, const struct yaml_node *node,
                                       struct ls_error *err);
/* A name of a map and what reads its value. */
struct ls_config_entry {
    const char *name;
    ls_config_read_fn *read;
};

/* The kinds of values; each sets LS_CONFIG with the place and what is expected there. Results are borrowed from the tree. */
LS_MUST_CHECK enum ls_code ls_config_text(struct ls_config_reader *l, const struct yaml_node *node,
                                          const char **ret, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_config_bool(struct ls_config_reader *l, const struct yaml_node *node,
                                          bool *ret, struct ls_error *err);
/* One of a few words. */
LS_MUST_CHECK enum ls_code ls_config_word(struct ls_config_reader *l, const struct yaml_node *node,
                                          const char *const *words, size_t count, size_t *ret,
                                          struct ls_error *err);
/* "20%", "20 %" or "0.2"; "off" is 1. */
LS_MUST_CHECK enum ls_code ls_config_share(struct ls_config_reader *l, const struct yaml_node *node,
                                           double *ret, struct ls_error *err);
/* A whole number from 1 to max; of: what it counts. */
LS_MUST_CHECK enum ls_code ls_config_count(struct ls_config_reader *l, const struct yaml_node *node,
                                           const char *of, int64_t max, int64_t *ret,
                                           struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_config_is_map(struct ls_config_reader *l,
                                            const struct yaml_node *node, const char *of,
                                            struct ls_error *err);
/* Reads a map by a table; LS_CONFIG with the nearest known name for one that is not in it. what: "a sync". */
LS_MUST_CHECK enum ls_code ls_config_map(struct ls_config_reader *l, const struct yaml_node *map,
                                         const struct ls_config_entry *entries, size_t count,
                                         const char *what, struct ls_error *err);
/* "500ms", "10 s", "2min", "1h": milliseconds from min to max. A number alone is refused. */
LS_MUST_CHECK enum ls_code ls_config_duration(struct ls_config_reader *l,
                                              const struct yaml_node *node, int64_t min_ms,
                                              int64_t max_ms, int64_t *ret, struct ls_error *err);
/* A text or a list of texts. */
LS_MUST_CHECK enum ls_code ls_config_texts(struct ls_config_reader *l, const struct yaml_node *node,
                                           const char *const **ret, size_t *ret_count,
                                           struct ls_error *err);
/* STORE.COLLECTION, STORE, or a URL. */
LS_MUST_CHECK enum ls_code ls_config_side(struct ls_config_reader *l, const struct yaml_node *node,
                                          struct ls_side_config *side, struct ls_error *err);
/* A map of names to expressions; what: "fields (target: expression)". */
LS_MUST_CHECK enum ls_code ls_config_pairs(struct ls_config_reader *l, const struct yaml_node *map,
                                           const char *what, const struct ls_field_config **ret,
                                           size_t *ret_count, struct ls_error *err);
/* Refuses a setting that is of a later part of lockstep. */
LS_MUST_CHECK enum ls_code ls_config_later(struct ls_config_reader *l, const struct yaml_node *node,
                                           struct ls_error *err);

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LS_CONFIG_MAP(l, map, entries, what, err) \
    ls_config_map(l, map, entries, COUNT(entries), what, err)

/* The sections. Stores and syncs are read before what names them. */
ls_config_read_fn ls_config_stores, ls_config_syncs, ls_config_events, ls_config_endpoints,
    ls_config_receivers, ls_config_schedules, ls_config_alerts, ls_config_server,
    ls_config_surfaces, ls_config_auth;
/* Checks that requests may go to the endpoints that were read: after all sections. */
ls_config_read_fn ls_config_destinations;

#endif
