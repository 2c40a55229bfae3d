/* SPDX-License-Identifier: Apache-2.0 */
/* test_eval_random.c - generated expressions: the answers of SQLite on a real table, what is pushed down, what is parsed. */
#include "eval_help.h"

#include <sqlite3.h>

/* --- The same answers as SQLite gives on a real table. --- */

static uint64_t seed;

static unsigned chance(unsigned below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % below;
}

static const char *pick(const char *const *from, size_t count)
{
    return from[chance((unsigned)count)];
}

#define PICK(...) \
    pick((const char *const[]){__VA_ARGS__}, COUNT(((const char *const[]){__VA_ARGS__})))

static void generate(struct ls_buf *out, unsigned depth);

static void generate_leaf(struct ls_buf *out)
{
    if (chance(3) > 0)
        ls_buf_text(out, PICK("i", "r", "s", "b", "k", "u", "\"s\""));
    else
        ls_buf_text(out, PICK("0", "1", "5", "-3", "2.5", "1e2", "'5'", "' 5'", "'abc'", "'ABC'",
                              "'2.5'", "''", "NULL", "x'61'", "TRUE", "FALSE", "0x1F",
                              "9223372036854775807", "'a%'", "5.0", "'5.0'"));
}

static void generate_call(struct ls_buf *out, unsigned depth)
{
    static const struct {
        const char *name;
        unsigned args;
    } calls[] = {
        {"lower", 1},      {"upper", 1},    {"length", 1},     {"abs", 1},     {"typeof", 1},
        {"hex", 1},        {"quote", 1},    {"sign", 1},       {"unicode", 1}, {"trim", 1},
        {"round", 1},      {"coalesce", 2}, {"ifnull", 2},     {"nullif", 2},  {"min", 2},
        {"max", 3},        {"instr", 2},    {"iif", 3},        {"replace", 3}, {"substr", 3},
        {"trim", 2},       {"like", 2},     {"glob", 2},       {"round", 2},   {"ltrim", 2},
        {"coalesce", 4},   {"date", 2},     {"julianday", 1},  {"char", 2},    {"min", 4},
        {"json_valid", 1}, {"strftime", 2}, {"json_quote", 1}, {"printf", 3},
    };
    const unsigned which = chance(COUNT(calls));

    ls_buf_printf(out, "%s(", calls[which].name);
    for (unsigned i = 0; i < calls[which].args; i++) {
        ls_buf_text(out, i > 0 ? ", " : "");
        generate(out, depth - 1);
    }
    ls_buf_char(out, ')');
}

static void generate_infix(struct ls_buf *out, unsigned depth)
{
    generate(out, depth - 1);
    ls_buf_printf(out, " %s ",
                  PICK("OR", "AND", "=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS", "IS NOT",
                       "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "+", "-", "*", "/", "%", "&",
                       "|", "<<", ">>", "||", "LIKE", "NOT LIKE", "GLOB", "NOT GLOB"));
    generate(out, depth - 1);
}

static void generate_list(struct ls_buf *out, unsigned depth)
{
    const unsigned count = chance(4);

    generate(out, depth - 1);
    ls_buf_text(out, PICK(" IN (", " NOT IN ("));
    for (unsigned i = 0; i < count; i++) {
        ls_buf_text(out, i > 0 ? ", " : "");
        generate(out, depth - 1);
    }
    ls_buf_char(out, ')');
}

static void generate_case(struct ls_buf *out, unsigned depth)
{
    ls_buf_text(out, "CASE ");
    if (chance(2))
        generate(out, depth - 1);
    for (unsigned i = 0; i <= chance(2); i++) {
        ls_buf_text(out, " WHEN ");
        generate(out, depth - 1);
        ls_buf_text(out, " THEN ");
        generate(out, depth - 1);
    }
    if (chance(2)) {
        ls_buf_text(out, " ELSE ");
        generate(out, depth - 1);
    }
    ls_buf_text(out, " END");
}

static void generate_between(struct ls_buf *out, unsigned depth)
{
    generate(out, depth - 1);
    ls_buf_text(out, PICK(" BETWEEN (", " NOT BETWEEN ("));
    generate(out, depth - 1);
    ls_buf_text(out, ") AND ");
    generate(out, depth - 1);
}

static void generate(struct ls_buf *out, unsigned depth)
{
    if (depth == 0) {
        generate_leaf(out);
        return;
    }
    switch (chance(14)) {
    case 0:
        ls_buf_text(out, "(");
        generate(out, depth - 1);
        ls_buf_text(out, ")");
        break;
    case 1:
        ls_buf_text(out, PICK("- ", "+ ", "~ ", "NOT "));
        generate(out, depth - 1);
        break;
    case 2:
        generate_call(out, depth);
        break;
    case 3:
        generate_list(out, depth);
        break;
    case 4:
        generate_case(out, depth);
        break;
    case 5:
        generate_between(out, depth);
        break;
    case 6:
        generate(out, depth - 1);
        ls_buf_text(out,
                    PICK(" ISNULL", " NOTNULL", " IS NULL", " IS NOT NULL", " NOT NULL", " IS TRUE",
                         " IS NOT FALSE", " COLLATE NOCASE", " COLLATE BINARY", " COLLATE RTRIM"));
        break;
    case 7:
        ls_buf_text(out, "CAST(");
        generate(out, depth - 1);
        ls_buf_text(out, PICK(" AS TEXT)", " AS INTEGER)", " AS REAL)", " AS BLOB)"));
        break;
    default:
        generate_infix(out, depth);
    }
}

static const struct ls_field table_fields[] = {
    FIELD("i", INT, 0),   FIELD("r", DOUBLE, 0), FIELD("s", TEXT, 0),
    FIELD("b", BYTES, 0), FIELD("k", INT, 0),    FIELD("u", TEXT, 0),
};

static const struct ls_field dynamic_fields[] = {
    FIELD("i", INT, LS_FIELD_DYNAMIC),  FIELD("r", DOUBLE, LS_FIELD_DYNAMIC),
    FIELD("s", TEXT, LS_FIELD_DYNAMIC), FIELD("b", BYTES, LS_FIELD_DYNAMIC),
    FIELD("k", INT, LS_FIELD_DYNAMIC),  FIELD("u", TEXT, LS_FIELD_DYNAMIC),
};

static const char table_sql[] =
    "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB, k INTEGER, u TEXT);"
    "INSERT INTO t VALUES (5, 2.5, '5', x'61', 0, 'abc'), (NULL, 5.0, 'ABC', NULL, 5, 'abc'),"
    " (-3, NULL, NULL, x'', 9223372036854775807, ' 5'), (1, 100.0, '2.5', x'35', NULL, '5.0'),"
    " (0, 0.0, '', x'616263', 2, 'a%'), (31, -2.5, 'abc ', x'00', 1, 'ABC');";

static struct ls_value column_value(sqlite3_stmt *stmt, int column)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        return ls_value_int(sqlite3_column_int64(stmt, column));
    case SQLITE_FLOAT:
        return (struct ls_value){.type = LS_T_DOUBLE, .d = sqlite3_column_double(stmt, column)};
    case SQLITE_TEXT:
        return ls_value_data(LS_T_TEXT, sqlite3_column_text(stmt, column),
                             (size_t)sqlite3_column_bytes(stmt, column));
    case SQLITE_BLOB:
        return ls_value_data(LS_T_BYTES, sqlite3_column_blob(stmt, column),
                             (size_t)sqlite3_column_bytes(stmt, column));
    default:
        return ls_value_null();
    }
}

static bool identical(const struct ls_value *a, const struct ls_value *b)
{
    const enum ls_type type = a->type == LS_T_JSON ? LS_T_TEXT : a->type;

    if (type != b->type)
        return false;
    switch ((int)type) {
    case LS_T_NULL:
        return true;
    case LS_T_INT:
        return a->i == b->i;
    case LS_T_BOOL:
        return a->b == b->b;
    case LS_T_DOUBLE:
        return memcmp(&a->d, &b->d, sizeof a->d) == 0 || a->d == b->d;
    default:
        return a->size == b->size &&
               memcmp(a->size ? a->data : "", b->size ? b->data : "", a->size) == 0;
    }
}

/* Evaluates over each row of t both ways; the number of rows that gave a value. */
static unsigned compare_with_sqlite(sqlite3 *db, const char *text, const struct ls_schema *table,
                                    unsigned *ret_errors)
{
    struct ls_expr *expr = NULL;
    sqlite3_stmt *stmt = NULL;
    unsigned compared = 0;
    char sql[LS_EXPR_MAX_BYTES + 100];
    int id, rc;

    if (ls_expr_parse(text, table, &mem, &expr, &err) != LS_OK)
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    assert_int_equal(ls_eval_add(eval, expr, &id, &err), LS_OK);
    snprintf(sql, sizeof sql, "SELECT i, r, s, b, k, u FROM t WHERE rowid = ?1");
    for (int row = 1; row <= 6; row++) {
        struct ls_value values[6], ours = ls_value_null(), theirs;
        sqlite3_stmt *value = NULL;
        enum ls_code code;

        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
        sqlite3_bind_int(stmt, 1, row);
        assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
        for (int c = 0; c < 6; c++)
            values[c] = column_value(stmt, c);
        code = ls_eval_value(eval, id, values, &mem, &ours, &err);
        {
            char *wanted = sqlite3_mprintf("SELECT %s FROM t WHERE rowid = %d", text, row);

            rc = sqlite3_prepare_v2(db, wanted, -1, &value, NULL);
            sqlite3_free(wanted);
        }
        if (rc == SQLITE_OK)
            rc = sqlite3_step(value);
        if ((code == LS_OK) != (rc == SQLITE_ROW))
            fail_msg("%s, row %d: we %s, SQLite %s", text, row,
                     code == LS_OK ? shown(&ours) : err.text, sqlite3_errmsg(db));
        if (code == LS_OK) {
            theirs = column_value(value, 0);
            if (ours.type == LS_T_BOOL)
                ours = ls_value_int(ours.b);
            if (!identical(&ours, &theirs))
                fail_msg("%s, row %d: we %s, SQLite %s, by %s", text, row, shown(&ours),
                         shown(&theirs), ls_expr_sql(expr));
            compared++;
        } else {
            (*ret_errors)++;
        }
        sqlite3_finalize(value);
        sqlite3_finalize(stmt);
    }
    return compared;
}

static void random_expressions_give_what_sqlite_gives_on_a_table(void **state)
{
    const struct ls_schema plain = {
        .collection = "t", .field_count = 6, .fields = table_fields, .fingerprint = ""};
    const struct ls_schema dynamic = {
        .collection = "t", .field_count = 6, .fields = dynamic_fields, .fingerprint = ""};
    unsigned compared = 0, errors = 0;
    struct ls_buf text;
    sqlite3 *db = NULL;

    (void)state;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, table_sql, NULL, NULL, NULL), SQLITE_OK);
    ls_buf_init(&text, 0);
    for (seed = 1; compared < 12000;) {
        ls_buf_reset(&text);
        generate(&text, 1 + chance(3));
        if (text.size > LS_EXPR_MAX_BYTES)
            continue;
        compared +=
            compare_with_sqlite(db, ls_buf_str(&text), chance(4) ? &plain : &dynamic, &errors);
        if (compared % 50 == 0) {
            ls_eval_close(eval);
            ls_arena_reset(&mem);
            assert_int_equal(ls_eval_open(&eval, &err), LS_OK);
        }
    }
    assert_true(errors < compared / 4);
    ls_buf_done(&text);
    sqlite3_close(db);
    ls_eval_close(eval);
    ls_arena_done(&mem);
    assert_int_equal(eval_set_up(NULL), 0);
}

/* --- What is pushed down selects what the expression selects. --- */

static void generate_condition(struct ls_buf *out)
{
    static const struct {
        const char *field, *literals[6];
    } cases[] = {
        {"id", {"4", "5", "5.0", "'5'", "NULL", "6"}},
        {"price", {"10.5", "10.50", "'10.5'", "9", "11", "NULL"}},
        {"born",
         {"'2026-01-02'", "'2026-01-01'", "'2027-01-02'", "NULL", "'2026-01-02 10:00'",
          "'2026-01-02T00:00:00'"}},
        {"seen_at",
         {"'2026-01-02'", "'2026-01-02T03:04:05.123456Z'", "'2026-01-02T04:04:05.123456+01:00'",
          "NULL", "'2027-01-02'", "'2025-12-31T23:00:00Z'"}},
        {"email", {"'Ann@Example.org'", "'ann@example.org'", "''", "NULL", "'b'", "5"}},
        {"name", {"'a'", "NULL", "''", "'b'", "'c'", "5"}},
        {"ref",
         {"'01234567-89ab-cdef-0123-456789abcdef'", "'0123456789ABCDEF0123456789ABCDEF'", "NULL",
          "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
          "NULL"}},
        {"active", {"1", "0", "TRUE", "'f'", "NULL", "2"}},
        {"dyn_id", {"5", "NULL", "0", "'five'", "7", "8"}},
        {"opens", {"'08:30'", "'08:30:00'", "'09:00'", "NULL", "'00:00'", "'24:00'"}},
    };
    const unsigned which = chance(COUNT(cases));
    const char *const *literals = cases[which].literals;

    switch (chance(6)) {
    case 0:
        ls_buf_printf(out, "%s %s", cases[which].field, PICK("IS NULL", "NOTNULL"));
        break;
    case 1:
        ls_buf_printf(out, "%s %s (%s, %s)", cases[which].field, PICK("IN", "NOT IN"),
                      literals[chance(6)], literals[chance(6)]);
        break;
    case 2:
        ls_buf_printf(out, "%s BETWEEN %s AND %s", cases[which].field, literals[chance(6)],
                      literals[chance(6)]);
        break;
    case 3:
        ls_buf_printf(out, "%s %s %s", literals[chance(6)],
                      PICK("=", "<>", "<", "<=", ">", ">=", "IS"), cases[which].field);
        break;
    default:
        ls_buf_printf(out, "%s %s %s", cases[which].field,
                      PICK("=", "<>", "<", "<=", ">", ">=", "IS"), literals[chance(6)]);
    }
}

static void what_is_pushed_down_selects_the_same_records(void **state)
{
    unsigned pushed = 0;
    struct ls_buf text;

    (void)state;
    ls_buf_init(&text, 0);
    seed = 7;
    for (unsigned i = 0; i < 4000; i++) {
        struct ls_expr *expr = NULL;
        struct ls_filter filter;
        bool whole, wanted, matched;
        int id;

        ls_buf_reset(&text);
        generate_condition(&text);
        while (chance(2)) {
            ls_buf_text(&text, PICK(" AND ", " AND ", " OR "));
            generate_condition(&text);
        }
        if (ls_expr_parse(ls_buf_str(&text), &schema, &mem, &expr, &err) != LS_OK)
            fail_msg("%s", err.text);
        assert_int_equal(ls_eval_add(eval, expr, &id, &err), LS_OK);
        assert_int_equal(ls_eval_true(eval, id, record, &mem, &wanted, &err), LS_OK);
        assert_int_equal(ls_expr_pushdown(expr, &schema, &mem, &filter, &whole, &err), LS_OK);
        matched = ls_filter_match(&filter, &schema, record);
        if (whole ? wanted != matched : wanted && !matched)
            fail_msg("%s: the expression says %d, the filter %d", ls_buf_str(&text), wanted,
                     matched);
        pushed += filter.count > 0;
    }
    assert_true(pushed > 1000);
    ls_buf_done(&text);
}

/* --- What is parsed is taken by SQLite, whatever it was made of. --- */

static void mangle(char *text, size_t room)
{
    static const char *const pieces[] = {"(",
                                         ")",
                                         ",",
                                         "'",
                                         "\"",
                                         "NOT ",
                                         " AND ",
                                         " IS ",
                                         " IN (",
                                         "CASE ",
                                         " WHEN ",
                                         " THEN ",
                                         " END",
                                         "price",
                                         "born",
                                         "seen_at",
                                         "ref",
                                         "active",
                                         "email",
                                         "1.5",
                                         "'2026-01-02'",
                                         "x'00'",
                                         " BETWEEN ",
                                         " LIKE ",
                                         " ESCAPE ",
                                         "- ",
                                         "+",
                                         " || ",
                                         " -> ",
                                         "CAST(",
                                         " AS DECIMAL)",
                                         " AS DATE)",
                                         "coalesce(",
                                         "max(",
                                         "nullif(",
                                         "NULL",
                                         " COLLATE NOCASE",
                                         " ISNULL",
                                         "iif(",
                                         "*",
                                         "/",
                                         "%",
                                         "~",
                                         "--",
                                         "/*",
                                         ";",
                                         "?",
                                         "\xff",
                                         "0x",
                                         "1e",
                                         "."};
    const size_t size = strlen(text), at = chance((unsigned)size + 1);

    if (chance(3) == 0 && at < size) {
        memmove(text + at, text + at + 1, size - at);
    } else {
        const char *piece = pieces[chance(COUNT(pieces))];
        const size_t length = strlen(piece);

        if (size + length + 1 > room)
            return;
        memmove(text + at + length, text + at, size - at + 1);
        memcpy(text + at, piece, length);
    }
}

static void what_the_parser_takes_sqlite_takes(void **state)
{
    static const char *const seeds[] = {
        "price + 1 > 2 AND born = '2026-01-02'",
        "CASE price WHEN 1 THEN born ELSE NULL END",
        "coalesce(price, 0) IN (1, 2.5, id)",
        "NOT active OR email LIKE 'a%' ESCAPE '!'",
        "max(price, huge, 3) BETWEEN id AND 7",
        "CAST(email AS DECIMAL) * -price / 2 || 'x'",
        "data -> '$.a' ->> 'b' IS NOT DISTINCT FROM ref",
        "date(seen_at, '+1 day') || printf('%d', id)",
    };
    unsigned taken = 0;

    (void)state;
    seed = 3;
    for (unsigned i = 0; i < 60000; i++) {
        char text[200];
        struct ls_expr *expr = NULL;
        struct ls_value value;
        enum ls_code rc;
        int id;

        snprintf(text, sizeof text, "%s", seeds[chance(COUNT(seeds))]);
        for (unsigned n = chance(6); n > 0; n--)
            mangle(text, sizeof text);
        if (ls_expr_parse(text, &schema, &mem, &expr, &err) == LS_OK) {
            if (ls_eval_add(eval, expr, &id, &err) != LS_OK)
                fail_msg("%s: %s", text, err.text);
            rc = ls_eval_value(eval, id, record, &mem, &value, &err);
            if (rc != LS_OK && rc != LS_DATA)
                fail_msg("%s: %s", text, err.text);
            taken++;
        }
        if (i % 500 == 0) {
            ls_eval_close(eval);
            eval = NULL;
            assert_int_equal(ls_eval_open(&eval, &err), LS_OK);
        }
    }
    assert_true(taken > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(random_expressions_give_what_sqlite_gives_on_a_table),
        TEST(what_is_pushed_down_selects_the_same_records),
        TEST(what_the_parser_takes_sqlite_takes),
    };

    return cmocka_run_group_tests_name("sql/eval_random", tests, NULL, NULL);
}
