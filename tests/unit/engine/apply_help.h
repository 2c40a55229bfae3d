/* SPDX-License-Identifier: Apache-2.0 */
/* apply_help.h - what the tests of applying share: jobs over small tables, and a sync with its undo. */
#ifndef LS_TESTS_ENGINE_APPLY_HELP_H
#define LS_TESTS_ENGINE_APPLY_HELP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/apply.h"
#include "runs.h"
#include "tables.h"

extern const char *const databases[2];
int apply_done(void **state);
const char *in_sqlite(const char *text);
const char *in_memory(const char *text);
struct ls_job *job_of(const char *source, const char *target, size_t batch_rows);
/* Inserts records into a collection by its URL. */
void fill(const char *url, size_t count, const struct ls_value *records);
/* Syncs once, expects these counts and so many records that differ afterwards. */
void sync_expecting(const char *source, const char *target, size_t batch_rows, const char *counts,
                    uint64_t different);

#define CHECKED \
    "CREATE TABLE t(id bigint PRIMARY KEY NOT NULL, code text UNIQUE, n bigint CHECK (n < 100));"

#endif
