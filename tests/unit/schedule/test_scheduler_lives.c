/* SPDX-License-Identifier: Apache-2.0 */
/* test_scheduler_lives.c - long lives of a scheduler in which anything happens: each time is fired once. */
#include "scheduler_help.h"

#define DAY (24 * HOUR)

struct named {
    struct ls_schedule s;
    struct ls_timetable t;
    int64_t made;
};

/* By chance: how long the attempts take and how they end. */
static void end_some(struct world *w, size_t *done, uint64_t *seed)
{
    for (; *done < w->start_count; ++*done) {
        if (below(seed, 3) == 0)
            break; /* it takes longer */
        if (w->nodes[w->starts[*done].node].s)
            end(w, &w->starts[*done], below(seed, 6) ? LS_END_OK : LS_END_FAILED, 0);
    }
}

static void something_happens(struct world *w, struct named *list, size_t count, bool back,
                              uint64_t *seed)
{
    bool changed;
    size_t i;

    switch (below(seed, 30)) {
    case 0: /* killed, and down for a while */
        kill_node(w, 0);
        w->now += (int64_t)below(seed, 10 * 3600) * S;
        w->monotonic += 1000;
        begin_node(w, 0);
        break;
    case 1:
        w->now += below(seed, 4) ? HOUR : 10 * DAY;
        break;
    case 2:
        if (back)
            w->now -= below(seed, 4) ? HOUR : 10 * DAY;
        break;
    case 3:
        i = below(seed, (unsigned)count);
        assert_ok(w, ls_schedule_pause(w->state, list[i].s.id, below(seed, 2), w->now, &changed,
                                       &w->err));
        break;
    default:
        break;
    }
}

static bool has(const struct ls_firing *rows, size_t count, int64_t us, bool inside)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].kind != LS_FIRING_MANUAL && rows[i].nominal_us <= us &&
            rows[i].until_us >= us && (inside || rows[i].kind == LS_FIRING_PASSED))
            return true;
    return false;
}

/* Each nominal time up to the last one dealt with stands in the history, and none was started as a first attempt twice. */
static void check_history(struct world *w, const struct named *n, bool back)
{
    struct ls_firing *rows = NULL;
    const size_t count = history(w, n->s.id, &rows);
    const int64_t last = schedule_of(w, n->s.id).last_us;
    char iso[25];

    for (size_t i = 0; i < w->start_count; i++)
        for (size_t k = 0; k < i && strcmp(w->starts[i].schedule, n->s.id) == 0; k++)
            if (strcmp(w->starts[k].schedule, n->s.id) == 0 &&
                w->starts[i].nominal == w->starts[k].nominal &&
                strcmp(w->starts[i].firing, w->starts[k].firing) != 0) {
                ls_clock_iso(w->starts[i].nominal, iso);
                fail_msg("%s fired twice at %s", n->s.id, iso);
            }
    for (int64_t us = ls_timetable_next(&n->t, n->made); us <= last;
         us = ls_timetable_next(&n->t, us))
        if (!has(rows, count, us, true)) {
            ls_clock_iso(us, iso);
            fail_msg("%s is forgotten at %s", n->s.id, iso);
        }
    for (size_t i = 0; i + 1 < count && !back; i++) /* newest first, and apart from each other */
        if (rows[i].kind == LS_FIRING_DUE && rows[i + 1].kind == LS_FIRING_DUE)
            assert_true(rows[i].nominal_us > rows[i + 1].nominal_us);
}

static void live(struct world *w, bool back)
{
    struct named list[] = {
        {.s = {.id = "skip",
               .cron = "*/30 * * * *",
               .zone = "Europe/Vienna",
               .target = "x",
               .catch_up = LS_CATCH_UP_LAST,
               .retries = 1}},
        {.s = {.id = "queue",
               .cron = "30 2 * * *",
               .zone = "Europe/Vienna",
               .target = "x",
               .overlap = LS_OVERLAP_QUEUE,
               .catch_up = LS_CATCH_UP_ALL,
               .catch_up_s = 2 * 86400}},
        {.s = {.id = "call",
               .cron = "15 * * * *",
               .zone = "Australia/Lord_Howe",
               .action = LS_ACTION_POST,
               .target = "https://x.org",
               .method = "POST",
               .overlap = LS_OVERLAP_ALLOW,
               .jitter_s = 300}},
        {.s = {.id = "hours",
               .cron = "0 */2 * * *",
               .zone = "America/New_York",
               .target = "x",
               .hours = "mon-fri 08:00-18:00",
               .catch_up = LS_CATCH_UP_LAST}},
    };
    const size_t count = sizeof list / sizeof *list;
    uint64_t seed = new_seed();
    size_t done = 0;
    bool changed;
    const int64_t days = getenv("LOCKSTEP_DEEP") ? 40 : 4;

    w->now = at("2031-03-27 12:00"); /* days before clocks change in Vienna, and in Lord Howe */
    for (size_t i = 0; i < count; i++) {
        list[i].s.origin = "api";
        list[i].made = w->now;
        make(w, list[i].s);
        assert_ok(w, ls_timetable_open(&list[i].s, &list[i].t, &w->err));
    }
    for (const int64_t until = w->now + days * DAY; w->now < until;) {
        int64_t wake = tick(w, 0);

        end_some(w, &done, &seed);
        wake = wake > w->now + HOUR ? w->now + HOUR : wake;
        wake = wake > w->now ? wake : w->now + S;
        w->monotonic += wake - w->now;
        w->now = wake;
        something_happens(w, list, count, back, &seed);
    }
    for (size_t i = 0; i < count; i++) {
        assert_ok(w, ls_schedule_pause(w->state, list[i].s.id, false, w->now, &changed, &w->err));
        check_history(w, &list[i], back);
        ls_timetable_close(&list[i].t);
    }
}

static void a_long_life_fires_each_time_once(void **state)
{
    live(*state, false);
}

static void a_long_life_with_a_clock_that_goes_back_fires_no_time_twice(void **state)
{
    live(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_long_life_fires_each_time_once),
        ON_SQLITE(a_long_life_with_a_clock_that_goes_back_fires_no_time_twice),
    };
    return cmocka_run_group_tests_name("schedule/scheduler_lives", tests, NULL, NULL);
}
