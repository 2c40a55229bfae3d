/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h - dates, times, booleans and UUIDs from text and to text, without memory.
 *
 * What value.c and order.c share: the one reading of each spelling. Readers take text that need not end in
 * NUL, accept nothing before or behind it, and write their result on success only. Pure, no locale. Any thread. */
#ifndef LS_MODEL_SCAN_H
#define LS_MODEL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LS_DAY_US INT64_C(86400000000)

/* t, true, y, yes, on, 1 and their opposites, in any case. */
bool ls_scan_bool(const char *text, size_t size, bool *ret);
/* 32 hex digits, with dashes in the usual places or none, in either case. */
bool ls_scan_uuid(const char *text, size_t size, uint8_t ret[16]);
/* \x and pairs of hex digits; *ret_size is the number of pairs. */
bool ls_scan_hex(const char *text, size_t size, size_t *ret_size);

/* Days since 1970-01-01: YYYY-MM-DD, longer years, " BC" behind, infinity, -infinity. A midnight without
 * zone may follow. Years 4714 BC to 5 874 897, as PostgreSQL. */
bool ls_scan_date(const char *text, size_t size, int64_t *ret);
/* Microseconds since midnight: HH:MM[:SS[.ffffff]], up to 24:00:00. More digits only if they are zeros. */
bool ls_scan_time(const char *text, size_t size, int64_t *ret);
/* Microseconds since 1970: a date, then T or a blank and a time, then Z or +hh[[:]mm[:ss]], then " BC".
 * Time and zone may be missing. With a zone *ret_absolute is true and *ret in UTC. The infinities are both
 * absolute and not: *ret_absolute is as it was. Years up to 294 246 (what 64 bits hold). */
bool ls_scan_timestamp(const char *text, size_t size, int64_t *ret, bool *ret_absolute);

/* Cut (towards the past) to `fraction` digits of a second, 0..6. Infinities stay. */
int64_t ls_time_cut(int64_t us, int fraction);

#define LS_PRINT_MAX 64
/* Write text and a NUL. `separator` stands between date and time; `zone` behind the time: "", "+00" or "Z".
 * Values outside what the readers take are shown as the nearest one inside. */
void ls_print_date(char out[LS_PRINT_MAX], int64_t days);
void ls_print_time(char out[LS_PRINT_MAX], int64_t us);
void ls_print_timestamp(char out[LS_PRINT_MAX], int64_t us, char separator, const char *zone);
void ls_print_uuid(char out[37], const void *bytes);

#endif
