/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - lockstep.yaml, read and checked. */
#ifndef LS_API_CONFIG_H
#define LS_API_CONFIG_H

#include "engine/job.h"

struct ls_config {
    struct ls_arena mem;
    const char *path;
    const char *state_url; /* NULL: not set */
    int journal_keep_days; /* 0: default */
    int64_t journal_keep_bytes;
    size_t sync_count;
    const struct ls_sync_config *syncs; /* in the order of the file; every one has a name */
    const char *const *names;
};

/* Reads path (YAML 1.1 by libyaml; UTF-8; at most 1 MiB, no aliases or anchors, 20 levels), replaces ${VAR} and ${VAR:-default} from the
 * environment inside scalars. LS_CONFIG with file, line, column and the nearest known name for: unknown keys, wrong types, values outside their set, stores that are
 * not there, duplicate keys, unset variables. LS_NOT_FOUND when there is no such file. Passwords never appear in messages. */
LS_MUST_CHECK enum ls_code ls_config_read(const char *path, struct ls_config **ret,
                                          struct ls_error *err);
void ls_config_free(struct ls_config *config);

/* "${VAR}" and "${VAR:-default}" replaced from the environment, "$${" by "${"; LS_CONFIG names a variable that is not set. */
LS_MUST_CHECK enum ls_code ls_config_expand(const char *text, struct ls_arena *mem,
                                            const char **ret, struct ls_error *err);

#endif
