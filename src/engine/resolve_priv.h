/* SPDX-License-Identifier: Apache-2.0 */
/* resolve_priv.h - what the files that resolve a sync share: drafts of its fields. */
#ifndef LS_ENGINE_RESOLVE_PRIV_H
#define LS_ENGINE_RESOLVE_PRIV_H

#include "engine/resolve.h"

/* A field of the layout before positions are handed out. */
struct ls_draft {
    size_t target; /* schema index */
    const char *text;
    struct ls_expr *expr; /* NULL for a plain field */
    bool plain;
    size_t source; /* schema index, when plain */
    const struct ls_value *fixed;
};

/* A job being resolved. */
struct ls_resolver {
    struct ls_job *job;
    const struct ls_sync_config *config;
    struct ls_arena *mem;
    const struct ls_schema *source, *target;
    size_t count;
    struct ls_draft *drafts; /* room for every field of the target */
    size_t key_count;
    size_t *key; /* positions in drafts */
};

/* In this order. */
LS_MUST_CHECK enum ls_code ls_resolve_fields(struct ls_resolver *r, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_resolve_key(struct ls_resolver *r, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_resolve_soft(struct ls_resolver *r, struct ls_mapping *mapping,
                                           struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_resolve_filters(struct ls_resolver *r, struct ls_mapping *mapping,
                                              struct ls_error *err);

bool ls_set_has(const size_t *set, size_t count, size_t field);
/* Whether the store keeps keys unique here at all. */
bool ls_schema_constrained(const struct ls_schema *schema);
bool ls_field_generated(const struct ls_schema *schema, size_t field);
const struct ls_field *ls_draft_field(const struct ls_resolver *r, const struct ls_draft *d);
/* The draft that maps this field, by schema index; -1: none (of the source: none that is plain). */
int ls_draft_of_target(const struct ls_resolver *r, size_t target);
int ls_draft_of_source(const struct ls_resolver *r, size_t source);
/* Reads an expression over the source: a plain field, or d->expr. A field's own name is always the field, whatever it
 * would mean as an expression. */
LS_MUST_CHECK enum ls_code ls_draft_read(const struct ls_schema *source, const char *text,
                                         struct ls_arena *mem, struct ls_draft *d,
                                         struct ls_error *err);
/* The word now, which is no expression. */
bool ls_soft_is_now(const char *expression);

#endif
