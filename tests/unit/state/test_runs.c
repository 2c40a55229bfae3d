/* SPDX-License-Identifier: Apache-2.0 */
/* The list of runs: numbers, statuses, what they said, what the brakes remember. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "state_fixture.h"

static struct ls_run found(struct fixture *f, const char *which)
{
    struct ls_run run;

    assert_ok(f, ls_state_run_find(f->state, which, &f->mem, &run, &f->err));
    return run;
}

static void a_run_comes_back_as_it_was_saved(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "custom\xc3\xa9rs 'x'"), back;

    assert_int_equal(run.number, 1);
    assert_int_equal(strlen(run.id), 36);
    back = found(f, "1");
    assert_int_equal(back.status, LS_RUN_RUNNING);
    assert_int_equal(back.finished_us, 0);
    run.created = 1;
    run.updated = 2;
    run.deleted = 3;
    run.unchanged = UINT64_C(4000000000000);
    run.failed = 5;
    run.conflicts = 6;
    run.source_count = 7;
    run.target_count = 8;
    run.verified = true;
    run.error = "two records failed";
    ended(f, &run, LS_RUN_PARTIAL);
    reopen(f);
    back = found(f, "1");
    assert_string_equal(back.id, run.id);
    assert_string_equal(back.sync, run.sync);
    assert_string_equal(back.kind, "sync");
    assert_string_equal(back.mode, "full");
    assert_string_equal(back.source, run.source);
    assert_string_equal(back.target, run.target);
    assert_string_equal(back.config_json, run.config_json);
    assert_string_equal(back.digest, "d1");
    assert_string_equal(back.fingerprint, "f1");
    assert_int_equal(back.status, LS_RUN_PARTIAL);
    assert_int_equal(back.started_us, run.started_us);
    assert_int_equal(back.finished_us, run.finished_us);
    assert_int_equal(back.created, 1);
    assert_int_equal(back.updated, 2);
    assert_int_equal(back.deleted, 3);
    assert_int_equal(back.unchanged, UINT64_C(4000000000000));
    assert_int_equal(back.failed, 5);
    assert_int_equal(back.conflicts, 6);
    assert_int_equal(back.source_count, 7);
    assert_int_equal(back.target_count, 8);
    assert_true(back.verified);
    assert_int_equal(back.undoes, 0);
    assert_string_equal(back.error, "two records failed");
}

static void a_finished_run_can_be_noted_as_undone(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s"), undo = {.sync = "s", .kind = "undo", .undoes = 1};

    ended(f, &run, LS_RUN_COMPLETED);
    assert_ok(f, ls_state_run_begin(f->state, &undo, &f->err));
    run = found(f, "1");
    run.undone_by = undo.number;
    assert_ok(f, ls_state_run_save(f->state, &run, &f->err));
    assert_int_equal(found(f, "1").undone_by, 2);
    assert_int_equal(found(f, "2").undoes, 1);
}

static void an_error_of_any_bytes_is_kept(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");

    run.error = "bad \xff byte";
    ended(f, &run, LS_RUN_FAILED);
    assert_non_null(strstr(found(f, "1").error, "bad "));
    assert_non_null(strstr(found(f, "1").error, " byte"));
}

static void runs_are_found_by_number_and_by_how_their_id_begins(void **state)
{
    struct fixture *f = *state;
    struct ls_run first = begun(f, "s"), second = begun(f, "s"), run;
    char prefix[9];

    snprintf(prefix, sizeof prefix, "%.8s", second.id);
    assert_int_equal(found(f, "2").number, 2);
    assert_int_equal(found(f, second.id).number, 2);
    assert_int_equal(found(f, prefix).number, 2);
    for (char *c = prefix; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 'a' + 'A' : *c);
    assert_int_equal(found(f, prefix).number, 2);
    assert_int_equal(found(f, first.id).number, 1);
    prefix[7] = '\0';
    assert_code(f, LS_NOT_FOUND, ls_state_run_find(f->state, prefix, &f->mem, &run, &f->err));
    assert_code(f, LS_NOT_FOUND, ls_state_run_find(f->state, "3", &f->mem, &run, &f->err));
    assert_said(f, "there are 2");
    assert_code(f, LS_NOT_FOUND, ls_state_run_find(f->state, "-1", &f->mem, &run, &f->err));
    assert_code(f, LS_NOT_FOUND, ls_state_run_find(f->state, "", &f->mem, &run, &f->err));
    assert_code(f, LS_NOT_FOUND, ls_state_run_find(f->state, "%_%_%_%_%", &f->mem, &run, &f->err));
}

static void history_is_newest_first_and_of_one_sync_or_all(void **state)
{
    struct fixture *f = *state;
    struct ls_run *runs = NULL;
    size_t count = 0;

    for (int i = 0; i < 40; i++)
        (void)begun(f, i % 2 ? "odd" : "even");
    assert_ok(f, ls_state_runs(f->state, NULL, 100, &f->mem, &count, &runs, &f->err));
    assert_int_equal(count, 40);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(runs[i].number, 40 - i);
    assert_ok(f, ls_state_runs(f->state, "odd", 3, &f->mem, &count, &runs, &f->err));
    assert_int_equal(count, 3);
    assert_int_equal(runs[0].number, 40);
    assert_int_equal(runs[2].number, 36);
    assert_string_equal(runs[2].sync, "odd");
    assert_ok(f, ls_state_runs(f->state, "none", 3, &f->mem, &count, &runs, &f->err));
    assert_int_equal(count, 0);
}

/* ---- statuses ---- */

static void each_status_has_a_way_to_an_end(void **state)
{
    bool reached[LS_RUN_STATUS_COUNT] = {[LS_RUN_RUNNING] = true};

    (void)state;
    for (int round = 0; round < LS_RUN_STATUS_COUNT; round++)
        for (unsigned from = 0; from < LS_RUN_STATUS_COUNT; from++)
            for (unsigned to = 0; to < LS_RUN_STATUS_COUNT; to++)
                if (reached[from] && ls_run_may_become(from, to))
                    reached[to] = true;
    for (unsigned s = 0; s < LS_RUN_STATUS_COUNT; s++) {
        assert_true(reached[s]);
        assert_true(ls_run_may_become(s, s));
        if (s == LS_RUN_RUNNING)
            continue;
        assert_true(ls_run_may_become(LS_RUN_RUNNING, s)); /* every end is one step away */
        for (unsigned to = 0; to < LS_RUN_STATUS_COUNT; to++)
            assert_int_equal(ls_run_may_become(s, to), s == to); /* and is the end */
    }
    assert_false(ls_run_may_become(LS_RUN_STATUS_COUNT, LS_RUN_RUNNING));
    assert_string_equal(ls_run_status_word(LS_RUN_PARTIAL), "partial_success");
}

static void a_move_that_is_not_in_the_table_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");

    ended(f, &run, LS_RUN_STOPPED);
    run.status = LS_RUN_COMPLETED;
    assert_code(f, LS_INTERNAL, ls_state_run_save(f->state, &run, &f->err));
    assert_said(f, "stopped and cannot become completed");
    assert_int_equal(found(f, "1").status, LS_RUN_STOPPED);
}

static void runs_whose_process_is_gone_become_interrupted(void **state)
{
    struct fixture *f = *state;
    struct ls_run run;
    int64_t *numbers = NULL;
    size_t count = 9;

    for (int i = 0; i < 6; i++)
        (void)begun(f, i == 2 ? "other" : "s");
    run = found(f, "2");
    ended(f, &run, LS_RUN_FAILED);
    assert_ok(f, ls_state_interrupt_dead(f->state, "s", &f->mem, &count, &numbers, &f->err));
    assert_int_equal(count, 4);
    assert_int_equal(numbers[0] + numbers[1] + numbers[2] + numbers[3], 6 + 5 + 4 + 1);
    run = found(f, "1");
    assert_int_equal(run.status, LS_RUN_INTERRUPTED);
    assert_true(run.finished_us >= run.started_us);
    assert_string_not_equal(run.error, "");
    assert_int_equal(found(f, "2").status, LS_RUN_FAILED);
    assert_int_equal(found(f, "3").status, LS_RUN_RUNNING);
    assert_ok(f, ls_state_interrupt_dead(f->state, "s", &f->mem, &count, &numbers, &f->err));
    assert_int_equal(count, 0);
}

/* A batch of a run: 3 created, 2 updated, 1 deleted. `open`: its end is not noted. */
static void batch(struct fixture *f, const struct ls_journal *j, uint64_t number, bool committed,
                  bool open)
{
    const struct ls_batch_counts counts = {3, 2, 1};

    assert_ok(f, j->open(j->ctx, number, "m", &f->err));
    assert_ok(f, j->add(j->ctx, number, "piece", 5, &f->err));
    assert_ok(f, j->sync(j->ctx, number, &counts, &f->err));
    if (!open)
        assert_ok(f, j->close(j->ctx, number, committed, &f->err));
}

static void assert_counts(struct fixture *f, uint64_t batches, uint64_t failed, uint64_t conflicts)
{
    const struct ls_run run = found(f, "1");

    assert_int_equal(run.created, 3 * batches);
    assert_int_equal(run.updated, 2 * batches);
    assert_int_equal(run.deleted, batches);
    assert_int_equal(run.failed, failed);
    assert_int_equal(run.conflicts, conflicts);
}

/* A run of four batches whose process dies in the last one. */
static struct ls_run died(struct fixture *f)
{
    const struct ls_run run = begun(f, "s");
    struct ls_journal j;

    assert_ok(f, ls_state_journal(f->state, run.id, &f->mem, &j, &f->err));
    batch(f, &j, 1, true, false);
    batch(f, &j, 2, false, false);
    assert_ok(f, ls_state_run_error(f->state, run.id, "{}", LS_CONFLICT, "c", &f->err));
    assert_ok(f, ls_state_run_error(f->state, run.id, "{}", LS_TYPE, "t", &f->err));
    assert_ok(f, ls_state_run_error(f->state, run.id, "{}", LS_CONSTRAINT, "u", &f->err));
    batch(f, &j, 3, true, false);
    batch(f, &j, 4, true, true);
    reopen(f);
    return run;
}

static void interrupt(struct fixture *f)
{
    int64_t *numbers = NULL;
    size_t count = 0;

    assert_ok(f, ls_state_interrupt_dead(f->state, "s", &f->mem, &count, &numbers, &f->err));
    assert_int_equal(count, 1);
}

static void a_run_that_died_has_the_counts_of_its_committed_batches(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = died(f);

    interrupt(f);
    assert_counts(f, 2, 2, 1);
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 4, true, &f->err));
    assert_counts(f, 3, 2, 1);
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 4, true, &f->err));
    assert_counts(f, 3, 2, 1);
}

/* For who looks before the next run finds it. */
static void a_run_that_died_can_be_counted_as_it_lies(void **state)
{
    struct fixture *f = *state;
    struct ls_run run;

    (void)died(f);
    run = found(f, "1");
    assert_int_equal(run.created, 0);
    assert_ok(f, ls_state_run_count(f->state, &run, &f->err));
    assert_int_equal(run.created, 6);
    assert_int_equal(run.updated, 4);
    assert_int_equal(run.deleted, 2);
    assert_int_equal(run.failed, 2);
    assert_int_equal(run.conflicts, 1);
    assert_int_equal(found(f, "1").status, LS_RUN_RUNNING);
}

static void a_batch_that_was_not_committed_does_not_count(void **state)
{
    struct fixture *f = *state;
    const struct ls_run run = died(f);

    interrupt(f);
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 4, false, &f->err));
    assert_counts(f, 2, 2, 1);
}

/* A commit whose answer was lost: the run ends by itself, and the batch is settled by the next one. */
static void a_batch_settled_after_the_end_of_its_run_still_counts(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    struct ls_journal j;

    assert_ok(f, ls_state_journal(f->state, run.id, &f->mem, &j, &f->err));
    batch(f, &j, 1, true, false);
    batch(f, &j, 2, true, true);
    run.created = 3;
    run.updated = 2;
    run.deleted = 1;
    ended(f, &run, LS_RUN_FAILED);
    assert_counts(f, 1, 0, 0);
    assert_ok(f, ls_state_batch_settle(f->state, run.id, 2, true, &f->err));
    assert_counts(f, 2, 0, 0);
    assert_int_equal(found(f, "1").status, LS_RUN_FAILED);
}

/* ---- what the brakes remember ---- */

static void remember(struct fixture *f, const char *kind, enum ls_run_status status, uint64_t count)
{
    struct ls_run run = {
        .sync = "s", .kind = kind, .digest = "digest", .fingerprint = "print", .started_us = 1};

    assert_ok(f, ls_state_run_begin(f->state, &run, &f->err));
    run.source_count = count;
    ended(f, &run, status);
}

static uint64_t remembered(struct fixture *f)
{
    struct ls_brake_memory last;

    assert_ok(f, ls_state_last(f->state, &(struct ls_run){.sync = "s"}, &f->mem, &last, &f->err));
    return last.source_count;
}

static void only_a_finished_run_that_compared_moves_the_memory(void **state)
{
    struct fixture *f = *state;
    struct ls_brake_memory last = {0};

    assert_ok(f, ls_state_last(f->state, &(struct ls_run){.sync = "s"}, &f->mem, &last, &f->err));
    assert_string_equal(last.digest, "");
    assert_string_equal(last.fingerprint, "");
    remember(f, "sync", LS_RUN_COMPLETED, 10);
    assert_ok(f, ls_state_last(f->state, &(struct ls_run){.sync = "s"}, &f->mem, &last, &f->err));
    assert_string_equal(last.digest, "digest");
    assert_string_equal(last.fingerprint, "print");
    assert_int_equal(remembered(f), 10);
    remember(f, "sync", LS_RUN_STOPPED, 20);
    assert_int_equal(remembered(f), 10);
    remember(f, "sync", LS_RUN_FAILED, 21);
    remember(f, "sync", LS_RUN_CANCELLED, 22);
    remember(f, "sync", LS_RUN_INTERRUPTED, 23);
    remember(f, "undo", LS_RUN_COMPLETED, 24);
    assert_int_equal(remembered(f), 10);
    remember(f, "apply", LS_RUN_PARTIAL, 30);
    assert_int_equal(remembered(f), 30);
}

/* A finished run of sync s; count is what tells it. */
static void made(struct fixture *f, const char *mode, const char *target, const char *project,
                 uint64_t count)
{
    struct ls_run run = {.sync = "s",
                         .kind = "sync",
                         .mode = mode,
                         .source = "a",
                         .target = target,
                         .project = project,
                         .started_us = 1};

    assert_ok(f, ls_state_run_begin(f->state, &run, &f->err));
    run.source_count = count;
    ended(f, &run, LS_RUN_COMPLETED);
}

static uint64_t last_of(struct fixture *f, const char *target, const char *project)
{
    const struct ls_run run = {.sync = "s", .source = "a", .target = target, .project = project};
    struct ls_brake_memory last;

    assert_ok(f, ls_state_last(f->state, &run, &f->mem, &last, &f->err));
    return last.source_count;
}

static void a_run_of_some_records_alone_does_not_move_the_memory(void **state)
{
    struct fixture *f = *state;

    made(f, "full", "b", "", 10);
    made(f, LS_RUN_MODE_ONLY, "b", "", 0);
    assert_int_equal(last_of(f, "b", ""), 10);
}

/* The same project, or the same places. */
static void projects_that_share_a_name_do_not_share_a_memory(void **state)
{
    struct fixture *f = *state;

    made(f, "full", "b", "/p/lockstep.yaml", 10);
    made(f, "full", "c", "/q/lockstep.yaml", 20);
    made(f, "full", "e", "", 30);
    assert_int_equal(last_of(f, "b", "/p/lockstep.yaml"), 10);
    assert_int_equal(last_of(f, "c", "/q/lockstep.yaml"), 20);
    assert_int_equal(last_of(f, "d", "/p/lockstep.yaml"),
                     10); /* its configuration names another place now */
    assert_int_equal(last_of(f, "b", "/moved/lockstep.yaml"), 10);
    assert_int_equal(last_of(f, "d", ""), 0);
    assert_string_equal(found(f, "2").project, "/q/lockstep.yaml");
}

/* Only the target can tell what became of its batches. */
static void open_batches_are_found_by_their_target(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = {.sync = "s", .kind = "sync", .target = "b"};
    struct ls_open_batch *open = NULL;
    struct ls_journal j;
    size_t count = 9;

    assert_ok(f, ls_state_run_begin(f->state, &run, &f->err));
    assert_ok(f, ls_state_journal(f->state, run.id, &f->mem, &j, &f->err));
    batch(f, &j, 1, true, true);
    reopen(f);
    assert_ok(f, ls_state_open_batches(f->state, "s", "c", &f->mem, &count, &open, &f->err));
    assert_int_equal(count, 0);
    assert_ok(f, ls_state_open_batches(f->state, "s", "b", &f->mem, &count, &open, &f->err));
    assert_int_equal(count, 1);
}

static void runs_are_listed_by_page_and_by_what_they_are(void **state)
{
    struct fixture *f = *state;
    struct ls_run *runs = NULL, run;
    size_t count = 0;

    for (int i = 0; i < 6; i++) {
        run = begun(f, i % 2 ? "odd" : "even");
        ended(f, &run, i < 3 ? LS_RUN_COMPLETED : LS_RUN_FAILED);
    }
#define PAGE(max, ...)                                                                           \
    assert_ok(f, ls_state_runs_page(f->state, &(const struct ls_run_filter){__VA_ARGS__}, (max), \
                                    &f->mem, &count, &runs, &f->err))
    PAGE(4, .sync = NULL);
    assert_int_equal(count, 4);
    assert_int_equal(runs[0].number, 6);
    PAGE(4, .before = 3);
    assert_int_equal(count, 2);
    assert_int_equal(runs[0].number, 2);
    PAGE(9, .sync = "odd");
    assert_int_equal(count, 3);
    PAGE(9, .sync = "odd", .status = "failed");
    assert_int_equal(count, 2);
    assert_int_equal(runs[1].number, 4);
    PAGE(9, .status = "completed", .before = 3);
    assert_int_equal(count, 2);
    PAGE(9, .kind = "undo");
    assert_int_equal(count, 0);
#undef PAGE
}

static void a_run_may_bring_its_id(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = {.sync = "s", .kind = "sync", .started_us = 1}, found;

    memcpy(run.id, "01234567-89ab-4def-8123-456789abcdef", sizeof run.id);
    assert_ok(f, ls_state_run_begin(f->state, &run, &f->err));
    assert_string_equal(run.id, "01234567-89ab-4def-8123-456789abcdef");
    assert_ok(f, ls_state_run_find(f->state, run.id, &f->mem, &found, &f->err));
    assert_int_equal(found.number, run.number);
}

/* ---- lines ---- */

static size_t lines_of(struct fixture *f, const char *id, bool errors, size_t max,
                       struct ls_run_line **ret)
{
    size_t count = 0;

    assert_ok(f, ls_state_run_lines(f->state, id, errors, 0, max, &f->mem, &count, ret, &f->err));
    return count;
}

static void log_lines_are_there_at_once_and_in_order(void **state)
{
    struct fixture *f = *state;
    struct ls_run first = begun(f, "s"), second = begun(f, "s");
    struct ls_run_line *lines = NULL;
    size_t count = 0;

    assert_ok(f, ls_state_run_log(f->state, first.id, "one", &f->err));
    assert_ok(f, ls_state_run_log(f->state, second.id, "other", &f->err));
    assert_ok(f, ls_state_run_log(f->state, first.id, "two \xff", &f->err));
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}run_lines"), 3);
    assert_int_equal(lines_of(f, first.id, false, 10, &lines), 2);
    assert_string_equal(lines[0].text, "one");
    assert_true(strncmp(lines[1].text, "two ", 4) == 0);
    assert_true(lines[0].at_us > 0 && lines[0].at_us <= lines[1].at_us);
    assert_int_equal(lines_of(f, first.id, true, 10, &lines), 0);
    assert_int_equal(lines_of(f, second.id, false, 10, &lines), 1);
    assert_int_equal(lines_of(f, first.id, false, 10, &lines), 2);
    assert_ok(f, ls_state_run_lines(f->state, first.id, false, lines[0].seq, 10, &f->mem, &count,
                                    &lines, &f->err));
    assert_int_equal(count, 1);
    assert_true(strncmp(lines[0].text, "two ", 4) == 0);
}

static void failed_records_are_there_when_they_are_asked_for(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    struct ls_run_line *lines = NULL;

    assert_ok(f,
              ls_state_run_error(f->state, run.id, "{\"id\":\"7\"}", LS_CONSTRAINT, "no", &f->err));
    assert_int_equal(lines_of(f, run.id, true, 10, &lines), 1);
    assert_string_equal(lines[0].key_json, "{\"id\":\"7\"}");
    assert_string_equal(lines[0].code, "constraint");
    assert_string_equal(lines[0].text, "no");
    assert_ok(f, ls_state_run_error(f->state, run.id, "{}", LS_TYPE, "again", &f->err));
    ended(f, &run, LS_RUN_PARTIAL);
    reopen(f);
    assert_int_equal(lines_of(f, run.id, true, 10, &lines), 2);
    assert_string_equal(lines[1].text, "again");
    assert_int_equal(lines_of(f, run.id, true, 1, &lines), 1);
    assert_string_equal(lines[0].text, "no");
}

static void the_first_ten_thousand_errors_are_kept(void **state)
{
    struct fixture *f = *state;
    struct ls_run run = begun(f, "s");
    struct ls_run_line *lines = NULL;
    char key[40];

    for (int i = 0; i < 10300; i++) {
        snprintf(key, sizeof key, "{\"id\":\"%d\"}", i);
        assert_ok(f, ls_state_run_error(f->state, run.id, key, LS_TYPE, "text", &f->err));
    }
    ended(f, &run, LS_RUN_FAILED);
    assert_int_equal(lines_of(f, run.id, true, 20000, &lines), 10000);
    assert_string_equal(lines[9999].key_json, "{\"id\":\"9999\"}");
    assert_int_equal(number_behind(f, "SELECT count(*) FROM {schema}run_lines"), 10000);
}

/* ---- damage ---- */

static const char *const damage[] = {
    "UPDATE {schema}runs SET digest = 'other'",     "UPDATE {schema}runs SET sync = 'other'",
    "UPDATE {schema}runs SET status = 'completed'", "UPDATE {schema}runs SET status = 'compleded'",
    "UPDATE {schema}runs SET created = 5",          "UPDATE {schema}runs SET number = 500",
    "UPDATE {schema}runs SET host = 'x'",           "UPDATE {schema}runs SET project = 'x'",
};

/* Each is done to a run of its own, and undone by taking the run away. */
static void every_change_to_a_run_is_noticed(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        const struct ls_run run = begun(f, "s");
        struct ls_run *runs = NULL;
        size_t count = 0;

        behind(f, ls_arena_printf(&f->mem, "%s WHERE id = '%s'", damage[i], run.id));
        if (ls_state_runs(f->state, NULL, 10, &f->mem, &count, &runs, &f->err) != LS_CORRUPT) {
            print_error("not noticed: %s\n", damage[i]);
            fail();
        }
        assert_said(f, "Restore a copy");
        behind(f, "DELETE FROM {schema}runs");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_run_comes_back_as_it_was_saved),
        ON_BOTH(a_finished_run_can_be_noted_as_undone),
        ON_BOTH(an_error_of_any_bytes_is_kept),
        ON_BOTH(runs_are_found_by_number_and_by_how_their_id_begins),
        ON_BOTH(history_is_newest_first_and_of_one_sync_or_all),
        {"each_status_has_a_way_to_an_end", each_status_has_a_way_to_an_end, NULL, NULL, NULL},
        ON_BOTH(a_move_that_is_not_in_the_table_is_refused),
        ON_BOTH(runs_whose_process_is_gone_become_interrupted),
        ON_BOTH(a_run_that_died_has_the_counts_of_its_committed_batches),
        ON_BOTH(a_run_that_died_can_be_counted_as_it_lies),
        ON_BOTH(a_batch_that_was_not_committed_does_not_count),
        ON_BOTH(a_batch_settled_after_the_end_of_its_run_still_counts),
        ON_BOTH(only_a_finished_run_that_compared_moves_the_memory),
        ON_BOTH(a_run_of_some_records_alone_does_not_move_the_memory),
        ON_BOTH(projects_that_share_a_name_do_not_share_a_memory),
        ON_BOTH(open_batches_are_found_by_their_target),
        ON_BOTH(runs_are_listed_by_page_and_by_what_they_are),
        ON_BOTH(a_run_may_bring_its_id),
        ON_BOTH(log_lines_are_there_at_once_and_in_order),
        ON_BOTH(failed_records_are_there_when_they_are_asked_for),
        ON_BOTH(the_first_ten_thousand_errors_are_kept),
        ON_BOTH(every_change_to_a_run_is_noticed),
    };

    return cmocka_run_group_tests_name("state/runs", tests, NULL, NULL);
}
