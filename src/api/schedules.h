/* SPDX-License-Identifier: Apache-2.0 */
/* schedules.h - schedules as JSON (docs/schedules.md), for whoever makes, changes or shows some. */
#ifndef LS_API_SCHEDULES_H
#define LS_API_SCHEDULES_H

#include "api/api.h"
#include "state/schedules.h"

/* Reads settings, under the names that lockstep.yaml has for them, over what *s is; with s->cron NULL it is a new one, which gets the defaults of its
 * action. Members that are not there stay as they are; null takes zone, hours, jitter, catch_up_within and timeout away. LS_USAGE says what is wrong: no
 * JSON, unknown members (with the nearest name), a sync that the configuration has not got. Strings are in mem. */
LS_MUST_CHECK enum ls_code ls_api_schedule_read(const struct lockstep *ls, const char *json,
                                                size_t size, struct ls_arena *mem,
                                                struct ls_schedule *s, struct ls_error *err);
/* Appends a schedule; of a call the names of its headers and the size of its body, for both may hold secrets. last: its newest firing; NULL: none. */
void ls_api_schedule_write(struct ls_buf *out, const struct ls_schedule *s,
                           const struct ls_firing *last);
void ls_api_firing_write(struct ls_buf *out, const struct ls_firing *f);

/* For qsort(): by id, byte by byte, whatever the state's own order of texts. */
int ls_api_schedule_by_id(const void *a, const void *b);
/* A tag of its settings and pause: another one once somebody has changed it; not when it fires. */
#define LS_SCHEDULE_TAG 40
void ls_api_schedule_tag(const struct ls_schedule *s, char out[LS_SCHEDULE_TAG]);

/* What people do to schedules, with its entry in the audit log. Each opens the state. */
/* Makes one; with replace over one that is there. ret: as it was written. origin: who makes it. */
LS_MUST_CHECK enum ls_code ls_api_schedule_create(struct lockstep *ls, const char *json,
                                                  size_t size, const char *origin, bool replace,
                                                  struct ls_arena *mem, struct ls_schedule *ret,
                                                  struct ls_error *err);
/* Changes one. fits (may be NULL) is asked first, with what is there now, and says no by an error. */
struct ls_schedule_fits {
    enum ls_code (*fits)(void *ctx, const struct ls_schedule *now, struct ls_error *err);
    void *ctx;
};
LS_MUST_CHECK enum ls_code ls_api_schedule_change(struct lockstep *ls, const char *id,
                                                  const char *json, size_t size,
                                                  const struct ls_schedule_fits *fits,
                                                  struct ls_arena *mem, struct ls_schedule *ret,
                                                  struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_api_schedule_delete(struct lockstep *ls, const char *id,
                                                  const struct ls_schedule_fits *fits,
                                                  struct ls_arena *mem, struct ls_error *err);
LS_MUST_CHECK enum ls_code ls_api_schedule_pause(struct lockstep *ls, const char *id, bool pause,
                                                 struct ls_error *err);
/* Asks for a firing now. *ret_served: whether a daemon is at work on this state that will do it. */
LS_MUST_CHECK enum ls_code ls_api_schedule_trigger(struct lockstep *ls, const char *id,
                                                   char ret_firing[37], bool *ret_served,
                                                   struct ls_error *err);
/* The next nominal times of a cron expression; all but cron may be NULL. *ret_words: what it means, in mem. *ret_count: how many there are, at most max. */
LS_MUST_CHECK enum ls_code ls_api_schedule_preview(const char *cron, const char *zone,
                                                   const char *hours, int64_t after_us, size_t max,
                                                   struct ls_arena *mem, const char **ret_words,
                                                   size_t *ret_count, int64_t **ret,
                                                   struct ls_error *err);

#endif
