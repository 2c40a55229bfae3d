/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - the documented JSON shapes (docs/json.md), in one place. */
#ifndef LS_API_JSON_H
#define LS_API_JSON_H

#include "engine/compare.h"

/* {"key":{...},"status":"...","source":{...}|null,"target":{...}|null,"fields":["..."]}: in mem; NULL when out of memory. */
const char *ls_json_difference(const struct ls_layout *layout, const struct ls_difference *d,
                               struct ls_arena *mem);

/* Appends ,"name":"text". */
void ls_json_member(struct ls_buf *out, const char *name, const char *text);

#endif
