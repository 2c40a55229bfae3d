/* SPDX-License-Identifier: Apache-2.0 */
/* reserve.h - room that is kept free for the state, and what happens when the disk is full.
 *
 * PATH-reserve beside an SQLite state is a file of nothing. A daemon makes it and gives it back when the disk is full: what it has taken on already can then be
 * carried out and written down, and nothing new is taken on until there is room again. On PostgreSQL there is none. */
#ifndef LS_STATE_RESERVE_H
#define LS_STATE_RESERVE_H

#include <stdint.h>

#include "state/state.h"

#define LS_RESERVE_MAX ((int64_t)16 << 20) /* bytes; on a small disk a sixteenth of it */

struct ls_reserve;

/* Makes it. On a disk that is full it begins as given back; what cannot be made for another reason is logged and tried again. *ret NULL: the state is on
 * PostgreSQL. One thread; free with ls_reserve_close(), which leaves the file to the next daemon. LS_NOMEM. */
LS_MUST_CHECK enum ls_code ls_reserve_open(const struct ls_state *state, struct ls_reserve **ret,
                                           struct ls_error *err);
/* NULL is fine, here and below: nothing is ever short. */
void ls_reserve_close(struct ls_reserve *reserve);

/* A write found no room (why: LS_FULL). true: there is some now, so it is worth another try. */
bool ls_reserve_give(struct ls_reserve *reserve, const struct ls_error *why);
/* Nothing new is to be taken on. */
bool ls_reserve_short(const struct ls_reserve *reserve);
/* To be called now and then, as often as anybody likes; asks the disk about once a second. Gives it back when the disk is about to be full, makes it again when there is
 * twice as much room. now_us: of the monotonic clock. */
void ls_reserve_look(struct ls_reserve *reserve, int64_t now_us);

/* The same for everybody else, also in other processes: LS_FULL, with what to do, while the reserve is given back and there is no room to make it again. */
LS_MUST_CHECK enum ls_code ls_state_room(const struct ls_state *state, struct ls_error *err);
/* Bytes that are free where the state is; -1: not known. */
int64_t ls_state_free_bytes(const struct ls_state *state);
/* Moves SQLite's log into the file when it has grown past limit_bytes (0: whatever is in it), and cuts it where it is much longer: as far as readers allow. */
void ls_state_shrink(struct ls_state *state, int64_t limit_bytes);

#endif
