/* SPDX-License-Identifier: Apache-2.0 */
/* rewind_schedule.c - a program for the suites: sets a schedule back to a moment, as if nobody had been there since.
 *
 *   rewind_schedule STATE SCHEDULE UNIX-TIME
 *
 * Times then pass without anybody waiting for them. Beside a daemon or without one. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "schedule/decide.h"

static enum ls_code rewind_to(struct ls_state *state, const char *id, int64_t at_us,
                              struct ls_arena *mem, struct ls_error *err)
{
    bool done = false;
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && !done) { /* somebody may be ahead of us */
        struct ls_schedule s;
        struct ls_timetable t;

        rc = ls_state_schedule_find(state, id, mem, &s, err);
        if (rc != LS_OK)
            return rc;
        rc = ls_timetable_open(&s, &t, err);
        if (rc == LS_OK) {
            const int64_t next_us = ls_timetable_next(&t, at_us);
            const struct ls_schedule_step step = {
                s.id, s.version, s.paused, at_us, next_us, next_us + t.jitter_us, 0, NULL};

            rc = ls_state_schedule_step(state, &step, &done, err);
        }
        ls_timetable_close(&t);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct ls_state *state = NULL;
    struct ls_arena mem;
    struct ls_error err = {0};
    enum ls_code rc;

    if (argc != 4)
        return 2;
    ls_arena_init(&mem, 0);
    rc = ls_state_open(argv[1], false, &state, &err);
    if (rc == LS_OK)
        rc = rewind_to(state, argv[2], strtoll(argv[3], NULL, 10) * 1000000, &mem, &err);
    if (rc != LS_OK)
        fprintf(stderr, "%s\n", err.text);
    ls_state_close(state);
    ls_arena_done(&mem);
    return rc == LS_OK ? 0 : 1;
}
