/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - the HTTP call of a schedule: its method and headers, as they are kept. Pure; any thread. */
#ifndef LS_SCHEDULE_CALL_H
#define LS_SCHEDULE_CALL_H

#include "base/arena.h"
#include "base/buf.h"
#include "state/schedules.h"

#define LS_CALL_BODY_MAX ((size_t)1 << 20)
#define LS_CALL_PREFIX "Lockstep-" /* headers in which we tell of a call ourselves */

struct ls_call_header {
    const char *name, *value;
};

/* Reads what is kept: a JSON object of texts, or "". LS_CONFIG says what is wrong: no JSON, a name or value that no header can have. */
LS_MUST_CHECK enum ls_code ls_call_headers(const char *json, struct ls_arena *mem,
                                           size_t *ret_count, struct ls_call_header **ret,
                                           struct ls_error *err);
/* Writes it; nothing where there are none. */
void ls_call_headers_json(const struct ls_call_header *headers, size_t count, struct ls_buf *out);
/* Method, headers and size of the body. LS_CONFIG. */
LS_MUST_CHECK enum ls_code ls_call_check(const struct ls_schedule *s, struct ls_error *err);

#endif
