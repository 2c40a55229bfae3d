/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - one value of one field, typed, whatever store it came from.
 *
 * Equality, order, hash and text form of values are defined here and nowhere
 * else (docs/types.md says them in words), so that every path of the engine -
 * pushed-down digest, merge, verify - agrees on what "the same" means. Pure: no
 * I/O, no clock, no locale. Any thread. */
#ifndef LS_MODEL_VALUE_H
#define LS_MODEL_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

/* clang-format off */
/*    name, word in plan files, configuration and docs */
#define LS_TYPES(X)                                                                     \
    X(NULL, "null")               /* no value */                                        \
    X(BOOL, "bool")               /* b */                                               \
    X(INT, "int")                 /* i, 64 bits */                                      \
    X(DECIMAL, "decimal")         /* data: exact text [-]digits[.digits], or NaN, Infinity, -Infinity */ \
    X(DOUBLE, "double")           /* d */                                               \
    X(TEXT, "text")               /* data: UTF-8 */                                     \
    X(BYTES, "bytes")             /* data */                                            \
    X(DATE, "date")               /* i: days since 1970-01-01, proleptic Gregorian */   \
    X(TIME, "time")               /* i: microseconds since midnight, 0..86 400 000 000 */ \
    X(TIMESTAMP, "timestamp")     /* i: microseconds since 1970-01-01 00:00, no zone */ \
    X(TIMESTAMPTZ, "timestamptz") /* i: microseconds since 1970-01-01 00:00 UTC */      \
    X(UUID, "uuid")               /* data: 16 bytes */                                  \
    X(JSON, "json")               /* data: JSON text as the store gave it */            \
    X(NATIVE, "native")           /* data: the store's own exact text of its own type */
/* clang-format on */
#define X(name, word) LS_T_##name,
enum ls_type { LS_TYPES(X) LS_TYPE_COUNT };
#undef X

/* DATE, TIMESTAMP and TIMESTAMPTZ know infinity: */
#define LS_TIME_INFINITY INT64_MAX
#define LS_TIME_MINUS_INFINITY INT64_MIN

struct ls_value {
    enum ls_type type;
    uint32_t size; /* bytes at data, where the type has data */
    union {
        bool b;
        int64_t i;
        double d;
        const char *data; /* borrowed from the arena or cursor that made the value; not NUL-ended */
    };
};

const char *ls_type_word(enum ls_type type);
bool ls_type_from_word(const char *word, enum ls_type *ret);
static inline bool ls_type_has_data(enum ls_type type)
{
    return type == LS_T_DECIMAL || type == LS_T_TEXT || type == LS_T_BYTES || type == LS_T_UUID ||
           type == LS_T_JSON || type == LS_T_NATIVE;
}

struct ls_value ls_value_null(void);
struct ls_value ls_value_int(int64_t i);
struct ls_value ls_value_text(const char *nul_ended);                         /* borrows */
struct ls_value ls_value_data(enum ls_type type, const void *p, size_t size); /* borrows */
/* A copy whose data lives in mem. false when out of memory. */
bool ls_value_copy(struct ls_arena *mem, const struct ls_value *v, struct ls_value *ret);
/* The same for some values, whose data stands in one piece; ret may be values. *ret_bytes (may be NULL) is its size. */
bool ls_values_copy(struct ls_arena *mem, const struct ls_value *values, size_t count,
                    struct ls_value *ret, size_t *ret_bytes);

/* How two fields that are held against each other are compared: both values are
 * brought to `type` first. A value that cannot be (the text 'x' as INT) stays what
 * it is and so differs from every value of that type. */
struct ls_as {
    enum ls_type type;
    uint8_t fraction; /* digits of a second that count, 0..6: the coarser side's */
    uint8_t bits;     /* DOUBLE: 24 when either side holds single precision, else 53 */
    bool fold_zone;   /* unused by equality: see convert.h */
};

/* Equality: NULL equals NULL only; NaN equals NaN; 0.0 equals -0.0; 1.0 equals 1.00;
 * times are cut (not rounded) to `fraction` digits; JSON is equal when its parsed
 * content is (object order and number spelling do not matter; 1 = 1.0); TEXT, BYTES and NATIVE byte by byte. */
bool ls_value_equal(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as);

/* A total order that agrees with equality: NULL, then numbers and the other scalars by
 * value (NaN above all numbers), text and native by bytes, bytes, uuid by bytes; values that could not be
 * brought to as->type come after those that could, by type, then by value. JSON has an order of its own. <0, 0, >0. */
int ls_value_order(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as);

/* Appends the canonical form: self-delimiting, and the same bytes exactly for equal
 * values. What is hashed in process is this. */
void ls_value_canon(struct ls_buf *out, const struct ls_value *v, const struct ls_as *as);

/* The same for a row of values: equality, order (first difference decides), canonical form. */
bool ls_values_equal(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as,
                     size_t count);
int ls_values_order(const struct ls_value *a, const struct ls_value *b, const struct ls_as *as,
                    size_t count);
void ls_values_canon(struct ls_buf *out, const struct ls_value *v, const struct ls_as *as,
                     size_t count);

/* Appends the text form: what CSV files hold, people read and a PostgreSQL server of
 * fixed settings (UTC, ISO, extra_float_digits 3) takes. NULL appends nothing; booleans true and false; bytes \x hex. */
void ls_value_to_text(struct ls_buf *out, const struct ls_value *v);

/* The inverse: reads the text form of `type` (also the usual variants: T between date and time,
 * Z or +hh[:mm], t/true/yes/on/1, upper-case UUIDs with or without dashes, exponents). A timestamptz needs its zone, a
 * timestamp must have none; digits behind the sixth of a second must be zeros. data lives in mem.
 * LS_TYPE when the text is no such value; the message names the type, never the value. */
LS_MUST_CHECK enum ls_code ls_value_from_text(enum ls_type type, const char *text, size_t size,
                                              struct ls_arena *mem, struct ls_value *ret,
                                              struct ls_error *err);
#endif
