/* SPDX-License-Identifier: Apache-2.0 */
/* decimal.h - exact decimal text: the numbers that neither int64 nor double may touch.
 *
 * A decimal is [-+]digits[.digits][e[-+]digits] (digits may be missing on one side of the point), or
 * NaN, Infinity, -Infinity in any case (as PostgreSQL's numeric writes them). NaN equals itself and is above
 * everything. Pure, no locale; functions with `out` allocate, the others do not. Any thread. */
#ifndef LS_MODEL_DECIMAL_H
#define LS_MODEL_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Most digits of a plain form, as PostgreSQL's numeric: 131 072 before and 16 383 behind the point.
 * What would write more (1e999999999) sets out->failed instead. */
#define LS_DECIMAL_MAX_DIGITS 147455

bool ls_decimal_valid(const char *text, size_t size);
/* <0, 0, >0; both valid. 1.0 and 1.00 compare as 0. Linear in the digits, no allocation. */
int ls_decimal_order(const char *a, size_t a_size, const char *b, size_t b_size);
/* Appends the shortest plain form: no exponent, no leading or trailing zeros, no -0. */
void ls_decimal_canon(struct ls_buf *out, const char *text, size_t size);
/* Appends the plain form that keeps what was written: the exponent expanded, one zero at least before
 * the point, trailing zeros kept (1.50e1 is 15.0), no plus sign. */
void ls_decimal_plain(struct ls_buf *out, const char *text, size_t size);
/* Appends a form that is the same for equal numbers, and short whatever the exponent: for hashing. */
void ls_decimal_key(struct ls_buf *out, const char *text, size_t size);
/* Digits before and behind the point of the canonical form (0 and 0 for 0). NaN and infinities: false. */
bool ls_decimal_digits(const char *text, size_t size, int *ret_integer, int *ret_fraction);
/* Powers of ten: all its digits stand below 10^high, the last that counts at 10^low. 1200: 4 and 2; 0: 0 and 0. */
bool ls_decimal_span(const char *text, size_t size, int64_t *ret_high, int64_t *ret_low);
/* true when it is a whole number in range. */
bool ls_decimal_to_i64(const char *text, size_t size, int64_t *ret);
/* The nearest double (round half to even). */
double ls_decimal_to_double(const char *text, size_t size);
/* The shortest text that reads back as exactly d (Infinity, -Infinity, NaN by name); bits 24 or 53. Written as
 * PostgreSQL does: with an exponent below 1e-4, and from 1e15 (bits 24: 1e6) on. */
void ls_decimal_from_double(struct ls_buf *out, double d, int bits);
/* A number of single precision as the double that is written the same: 0.1, where the cast gives 0.10000000149011612.
 * Rounded to single precision it is that number again, bit for bit. NaN, infinities and -0 stay. */
double ls_decimal_from_single(float single);
/* Exact a + b, a - b, a * b in canonical form. */
void ls_decimal_add(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size);
void ls_decimal_sub(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size);
void ls_decimal_mul(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size);

#endif
