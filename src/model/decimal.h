/* SPDX-License-Identifier: Apache-2.0 */
/* decimal.h - exact decimal text: the numbers that neither int64 nor double may touch.
 *
 * A decimal is [-+]digits[.digits][e[-+]digits], or NaN, Infinity, -Infinity (as PostgreSQL's numeric
 * writes them). NaN equals itself and is above everything. Pure; allocates only through `out`. */
#ifndef LS_MODEL_DECIMAL_H
#define LS_MODEL_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

bool ls_decimal_valid(const char *text, size_t size);
/* <0, 0, >0; both valid. 1.0 and 1.00 compare as 0. Linear in the digits, no allocation. */
int ls_decimal_order(const char *a, size_t a_size, const char *b, size_t b_size);
/* Appends the shortest plain form: no exponent, no leading or trailing zeros, no -0. */
void ls_decimal_canon(struct ls_buf *out, const char *text, size_t size);
/* Digits before and behind the point of the canonical form (0 and 0 for 0). NaN and infinities: false. */
bool ls_decimal_digits(const char *text, size_t size, int *ret_integer, int *ret_fraction);
/* true when it is a whole number in range. */
bool ls_decimal_to_i64(const char *text, size_t size, int64_t *ret);
/* The nearest double (round half to even). */
double ls_decimal_to_double(const char *text, size_t size);
/* The shortest text that reads back as exactly d (Infinity, -Infinity, NaN by name); bits 24 or 53. */
void ls_decimal_from_double(struct ls_buf *out, double d, int bits);
/* Exact a + b, a - b, a * b. */
void ls_decimal_add(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size);
void ls_decimal_sub(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size);
void ls_decimal_mul(struct ls_buf *out, const char *a, size_t a_size, const char *b, size_t b_size);

#endif
