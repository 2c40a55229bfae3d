/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres_help.h"

char *database;
struct ls_sql *db;

enum ls_code try_server(const char *location, struct ls_sql_options options, struct ls_sql **ret)
{
    const struct ls_url url = {
        .scheme = "postgres", .location = location, .shown = "postgres://shown/db"};

    *ret = NULL;
    memset(&err, 0, sizeof(err));
    return ls_sql_open(&url, &options, ret, &err);
}

struct ls_sql *open_server(struct ls_sql_options options)
{
    struct ls_sql *ret;

    OK(try_server(database, options, &ret));
    return ret;
}

void assert_says_not(const char *text)
{
    if (strstr(err.text, text))
        fail_msg("'%s' is in: %s", text, err.text);
}

int postgres_set_up(void **state)
{
    (void)state;
    database = testpg_database("sql");
    testpg_exec(database, "CREATE SCHEMA s; CREATE TABLE s.t (id bigint PRIMARY KEY, name text)");
    db = open_server((struct ls_sql_options){0});
    return 0;
}

int postgres_tear_down(void **state)
{
    (void)state;
    ls_sql_close(db);
    testpg_exec(database, "DROP ROLE IF EXISTS test_sql_role");
    free(database);
    return 0;
}

int empty_table(void **state)
{
    (void)state;
    ls_sql_rollback(db);
    return ls_sql_exec(db, "TRUNCATE s.t", &err) == LS_OK ? 0 : -1;
}
