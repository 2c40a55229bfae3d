/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - whether an SQLite state's tables and indexes are what the migrations make.
 *
 * A damaged row is found by its checksum when it is read. Damage of the schema is not: a bit in the text of CREATE TABLE
 * gives a column another name or default, a bit in a root page makes one table of another's rows, and SQLite takes
 * both as they are. So every opening compares the schema with the one that the same migrations make in an
 * empty database in memory, which costs less than a millisecond and needs nothing that must be kept
 * up to date by hand.
 *
 * What is compared is the text that sqlite_master keeps, byte by byte: SQLite promises to keep it as it was given (ALTER TABLE ADD COLUMN
 * puts the new column's at its end), so it is the same whichever version made it and when. Where a table begins is not the same
 * after a VACUUM by hand; but in a file with auto_vacuum the roots are the first pages, without a gap, so that
 * one that is wrong is another's or leaves a gap.
 *
 * On PostgreSQL the server looks after its catalog. */
#include <string.h>

#include "state/migration_files.h"
#include "state/state_priv.h"

/* Statistics of ANALYZE may come and go, sqlite_autoindex_... belong to a table. */
static const char objects[] = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master "
                              "WHERE name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\' ORDER BY name";

enum { TYPE, NAME, TABLE, TEXT, COLUMNS };

static enum ls_code make_expected(struct ls_state *state, size_t version, struct ls_sql **ret,
                                  struct ls_error *err)
{
    const struct ls_url url = {.scheme = "sqlite", .location = "", .shown = "a state in memory"};
    const struct ls_sql_options options = {.memory = true};
    struct ls_sql *db = NULL;
    enum ls_code rc = ls_sql_open(&url, &options, &db, err);

    for (size_t i = 0; i < version && rc == LS_OK; i++) {
        struct ls_buf text;

        ls_buf_init(&text, 0);
        ls_state_expand(state, ls_migration_files[i].text, &text);
        rc = text.failed ? ls_error_nomem(err) : ls_sql_exec(db, ls_buf_str(&text), err);
        ls_buf_done(&text);
    }
    if (rc == LS_OK)
        *ret = db;
    else
        ls_sql_close(db);
    return rc;
}

static int compare_column(struct ls_sql_stmt *a, struct ls_sql_stmt *b, int col)
{
    size_t a_size = 0, b_size = 0;
    const char *a_text = ls_sql_text(a, col, &a_size), *b_text = ls_sql_text(b, col, &b_size);
    const size_t least = a_size < b_size ? a_size : b_size;
    const int order = least ? memcmp(a_text, b_text, least) : 0;

    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static enum ls_code not_as_made(struct ls_sql_stmt *object, const char *how, struct ls_error *err)
{
    return ls_state_damaged(err, "its %s %s %s", ls_sql_text(object, TYPE, NULL),
                            ls_sql_text(object, NAME, NULL), how);
}

/* Walks both lists side by side, by name. *ret_others: tables that are not ours. */
static enum ls_code compare(struct ls_sql_stmt *expected, struct ls_sql_stmt *found,
                            size_t *ret_others, struct ls_error *err)
{
    bool more_expected = false, more_found = false;
    enum ls_code rc = ls_sql_step(expected, &more_expected, err);

    if (rc == LS_OK)
        rc = ls_sql_step(found, &more_found, err);
    while (rc == LS_OK && (more_expected || more_found)) {
        const int order = !more_expected ? 1
                          : !more_found  ? -1
                                         : compare_column(expected, found, NAME);

        if (order < 0)
            return not_as_made(expected, "is missing", err);
        if (order > 0) {
            const char *type = ls_sql_text(found, TYPE, NULL);

            *ret_others += type && strcmp(type, "table") == 0;
        }
        for (int col = 0; col < COLUMNS && order == 0; col++)
            if (compare_column(expected, found, col) != 0)
                return not_as_made(expected, "is not what was made", err);
        if (order == 0)
            rc = ls_sql_step(expected, &more_expected, err);
        if (rc == LS_OK)
            rc = ls_sql_step(found, &more_found, err);
    }
    return rc;
}

static enum ls_code compare_objects(struct ls_state *state, size_t version, size_t *ret_others,
                                    struct ls_error *err)
{
    struct ls_sql *made = NULL;
    struct ls_sql_stmt *expected = NULL, *found = NULL;
    enum ls_code rc = make_expected(state, version, &made, err);

    if (rc == LS_OK)
        rc = ls_sql_prepare(made, objects, &expected, err);
    if (rc == LS_OK)
        rc = ls_sql_run(expected, NULL, 0, false, err);
    if (rc == LS_OK)
        rc = ls_state_query(state, objects, NULL, 0, &found, err);
    if (rc == LS_OK)
        rc = compare(expected, found, ret_others, err);
    ls_sql_finish(found);
    ls_sql_finish(expected);
    ls_sql_close(made);
    return rc;
}

enum ls_code ls_state_schema(struct ls_state *state, size_t version, struct ls_error *err)
{
    size_t others = 0;
    enum ls_code rc = compare_objects(state, version, &others, err);

    if (rc != LS_OK || others == 0)
        return rc;
    if (version == 0) /* the file says that it is ours (place.c), so what it holds is */
        return ls_state_damaged(err, "its table schema_version is missing");
    return ls_error_set(err, LS_USAGE,
                        "%s holds tables that are not lockstep's. Name another place with "
                        "--state",
                        ls_state_where(state));
}

/* In a file with auto_vacuum page 1 is the schema, 2 the map of pages, and the roots begin at 3. A view has 0. */
enum ls_code ls_state_roots(struct ls_state *state, struct ls_error *err)
{
    int64_t fit = 0;
    enum ls_code rc = ls_state_number(
        state,
        "SELECT count(*) = count(DISTINCT rootpage) AND (auto_vacuum = 0 OR count(*) = 0 OR "
        "(min(rootpage) = 3 AND max(rootpage) = count(*) + 2)) "
        "FROM pragma_auto_vacuum, sqlite_master WHERE rootpage IS NOT 0",
        NULL, 0, 0, &fit, err);

    if (rc == LS_OK && !fit)
        return ls_state_damaged(err, "where its tables begin is not what was written");
    return rc;
}
