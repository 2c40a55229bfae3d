/* SPDX-License-Identifier: Apache-2.0 */
/* plan_file.h - a plan as a file (docs/plan-format.md): what plan.c writes changes to and reads them from. */
#ifndef LS_ENGINE_PLAN_FILE_H
#define LS_ENGINE_PLAN_FILE_H

#include "base/file.h"
#include "engine/plan.h"

struct ls_plan_file_writer {
    const struct ls_job *job;
    const char *path;
    struct ls_file_swap swap;
    struct ls_buf line, header;
    size_t header_bytes; /* room that was left, line feed included */
};

/* Begins a file that replaces path when it ends. Done in any case. */
LS_MUST_CHECK enum ls_code ls_plan_file_begin(struct ls_plan_file_writer *writer,
                                              const struct ls_job *job, const char *path,
                                              int64_t now_us, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_plan_file_put(void *writer, const struct ls_change *change,
                                            struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_plan_file_end(struct ls_plan_file_writer *writer,
                                            const struct ls_plan_counts *counts,
                                            struct ls_error *err);
void ls_plan_file_done(struct ls_plan_file_writer *writer);

struct ls_plan_file; /* an open one */

/* Checks header, digest and job as ls_plan_open() says, and owns f from now on. */
LS_MUST_CHECK enum ls_code ls_plan_file_open(const struct ls_job *job, FILE *f, const char *shown,
                                             struct ls_plan_file **ret, struct ls_error *err);
void ls_plan_file_close(struct ls_plan_file *plan); /* NULL is fine */
const struct ls_plan_counts *ls_plan_file_counts(const struct ls_plan_file *plan);
/* The next change, in mem; *ret_bytes is about what it takes, 0 at the end. */
LS_MUST_CHECK enum ls_code ls_plan_file_next(struct ls_plan_file *plan, struct ls_arena *mem,
                                             struct ls_change *ret, size_t *ret_bytes,
                                             struct ls_error *err);

#endif
