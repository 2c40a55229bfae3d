/* SPDX-License-Identifier: Apache-2.0 */
/* test_faults.c - whole calls of the library in which one allocation or one write fails, each in turn.
 *
 * Whatever fails: the call ends with the error that belongs to it or with the right result, never with another one; what was
 * half done is settled by the next call, which finds a state that is whole; and a run that was broken off is undone exactly. Sanitizers
 * see that nothing leaks and nothing is used too late.
 *
 * In the quick run of the tests some moments are drawn, by a seed that is printed (LOCKSTEP_TEST_SEED=N draws them
 * again); LOCKSTEP_DEEP takes each one. LOCKSTEP_TEST_FAULT_AT=N tries that one alone. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api_fixture.h"
#include "lib/fault.h"
#include "lib/testdir.h"

#define QUICK_TRIES 15

#define SOURCE                                                                      \
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, price NUMERIC, data TEXT);" \
    "INSERT INTO t VALUES (1, 'one', 1.5, '{\"a\":[1,2]}'), (2, 'two', 2, NULL),"   \
    " (3, 'three', 3, 'x'), (4, 'four', 4.25, ''), (5, 'five', 5, 'y'), (7, 'seven', 7, 'z');"
#define TARGET                                                                              \
    "CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT, price NUMERIC, data TEXT, own TEXT" \
    " DEFAULT 'mine');"                                                                     \
    "INSERT INTO u VALUES (1, 'ONE', 1.5, '{\"a\":[1,2]}', 'a'), (2, 'old', 2, NULL, 'b')," \
    " (4, 'FOUR', 1, '', 'd'), (6, 'SIX', 6, 'gone', 'f');"

/* A pair of stores with a configuration, made anew for each try. */
struct pair {
    const char *config, *source, *target, *state;
    const char *target_path, *target_kept; /* files */
    const char *plan; /* a file: what is synced goes through it; NULL: a sync */
};

static unsigned long long draws;
static unsigned complaints; /* of one sweep: it goes on, because one place often has company */

static void complain(unsigned n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(unsigned n, const char *fmt, ...)
{
    char text[3000];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    complaints++;
    print_error("call %u (%s) failed, and %s\n", n, fault_hit(), text);
}

static unsigned drawn(unsigned below)
{
    draws = draws * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(draws >> 33) % below;
}

static char *read_file(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "rb");
    char *data = NULL;

    *ret_size = 0;
    if (!f)
        return NULL;
    assert_non_null(data = malloc(1 << 20));
    *ret_size = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static void copy_file(const char *from, const char *to)
{
    size_t size;
    char *data = read_file(from, &size);
    FILE *f = fopen(to, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    free(data);
}

static void remove_files(const char *path)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal", "-new", "-new-journal"};
    char name[4096];

    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

static void start_again(const struct pair *p)
{
    remove_files(p->target_path);
    copy_file(p->target_kept, p->target_path);
    remove_files(strchr(p->state, ':') + 1);
}

static void init_pair(struct pair *p, const char *target, const char *target_name)
{
    const char *path = strchr(target, ':') + 1;

    p->source = api_sqlite(SOURCE);
    p->target = target;
    p->target_path = path;
    p->target_kept = api_text("%s.kept", path);
    p->state = api_sqlite(NULL);
    copy_file(path, p->target_kept);
    setenv("LS_TEST_SOURCE", p->source, 1);
    p->config = api_file(api_text("state: %s\n"
                                  "stores:\n"
                                  "  a: ${LS_TEST_SOURCE}\n"
                                  "  b: { url: \"%s\" }\n"
                                  "syncs:\n"
                                  "  one:\n"
                                  "    source: a.t\n"
                                  "    target: b%s\n"
                                  "    key: id\n"
                                  "    fields:\n"
                                  "      id: id\n"
                                  "      name: upper(name)\n"
                                  "      price: price\n"
                                  "      data: data\n"
                                  "    where: name <> 'seven'\n"
                                  "    target_where: id <> 'none'\n"
                                  "    batch: 2\n",
                                  p->state, target, target_name));
}

static int open_handle(const struct pair *p, struct lockstep **ret, struct lockstep_error *error)
{
    const struct lockstep_options options = {.config_path = p->config, .actor = "test"};

    return lockstep_open(&options, ret, error);
}

/* All of a sync, or of a plan and its apply, as a program does it. */
static int sync_once(const struct pair *p, struct lockstep_error *error)
{
    const struct lockstep_select one = {.sync = "one"};
    const struct lockstep_run_options force = {.force = ""};
    struct lockstep *ls = NULL;
    struct lockstep_run *run = NULL;
    struct lockstep_plan_info info;
    int code = open_handle(p, &ls, error);

    if (code == LOCKSTEP_OK && !p->plan)
        code = lockstep_sync(ls, &one, &force, &run, error);
    if (code == LOCKSTEP_OK && p->plan)
        code = lockstep_plan(ls, &one, NULL, p->plan, &info, error);
    if (code == LOCKSTEP_DIFFERENT && p->plan)
        code = lockstep_apply(ls, p->plan, NULL, &force, &run, error);
    lockstep_run_free(run);
    lockstep_close(ls);
    return code;
}

/* Takes back every run that is not undone, newest first. */
static void undo_all(const struct pair *p, unsigned n)
{
    struct lockstep_error error = {0};
    struct lockstep *ls = NULL;
    struct lockstep_run **runs = NULL;
    size_t count = 0;

    assert_code(open_handle(p, &ls, &error), LOCKSTEP_OK, &error);
    if (access(strchr(p->state, ':') + 1, F_OK) == 0)
        assert_code(lockstep_history(ls, NULL, 0, &count, &runs, &error), LOCKSTEP_OK, &error);
    for (size_t i = 0; i < count; i++) {
        struct lockstep_run *undo = NULL;
        const int code = lockstep_undo(ls, runs[i]->id, NULL, NULL, &undo, &error);

        if (code != LOCKSTEP_OK)
            complain(n, "undo ended with %d: %s (%llu failed, %llu conflicts, verified %d)", code,
                     error.text, undo ? (unsigned long long)undo->failed : 0,
                     undo ? (unsigned long long)undo->conflicts : 0, undo && undo->verified);
        lockstep_run_free(undo);
    }
    lockstep_runs_free(runs, count);
    lockstep_close(ls);
}

static void check_audit(const struct pair *p)
{
    struct lockstep_error error = {0};
    struct lockstep *ls = NULL;
    uint64_t count = 0;

    assert_code(open_handle(p, &ls, &error), LOCKSTEP_OK, &error);
    assert_code(lockstep_audit_verify(ls, &count, &error), LOCKSTEP_OK, &error);
    lockstep_close(ls);
}

/* What the target holds, as text; to be freed. */
static char *contents(const struct pair *p)
{
    static const char all[] =
        "SELECT coalesce(group_concat(quote(id) || quote(name) || quote(price) ||"
        " quote(data) || quote(own)), '') FROM (SELECT * FROM u ORDER BY id)";
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    size_t size;
    char *text;

    if (strncmp(p->target, "sqlite:", 7) != 0) {
        text = read_file(p->target_path, &size);
        assert_non_null(text);
        text[size] = '\0';
        return text;
    }
    assert_int_equal(sqlite3_open(p->target_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, all, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    text = strdup((const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    assert_non_null(text);
    return text;
}

/* Holds the target against what it should be. */
static void check_contents(const struct pair *p, unsigned n, const char *expected, const char *what)
{
    char *now = contents(p);

    if (strcmp(now, expected) != 0)
        complain(n, "%s:\n%s\nnot\n%s", what, now, expected);
    free(now);
}

/* jansson does not always say that it was memory that it lacked: then a document is called damaged, which stops the run as well. */
static bool fits(const char *name, enum fault_kind kind)
{
    if (kind == FAULT_JSON && (strcmp(name, "corrupt") == 0 || strcmp(name, "data") == 0))
        return true;
    return kind == FAULT_WRITE ? strcmp(name, "io") == 0 || strcmp(name, "full") == 0
                               : strcmp(name, "nomem") == 0;
}

/* After a failure at n: what it may be, and what comes then. */
static void judge(const struct pair *p, unsigned n, int code, const struct lockstep_error *error,
                  enum fault_kind kind, const char *before, const char *after)
{
    struct lockstep_error again = {0};

    if (code == LOCKSTEP_OK)
        check_contents(p, n, after, "the sync ended well and is wrong");
    else if (!fits(error->name, kind))
        complain(n, "the sync ended with %d, %s: %s", code, error->name, error->text);
    else if (kind == FAULT_WRITE && !strstr(error->text, testdir()) &&
             !strstr(error->text, "TMPDIR"))
        complain(n, "the message does not say where: %s", error->text);
    if (n % 2) {
        undo_all(p, n);
        check_contents(p, n, before, "undo is not exact");
    }
    if (sync_once(p, &again) != LOCKSTEP_OK)
        complain(n, "the next sync ended with %s: %s", again.name, again.text);
    check_contents(p, n, after, "the next sync was wrong");
    check_audit(p);
}

/* How many calls there are to try: those of a sync without a fault, which also tells what comes out. */
static unsigned measure(const struct pair *p, enum fault_kind kind, char **ret_after)
{
    struct lockstep_error error = {0};
    int code;

    start_again(p);
    fault_at(kind, 0);
    code = sync_once(p, &error);
    fault_off();
    assert_code(code, LOCKSTEP_OK, &error);
    *ret_after = contents(p);
    return fault_count();
}

static void sweep(const struct pair *p, enum fault_kind kind)
{
    const char *alone = getenv("LOCKSTEP_TEST_FAULT_AT");
    char *before = contents(p), *after = NULL;
    unsigned tried = 0, hit = 0;
    const unsigned calls = measure(p, kind, &after);
    const unsigned step = getenv("LOCKSTEP_DEEP") || calls < QUICK_TRIES ? 1 : calls / QUICK_TRIES;

    for (unsigned n = alone ? (unsigned)strtoul(alone, NULL, 10) : 1 + drawn(step); n <= calls;
         n += 1 + (step > 1 ? drawn(2 * step - 1) : 0)) {
        struct lockstep_error error = {0};
        int code;

        start_again(p);
        fault_at(kind, n);
        code = sync_once(p, &error);
        fault_off();
        judge(p, n, code, &error, kind, before, after);
        tried++;
        hit += fault_hit() != NULL;
        if (alone)
            break;
    }
    print_message("# %u of %u calls tried, %u failed\n", tried, calls, hit);
    free(before);
    free(after);
    assert_true(hit > 0);
    assert_int_equal(complaints, 0);
}

static void init_sqlite(struct pair *p)
{
    init_pair(p, api_sqlite(TARGET), ".u");
}

static void init_planned(struct pair *p)
{
    init_sqlite(p);
    p->plan = api_text("%s/plan", testdir());
}

static void init_file(struct pair *p, const char *ending, const char *text)
{
    static unsigned made;
    const char *path = api_text("%s/target-%u.%s", testdir(), made++, ending);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
    init_pair(p, api_text("file:%s", path), "");
}

static void init_csv(struct pair *p)
{
    init_file(p, "csv",
              "id,name,price,data,own\n1,ONE,1.5,\"{\"\"a\"\":[1,2]}\",a\n"
              "2,old,2,,b\n4,FOUR,1,\"\",d\n6,SIX,6,gone,f\n");
}

static void init_jsonl(struct pair *p)
{
    init_file(
        p, "jsonl",
        "{\"id\":1,\"name\":\"ONE\",\"price\":1.5,\"data\":\"{\\\"a\\\":[1,2]}\",\"own\":\"a\"}\n"
        "{\"id\":2,\"name\":\"old\",\"price\":2,\"data\":null,\"own\":\"b\"}\n"
        "{\"id\":6,\"name\":\"SIX\",\"price\":6,\"data\":\"gone\",\"own\":\"f\"}\n");
}

#define SWEEP(test, init, kind, errnum) \
    static void test(void **state)      \
    {                                   \
        struct pair p = {0};            \
        (void)state;                    \
        complaints = 0;                 \
        init(&p);                       \
        fault_errno(errnum);            \
        sweep(&p, kind);                \
    }

SWEEP(a_sync_to_sqlite_survives_each_failing_allocation, init_sqlite, FAULT_MEMORY, 0)
SWEEP(a_sync_to_sqlite_survives_sqlite_without_memory, init_sqlite, FAULT_SQLITE, 0)
SWEEP(a_plan_and_its_apply_survive_each_failing_allocation, init_planned, FAULT_MEMORY, 0)
SWEEP(a_plan_and_its_apply_survive_jansson_without_memory, init_planned, FAULT_JSON, 0)
SWEEP(a_plan_and_its_apply_survive_each_failing_write, init_planned, FAULT_WRITE, EIO)
SWEEP(a_sync_to_csv_survives_each_failing_allocation, init_csv, FAULT_MEMORY, 0)
SWEEP(a_sync_to_json_lines_survives_each_failing_allocation, init_jsonl, FAULT_MEMORY, 0)
SWEEP(a_sync_to_sqlite_survives_each_failing_write, init_sqlite, FAULT_WRITE, EIO)
SWEEP(a_sync_to_sqlite_survives_a_full_disk_at_each_write, init_sqlite, FAULT_WRITE, ENOSPC)
SWEEP(a_sync_to_csv_survives_each_failing_write, init_csv, FAULT_WRITE, EIO)
SWEEP(a_sync_to_csv_survives_a_full_disk_at_each_write, init_csv, FAULT_WRITE, ENOSPC)
SWEEP(a_sync_to_json_lines_survives_each_failing_write, init_jsonl, FAULT_WRITE, EIO)

static int teardown(void **state)
{
    (void)state;
    fault_off();
    api_done();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_sync_to_sqlite_survives_each_failing_allocation, teardown),
        cmocka_unit_test_teardown(a_sync_to_sqlite_survives_sqlite_without_memory, teardown),
        cmocka_unit_test_teardown(a_plan_and_its_apply_survive_each_failing_allocation, teardown),
        cmocka_unit_test_teardown(a_plan_and_its_apply_survive_jansson_without_memory, teardown),
        cmocka_unit_test_teardown(a_plan_and_its_apply_survive_each_failing_write, teardown),
        cmocka_unit_test_teardown(a_sync_to_csv_survives_each_failing_allocation, teardown),
        cmocka_unit_test_teardown(a_sync_to_json_lines_survives_each_failing_allocation, teardown),
        cmocka_unit_test_teardown(a_sync_to_sqlite_survives_each_failing_write, teardown),
        cmocka_unit_test_teardown(a_sync_to_sqlite_survives_a_full_disk_at_each_write, teardown),
        cmocka_unit_test_teardown(a_sync_to_csv_survives_each_failing_write, teardown),
        cmocka_unit_test_teardown(a_sync_to_csv_survives_a_full_disk_at_each_write, teardown),
        cmocka_unit_test_teardown(a_sync_to_json_lines_survives_each_failing_write, teardown),
    };
    const char *seed = getenv("LOCKSTEP_TEST_SEED");

    draws = seed ? strtoull(seed, NULL, 10) : (unsigned long long)time(NULL);
    print_message("# seed %llu\n", draws);
    fault_begin();
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("api/faults", tests, NULL, NULL);
}
