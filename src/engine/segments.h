/* SPDX-License-Identifier: Apache-2.0 */
/* segments.h - which parts of two collections differ, found by comparing digests of segments. */
#ifndef LS_ENGINE_SEGMENTS_H
#define LS_ENGINE_SEGMENTS_H

#include "engine/reader.h"

struct ls_segments {
    const struct ls_partition *
        partition; /* what is left to read: its wanted segments; NULL: nothing differs, or everything is left */
    bool everything;            /* read all: too much differs for segments to help */
    uint64_t equal_count;       /* records in segments that are equal: as many on each side */
    uint64_t left[2];           /* records in those that are left, by side */
    uint64_t digest[2];         /* sums over all records, by side */
    size_t segments, differing; /* of the first round */
    unsigned rounds;
};

/* The scan of a side by which it is digested: the layout's fields in its order. Only for jobs whose fields are all plain. as lives in mem. */
LS_MUST_CHECK enum ls_code ls_digest_scan(const struct ls_job *job, enum ls_side_name side,
                                          struct ls_arena *mem, struct ls_scan *ret,
                                          struct ls_error *err);

/* Digests both sides at the same time, and what differs once or twice again in smaller segments. pushed: the stores
 * digest where the data is, by key order; else the digest is a pass over the records in this process, and segments are cut by hash.
 * Uses both sides' sessions. Everything returned is in mem. */
LS_MUST_CHECK enum ls_code ls_segments_narrow(const struct ls_job *job, bool pushed,
                                              const uint64_t seeds[2],
                                              const struct ls_cancel *cancel, struct ls_arena *mem,
                                              struct ls_segments *ret, struct ls_error *err);

/* Pure: the wanted segments of `old` cut by `cuts` (ascending; may be empty), all other segments joined as far as
 * they touch (without cuts: wanted neighbours too). NULL when out of memory. For partitions by range. */
struct ls_partition *ls_partition_cut(const struct ls_partition *old, const struct ls_as *as,
                                      const struct ls_value *cuts, size_t cut_count,
                                      struct ls_arena *mem);
/* Pure: the same records wanted, in `factor` times as many segments (a power of two). For partitions by hash. */
struct ls_partition *ls_partition_split(const struct ls_partition *old, size_t factor,
                                        struct ls_arena *mem);
/* Pure: how many segments for this many records (below 0: not known). */
size_t ls_segments_for(int64_t rows, bool pushed);

#endif
