/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl_value.h - a value as a member of a JSON Lines object, and back. Pure. */
#ifndef LS_STORE_FILE_JSONL_VALUE_H
#define LS_STORE_FILE_JSONL_VALUE_H

#include "model/schema.h"

/* The value that a member (as JSON tells it: NULL, BOOL, INT, DECIMAL, TEXT, JSON) is in this field. *ret_fits false when it is
 * none of the field's type; *ret is the member then. false when out of memory. Data in mem or the member's. */
bool jsonl_value_read(const struct ls_value *member, const struct ls_field *field,
                      struct ls_arena *mem, struct ls_value *ret, bool *ret_fits);
void jsonl_value_write(struct ls_buf *out, const struct ls_value *v);
/* Why it cannot be written so that it reads back the same; NULL: it can. */
const char *jsonl_value_refuses(const struct ls_value *v);

#endif
