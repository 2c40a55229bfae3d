/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the time now, and identities that need chance. The edges only: pure
 * code takes the time as an argument. Any thread. */
#ifndef LS_BASE_CLOCK_H
#define LS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t ls_clock_now_us(void);       /* Unix time, UTC, microseconds */
int64_t ls_clock_monotonic_us(void); /* for durations */
int64_t ls_clock_process_us(void);   /* processor time of all threads of this process so far */
/* Writes `YYYY-MM-DDTHH:MM:SS.mmmZ` and a NUL: 25 bytes. Rounds down; times outside the
 * years 0000 to 9999 are shown as the nearest one inside. */
void ls_clock_iso(int64_t unix_us, char out[25]);
/* From the kernel. Ends the process where the kernel has none to give (no such system is
 * left): identities made without chance would collide. */
void ls_random_bytes(void *out, size_t size);
uint64_t ls_random_u64(void);
/* A random UUID (RFC 9562 version 4), lower case with dashes and a NUL: 37 bytes. */
void ls_uuid_new(char out[37]);

#endif
