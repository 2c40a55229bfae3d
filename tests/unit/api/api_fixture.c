/* SPDX-License-Identifier: Apache-2.0 */
#include "api_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/testdir.h"

static char *given[400];
static size_t given_count, files;

static const char *keep(char *text)
{
    assert_non_null(text);
    assert_true(given_count < COUNT_OF(given));
    return given[given_count++] = text;
}

void api_done(void)
{
    while (given_count > 0)
        free(given[--given_count]);
}

void api_assert_says(const char *text, const char *const *words, const char *file, int line)
{
    for (size_t i = 0; words[i]; i++)
        if (!strstr(text, words[i])) {
            print_error("\"%s\" is not in: %s\n", words[i], text);
            _fail(file, line);
        }
}

void api_assert_code(int got, int wanted, const struct lockstep_error *error, const char *file,
                     int line)
{
    if (got == wanted)
        return;
    print_error("code %d, not %d: %s\n", got, wanted, error ? error->text : "");
    _fail(file, line);
}

const char *api_text(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = NULL;
    va_end(args);
    return keep(text);
}

const char *api_file(const char *text)
{
    return keep(testdir_file(api_text("file-%zu", files++), text, strlen(text)));
}

static const char *run(const char *url, const char *sql, bool wants_value)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    const char *value = NULL;
    char *why = NULL;

    assert_int_equal(sqlite3_open(url + strlen("sqlite:"), &db), SQLITE_OK);
    if (!wants_value) {
        if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
            fail_msg("%s: %s", sql, why);
    } else {
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        value = api_text("%s", (const char *)sqlite3_column_text(stmt, 0));
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    return value;
}

void api_exec(const char *url, const char *sql)
{
    run(url, sql, false);
}

const char *api_value(const char *url, const char *sql)
{
    return run(url, sql, true);
}

const char *api_sqlite(const char *sql)
{
    const char *url = api_text("sqlite:%s/db-%zu.db", testdir(), files++);

    if (sql)
        api_exec(url, sql);
    return url;
}

struct lockstep *api_handle(const char *config)
{
    const struct lockstep_options options = {
        .config_path = config ? api_file(config) : NULL,
        .state_url = api_sqlite(NULL),
        .actor = "test",
    };
    struct lockstep_error error = {0};
    struct lockstep *ls = NULL;

    assert_code(lockstep_open(&options, &ls, &error), LOCKSTEP_OK, &error);
    return ls;
}
