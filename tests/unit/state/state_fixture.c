/* SPDX-License-Identifier: Apache-2.0 */
/* state_fixture.c - an empty state for each test, on SQLite and on PostgreSQL. */
#include "state_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lib/testdir.h"
#include "lib/testpg.h"
#include "sql/sql.h"

static int begin(void **state, char *url, bool postgres)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->postgres = postgres;
    f->url = url;
    ls_arena_init(&f->mem, 0);
    assert_ok(f, ls_state_open(f->url, true, &f->state, &f->err));
    *state = f;
    return 0;
}

int on_sqlite(void **state)
{
    char *dir = testdir_new(), *path;

    assert_true(asprintf(&path, "%s/state.db", dir) > 0);
    free(dir);
    return begin(state, path, false);
}

int on_postgres(void **state)
{
    static char database[512];

    if (!*database) {
        char *url = testpg_database("state");

        snprintf(database, sizeof database, "%s", url);
        free(url);
    }
    testpg_exec(database,
                "SET client_min_messages = warning; DROP SCHEMA IF EXISTS lockstep CASCADE");
    return begin(state, strdup(database), true);
}

int after(void **state)
{
    struct fixture *f = *state;

    ls_state_close(f->state);
    ls_arena_done(&f->mem);
    free(f->url);
    free(f);
    return 0;
}

void check_code(const struct fixture *f, enum ls_code expected, enum ls_code rc, const char *call,
                const char *file, int line)
{
    if (rc == expected)
        return;
    print_error("%s: %s instead of %s: %s\n", call, ls_code_name(rc), ls_code_name(expected),
                rc == LS_OK ? "" : f->err.text);
    _fail(file, line);
}

void assert_said(const struct fixture *f, const char *part)
{
    if (strstr(f->err.text, part))
        return;
    print_error("\"%s\" is not in: %s\n", part, f->err.text);
    fail();
}

struct ls_state *another(struct fixture *f)
{
    struct ls_state *ret = NULL;

    assert_ok(f, ls_state_open(f->url, false, &ret, &f->err));
    return ret;
}

void reopen(struct fixture *f)
{
    ls_state_close(f->state);
    f->state = NULL;
    f->state = another(f);
}

struct ls_run new_run(const char *sync)
{
    return (struct ls_run){.sync = sync,
                           .kind = "sync",
                           .mode = "full",
                           .source = "sqlite:/a.db#t",
                           .target = "sqlite:/b.db#t",
                           .config_json = "{\"key\":[\"id\"]}",
                           .digest = "d1",
                           .fingerprint = "f1",
                           .started_us = ls_clock_now_us(),
                           .error = ""};
}

struct ls_run begun(struct fixture *f, const char *sync)
{
    struct ls_run run = new_run(sync);

    assert_ok(f, ls_state_run_begin(f->state, &run, &f->err));
    return run;
}

void ended(struct fixture *f, struct ls_run *run, enum ls_run_status status)
{
    run->status = status;
    run->finished_us = ls_clock_now_us();
    assert_ok(f, ls_state_run_save(f->state, run, &f->err));
}

/* ---- behind lockstep's back ---- */

static struct ls_sql *connect_behind(struct fixture *f)
{
    struct ls_url url = {.scheme = "sqlite", .location = f->url, .shown = f->url};
    struct ls_sql *db = NULL;

    if (f->postgres)
        assert_ok(f, ls_url_parse(f->url, &f->mem, &url, &f->err));
    assert_ok(f, ls_sql_open(&url, NULL, &db, &f->err));
    return db;
}

static char *with_schema(struct fixture *f, const char *sql)
{
    struct ls_buf out;
    char *ret;

    ls_buf_init(&out, 0);
    for (const char *c = sql; *c;) {
        if (strncmp(c, "{schema}", 8) == 0) {
            ls_buf_text(&out, f->postgres ? "lockstep." : "");
            c += 8;
        } else {
            ls_buf_char(&out, *c++);
        }
    }
    ret = ls_arena_text(&f->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

void behind(struct fixture *f, const char *sql)
{
    struct ls_sql *db = connect_behind(f);

    assert_ok(f, ls_sql_exec(db, with_schema(f, sql), &f->err));
    ls_sql_close(db);
}

int64_t number_behind(struct fixture *f, const char *sql)
{
    struct ls_sql *db = connect_behind(f);
    struct ls_sql_stmt *stmt = NULL;
    bool row = false;
    int64_t ret;

    assert_ok(f, ls_sql_one(db, with_schema(f, sql), NULL, 0, &stmt, &row, &f->err));
    assert_true(row);
    ret = ls_sql_i64(stmt, 0);
    ls_sql_finish(stmt);
    ls_sql_close(db);
    return ret;
}
