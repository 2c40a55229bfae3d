/* SPDX-License-Identifier: Apache-2.0 */
/* resolve.h - which fields are compared, by which key, under which filters: decided from two schemas and the configuration.
 *
 * No I/O but what the evaluator does in memory. Everything lives in job->mem. */
#ifndef LS_ENGINE_RESOLVE_H
#define LS_ENGINE_RESOLVE_H

#include "engine/mapping.h"

/* Fills layout, mapping, key, filters and the sides' field lists. Both sides have their schema (job_open_target: the target alone, and
 * ls_resolve_target()). Errors: as ls_job_open() has them. */
LS_MUST_CHECK enum ls_code ls_resolve(struct ls_job *job, const struct ls_sync_config *config,
                                      struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_resolve_target(struct ls_job *job, size_t key_count,
                                             const char *const *key, struct ls_error *err);

/* What a target that does not exist yet would look like: the mapped fields by the target's names with the source's types,
 * and the key (indexes into ret->fields). In mem. */
LS_MUST_CHECK enum ls_code ls_resolve_like(const struct ls_schema *source,
                                           const struct ls_sync_config *config,
                                           const char *collection, struct ls_arena *mem,
                                           struct ls_schema **ret, size_t *ret_key_count,
                                           const size_t **ret_key, struct ls_error *err);

/* What a store keeps true of the fields of a key. */
enum ls_key_rule {
    LS_KEY_ONCE,   /* no two records have the same values, NULLs apart */
    LS_KEY_SERVES, /* and a primary key says so, or one that is never NULL */
    LS_KEY_STRICT  /* and none of the fields is ever NULL */
};
/* Whether the store keeps the rule for these fields (schema indexes). */
bool ls_schema_enforces(const struct ls_schema *schema, const size_t *fields, size_t count,
                        enum ls_key_rule rule);

#endif
