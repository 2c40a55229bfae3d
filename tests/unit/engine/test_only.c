/* SPDX-License-Identifier: Apache-2.0 */
/* test_only.c - --only on fields that are no key: what a store looks up against what is read and looked at.
 *
 * Columns of all sorts, filled with values that a store and the model are likely to see in different ways: other
 * storage classes, blanks, case, spellings, numbers at the ends. Whatever --only names, a compare that lets the stores look
 * for it must report what one that reads both sides does: the same records in the same order, the same counts and sums.
 * LOCKSTEP_TEST_SEED repeats a run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "lib/testpg.h"
#include "model/json.h"

#define KEYS 14
#define MOST 24

/* Columns that may be held against each other, what stands in them, and what is asked for. NULL-ended lists. */
static const struct family {
    const char *name;
    const char *lite[MOST], *pg[MOST]; /* declared types */
    const char *values[MOST];          /* of any of the pg types, as text */
    const char *stored[MOST];          /* what else SQLite may hold in such a column, as SQL */
    const char *only[MOST];
    const char *computed; /* an expression over v and the key */
} families[] = {
    {.name = "text",
     .lite = {"TEXT", "", "TEXT COLLATE NOCASE", "TEXT COLLATE RTRIM", "VARCHAR(9)", "STRING",
              "CLOB", "BLOB"},
     .pg = {"text", "varchar(9)", "char(6)", "text COLLATE folds", "citext", "varchar"},
     .values = {"a", "A", "a ", "", " ", "5", "5.0", "05", "1e0", "Ann", "ANN", "ä", "\\x61"},
     .stored = {"5", "5.0", "x'61'", "x''", "'a  '", "CAST(x'c3' AS TEXT)", "1.0", "'NaN'", "-5"},
     .only = {"a", "A", "a ", "", "5", "5.0", "1.0", "05", "ann", "ä", "\\x61", " ", "-5", "a  ",
              "\xc3", "1", "nobody"},
     .computed = "lower(v)"},
    {.name = "int",
     .lite = {"INTEGER", "INT", "BIGINT", "SMALLINT"},
     .pg = {"bigint", "int", "numeric", "numeric(12,2)"},
     .values = {"0", "1", "-1", "5", "2147483647", "42"},
     .stored = {"'5'", "'5x'", "5.0", "5.5", "x'35'", "'1e0'", "9007199254740993",
                "9007199254740992.0", "' 42 '", "-9223372036854775808", "1e19", "'0x5'"},
     .only = {"0", "1", "-1", "5", "2147483647", "42", "9007199254740993", "9007199254740992",
              "-9223372036854775808", "77"},
     .computed = "coalesce(v, 1)"},
    {.name = "decimal",
     .lite = {"DECIMAL", "NUMERIC(10,2)", "DECIMAL_TEXT", "NUMBER", "INTEGER"},
     .pg = {"numeric", "numeric(9,3)", "bigint"},
     .values = {"0", "1", "12", "-12", "123456"},
     .stored = {"'12.50'", "12.5", "12.50", "'1e1'", "'abc'", "0.1", "'0.1'", "x'3132'", "'NaN'",
                "0.30000000000000004", "1e300", "'12'", "9007199254740993", "-0.0", "' 12'"},
     .only = {"0", "-0", "1", "12", "12.0", "12.5", "12.50", "0.1", "1e1", "0.30000000000000004",
              "9007199254740993", "9007199254740992", "NaN", "123456.000", "1e300", "Infinity",
              "1e-500"},
     .computed = "v + 1"},
    {.name = "double",
     .lite = {"REAL", "DOUBLE", "FLOAT"},
     .pg = {"float8", "real"},
     .values = {"0", "-0", "0.1", "5", "NaN", "Infinity", "-Infinity", "1e30", "0.3"},
     .stored = {"'0.1'", "'NaN'", "'Infinity'", "0.1", "0.30000000000000004", "5", "1e400", "'x'",
                "x'35'", "0.10000000149011612", "5e-324"},
     .only = {"0", "-0", "0.1", "5", "NaN", "Infinity", "-Infinity", "1e30", "0.3",
              "0.30000000000000004", "5e-324", "0.10000000149011612", "1e-320"},
     .computed = "v * 2"},
    {.name = "bool",
     .lite = {"BOOLEAN", "BOOL"},
     .pg = {"boolean"},
     .values = {"t", "f"},
     .stored = {"0", "1", "2", "'t'", "'true'", "1.0", "x'01'", "'1'", "'yes'"},
     .only = {"true", "false", "t", "0"},
     .computed = "NOT v"},
    {.name = "date",
     .lite = {"DATE", "DATE_TEXT"},
     .pg = {"date"},
     .values = {"2024-02-29", "0044-03-15 BC", "infinity", "-infinity", "9999-12-31",
                "12024-01-01"},
     .stored = {"'2024-02-29'", "'2024-2-29'", "'2024-02-29T00:00'", "'2024-02-29 00:00:00'",
                "20240229", "'INFINITY'", "x'32'", "'12024-01-01'", "'2024-02-29 '"},
     .only = {"2024-02-29", "0044-03-15 BC", "infinity", "-infinity", "9999-12-31", "12024-01-01",
              "2024-03-01"},
     .computed = "CAST(date(v, '+1 day') AS DATE)"},
    {.name = "time",
     .lite = {"TIME", "TIME_TEXT"},
     .pg = {"time", "time(3)"},
     .values = {"00:00:00", "24:00:00", "12:00:00.5", "12:00:00.500001", "23:59:59"},
     .stored = {"'12:00'", "'12:00:00.50'", "'12:00:00.5'", "12", "'24:00:00'", "x'3132'"},
     .only = {"00:00:00", "24:00:00", "12:00:00.5", "12:00:00.500001", "12:00", "12:00:00.50"},
     .computed = "CAST('12:00:00' AS TIME)"},
    {.name = "timestamp",
     .lite = {"TIMESTAMP", "DATETIME", "TIMESTAMP_TEXT"},
     .pg = {"timestamp", "timestamp(3)", "timestamp(0)"},
     .values = {"2024-02-29 12:00:00", "2024-02-29 12:00:00.123456", "infinity",
                "0044-03-15 10:00:00 BC", "2024-02-29 12:00:00.123", "294276-12-31 23:00:00"},
     .stored = {"'2024-02-29T12:00:00'", "'2024-02-29 12:00'", "'2024-02-29 12:00:00.1234560'",
                "1709208000", "'2024-02-29'", "'2024-02-29 12:00:00+00'",
                "'2024-02-29 12:00:00.0'"},
     .only = {"2024-02-29 12:00:00", "2024-02-29T12:00:00", "2024-02-29 12:00:00.123456",
              "infinity", "0044-03-15 10:00:00 BC", "2024-02-29 12:00:00.123",
              "2024-02-29 00:00:00"},
     .computed = "CAST(datetime(v, '+1 hour') AS TIMESTAMP)"},
    {.name = "timestamptz",
     .lite = {"TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_TEXT"},
     .pg = {"timestamptz", "timestamptz(3)"},
     .values = {"2024-02-29 12:00:00+00", "2024-02-29 14:00:00.5+02", "infinity",
                "0044-03-15 10:00:00+00 BC", "2024-02-29 12:00:00.123+00"},
     .stored = {"'2024-02-29 12:00:00+00'", "'2024-02-29 14:00:00+02'", "'2024-02-29T12:00:00Z'",
                "1709208000", "'2024-02-29 12:00:00'"},
     .only = {"2024-02-29 12:00:00+00", "2024-02-29 14:00:00+02", "2024-02-29T12:00:00.5Z",
              "infinity", "0044-03-15 10:00:00+00 BC", "2024-02-29 12:00:00.123+00"},
     .computed = "CAST('2024-02-29 12:00:00Z' AS TIMESTAMPTZ)"},
    {.name = "uuid",
     .lite = {"UUID", "UUID_TEXT"},
     .pg = {"uuid"},
     .values = {"00000000-0000-0000-0000-000000000001", "123e4567-e89b-12d3-a456-426614174000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff", "12345678-1234-1234-1234-123456789012"},
     .stored = {"'123E4567-E89B-12D3-A456-426614174000'", "'123e4567e89b12d3a456426614174000'",
                "x'123e4567e89b12d3a456426614174000'", "1", "'x'"},
     .only = {"00000000-0000-0000-0000-000000000001", "123e4567-e89b-12d3-a456-426614174000",
              "123E4567E89B12D3A456426614174000", "12345678-1234-1234-1234-123456789012"},
     .computed = "CAST(lower(v) AS UUID)"},
    {.name = "bytes",
     .lite = {"BLOB"},
     .pg = {"bytea"},
     .values = {"\\x", "\\x61", "\\x00ff", "\\x5c7836"},
     .stored = {"'a'", "'\\x61'", "5", "x'61'", "''", "5.5", "x'35'"},
     .only = {"\\x", "\\x61", "\\x00FF", "\\x35", "\\x5c783631", "\\x77"},
     .computed = "x'61'"},
    {.name = "json",
     .lite = {"JSON", "JSON_TEXT"},
     .pg = {"jsonb", "json"},
     .values = {"{\"a\": 1}", "{\"b\": 2, \"a\": 1.0}", "1", "\"x\"", "null", "[]"},
     .stored = {"1", "1.0", "'1'", "'{\"a\":1.0}'", "'no json'", "x'31'", "'{\"a\":2,\"a\":1}'"},
     .only = {"{\"a\":1.0}", "1", "1.00", "{\"a\":1,\"b\":2}", "\"\\u0078\"", "null", "[ ]",
              "no json"},
     .computed = "json_array(id)"},
    {.name = "native",
     .lite = {"TEXT"},
     .pg = {"mood", "int[]", "inet", "interval"},
     .values = {NULL},
     .stored = {"'sad'", "'{1,2}'", "'10.0.0.1'", "5"},
     .only = {"sad", "happy", "{1,2}", "{1, 2}", "10.0.0.1", "10.0.0.1/32", "1 mon", "30 days",
              "nothing", "it's"},
     .computed = "lower(v)"},
};

/* Of native types each has its own. */
static const struct {
    const char *type, *values[MOST];
} natives[] = {
    {"mood", {"sad", "happy", "it's"}},
    {"int[]", {"{1,2}", "{}", "{NULL}"}},
    {"inet", {"10.0.0.1", "10.0.0.1/32", "10.0.0.0/8"}},
    {"interval", {"1 mon", "30 days", "720:00:00"}},
};

static size_t length(const char *const *list)
{
    size_t n = 0;

    while (n < MOST && list[n])
        n++;
    return n;
}

static const char *draw(struct rng *rng, const char *const *list)
{
    return list[rng_below(rng, length(list))];
}

enum kind { LITE, LITE_WAL, LITE_UTF16, PG, KIND_COUNT };
static const char *const kind_words[] = {"sqlite", "sqlite in wal", "sqlite in UTF-16", "postgres"};

static const char *const *values_of(const struct family *f, const char *pg_type)
{
    for (size_t i = 0; i < COUNT_OF(natives); i++)
        if (strcmp(natives[i].type, pg_type) == 0)
            return natives[i].values;
    return f->values;
}

static void quoted(struct ls_buf *sql, const char *text)
{
    ls_buf_char(sql, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            ls_buf_char(sql, '\'');
        ls_buf_char(sql, *text);
    }
    ls_buf_char(sql, '\'');
}

/* A value of the column as SQL. */
static void add_value(struct ls_buf *sql, struct rng *rng, const struct family *f, enum kind kind,
                      const char *pg_type)
{
    if (rng_below(rng, 8) == 0) {
        ls_buf_text(sql, "NULL");
    } else if (kind != PG && (!f->values[0] || rng_below(rng, 2))) {
        ls_buf_text(sql, draw(rng, f->stored));
    } else {
        quoted(sql, draw(rng, kind == PG ? values_of(f, pg_type) : f->values));
    }
}

struct table {
    const char *url;      /* with #t */
    const char *declared; /* of v */
};

/* A table t (id, v, w), perhaps with an index over v, of some of the keys. */
static struct table make_table(struct rng *rng, const struct family *f, enum kind kind,
                               const char *name)
{
    const char *store = kind == PG ? fixture_postgres() : fixture_sqlite();
    const bool tree = kind != PG && rng_below(rng, 4) == 0;
    struct table t = {.declared = draw(rng, kind == PG ? f->pg : f->lite)};
    struct ls_buf sql;

    ls_buf_init(&sql, 0);
    if (kind == LITE_WAL)
        fixture_sql(store, "PRAGMA journal_mode = wal");
    if (kind == LITE_UTF16)
        ls_buf_text(&sql, "PRAGMA encoding = 'UTF-16'; ");
    ls_buf_printf(&sql, "DROP TABLE IF EXISTS %s; CREATE TABLE %s (id %s, v %s, w %s)%s;", name,
                  name, tree || kind == PG ? "INT NOT NULL PRIMARY KEY" : "INTEGER PRIMARY KEY",
                  t.declared, kind == PG ? "int" : "INTEGER", tree ? " WITHOUT ROWID" : "");
    if (rng_below(rng, 2) && strcmp(f->name, "json") != 0)
        ls_buf_printf(&sql, "CREATE INDEX %s_by_v ON %s (v);", name, name);
    ls_buf_text(&sql, "BEGIN;");
    for (int id = 1; id <= KEYS; id++) {
        if (rng_below(rng, 6) == 0)
            continue;
        ls_buf_printf(&sql, "INSERT INTO %s VALUES (%d, ", name, id);
        add_value(&sql, rng, f, kind, t.declared);
        ls_buf_printf(&sql, ", %d);", (int)rng_below(rng, 3));
    }
    ls_buf_text(&sql, "COMMIT");
    if (kind == PG)
        testpg_exec(store, ls_buf_str(&sql));
    else
        fixture_sql(store, ls_buf_str(&sql));
    ls_buf_done(&sql);
    t.url = fixture_url(store, name);
    return t;
}

static enum ls_code note(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    struct ls_buf *out = ctx;

    (void)err;
    ls_buf_printf(out, " %u:", (unsigned)d->status);
    ls_value_to_text(out, d->key);
    for (unsigned side = 0; side < 2; side++) {
        const struct ls_value *record = side ? d->target : d->source;

        for (size_t i = 0; record && i < 3; i++) {
            ls_buf_printf(out, " %s ", ls_type_word(record[i].type));
            ls_value_to_text(out, &record[i]);
        }
        ls_buf_text(out, side ? "" : " |");
    }
    return LS_OK;
}

/* All that a compare says, but for the path. */
static enum ls_code compare(struct ls_job *job, struct ls_compare_options options,
                            struct ls_buf *out, struct ls_compare_result *ret, struct ls_error *err)
{
    enum ls_code rc;

    options.no_recheck = true;
    options.seeds[0] = 7;
    options.seeds[1] = 9;
    rc = ls_compare(job, &options, NULL, note, out, ret, err);

    for (size_t i = 0; i < LS_STATUS_COUNT; i++)
        ls_buf_printf(out, " %" PRIu64, ret->count[i]);
    ls_buf_printf(out, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIx64 " %" PRIx64, ret->total,
                  ret->source_count, ret->target_count, ret->source_digest, ret->target_digest);
    return rc;
}

static size_t found, met, asked; /* compares that looked it up, records they met, compares */

static void try_only(const struct ls_sync_config *config, uint64_t limit, const char *what)
{
    struct ls_compare_result whole, sought;
    struct ls_error err = {0}, other = {0};
    struct ls_job *job = NULL;
    struct ls_buf a, b;
    enum ls_code rc = ls_job_open(config, false, &job, &err);

    if (rc == LS_USAGE) /* the value is none of this type */
        return;
    assert_ok(rc, &err);
    ls_buf_init(&a, 0);
    ls_buf_init(&b, 0);
    rc = compare(job, (struct ls_compare_options){.force_merge = true}, &a, &whole, &err);
    if (rc == LS_CONFIG || rc == LS_DATA) { /* never equal; an expression fails on some value */
        ls_buf_done(&a);
        ls_job_close(job);
        return;
    }
    assert_ok(rc, &err);
    assert_ok(compare(job, (struct ls_compare_options){.found_max = limit}, &b, &sought, &other),
              &other);
    if (strcmp(ls_buf_str(&a), ls_buf_str(&b)) != 0)
        fail_msg("%s\n%s\nwhole: %s\nfound: %s", what, sought.explain, ls_buf_str(&a),
                 ls_buf_str(&b));
    asked++;
    if (strcmp(sought.path, "keys") == 0) {
        found++;
        met += whole.total;
    }
    ls_buf_done(&b);
    ls_buf_done(&a);
    ls_job_close(job);
}

static void one_pair(struct rng *rng, const struct family *f, enum kind source, enum kind target)
{
    const struct table s = make_table(rng, f, source, "s"), t = make_table(rng, f, target, "t");
    const struct ls_field_config computed[] = {{"id", "id"}, {"v", f->computed}, {"w", "w"}};

    for (unsigned i = 0; i < 6; i++) {
        char texts[3][100], what[600];
        const char *only[3] = {texts[0], texts[1], texts[2]};
        struct ls_sync_config config = {.source.url = s.url, .target.url = t.url, .only = only};
        const size_t values = 1 + rng_below(rng, 2);

        for (size_t v = 0; v < values; v++)
            snprintf(texts[config.only_count++], sizeof texts[0], "v=%s", draw(rng, f->only));
        if (rng_below(rng, 3) == 0)
            snprintf(texts[config.only_count++], sizeof texts[0], "w=%d", (int)rng_below(rng, 3));
        if (rng_below(rng, 5) == 0) {
            config.fields = computed;
            config.field_count = 3;
        }
        if (rng_below(rng, 5) == 0)
            config.where = config.target_where = rng_below(rng, 2) ? "w < 2" : "w * 1 < 2";
        snprintf(what, sizeof what, "%s: %s (%s) with %s (%s), --only %s %s %s%s%s", f->name,
                 s.declared, kind_words[source], t.declared, kind_words[target], only[0],
                 config.only_count > 1 ? only[1] : "", config.only_count > 2 ? only[2] : "",
                 config.field_count ? ", computed" : "", config.where ? ", filtered" : "");
        try_only(&config, rng_below(rng, 6) ? 0 : 2, what);
    }
    fixture_done();
}

static void pairs_of(enum kind source, enum kind target, unsigned rounds)
{
    const char *deep = getenv("LOCKSTEP_DEEP");
    struct rng rng = {fixture_seed()};

    found = met = asked = 0;
    if (deep && *deep)
        rounds *= 20;
    for (unsigned round = 0; round < rounds; round++)
        for (size_t f = 0; f < COUNT_OF(families); f++)
            one_pair(&rng, &families[f], source, target);
    print_message("%zu of %zu looked up, %zu records named\n", found, asked, met);
    assert_true(found > asked / 4);
    assert_true(met > 0);
}

static void sqlite_pairs_find_what_reading_finds(void **state)
{
    (void)state;
    pairs_of(LITE, LITE_WAL, 5);
    pairs_of(LITE_WAL, LITE, 4);
    pairs_of(LITE_UTF16, LITE_UTF16, 2);
}

static void postgres_pairs_find_what_reading_finds(void **state)
{
    (void)state;
    pairs_of(PG, PG, 3);
}

static void postgres_and_sqlite_find_what_reading_finds(void **state)
{
    (void)state;
    pairs_of(PG, LITE, 3);
    pairs_of(LITE, PG, 3);
    pairs_of(LITE_UTF16, PG, 1);
}

/* ---- one by one ---- */

static const char *const named[] = {"v=x"};

static void run(enum kind kind, const char *url, const char *sql)
{
    if (kind == PG && *sql)
        testpg_exec(url, sql);
    else if (kind != PG)
        fixture_sql(url, sql);
}

/* Two stores of a kind with tables s and t (id, v, w), and the job that names v = x. */
struct two {
    const char *store;
    struct ls_sync_config config;
};

static struct two two_tables(enum kind kind, const char *rows)
{
    struct two two = {.store = kind == PG ? fixture_postgres() : fixture_sqlite()};

    run(kind, two.store,
        "DROP TABLE IF EXISTS s; DROP TABLE IF EXISTS t;"
        "CREATE TABLE s (id int NOT NULL PRIMARY KEY, v varchar, w varchar);"
        "CREATE TABLE t (id int NOT NULL PRIMARY KEY, v varchar, w varchar)");
    run(kind, two.store, rows);
    two.config = (struct ls_sync_config){.source.url = fixture_url(two.store, "s"),
                                         .target.url = fixture_url(two.store, "t"),
                                         .only = named,
                                         .only_count = 1};
    return two;
}

static void assert_explained(const struct ls_compare_result *result, const char *path,
                             const char *words)
{
    assert_string_equal(result->path, path);
    if (!strstr(result->explain, words))
        fail_msg("no \"%s\" in: %s", words, result->explain);
}

/* A record that spoils the compare once it is read: nobody reads it. */
static void what_is_not_named_is_not_read(void **state)
{
    static const enum kind kinds[] = {LITE, LITE_WAL, PG};
    static const struct ls_field_config fields[] = {
        {"id", "id"}, {"v", "v"}, {"w", "CAST(w AS DECIMAL) || ''"}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct ls_compare_options whole = {.force_merge = true};
        struct two two =
            two_tables(kinds[i], "INSERT INTO s VALUES (1, 'x', '1'), (2, 'y', 'spoiled');"
                                 "INSERT INTO t VALUES (1, 'x', '2'), (2, 'y', '2')");
        struct ls_compare_result result;
        struct ls_error err = {0};
        struct ls_job *job;

        two.config.fields = fields;
        two.config.field_count = COUNT_OF(fields);
        assert_ok(ls_job_open(&two.config, false, &job, &err), &err);
        assert_error(ls_compare(job, &whole, NULL, NULL, NULL, &result, &err), &err, LS_DATA,
                     "field w");
        assert_ok(ls_compare(job, NULL, NULL, NULL, NULL, &result, &err), &err);
        assert_explained(&result, "keys", "The source looks for v. The target looks for v.");
        assert_int_equal(result.total, 1);
        assert_int_equal(result.count[LS_INCONSISTENT], 1);
        ls_job_close(job);
        fixture_done();
    }
}

static void the_side_that_cannot_look_is_said_and_read(void **state)
{
    static const struct ls_field_config computed[] = {{"id", "id"}, {"v", "lower(v)"}},
                                        both[] = {{"id", "id"}, {"v", "v"}, {"w", "w"}};
    static const char *const json[] = {"v=1"}, *const two_fields[] = {"v=x", "w=1"};
    const struct {
        struct ls_sync_config config;
        const char *change, *path, *words;
        bool full;
    } cases[] = {
        {{.fields = computed, .field_count = 2, .only = named, .only_count = 1},
         "",
         "keys",
         "The source is read whole, because it cannot look for v: it is computed there. The target "
         "looks for v.",
         false},
        {{.fields = both, .field_count = 3, .only = two_fields, .only_count = 2},
         "DROP TABLE s; CREATE TABLE s (id int NOT NULL PRIMARY KEY, v json, w varchar)",
         "keys",
         "The source looks for w, but not for v: it is of another type there.",
         false},
        {{.only = json, .only_count = 1},
         "DROP TABLE s; CREATE TABLE s (id int NOT NULL PRIMARY KEY, v json, w varchar);"
         "DROP TABLE t; CREATE TABLE t (id int NOT NULL PRIMARY KEY, v jsonb, w varchar)",
         "merge",
         "every pair is looked at. The source cannot look for v: the store does not compare it as "
         "lockstep does. The target cannot",
         false},
        {{.only = named, .only_count = 1},
         "ALTER TABLE t DROP CONSTRAINT t_pkey",
         "merge",
         "These are not looked for, because a side does not enforce that the key is unique.",
         false},
        {{.only = named, .only_count = 1},
         "ALTER TABLE s ALTER id TYPE text",
         "merge",
         "These are not looked for, because the key has different types on the two sides.",
         false},
        {{.only = named, .only_count = 1}, "", "merge", "it was asked for", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct ls_compare_options options = {.force_merge = cases[i].full};
        struct two two = two_tables(PG, cases[i].change);
        struct ls_sync_config config = cases[i].config;
        static const char *const id[] = {"id"};
        struct ls_compare_result result;
        struct ls_error err = {0};
        struct ls_job *job;

        config.source = two.config.source;
        config.target = two.config.target;
        config.key = id;
        config.key_count = 1;
        assert_ok(ls_job_open(&config, false, &job, &err), &err);
        assert_ok(ls_compare_explain(job, &options, &result, &err), &err);
        assert_explained(&result, cases[i].path, cases[i].words);
        ls_job_close(job);
        fixture_done();
    }
}

/* The target's marked record alone meets --only; the source has it too, and live. */
static void a_marked_record_that_the_source_has_again_differs(void **state)
{
    static const struct ls_field_config soft[] = {{"w", "'gone'"}};
    struct two two = two_tables(LITE, "INSERT INTO s VALUES (1, 'y', NULL), (2, 'y', NULL);"
                                      "INSERT INTO t VALUES (1, 'x', 'gone'), (3, 'x', 'gone')");
    static const struct ls_field_config mapped[] = {{"id", "id"}, {"v", "v"}, {"w", "w"}};
    struct ls_compare_result result;
    struct ls_error err = {0};
    struct ls_job *job;

    (void)state;
    two.config.fields = mapped;
    two.config.field_count = COUNT_OF(mapped);
    two.config.deletes = LS_DELETES_SOFT;
    two.config.soft = soft;
    two.config.soft_count = 1;
    assert_ok(ls_job_open(&two.config, false, &job, &err), &err);
    assert_ok(ls_compare(job, NULL, NULL, NULL, NULL, &result, &err), &err);
    assert_string_equal(result.path, "keys");
    assert_int_equal(result.count[LS_INCONSISTENT], 1);
    assert_int_equal(result.count[LS_IN_SYNC], 1);
    assert_int_equal(result.total, 2);
    ls_job_close(job);
    fixture_done();
}

/* Something happens before the nth fetch of the source. */
static struct {
    const struct ls_store_ops *real;
    const char *store, *sql;
    size_t calls, at;
} between;

static enum ls_code fetch_between(struct ls_store *store, const struct ls_scan *what,
                                  size_t key_count, const struct ls_value *keys, bool for_update,
                                  struct ls_arena *mem, struct ls_rows *ret, struct ls_error *err)
{
    if (between.calls++ == between.at)
        fixture_sql(between.store, between.sql);
    return between.real->fetch(store, what, key_count, keys, for_update, mem, ret, err);
}

static void what_changes_between_two_looks_moves(void **state)
{
    static const struct {
        size_t at;
        uint64_t moving, inconsistent, in_sync;
    } cases[] = {{0, 0, 1, 1}, {1, 1, 0, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct two two = two_tables(LITE_WAL, "INSERT INTO s VALUES (1, 'x', '1'), (2, 'x', '1');"
                                              "INSERT INTO t VALUES (1, 'x', '2'), (2, 'x', '1')");
        struct ls_compare_result result;
        struct ls_error err = {0};
        struct ls_store_ops ops;
        struct ls_job *job;

        fixture_sql(two.store, "PRAGMA journal_mode = wal");
        assert_ok(ls_job_open(&two.config, false, &job, &err), &err);
        between.real = job->source.store->ops;
        between.store = two.store;
        between.sql = "UPDATE t SET w = '3' WHERE id = 1";
        between.calls = 0;
        between.at = cases[i].at;
        ops = *between.real;
        ops.fetch = fetch_between;
        job->source.store->ops = &ops;
        assert_ok(ls_compare(job, NULL, NULL, NULL, NULL, &result, &err), &err);
        job->source.store->ops = between.real;
        assert_int_equal(result.count[LS_MOVING], cases[i].moving);
        assert_int_equal(result.count[LS_INCONSISTENT], cases[i].inconsistent);
        assert_int_equal(result.count[LS_IN_SYNC], cases[i].in_sync);
        ls_job_close(job);
        fixture_done();
    }
}

static struct two three_thousand(void)
{
    return two_tables(
        LITE_WAL,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        " INSERT INTO s SELECT i, iif(i % 2, 'x', 'y'), 'a long text, so that there is more of it' "
        "FROM n;"
        "INSERT INTO t SELECT id, iif(id % 3, v, 'x'), iif(id % 5, w, id) FROM s WHERE id % 7");
}

static void thousands_of_differences_are_looked_up_in_order(void **state)
{
    static const struct {
        uint64_t most;
        const char *path, *words;
    } cases[] = {{0, "keys", "The target looks for v."},
                 {100, "merge", "More than 100 differ, so both sides are read after all."}};
    struct two two = three_thousand();
    struct ls_compare_result result;
    struct ls_error err = {0};
    struct ls_job *job;
    struct ls_buf whole = {0};

    (void)state;
    assert_ok(ls_job_open(&two.config, false, &job, &err), &err);
    assert_ok(compare(job, (struct ls_compare_options){.force_merge = true}, &whole, &result, &err),
              &err);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct ls_compare_options options = {.found_max = cases[i].most};
        struct ls_buf found_out = {0};

        assert_ok(compare(job, options, &found_out, &result, &err), &err);
        assert_true(result.count[LS_INCONSISTENT] + result.count[LS_SOURCE_ONLY] > 500);
        assert_string_equal(ls_buf_str(&whole), ls_buf_str(&found_out));
        ls_buf_done(&found_out);
        assert_explained(&result, cases[i].path, cases[i].words);
    }
    ls_buf_done(&whole);
    ls_job_close(job);
    fixture_done();
}

static int make_types(void **state)
{
    (void)state;
    testpg_exec(fixture_postgres(),
                "CREATE EXTENSION IF NOT EXISTS citext;"
                "CREATE COLLATION folds (provider = icu, locale = 'und-u-ks-level2',"
                " deterministic = false);"
                "CREATE TYPE mood AS ENUM ('sad', 'happy', 'it''s')");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlite_pairs_find_what_reading_finds),
        cmocka_unit_test(postgres_pairs_find_what_reading_finds),
        cmocka_unit_test(postgres_and_sqlite_find_what_reading_finds),
        cmocka_unit_test(what_is_not_named_is_not_read),
        cmocka_unit_test(the_side_that_cannot_look_is_said_and_read),
        cmocka_unit_test(a_marked_record_that_the_source_has_again_differs),
        cmocka_unit_test(what_changes_between_two_looks_moves),
        cmocka_unit_test(thousands_of_differences_are_looked_up_in_order),
    };
    /* Nothing here has to survive a loss of power. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    return cmocka_run_group_tests_name("engine/only", tests, make_types, NULL);
}
