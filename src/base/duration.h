/* SPDX-License-Identifier: Apache-2.0 */
/* duration.h - durations in settings: "500ms", "10 s", "2min", "1h", "3d". Pure. */
#ifndef LS_BASE_DURATION_H
#define LS_BASE_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* "500ms", "10 s", "2min", "1h", "3d": milliseconds; false when it is none, or not from min_ms to max_ms. A number alone is none. */
bool ls_duration_read(const char *text, int64_t min_ms, int64_t max_ms, int64_t *ret);
/* Milliseconds as people write them. */
void ls_duration_write(int64_t ms, char out[32]);
/* What is to be said when it is none. */
void ls_duration_expected(int64_t min_ms, int64_t max_ms, char out[160]);

#endif
