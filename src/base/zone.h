/* SPDX-License-Identifier: Apache-2.0 */
/* zone.h - time zones by name, from the system's zoneinfo files (TZif, RFC 8536), without
 * the process-wide TZ. A loaded zone is read-only and may be shared by threads. */
#ifndef LS_BASE_ZONE_H
#define LS_BASE_ZONE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

struct ls_zone;

/* "UTC", "Europe/Vienna". LS_CONFIG when there is no such zone (the text proposes the nearest
 * name), or its file is of no use. Names with .. or a leading / are refused. */
LS_MUST_CHECK enum ls_code ls_zone_open(const char *name, struct ls_zone **ret,
                                        struct ls_error *err);
/* NULL is fine. */
void ls_zone_close(struct ls_zone *zone);
const char *ls_zone_name(const struct ls_zone *zone);
/* Microseconds since 1970 of the wall clock <-> UTC. A wall time that a clock change skips
 * is taken with the offset before the change; one that happens twice means the first. */
int64_t ls_zone_to_utc(const struct ls_zone *zone, int64_t local_us);
int64_t ls_zone_to_local(const struct ls_zone *zone, int64_t utc_us);

/* A time in which the offset stays the same: from_us up to, and without, to_us; INT64_MIN and
 * INT64_MAX where it has no end. The one before and the one behind may have the same offset. */
struct ls_zone_stretch {
    int64_t from_us, to_us;
    int64_t offset_us; /* east of UTC: the wall clock is UTC plus this */
};
/* The one around a moment. */
struct ls_zone_stretch ls_zone_stretch(const struct ls_zone *zone, int64_t utc_us);

/* The zone that whoever wrote `name` may have meant, in mem; NULL when none is near. */
const char *ls_zone_nearest(const char *name, struct ls_arena *mem);
/* Where the files are: $TZDIR, else the system's folder. Borrowed from the environment. */
const char *ls_zone_folder(void);

#endif
