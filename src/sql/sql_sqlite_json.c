/* SPDX-License-Identifier: Apache-2.0 */
/* sql_sqlite_json.c - json_quote() as SQLite has it, usable in triggers.
 *
 * We trust no schema of others, so that in triggers only functions run that SQLite calls innocuous. Its JSON functions are, but up to 3.40 they lack the mark,
 * and a write into a table with an outbox would fail. So the one that an outbox needs is ours, with the mark. It gives what SQLite's gives, but for text
 * that is not UTF-8, which becomes text that is. */
#include <string.h>

#include "base/text.h"
#include "sql/sql_sqlite.h"

#define SUBTYPE_JSON 'J'
#ifndef SQLITE_RESULT_SUBTYPE
#define SQLITE_RESULT_SUBTYPE 0
#endif

static void answer(sqlite3_context *context, const struct ls_buf *out)
{
    if (out->failed) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_text64(context, ls_buf_str(out), out->size, SQLITE_TRANSIENT, SQLITE_UTF8);
    sqlite3_result_subtype(context, SUBTYPE_JSON);
}

static void add_text(struct ls_buf *out, sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);
    const size_t size = (size_t)sqlite3_value_bytes(value);

    if (!text)
        out->failed = true;
    else if (sqlite3_value_subtype(value) == SUBTYPE_JSON)
        ls_buf_add(out, text, size);
    else
        ls_text_json(out, text, size);
}

static void add_double(struct ls_buf *out, sqlite3_value *value)
{
    const char *text = (const char *)sqlite3_value_text(value);

    if (!text)
        out->failed = true;
    else if (strpbrk(text, "Ii")) /* Inf */
        ls_buf_text(out, *text == '-' ? "-9.0e999" : "9.0e999");
    else
        ls_buf_text(out, text);
}

static void json_quote(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct ls_buf out;

    (void)count;
    ls_buf_init(&out, 0);
    switch (sqlite3_value_type(values[0])) {
    case SQLITE_NULL:
        ls_buf_text(&out, "null");
        break;
    case SQLITE_INTEGER:
        ls_buf_i64(&out, sqlite3_value_int64(values[0]));
        break;
    case SQLITE_FLOAT:
        add_double(&out, values[0]);
        break;
    case SQLITE_TEXT:
        add_text(&out, values[0]);
        break;
    default:
        sqlite3_result_error(context, "JSON cannot hold BLOB values", -1);
        ls_buf_done(&out);
        return;
    }
    answer(context, &out);
    ls_buf_done(&out);
}

int ls_sqlite3_add_json(sqlite3 *handle)
{
    return sqlite3_create_function_v2(handle, "json_quote", 1,
                                      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS |
                                          SQLITE_SUBTYPE | SQLITE_RESULT_SUBTYPE,
                                      NULL, json_quote, NULL, NULL, NULL);
}
