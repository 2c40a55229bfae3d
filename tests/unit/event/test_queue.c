/* SPDX-License-Identifier: Apache-2.0 */
/* The queue's thread: shared commits, failures that stay alone, what others have written, a stop that finishes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"
#include "event/queue.h"
#include "lib/testdir.h"
#include "lib/testdisk.h"
#include "lib/testpg.h"

struct accept {
    struct ls_queue_task task;
    char id[24];
    int64_t seq;
    bool known, fail;
    enum ls_code rc;
};

/* Counted by the queue's thread, looked at by the test. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done, failed;
    uint64_t woken;
    bool hold; /* tasks wait in run() */
    bool held;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static enum ls_code run_accept(struct ls_queue_task *task, struct ls_queue_tx *tx,
                               struct ls_error *err)
{
    static const int64_t to = 5;
    struct accept *a = (struct accept *)task;
    struct ls_event e = {.id = a->id,
                         .type = "order.x",
                         .resource_type = "order",
                         .resource_id = a->id,
                         .data = "{}",
                         .data_size = 2,
                         .options = ""};
    enum ls_code rc;

    pthread_mutex_lock(&seen.lock);
    seen.held = seen.hold;
    pthread_cond_broadcast(&seen.changed);
    while (seen.hold)
        pthread_cond_wait(&seen.changed, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
    rc = ls_queue_accept(tx, &e, &to, 1, 0, &a->known, err);
    a->seq = e.seq;
    return rc == LS_OK && a->fail ? ls_error_set(err, LS_DATA, "this one fails") : rc;
}

static void done(struct ls_queue_task *task, enum ls_code rc, const struct ls_error *err)
{
    struct accept *a = (struct accept *)task;

    pthread_mutex_lock(&seen.lock);
    a->rc = rc;
    seen.done++;
    seen.failed += rc != LS_OK;
    assert_true((rc == LS_OK) == !err);
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static void woken(void *ctx, uint64_t endpoints)
{
    (void)ctx;
    pthread_mutex_lock(&seen.lock);
    seen.woken |= endpoints;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static void wait_for(size_t count)
{
    pthread_mutex_lock(&seen.lock);
    while (seen.done < count)
        pthread_cond_wait(&seen.changed, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
}

static struct ls_queue *open_queue(const char *dir, char *path, size_t size)
{
    const struct ls_queue_options options = {.woken = woken};
    struct ls_queue *queue = NULL;
    struct ls_error err;

    snprintf(path, size, "%s/state.db", dir);
    seen.done = seen.failed = 0;
    seen.woken = 0;
    seen.hold = seen.held = false;
    if (ls_queue_open(path, &options, &queue, &err) != LS_OK)
        fail_msg("%s", err.text);
    return queue;
}

static void let_go(void)
{
    pthread_mutex_lock(&seen.lock);
    seen.hold = false;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
}

static int64_t count_events(const char *path)
{
    struct ls_state *state = NULL;
    struct ls_error err;
    struct ls_event *events = NULL;
    struct ls_arena mem;
    size_t count = 0;

    ls_arena_init(&mem, 0);
    assert_int_equal(ls_state_open(path, false, &state, &err), LS_OK);
    assert_int_equal(
        ls_queue_events(state, &(struct ls_queue_filter){0}, 10000, &mem, &count, &events, &err),
        LS_OK);
    ls_state_close(state);
    ls_arena_done(&mem);
    return (int64_t)count;
}

#define MANY 500

static void what_waits_shares_a_commit(void **state)
{
    static struct accept tasks[MANY];
    char *dir = testdir_new(), path[200];
    struct ls_queue *queue = open_queue(dir, path, sizeof path);

    (void)state;
    seen.hold = true;
    for (size_t i = 0; i < MANY; i++) {
        tasks[i] = (struct accept){.task = {.run = run_accept, .done = done}};
        snprintf(tasks[i].id, sizeof tasks[i].id, "e%zu", i);
        ls_queue_submit(queue, &tasks[i].task);
        pthread_mutex_lock(&seen.lock);
        while (i == 0 && !seen.held) /* the first one is at work, the others gather */
            pthread_cond_wait(&seen.changed, &seen.lock);
        pthread_mutex_unlock(&seen.lock);
    }
    assert_int_equal(seen.done, 0); /* nobody is told before the commit */
    pthread_mutex_lock(&seen.lock);
    seen.hold = false;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
    wait_for(MANY);
    assert_true(ls_queue_counts(queue).commits <= 2);
    ls_queue_close(queue);
    assert_int_equal(seen.failed, 0);
    assert_int_equal(tasks[MANY - 1].seq, MANY); /* in the order in which they came */
    assert_true(seen.woken == (uint64_t)1 << 5);
    assert_int_equal(count_events(path), MANY);
    free(dir);
}

static void a_task_that_fails_fails_alone(void **state)
{
    static struct accept tasks[20];
    char *dir = testdir_new(), path[200];
    struct ls_queue *queue = open_queue(dir, path, sizeof path);

    (void)state;
    seen.hold = true;
    for (size_t i = 0; i < 20; i++) {
        tasks[i] = (struct accept){.task = {.run = run_accept, .done = done}, .fail = i % 10 == 3};
        snprintf(tasks[i].id, sizeof tasks[i].id, "e%zu", i);
        ls_queue_submit(queue, &tasks[i].task);
    }
    pthread_mutex_lock(&seen.lock);
    seen.hold = false;
    pthread_cond_broadcast(&seen.changed);
    pthread_mutex_unlock(&seen.lock);
    wait_for(20);
    ls_queue_close(queue);
    assert_int_equal(seen.failed, 2);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(tasks[i].rc, i % 10 == 3 ? LS_DATA : LS_OK);
    assert_int_equal(count_events(path), 18);
    free(dir);
}

static void a_caller_may_wait_for_its_task(void **state)
{
    struct accept task = {.task = {.run = run_accept}, .id = "a"};
    struct accept again = {.task = {.run = run_accept}, .id = "a"};
    struct accept bad = {.task = {.run = run_accept}, .id = "b", .fail = true};
    char *dir = testdir_new(), path[200];
    struct ls_queue *queue = open_queue(dir, path, sizeof path);
    struct ls_error err;

    (void)state;
    assert_int_equal(ls_queue_do(queue, &task.task, &err), LS_OK);
    assert_int_equal(task.seq, 1);
    assert_int_equal(ls_queue_do(queue, &again.task, &err), LS_OK);
    assert_true(again.known);
    assert_int_equal(ls_queue_do(queue, &bad.task, &err), LS_DATA);
    assert_string_equal(err.text, "this one fails");
    ls_queue_close(queue);
    free(dir);
}

static void a_stop_finishes_what_waits(void **state)
{
    static struct accept tasks[MANY];
    char *dir = testdir_new(), path[200];
    struct ls_queue *queue = open_queue(dir, path, sizeof path);

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        tasks[i] = (struct accept){.task = {.run = run_accept, .done = done}};
        snprintf(tasks[i].id, sizeof tasks[i].id, "e%zu", i);
        ls_queue_submit(queue, &tasks[i].task);
    }
    ls_queue_close(queue);
    assert_int_equal(seen.done, MANY);
    assert_int_equal(count_events(path), MANY);
    free(dir);
}

static enum ls_code accept_in(const char *url)
{
    static const int64_t to = 9;
    struct ls_state *other = NULL;
    struct ls_event e = {.id = "x",
                         .type = "order.x",
                         .resource_type = "",
                         .resource_id = "",
                         .data = "{}",
                         .data_size = 2,
                         .options = ""};
    struct ls_queue_tx tx;
    struct ls_error err;
    bool known = false;
    enum ls_code rc = ls_state_open(url, false, &other, &err);

    if (rc == LS_OK)
        rc = ls_queue_begin(other, ls_clock_now_us(), &tx, &err);
    if (rc == LS_OK)
        rc = ls_queue_end(&tx, ls_queue_accept(&tx, &e, &to, 1, 0, &known, &err), &err);
    ls_state_close(other);
    return rc;
}

static void until_all_are_woken(void)
{
    const int64_t until_us = ls_clock_monotonic_us() + (int64_t)120 * 1000000;
    bool in_time = true;

    pthread_mutex_lock(&seen.lock);
    while (seen.woken != UINT64_MAX && in_time)
        in_time = ls_cond_wait(&seen.changed, &seen.lock, until_us);
    in_time = seen.woken == UINT64_MAX;
    pthread_mutex_unlock(&seen.lock);
    if (!in_time)
        fail_msg("what another process has accepted was not noticed");
}

static void what_another_process_accepts_wakes_every_endpoint(void **state)
{
    char *dir = testdir_new(), path[200];
    struct ls_queue *queue = open_queue(dir, path, sizeof path);

    (void)state;
    assert_int_equal(accept_in(path), LS_OK);
    until_all_are_woken();
    ls_queue_close(queue);
    free(dir);
}

/* ---- what is heard: the queue looks by itself once in an hour ---- */

#define HOUR_US ((int64_t)3600 * 1000000)
#define LISTENERS \
    "FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"

static struct ls_queue *open_listening(const char *url)
{
    const struct ls_queue_options options = {.woken = woken, .poll_us = HOUR_US};
    struct ls_queue *queue = NULL;
    struct ls_error err;

    seen.woken = 0;
    if (ls_queue_open(url, &options, &queue, &err) != LS_OK)
        fail_msg("%s", err.text);
    return queue;
}

static void until_somebody_listens(const char *url)
{
    for (bool listens = false; !listens;) {
        char *count = testpg_value(url, "SELECT count(*) " LISTENERS " AND state = 'idle'");

        listens = strcmp(count, "1") == 0;
        free(count);
        if (!listens)
            usleep(50000);
    }
}

/* The process is there before any thread, and accepts once it is told to. */
static void what_another_process_accepts_is_heard(void **state)
{
    char *url = testpg_database("heard"), go = 0;
    struct ls_queue *queue;
    int fds[2], status = 0;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(read(fds[0], &go, 1) == 1 && accept_in(url) == LS_OK ? 0 : 1);
    queue = open_listening(url);
    until_somebody_listens(url);
    assert_int_equal(write(fds[1], "g", 1), 1);
    until_all_are_woken();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ls_queue_close(queue);
    close(fds[0]);
    close(fds[1]);
    free(url);
}

static void a_listener_that_lost_its_connection_listens_again_and_looks_first(void **state)
{
    char *url = testpg_database("again");
    struct ls_queue *queue = open_listening(url);

    (void)state;
    until_somebody_listens(url);
    testpg_exec(url, "SELECT pg_catalog.pg_terminate_backend(pid) " LISTENERS);
    assert_int_equal(accept_in(url), LS_OK);
    until_all_are_woken();
    ls_queue_close(queue);
    free(url);
}

/* Its own commits tell it nothing: it knows whom they wake. */
static void the_queue_does_not_hear_itself(void **state)
{
    char *url = testpg_database("itself");
    struct ls_queue *queue = open_listening(url);
    struct ls_state_watch *watch = NULL;
    struct ls_error err;
    int writer = 0;

    (void)state;
    until_somebody_listens(url);
    assert_int_equal(ls_state_watch_open(url, &watch, &err), LS_OK);
    for (int i = 0; i < 20; i++) {
        struct accept task = {.task = {.run = run_accept}};

        snprintf(task.id, sizeof task.id, "own%d", i);
        assert_int_equal(ls_queue_do(queue, &task.task, &err), LS_OK);
        assert_int_equal(ls_state_watch_wait(watch, -1, &writer, &err), LS_OK); /* it was told */
        assert_true(writer > 0);
    }
    ls_state_watch_close(watch);
    ls_queue_close(queue); /* the queue's listener has ended by now */
    assert_true(seen.woken == (uint64_t)1 << 5);
    free(url);
}

/* ---- a full disk ---- */

static bool may_mount;

static struct ls_queue *open_reserved(const char *dir, char *path, size_t size)
{
    const struct ls_queue_options options = {.woken = woken, .reserve = true};
    struct ls_queue *queue = NULL;
    struct ls_error err;

    snprintf(path, size, "%s/state.db", dir);
    seen.done = seen.failed = 0;
    seen.hold = seen.held = false;
    assert_int_equal(ls_queue_open(path, &options, &queue, &err), LS_OK);
    return queue;
}

static void submit(struct ls_queue *queue, struct accept *task, const char *id, bool adds)
{
    *task = (struct accept){.task = {.run = run_accept, .done = done, .adds = adds}};
    snprintf(task->id, sizeof task->id, "%s", id);
    ls_queue_submit(queue, &task->task);
}

/* The n-th one that is told. */
static enum ls_code take(struct ls_queue *queue, struct accept *task, const char *name, size_t n)
{
    char id[24];

    snprintf(id, sizeof id, "%s%zu", name, n);
    submit(queue, task, id, true);
    wait_for(n);
    return task->rc;
}

/* The first one is held at work and fails for a reason of its own, so that the others are a transaction that finds no room. */
static void on_a_full_disk_what_is_new_is_refused_and_the_rest_is_done(void **state)
{
    static struct accept first, tasks[20];
    char *dir, path[200], id[24];
    struct ls_queue *queue;

    (void)state;
    if (!may_mount)
        skip();
    dir = testdisk_new("64m");
    queue = open_reserved(dir, path, sizeof path);
    seen.hold = true;
    submit(queue, &first, "first", false);
    first.fail = true;
    pthread_mutex_lock(&seen.lock);
    while (!seen.held)
        pthread_cond_wait(&seen.changed, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "e%d", i);
        submit(queue, &tasks[i], id, i % 2);
    }
    testdisk_fill(dir, 0);
    let_go();
    wait_for(21);
    for (int i = 0; i < 20; i++)
        assert_int_equal(tasks[i].rc, i % 2 ? LS_FULL : LS_OK);
    submit(queue, &tasks[0], "later", true);
    wait_for(22);
    assert_int_equal(tasks[0].rc, LS_FULL);
    ls_queue_close(queue);
    assert_int_equal(count_events(path), 10);
    testdisk_remove(dir);
    free(dir);
}

static void with_room_again_what_is_new_is_taken(void **state)
{
    static struct accept task;
    const int64_t until_us = ls_clock_monotonic_us() + (int64_t)120 * 1000000;
    char *dir, path[200];
    struct ls_queue *queue;
    size_t count = 0;
    int64_t taken = 0;

    (void)state;
    if (!may_mount)
        skip();
    dir = testdisk_new("64m");
    queue = open_reserved(dir, path, sizeof path);
    testdisk_fill(dir, 0);
    while (take(queue, &task, "a", ++count) == LS_OK) /* there may be room in a page */
        taken++;
    assert_int_equal(task.rc, LS_FULL);
    testdisk_clear(dir);
    while (take(queue, &task, "b", ++count) == LS_FULL && ls_clock_monotonic_us() < until_us)
        usleep(50000); /* the pace of asking */
    assert_int_equal(task.rc, LS_OK);
    ls_queue_close(queue);
    assert_int_equal(count_events(path), taken + 1);
    testdisk_remove(dir);
    free(dir);
}

static enum ls_code run_nothing(struct ls_queue_task *task, struct ls_queue_tx *tx,
                                struct ls_error *err)
{
    (void)task;
    (void)tx;
    (void)err;
    return LS_OK;
}

/* What changes nothing proves nothing: the trouble is told until something was written. */
static void a_write_that_failed_is_told_until_one_succeeds(void **state)
{
    static struct accept task;
    const struct ls_queue_options no_reserve = {.woken = woken};
    struct ls_queue_task nothing = {.run = run_nothing};
    char *dir, path[200], why[200];
    struct ls_queue *queue = NULL;
    struct ls_error err;
    size_t count = 0;

    (void)state;
    if (!may_mount)
        skip();
    dir = testdisk_new("64m");
    snprintf(path, sizeof path, "%s/state.db", dir);
    seen.done = 0;
    assert_int_equal(ls_queue_open(path, &no_reserve, &queue, &err), LS_OK);
    assert_true(ls_queue_healthy(queue, why));
    assert_string_equal(why, "");
    testdisk_fill(dir, 0);
    while (take(queue, &task, "e", ++count) == LS_OK) {
    }
    assert_int_equal(task.rc, LS_FULL);
    assert_false(ls_queue_healthy(queue, why));
    assert_non_null(strstr(why, "full"));
    assert_null(strstr(why, path));
    testdisk_clear(dir);
    assert_int_equal(ls_queue_do(queue, &nothing, &err), LS_OK);
    assert_false(ls_queue_healthy(queue, why));
    assert_int_equal(take(queue, &task, "e", ++count), LS_OK);
    assert_true(ls_queue_healthy(queue, why));
    ls_queue_close(queue);
    testdisk_remove(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_shares_a_commit),
        cmocka_unit_test(a_task_that_fails_fails_alone),
        cmocka_unit_test(a_caller_may_wait_for_its_task),
        cmocka_unit_test(a_stop_finishes_what_waits),
        cmocka_unit_test(what_another_process_accepts_wakes_every_endpoint),
        cmocka_unit_test(what_another_process_accepts_is_heard),
        cmocka_unit_test(a_listener_that_lost_its_connection_listens_again_and_looks_first),
        cmocka_unit_test(the_queue_does_not_hear_itself),
        cmocka_unit_test(on_a_full_disk_what_is_new_is_refused_and_the_rest_is_done),
        cmocka_unit_test(with_room_again_what_is_new_is_taken),
        cmocka_unit_test(a_write_that_failed_is_told_until_one_succeeds),
    };

    may_mount = testdisk_begin();
    return cmocka_run_group_tests_name("event/queue", tests, NULL, NULL);
}
