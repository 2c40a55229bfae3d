/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of store/file/transaction.c, write.c and work.c: transactions, kills, full disks, who may write when. */
#include "file_help.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/testdir.h"

#define OLD "id,v\n1,a\n2,b\n3,c\n"
#define NEW "id,v\n1,a\n2,B\n4,d\n"

static const char *const updated[] = {"2", "B"}, *const deleted[] = {"3", NULL},
                         *const inserted[] = {"4", "d"};

/* OLD becomes NEW, as far as it goes. */
static enum ls_code change_all(struct opened *o)
{
    enum ls_code rc = change(o, LS_UPDATE, updated);

    if (rc == LS_OK)
        rc = change(o, LS_DELETE, deleted);
    return rc == LS_OK ? change(o, LS_INSERT, inserted) : rc;
}

static void open_old(struct opened *o, char **ret_path)
{
    *ret_path = a_file("t.csv", TEXT_AND_SIZE(OLD));
    open_file(o, *ret_path, true);
    assert_int_equal(describe_file(o), LS_OK);
}

static enum ls_outcome settled(struct opened *o, const char *marker)
{
    enum ls_outcome outcome = LS_OUTCOME_UNKNOWN;

    assert_int_equal(ls_store_settle(o->store, o->schema, marker, &outcome, &o->err), LS_OK);
    return outcome;
}

static void records_keep_their_order_and_new_ones_come_last(void **state)
{
    struct opened o;
    char *path;

    (void)state;
    open_old(&o, &path);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    testdir_assert_content(path, NEW);
    close_file(&o);
    free(path);
}

static void a_reader_sees_the_old_content_or_the_new(void **state)
{
    struct opened o, reader;
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows;
    const char *got;
    char *path;

    (void)state;
    open_old(&o, &path);
    open_file(&reader, path, false);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    assert_int_equal(read_file(&reader, &got), LS_OK);
    assert_string_equal(got, "1|a;2|b;3|c");
    reader.scan.batch_rows = 1;
    assert_int_equal(ls_store_scan(reader.store, &reader.scan, &cursor, &reader.err), LS_OK);
    assert_int_equal(ls_cursor_next(cursor, &reader.mem, &rows, &reader.err), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    for (size_t i = 0; i < 2; i++) { /* the file that was replaced is read to its end */
        assert_int_equal(ls_cursor_next(cursor, &reader.mem, &rows, &reader.err), LS_OK);
        assert_memory_equal(ls_row(&rows, 0)[1].data, i ? "c" : "b", 1);
    }
    assert_int_equal(ls_cursor_next(cursor, &reader.mem, &rows, &reader.err), LS_OK);
    assert_int_equal(rows.count, 0);
    ls_cursor_end(cursor);
    assert_int_equal(read_file(&reader, &got), LS_OK);
    assert_string_equal(got, "1|a;2|B;4|d");
    close_file(&reader);
    close_file(&o);
    free(path);
}

static void append(const char *path, const char *text)
{
    FILE *f = fopen(path, "ae");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void a_file_that_is_written_in_place_while_it_is_read_is_an_error(void **state)
{
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows;
    struct opened o;
    char *path;

    (void)state;
    open_old(&o, &path);
    o.scan.batch_rows = 1;
    assert_int_equal(ls_store_scan(o.store, &o.scan, &cursor, &o.err), LS_OK);
    assert_int_equal(ls_cursor_next(cursor, &o.mem, &rows, &o.err), LS_OK);
    assert_int_equal(truncate(path, 10), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ls_cursor_next(cursor, &o.mem, &rows, &o.err), LS_OK);
    assert_int_equal(ls_cursor_next(cursor, &o.mem, &rows, &o.err), LS_CHANGED);
    ls_cursor_end(cursor);
    close_file(&o);
    free(path);
}

static void a_header_that_changed_since_is_an_error(void **state)
{
    struct ls_cursor *cursor = NULL;
    struct opened o;
    FILE *f;
    char *path;

    (void)state;
    open_old(&o, &path);
    f = fopen(path, "we");
    assert_non_null(f);
    fputs("v,id\na,1\n", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(ls_store_scan(o.store, &o.scan, &cursor, &o.err), LS_CHANGED);
    close_file(&o);
    free(path);
}

static void what_somebody_else_wrote_meanwhile_is_not_overwritten(void **state)
{
    struct opened o;
    const char *marker;
    char *path;

    (void)state;
    open_old(&o, &path);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(ls_store_mark(o.store, "run-1", &o.mem, &marker, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    append(path, "9,theirs\n");
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_CHANGED);
    ls_store_rollback(o.store);
    testdir_assert_content(path, OLD "9,theirs\n");
    assert_int_equal(settled(&o, marker), LS_OUTCOME_ABORTED);
    close_file(&o);
    free(path);
}

static void a_commit_that_fails_without_a_mark_leaves_nothing_beside(void **state)
{
    struct opened o;
    char *path, *beside = NULL;

    (void)state;
    open_old(&o, &path);
    assert_true(asprintf(&beside, "%.*s.t.csv.lockstep-write", (int)(strlen(path) - 5), path) > 0);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    append(path, "9,theirs\n");
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_CHANGED);
    assert_false(is_there(beside));
    ls_store_rollback(o.store);
    testdir_assert_content(path, OLD "9,theirs\n");
    close_file(&o);
    free(beside);
    free(path);
}

static void a_rollback_and_a_close_leave_the_file(void **state)
{
    struct opened o;
    char *path;

    (void)state;
    open_old(&o, &path);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    ls_store_rollback(o.store);
    testdir_assert_content(path, OLD);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    close_file(&o);
    testdir_assert_content(path, OLD);
    free(path);
}

static void a_marked_transaction_that_wrote_nothing_leaves_the_very_file(void **state)
{
    struct stat before, after;
    struct opened o;
    const char *marker;
    char *path;

    (void)state;
    open_old(&o, &path);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(ls_store_mark(o.store, "run-1", &o.mem, &marker, &o.err), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    assert_int_equal(settled(&o, marker), LS_OUTCOME_COMMITTED);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino);
    close_file(&o);
    free(path);
}

/* ---- kills ---- */

/* Dies by a kill after `steps` steps; tells the marker through a file. */
static void die_after(const char *path, int steps)
{
    struct opened o;
    const char *marker = "";
    char *note = testdir_path("marker");
    FILE *f;

    open_file(&o, path, true);
    if (describe_file(&o) != LS_OK || ls_store_begin(o.store, &o.err) != LS_OK ||
        ls_store_mark(o.store, "run-1", &o.mem, &marker, &o.err) != LS_OK)
        _exit(1);
    f = fopen(note, "we");
    if (!f || fputs(marker, f) == EOF || fclose(f) != 0)
        _exit(1);
    if (steps > 0 && change(&o, LS_UPDATE, updated) != LS_OK)
        _exit(1);
    if (steps > 1 && change(&o, LS_DELETE, deleted) != LS_OK)
        _exit(1);
    if (steps > 2 && change(&o, LS_INSERT, inserted) != LS_OK)
        _exit(1);
    if (steps > 3 && ls_store_commit(o.store, &o.err) != LS_OK)
        _exit(1);
    kill(getpid(), SIGKILL);
}

static void after_a_kill_at_any_step_it_is_known_what_became_of_it(void **state)
{
    (void)state;
    for (int steps = 0; steps <= 4; steps++) {
        char *path = a_file("t.csv", TEXT_AND_SIZE(OLD)), *note = testdir_path("marker"), *marker;
        const pid_t child = fork();
        struct opened o;
        int status = 0;

        assert_true(child >= 0);
        if (child == 0)
            die_after(path, steps);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        marker = content_of(note, NULL);
        open_file(&o, path, true);
        assert_int_equal(describe_file(&o), LS_OK);
        assert_int_equal(settled(&o, marker),
                         steps > 3 ? LS_OUTCOME_COMMITTED : LS_OUTCOME_ABORTED);
        testdir_assert_content(path, steps > 3 ? NEW : OLD);
        ls_store_forget(o.store, "run-1");
        assert_false(is_there(marker));
        assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK); /* its lock died with it */
        close_file(&o);
        free(marker);
        free(note);
        free(path);
    }
}

static void forgetting_removes_the_marks_of_one_run_only(void **state)
{
    static const char *const names[] = {"run-1", "run-2", "fields", "lock"};
    char *path = a_file("t.csv", TEXT_AND_SIZE(OLD)), *beside[COUNT(names)];
    struct opened o;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        FILE *f;

        assert_true(asprintf(&beside[i], "%.*s.t.csv.lockstep-%s", (int)(strlen(path) - 5), path,
                             names[i]) > 0);
        f = fopen(beside[i], "we");
        assert_non_null(f);
        fclose(f);
    }
    open_file(&o, path, true);
    ls_store_forget(o.store, "run-1");
    assert_false(is_there(beside[0]));
    assert_true(is_there(beside[1]));
    ls_store_forget(o.store, "l");
    ls_store_forget(o.store, "fields");
    ls_store_forget(o.store, "run-");
    assert_false(is_there(beside[1]));
    assert_true(is_there(beside[2]));
    assert_true(is_there(beside[3]));
    assert_true(is_there(path));
    close_file(&o);
    for (size_t i = 0; i < COUNT(names); i++)
        free(beside[i]);
    free(path);
}

/* ---- what goes wrong ---- */

/* A file that is larger than the limit which the test then sets for new ones. */
static char *large_file(void)
{
    struct ls_buf text;
    char *path;

    ls_buf_init(&text, 0);
    ls_buf_text(&text, "id,v\n1,a\n2,b\n3,c\n");
    for (int i = 10; i < 3000; i++)
        ls_buf_printf(&text, "%d,something of some length\n", i);
    path = a_file("t.csv", text.data, text.size);
    ls_buf_done(&text);
    return path;
}

/* In a child, so that the limit dies with it: 0 when commit failed as LS_FULL and settle says that it did. */
static int fill_the_disk(const char *path)
{
    struct rlimit limit = {.rlim_cur = 40000, .rlim_max = 40000};
    enum ls_outcome outcome = LS_OUTCOME_UNKNOWN;
    const char *marker;
    struct opened o;
    enum ls_code rc;

    signal(SIGXFSZ, SIG_IGN);
    open_file(&o, path, true);
    if (describe_file(&o) != LS_OK || ls_store_begin(o.store, &o.err) != LS_OK ||
        ls_store_mark(o.store, "run-1", &o.mem, &marker, &o.err) != LS_OK ||
        change_all(&o) != LS_OK || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    rc = ls_store_commit(o.store, &o.err);
    if (rc != LS_FULL)
        return 2;
    ls_store_rollback(o.store);
    if (ls_store_settle(o.store, o.schema, marker, &outcome, &o.err) != LS_OK)
        return 3;
    close_file(&o);
    return outcome == LS_OUTCOME_ABORTED ? 0 : 4;
}

static void a_full_disk_leaves_the_old_file_and_an_aborted_transaction(void **state)
{
    char *path = large_file(), *before = content_of(path, NULL);
    const pid_t child = fork();
    int status = 0;

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_the_disk(path));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    testdir_assert_content(path, before);
    free(before);
    free(path);
}

static void mode_owner_and_symbolic_link_are_kept(void **state)
{
    char *path = a_file("t.csv", TEXT_AND_SIZE(OLD)), *link = NULL;
    const bool root = geteuid() == 0;
    struct stat st;
    struct opened o;

    (void)state;
    assert_true(asprintf(&link, "%s.csv", path) > 0);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(chmod(path, 0640), 0);
    if (root)
        assert_int_equal(chown(path, 1234, 2345), 0);
    open_file(&o, link, true);
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change_all(&o), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    testdir_assert_content(path, NEW);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    if (root) {
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 2345);
    }
    close_file(&o);
    free(link);
    free(path);
}

static void two_writers_exclude_each_other(void **state)
{
    struct opened a, b;
    char *path;

    (void)state;
    open_old(&a, &path);
    open_file(&b, path, true);
    assert_int_equal(describe_file(&b), LS_OK);
    assert_int_equal(ls_store_begin(a.store, &a.err), LS_OK);
    assert_int_equal(ls_store_begin(b.store, &b.err), LS_BUSY);
    assert_int_equal(change_all(&a), LS_OK);
    assert_int_equal(ls_store_commit(a.store, &a.err), LS_OK);
    assert_int_equal(ls_store_begin(b.store, &b.err), LS_OK);
    assert_int_equal(change(&b, LS_INSERT, (const char *const[]){"5", "e"}), LS_OK);
    assert_int_equal(ls_store_commit(b.store, &b.err), LS_OK);
    testdir_assert_content(path, NEW "5,e\n");
    close_file(&b);
    close_file(&a);
    free(path);
}

static void a_key_that_stands_twice_is_refused(void **state)
{
    char *path = a_file("t.csv", TEXT_AND_SIZE("id,v\n2,a\n2,b\n"));
    struct opened o;

    (void)state;
    open_file(&o, path, true);
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change(&o, LS_UPDATE, updated), LS_DATA);
    ls_store_rollback(o.store);
    close_file(&o);
    free(path);
}

static void what_is_no_regular_file_is_refused(void **state)
{
    char *folder = testdir_new(), *path = NULL;
    struct ls_schema *schema;
    struct opened o;

    (void)state;
    assert_true(asprintf(&path, "%s/pipe.csv", folder) > 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    open_file(&o, path, false);
    assert_int_equal(ls_store_describe(o.store, NULL, &o.mem, &schema, &o.err), LS_USAGE);
    assert_non_null(strstr(o.err.text, "not a regular file"));
    close_file(&o);
    free(folder);
    free(path);
}

static void a_missing_file_is_not_found(void **state)
{
    char *folder = testdir_new(), *path = NULL;
    struct ls_schema *schema;
    const char *const *names;
    struct opened o;
    size_t count = 7;

    (void)state;
    assert_true(asprintf(&path, "%s/none.csv", folder) > 0);
    open_file(&o, path, false);
    assert_int_equal(ls_store_describe(o.store, NULL, &o.mem, &schema, &o.err), LS_NOT_FOUND);
    assert_int_equal(ls_store_list(o.store, &o.mem, &count, &names, &o.err), LS_OK);
    assert_int_equal(count, 0);
    close_file(&o);
    free(folder);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_keep_their_order_and_new_ones_come_last),
        cmocka_unit_test(a_reader_sees_the_old_content_or_the_new),
        cmocka_unit_test(a_file_that_is_written_in_place_while_it_is_read_is_an_error),
        cmocka_unit_test(a_header_that_changed_since_is_an_error),
        cmocka_unit_test(what_somebody_else_wrote_meanwhile_is_not_overwritten),
        cmocka_unit_test(a_commit_that_fails_without_a_mark_leaves_nothing_beside),
        cmocka_unit_test(a_rollback_and_a_close_leave_the_file),
        cmocka_unit_test(a_marked_transaction_that_wrote_nothing_leaves_the_very_file),
        cmocka_unit_test(after_a_kill_at_any_step_it_is_known_what_became_of_it),
        cmocka_unit_test(forgetting_removes_the_marks_of_one_run_only),
        cmocka_unit_test(a_full_disk_leaves_the_old_file_and_an_aborted_transaction),
        cmocka_unit_test(mode_owner_and_symbolic_link_are_kept),
        cmocka_unit_test(two_writers_exclude_each_other),
        cmocka_unit_test(a_key_that_stands_twice_is_refused),
        cmocka_unit_test(what_is_no_regular_file_is_refused),
        cmocka_unit_test(a_missing_file_is_not_found),
    };

    return cmocka_run_group_tests_name("store/file_change", tests, NULL, NULL);
}
