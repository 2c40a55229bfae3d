/* SPDX-License-Identifier: Apache-2.0 */
/* sync_config.h - a sync's configuration as JSON, for plan headers and run records. */
#ifndef LS_ENGINE_SYNC_CONFIG_H
#define LS_ENGINE_SYNC_CONFIG_H

#include "engine/job.h"

/* Everything that ls_job_open() needs to make the same job again, but passwords: those are left out of the
 * URLs. NULL when out of memory. */
const char *ls_sync_config_to_json(const struct ls_sync_config *config, struct ls_arena *mem);
/* The inverse. LS_DATA when it is no such object. */
LS_MUST_CHECK enum ls_code ls_sync_config_from_json(const char *json, struct ls_arena *mem,
                                                    struct ls_sync_config *ret,
                                                    struct ls_error *err);
/* The URL without its password (user:password@ and password= parameters); all else stays. NULL when out of memory. */
char *ls_url_without_password(const char *url, struct ls_arena *mem);

#endif
