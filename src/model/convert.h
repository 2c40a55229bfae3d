/* SPDX-License-Identifier: Apache-2.0 */
/* convert.h - a value of one store as the field of another one holds it.
 *
 * The target either holds the value exactly, or the conversion is refused: nothing
 * is rounded, cut or guessed in silence. What cannot make the round trip for a whole
 * column is said beforehand by ls_convert_check(). */
#ifndef LS_MODEL_CONVERT_H
#define LS_MODEL_CONVERT_H

#include "base/zone.h"
#include "model/schema.h"

/* Converts v for the field `to`. zone: in which zone-less times of either side are meant;
 * NULL refuses to mix zone-less and absolute times. A value of the field's type passes as it is, as far as
 * the field's limits let it: times are cut to its digits of a second, doubles rounded to its width (equality looks no
 * closer), char(n) is without its padding, as stores read it. A time after the year 294246 stays PostgreSQL's NATIVE. A DYNAMIC field keeps what does not convert, and texts of dates, times, UUIDs and JSON as
 * they are written. LS_TYPE, naming both types and the reason, never the value: integer out of
 * range, decimal with too many digits, text that is no such value, too long a text, text
 * with NUL for PostgreSQL. data lives in mem or is v's. Any thread. */
LS_MUST_CHECK enum ls_code ls_value_convert(const struct ls_value *v, const struct ls_field *to,
                                            const struct ls_zone *zone, struct ls_arena *mem,
                                            struct ls_value *ret, struct ls_error *err);

enum ls_round_trip {
    LS_TRIP_EXACT,   /* every value passes (`why`, if any, is worth knowing) */
    LS_TRIP_CHECKED, /* values that do not fit are refused one by one (`why` says which) */
    LS_TRIP_LOSSY,   /* passes, but equality is coarser than the source's (`why`) */
    LS_TRIP_NEVER    /* cannot be synced without a setting (`why` says which) */
};
/* Whether the values of `from` make the round trip through `to`: float width, numeric
 * scale, time precision and zone, zero dates, NaN and infinities, case-folding or padded keys, collations,
 * identity columns, enums, JSON numbers over 2^53, text with NUL. *ret_why is a sentence in mem (or ""). */
enum ls_round_trip ls_convert_check(const struct ls_field *from, const struct ls_field *to,
                                    const struct ls_zone *zone, bool is_key, struct ls_arena *mem,
                                    const char **ret_why);

#endif
