/* SPDX-License-Identifier: Apache-2.0 */
/* reserve.c: room that is kept, given back on a disk that is full, and made again.
 *
 * The disk has 64 MiB. Who may not make one does without these tests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/testdisk.h"
#include "state/reserve.h"

#define MIB ((int64_t)1 << 20)
#define KEPT (4 * MIB) /* a sixteenth of the disk */
#define S_US INT64_C(1000000)

struct disk {
    char *dir;
    char path[300], reserve_path[320];
    struct ls_state *state;
    struct ls_reserve *reserve;
    int64_t now_us;
    struct ls_error err;
};
static bool may_mount;

static int open_disk(void **state)
{
    struct disk *d = calloc(1, sizeof *d);

    assert_non_null(d);
    *state = d;
    if (!may_mount)
        return 0;
    d->dir = testdisk_new("64m");
    snprintf(d->path, sizeof d->path, "%s/state.db", d->dir);
    snprintf(d->reserve_path, sizeof d->reserve_path, "%s-reserve", d->path);
    assert_int_equal(ls_state_open(d->path, true, &d->state, &d->err), LS_OK);
    return 0;
}

static int close_disk(void **state)
{
    struct disk *d = *state;

    ls_reserve_close(d->reserve);
    ls_state_close(d->state);
    if (d->dir)
        testdisk_remove(d->dir);
    free(d->dir);
    free(d);
    return 0;
}

static struct disk *disk_of(void **state)
{
    if (!may_mount)
        skip();
    return *state;
}

static int64_t blocks(const struct disk *d)
{
    struct stat st;

    return stat(d->reserve_path, &st) == 0 ? (int64_t)st.st_blocks * 512 : -1;
}

static void open_reserve(struct disk *d)
{
    assert_int_equal(ls_reserve_open(d->state, &d->reserve, &d->err), LS_OK);
}

/* As the daemon does, a second later each time. */
static void look(struct disk *d)
{
    d->now_us += S_US;
    ls_reserve_look(d->reserve, d->now_us);
}

static enum ls_code write_state(struct disk *d)
{
    static char detail[20000];

    memset(detail, 'x', sizeof detail - 1);
    detail[0] = detail[sizeof detail - 2] = '"';
    return ls_state_audit_add(d->state, "me", "test", "it", detail, &d->err);
}

static void until_full(struct disk *d)
{
    enum ls_code rc;

    do
        rc = write_state(d);
    while (rc == LS_OK);
    assert_int_equal(rc, LS_FULL);
}

static void the_room_is_taken_for_real(void **state)
{
    struct disk *d = disk_of(state);
    const int64_t before = ls_state_free_bytes(d->state);

    open_reserve(d);
    assert_int_equal(blocks(d), KEPT);
    assert_true(before - ls_state_free_bytes(d->state) >= KEPT);
    assert_false(ls_reserve_short(d->reserve));
    assert_int_equal(ls_state_room(d->state, &d->err), LS_OK);
}

static void a_full_disk_gives_it_back_and_there_is_room_to_write(void **state)
{
    struct disk *d = disk_of(state);

    open_reserve(d);
    testdisk_fill(d->dir, 0);
    until_full(d);
    assert_true(ls_reserve_give(d->reserve, &d->err));
    assert_true(ls_reserve_short(d->reserve));
    assert_int_equal(blocks(d), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(write_state(d), LS_OK);
    assert_int_equal(ls_state_room(d->state, &d->err), LS_FULL);
    assert_non_null(strstr(d->err.text, "Make room"));
    assert_non_null(strstr(d->err.text, "8192 are wanted"));
    until_full(d);
    assert_false(ls_reserve_give(d->reserve, &d->err)); /* there is nothing left to give */
}

static void it_is_made_again_once_there_is_twice_as_much_room(void **state)
{
    struct disk *d = disk_of(state);

    open_reserve(d);
    testdisk_fill(d->dir, 0);
    until_full(d);
    assert_true(ls_reserve_give(d->reserve, &d->err));
    testdisk_clear(d->dir);
    testdisk_fill(d->dir, 2 * KEPT - MIB);
    look(d);
    assert_true(ls_reserve_short(d->reserve));
    assert_int_equal(ls_state_room(d->state, &d->err), LS_FULL);
    testdisk_clear(d->dir);
    assert_int_equal(ls_state_room(d->state, &d->err), LS_OK);
    look(d);
    assert_false(ls_reserve_short(d->reserve));
    assert_int_equal(blocks(d), KEPT);
}

static void the_disk_is_asked_once_a_second(void **state)
{
    struct disk *d = disk_of(state);

    open_reserve(d);
    look(d);
    testdisk_fill(d->dir, 0);
    ls_reserve_look(d->reserve, d->now_us + S_US - 1);
    assert_false(ls_reserve_short(d->reserve));
    look(d);
    assert_true(ls_reserve_short(d->reserve)); /* nobody had to fail for it */
    assert_int_equal(blocks(d), 0);
    assert_int_equal(write_state(d), LS_OK);
}

static void a_start_on_a_full_disk_takes_nothing_new_on(void **state)
{
    struct disk *d = disk_of(state);

    testdisk_fill(d->dir, KEPT / 2);
    open_reserve(d);
    assert_true(ls_reserve_short(d->reserve));
    assert_int_equal(blocks(d), 0);
    testdisk_clear(d->dir);
    look(d);
    assert_false(ls_reserve_short(d->reserve));
}

static void what_a_daemon_before_has_kept_is_taken_over(void **state)
{
    struct disk *d = disk_of(state);

    open_reserve(d);
    ls_reserve_close(d->reserve);
    testdisk_fill(d->dir, MIB);
    open_reserve(d);
    assert_false(ls_reserve_short(d->reserve));
    assert_int_equal(blocks(d), KEPT);
}

static void what_a_daemon_that_was_killed_gave_back_holds_nobody_up(void **state)
{
    struct disk *d = disk_of(state);

    open_reserve(d);
    testdisk_fill(d->dir, 0);
    look(d);
    ls_reserve_close(d->reserve);
    d->reserve = NULL;
    assert_int_equal(ls_state_room(d->state, &d->err), LS_FULL);
    testdisk_clear(d->dir);
    assert_int_equal(ls_state_room(d->state, &d->err), LS_OK);
}

static void a_limit_and_what_is_no_disk_give_nothing_back(void **state)
{
    struct disk *d = disk_of(state);

    open_reserve(d);
    ls_error_errno(&d->err, EFBIG, "a file may not grow");
    assert_int_equal(d->err.code, LS_FULL);
    assert_false(ls_reserve_give(d->reserve, &d->err));
    ls_error_set(&d->err, LS_FULL, "there are too many queues");
    assert_false(ls_reserve_give(d->reserve, &d->err));
    assert_false(ls_reserve_short(d->reserve));
    assert_int_equal(blocks(d), KEPT);
}

static void a_log_that_has_grown_is_cut(void **state)
{
    struct disk *d = disk_of(state);
    char wal[320];
    struct stat st;

    snprintf(wal, sizeof wal, "%s-wal", d->path);
    for (int i = 0; i < 60; i++)
        assert_int_equal(write_state(d), LS_OK);
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size > MIB);
    ls_state_shrink(d->state, 64 * MIB);
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size > MIB);
    ls_state_shrink(d->state, 0);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_size, 0);
}

static void no_reserve_is_never_short(void **state)
{
    struct ls_error full = {0};

    (void)state;
    ls_error_errno(&full, ENOSPC, "full");
    assert_false(ls_reserve_give(NULL, &full));
    assert_false(ls_reserve_short(NULL));
    ls_reserve_look(NULL, 0);
    ls_reserve_close(NULL);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, open_disk, close_disk)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(the_room_is_taken_for_real),
        ON_DISK(a_full_disk_gives_it_back_and_there_is_room_to_write),
        ON_DISK(it_is_made_again_once_there_is_twice_as_much_room),
        ON_DISK(the_disk_is_asked_once_a_second),
        ON_DISK(a_start_on_a_full_disk_takes_nothing_new_on),
        ON_DISK(what_a_daemon_before_has_kept_is_taken_over),
        ON_DISK(what_a_daemon_that_was_killed_gave_back_holds_nobody_up),
        ON_DISK(a_limit_and_what_is_no_disk_give_nothing_back),
        ON_DISK(a_log_that_has_grown_is_cut),
        cmocka_unit_test(no_reserve_is_never_short),
    };

    may_mount = testdisk_begin();
    return cmocka_run_group_tests_name("state/reserve", tests, NULL, NULL);
}
