/* SPDX-License-Identifier: Apache-2.0 */
/* write.h - JSON into a buffer, member by member; commas are put where they belong.
 *
 * name NULL: an item of an array. A failure sticks to the buffer, as ever. */
#ifndef LS_SERVER_WRITE_H
#define LS_SERVER_WRITE_H

#include "base/buf.h"

void ls_write_open(struct ls_buf *out, const char *name, char bracket);     /* '{' or '[' */
void ls_write_close(struct ls_buf *out, char bracket);                      /* '}' or ']' */
void ls_write_text(struct ls_buf *out, const char *name, const char *text); /* NULL: null */
void ls_write_i64(struct ls_buf *out, const char *name, int64_t number);
void ls_write_bool(struct ls_buf *out, const char *name, bool yes);
void ls_write_null(struct ls_buf *out, const char *name);
/* RFC 3339 in UTC with milliseconds; 0: null. */
void ls_write_time(struct ls_buf *out, const char *name, int64_t unix_us);
/* JSON as it is. NULL: null. */
void ls_write_json(struct ls_buf *out, const char *name, const char *json);

#endif
