/* SPDX-License-Identifier: Apache-2.0 */
/* The run lock, and two processes at once. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sql/sql.h"
#include "state_fixture.h"

static void a_sync_is_locked_once(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_state_lock *lock = NULL, *second = NULL;

    assert_ok(f, ls_state_lock(f->state, "s", &lock, &f->err));
    assert_code(f, LS_LOCKED, ls_state_lock(f->state, "s", &second, &f->err));
    assert_code(f, LS_LOCKED, ls_state_lock(other, "s", &second, &f->err));
    assert_said(f, "has not begun");
    ls_state_unlock(lock);
    assert_ok(f, ls_state_lock(other, "s", &second, &f->err));
    ls_state_unlock(second);
    ls_state_unlock(NULL);
    ls_state_close(other);
}

static void others_see_whether_a_process_is_at_work(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_state_lock *lock = NULL;

    assert_false(ls_state_at_work(other, "s"));
    assert_ok(f, ls_state_lock(f->state, "s", &lock, &f->err));
    assert_true(ls_state_at_work(other, "s"));
    assert_true(ls_state_at_work(f->state, "s"));
    assert_false(ls_state_at_work(other, "t"));
    ls_state_unlock(lock);
    assert_false(ls_state_at_work(other, "s"));
    ls_state_close(other);
}

/* On a server nothing of it is left behind that ends some time later. */
static void what_is_unlocked_is_free_at_once(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_state_lock *lock = NULL;

    for (int i = 0; i < 100; i++) {
        assert_ok(f, ls_state_lock(i % 2 ? other : f->state, "s", &lock, &f->err));
        ls_state_unlock(lock);
        assert_false(ls_state_at_work(f->state, "s"));
    }
    ls_state_close(other);
}

/* A server may end sessions that do nothing (idle_session_timeout, new in PostgreSQL 14), and a lock does nothing. A session that began to be
 * idle later is the clock: once it has been ended, so would have been the other. */
static void a_lock_outlives_the_servers_patience(void **state)
{
    struct fixture *f = *state;
    struct ls_state_lock *lock = NULL;
    struct ls_sql *witness = NULL;
    struct ls_url url;
    int64_t left = 1;
    char sql[200];

    behind(f, "DO $$BEGIN IF current_setting('server_version_num')::int >= 140000 THEN EXECUTE "
              "format('ALTER DATABASE %I SET idle_session_timeout = 200', current_database()); "
              "END IF; END$$");
    assert_ok(f, ls_state_lock(f->state, "s", &lock, &f->err));
    assert_ok(f, ls_url_parse(f->url, &f->mem, &url, &f->err));
    assert_ok(f, ls_sql_open(&url, NULL, &witness, &f->err));
    if (ls_sql_version(witness) >= 140000) {
        struct ls_sql_stmt *stmt = NULL;
        bool row = false;

        assert_ok(
            f, ls_sql_one(witness, "SELECT pg_backend_pid()::int8", NULL, 0, &stmt, &row, &f->err));
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %lld",
                       (long long)ls_sql_i64(stmt, 0));
        ls_sql_finish(stmt);
        while (left > 0)
            left = number_behind(f, sql);
    }
    assert_true(ls_state_at_work(f->state, "s"));
    ls_sql_close(witness);
    ls_state_unlock(lock);
    behind(f, "DO $$BEGIN EXECUTE format('ALTER DATABASE %I RESET idle_session_timeout', "
              "current_database()); EXCEPTION WHEN OTHERS THEN NULL; END$$");
}

static void whoever_holds_it_is_named(void **state)
{
    struct fixture *f = *state;
    struct ls_state *other = another(f);
    struct ls_state_lock *lock = NULL, *second = NULL;
    char process[40];

    assert_ok(f, ls_state_lock(f->state, "s", &lock, &f->err));
    (void)begun(f, "another");
    (void)begun(f, "s");
    assert_code(f, LS_LOCKED, ls_state_lock(other, "s", &second, &f->err));
    assert_said(f, "run 2 of s");
    assert_said(f, "since=20");
    snprintf(process, sizeof process, "process=%d,", (int)getpid());
    assert_said(f, process);
    assert_said(f, "host=");
    ls_state_unlock(lock);
    ls_state_close(other);
}

static void different_syncs_do_not_wait_for_one_another(void **state)
{
    struct fixture *f = *state;
    struct ls_state_lock *locks[20] = {NULL};
    char name[20];

    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "sync %d", i);
        assert_ok(f, ls_state_lock(f->state, name, &locks[i], &f->err));
    }
    for (int i = 0; i < 20; i++)
        ls_state_unlock(locks[i]);
}

/* A child that does the work with a handle of its own; the parent's must not be touched there. */
static pid_t child(struct fixture *f,
                   int (*work)(struct fixture *f, struct ls_state *state, int fd), int fd)
{
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct ls_state *state = NULL;
        int status = 1;

        if (ls_state_open(f->url, false, &state, &f->err) == LS_OK)
            status = work(f, state, fd);
        if (status)
            fprintf(stderr, "child: %s\n", f->err.text);
        ls_state_close(state);
        _exit(status);
    }
    return pid;
}

static int hold_lock(struct fixture *f, struct ls_state *state, int fd)
{
    struct ls_state_lock *lock = NULL;
    struct ls_run run = {.sync = "s", .kind = "sync"};
    const bool held = ls_state_lock(state, "s", &lock, &f->err) == LS_OK &&
                      ls_state_run_begin(state, &run, &f->err) == LS_OK;

    if (write(fd, held ? "y" : "n", 1) != 1 || !held)
        return 1;
    for (;;)
        pause();
}

static void the_lock_dies_with_its_process(void **state)
{
    struct fixture *f = *state;
    struct ls_state_lock *lock = NULL;
    int64_t *numbers = NULL;
    size_t count = 0;
    int fds[2], status;
    char held = 0;
    pid_t pid;
    enum ls_code rc;

    assert_int_equal(pipe(fds), 0);
    pid = child(f, hold_lock, fds[1]);
    assert_int_equal(read(fds[0], &held, 1), 1);
    assert_int_equal(held, 'y');
    assert_code(f, LS_LOCKED, ls_state_lock(f->state, "s", &lock, &f->err));
    assert_said(f, "run 1 of s");
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    do /* a server takes a moment to see that its client is gone; the test has a time limit */
        rc = ls_state_lock(f->state, "s", &lock, &f->err);
    while (f->postgres && rc == LS_LOCKED);
    assert_ok(f, rc);
    assert_ok(f, ls_state_interrupt_dead(f->state, "s", &f->mem, &count, &numbers, &f->err));
    assert_int_equal(count, 1);
    assert_int_equal(numbers[0], 1);
    ls_state_unlock(lock);
    close(fds[0]);
    close(fds[1]);
}

/* ---- at once ---- */

#define CHILDREN 4
#define EACH 30

static int append_all(struct fixture *f, struct ls_state *state, int fd)
{
    (void)fd;
    for (int i = 0; i < EACH; i++) {
        struct ls_run run = {.sync = "s", .kind = "sync"};
        char body[100];

        if (ls_state_audit_add(state, "me", "test", "", "{}", &f->err) != LS_OK ||
            ls_state_run_begin(state, &run, &f->err) != LS_OK)
            return 1;
        run.status = LS_RUN_COMPLETED;
        snprintf(body, sizeof body, "{\"id\":\"%s\"}", run.id);
        if (ls_state_run_save(state, &run, &f->err) != LS_OK ||
            ls_state_receipt_add(state, run.id, body, &f->err) != LS_OK)
            return 1;
    }
    return 0;
}

static void processes_append_at_once_without_gap_or_break(void **state)
{
    struct fixture *f = *state;
    uint64_t count = 0;

    for (int i = 0; i < CHILDREN; i++)
        (void)child(f, append_all, -1);
    for (int i = 0; i < CHILDREN; i++) {
        int status = 1;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_ok(f, ls_state_audit_verify(f->state, &count, &f->err));
    assert_int_equal(count, 2 * CHILDREN * EACH);
    assert_int_equal(number_behind(f, "SELECT count(DISTINCT number) FROM {schema}runs"),
                     CHILDREN * EACH);
    assert_int_equal(number_behind(f, "SELECT max(number) FROM {schema}runs"), CHILDREN * EACH);
}

static int journal_all(struct fixture *f, struct ls_state *state, int fd)
{
    struct ls_run run = {.sync = "s", .kind = "sync"};
    struct ls_journal j;
    enum ls_code rc = ls_state_run_begin(state, &run, &f->err);

    (void)fd;
    if (rc == LS_OK)
        rc = ls_state_journal(state, run.id, &f->mem, &j, &f->err);
    for (uint64_t batch = 1; batch <= EACH && rc == LS_OK; batch++) {
        rc = j.open(j.ctx, batch, "m", &f->err);
        if (rc == LS_OK)
            rc = j.add(j.ctx, batch, run.id, 36, &f->err);
        if (rc == LS_OK)
            rc = j.sync(j.ctx, batch, ONE_OF_EACH, &f->err);
        if (rc == LS_OK)
            rc = j.close(j.ctx, batch, true, &f->err);
    }
    run.status = LS_RUN_COMPLETED;
    return rc != LS_OK || ls_state_run_save(state, &run, &f->err) != LS_OK;
}

static void journals_written_at_once_stay_apart(void **state)
{
    struct fixture *f = *state;
    struct ls_run *runs = NULL;
    size_t count = 0;

    for (int i = 0; i < CHILDREN; i++)
        (void)child(f, journal_all, -1);
    for (int i = 0; i < CHILDREN; i++) {
        int status = 1;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_ok(f, ls_state_runs(f->state, "s", 10, &f->mem, &count, &runs, &f->err));
    assert_int_equal(count, CHILDREN);
    for (size_t i = 0; i < count; i++) {
        struct ls_journal_source s;
        const void *blob = NULL;
        size_t size = 0;
        int pieces = 0;

        assert_ok(f, ls_state_journal_source(f->state, runs[i].id, &f->mem, &s, &f->err));
        for (;;) {
            assert_ok(f, s.next(s.ctx, &f->mem, &blob, &size, &f->err));
            if (!blob)
                break;
            assert_int_equal(size, 36);
            assert_memory_equal(blob, runs[i].id, 36);
            pieces++;
        }
        assert_int_equal(pieces, EACH);
    }
}

/* ---- kill ---- */

static int journal_until_killed(struct fixture *f, struct ls_state *state, int fd)
{
    struct ls_run run = {.sync = "s", .kind = "sync"};
    struct ls_journal j;
    char text[40];
    enum ls_code rc = ls_state_run_begin(state, &run, &f->err);

    if (rc == LS_OK)
        rc = ls_state_journal(state, run.id, &f->mem, &j, &f->err);
    for (uint64_t batch = 1; rc == LS_OK; batch++) {
        snprintf(text, sizeof text, "batch %d", (int)batch);
        rc = j.open(j.ctx, batch, "m", &f->err);
        if (rc == LS_OK)
            rc = j.add(j.ctx, batch, text, strlen(text), &f->err);
        if (rc == LS_OK)
            rc = j.sync(j.ctx, batch, ONE_OF_EACH, &f->err);
        if (rc == LS_OK && write(fd, "s", 1) != 1)
            return 1;
        if (rc == LS_OK)
            rc = j.close(j.ctx, batch, true, &f->err);
    }
    return 1;
}

/* Reads the journal, which must hold at least the batches that were said to be durable, and none beside. */
static void assert_holds(struct fixture *f, const char *run_id, int durable)
{
    struct ls_journal_source s;
    char text[40];
    int batch = 0;

    assert_ok(f, ls_state_journal_source(f->state, run_id, &f->mem, &s, &f->err));
    for (;;) {
        const void *blob = NULL;
        size_t size = 0;

        assert_ok(f, s.next(s.ctx, &f->mem, &blob, &size, &f->err));
        if (!blob)
            break;
        if (batch == 0) { /* the newest: perhaps one that was synced and not yet said so */
            assert_true(size < sizeof text);
            memset(text, 0, sizeof text);
            memcpy(text, blob, size);
            assert_int_equal(sscanf(text, "batch %d", &batch), 1);
            assert_in_range(batch, durable, durable + 1);
        }
        snprintf(text, sizeof text, "batch %d", batch--);
        assert_int_equal(size, strlen(text));
        assert_memory_equal(blob, text, size);
    }
    assert_int_equal(batch, 0);
}

/* On PostgreSQL what a killed client had sent is still carried out. */
static void wait_until_alone(struct fixture *f)
{
    while (f->postgres &&
           number_behind(f, "SELECT count(*) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND backend_type = 'client backend'") > 2)
        ;
}

static void what_was_synced_survives_a_kill(void **state)
{
    struct fixture *f = *state;

    for (int round = 1; round <= 12; round++) {
        struct ls_open_batch *open = NULL;
        struct ls_run *newest = NULL;
        size_t count = 0;
        int fds[2], status, durable = 0;
        char said;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = child(f, journal_until_killed, fds[1]);
        close(fds[1]);
        while (durable < round * 3 && read(fds[0], &said, 1) == 1)
            durable++;
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        while (read(fds[0], &said, 1) == 1) /* said before it died */
            durable++;
        close(fds[0]);
        wait_until_alone(f);
        assert_ok(f, ls_state_runs(f->state, "s", 1, &f->mem, &count, &newest, &f->err));
        assert_ok(f, ls_state_open_batches(f->state, "s", NULL, &f->mem, &count, &open, &f->err));
        for (size_t i = 0; i < count; i++)
            assert_ok(
                f, ls_state_batch_settle(f->state, open[i].run_id, open[i].batch, true, &f->err));
        assert_holds(f, newest[0].id, durable);
    }
}

static void one_daemon_serves_a_file_and_says_who_it_is(void **state)
{
    struct fixture *f = *state;
    struct ls_state_lock *lock = NULL, *second = NULL;

    assert_ok(f, ls_state_serve(f->url, &lock, &f->err));
    assert_non_null(lock);
    assert_code(f, LS_LOCKED, ls_state_serve(f->url, &second, &f->err));
    ls_state_serve_note(lock, "pid 12, a long note that is replaced");
    ls_state_serve_note(lock, "pid 12, here");
    assert_code(f, LS_LOCKED, ls_state_serve(f->url, &second, &f->err));
    assert_said(f, "(pid 12, here)");
    ls_state_unlock(lock);
    assert_ok(f, ls_state_serve(f->url, &second, &f->err));
    ls_state_unlock(second);
}

static void any_number_of_daemons_serve_a_server(void **state)
{
    struct fixture *f = *state;
    struct ls_state_lock *lock = NULL;

    assert_ok(f, ls_state_serve(f->url, &lock, &f->err));
    assert_null(lock);
    ls_state_serve_note(lock, "nobody reads this");
    assert_ok(f, ls_state_ping(f->state, &f->err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_sync_is_locked_once),
        ON_BOTH(others_see_whether_a_process_is_at_work),
        ON_BOTH(what_is_unlocked_is_free_at_once),
        ON_POSTGRES(a_lock_outlives_the_servers_patience),
        ON_BOTH(whoever_holds_it_is_named),
        ON_BOTH(different_syncs_do_not_wait_for_one_another),
        ON_BOTH(the_lock_dies_with_its_process),
        ON_BOTH(processes_append_at_once_without_gap_or_break),
        ON_BOTH(journals_written_at_once_stay_apart),
        ON_SQLITE(one_daemon_serves_a_file_and_says_who_it_is),
        ON_POSTGRES(any_number_of_daemons_serve_a_server),
        ON_BOTH(what_was_synced_survives_a_kill),
    };

    return cmocka_run_group_tests_name("state/lock", tests, NULL, NULL);
}
