/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - values and records as JSON, by type and never by value.
 *
 * null; bool as true or false; int, decimal, text, uuid, json and native as strings; double as
 * the shortest number that reads back the same (NaN and the infinities as strings); bytes as base64; date, time,
 * timestamp as ISO 8601 strings, timestamptz as RFC 3339 in UTC. A value whose type is not the
 * field's (SQLite allows that) is an object {"type":"text","value":...}; a text that is not UTF-8 is
 * {"type":"text","base64":...}. So reading needs the fields and is exact. Documents are to be loaded with
 * JSON_ALLOW_NUL: texts may hold U+0000. Pure. Any thread. */
#ifndef LS_MODEL_JSON_H
#define LS_MODEL_JSON_H

#include <jansson.h>

#include "model/record.h"

void ls_value_to_json(struct ls_buf *out, const struct ls_value *v, const struct ls_field *field);
LS_MUST_CHECK enum ls_code ls_value_from_json(const json_t *json, const struct ls_field *field,
                                              struct ls_arena *mem, struct ls_value *ret,
                                              struct ls_error *err);
/* {"name":value,...} for fields[positions[i]], i < count (positions NULL: 0,1,2...). `values` has
 * one value for each listed field. */
void ls_record_to_json(struct ls_buf *out, const struct ls_field *fields, const size_t *positions,
                       const struct ls_value *values, size_t count);
/* Reads an object back; LS_DATA names a missing, unknown or wrong member. ret: count values. */
LS_MUST_CHECK enum ls_code ls_record_from_json(const json_t *json, const struct ls_field *fields,
                                               const size_t *positions, size_t count,
                                               struct ls_arena *mem, struct ls_value *ret,
                                               struct ls_error *err);
/* Compact binary form of a row of values (type, then the bytes), for journals and sort runs. Exact. */
void ls_values_encode(struct ls_buf *out, const struct ls_value *values, size_t count);
/* false on damage, which sets in->failed, and out of memory, which does not. data is copied into mem; mem NULL: it stays borrowed from what is read. */
bool ls_values_decode(struct ls_reader *in, struct ls_arena *mem, struct ls_value *ret,
                      size_t count);

#endif
