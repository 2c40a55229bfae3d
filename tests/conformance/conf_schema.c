/* SPDX-License-Identifier: Apache-2.0 */
/* conf_schema.c - opening, listing, describing, creating; names and types. */
#include "conf.h"

#include <string.h>

#include "base/text.h"

static void an_identity_has_the_scheme_and_no_collection(void **state)
{
    struct conf *conf = *state;
    const char *identity = ls_store_identity(conf->writer);

    assert_non_null(identity);
    assert_true(ls_text_starts(identity, conf->ops->scheme));
    assert_int_equal(identity[strlen(conf->ops->scheme)], ':');
    assert_null(strchr(identity, '#'));
}

static void two_sessions_of_a_store_have_one_identity(void **state)
{
    struct conf *conf = *state;
    struct place *place = make_simple(conf);
    struct ls_store *other = open_session(conf, place->url, false);

    assert_string_equal(ls_store_identity(other), ls_store_identity(place->store));
}

static void a_collection_is_made_with_its_fields_and_key(void **state)
{
    static const struct column columns[] = {COLUMN("tenant", INT), COLUMN("name", TEXT),
                                            COLUMN("id", INT)};
    static const size_t key[] = {2, 0};
    struct place *place = make_place(*state, columns, 3, key, 2, -1);
    const struct ls_schema *schema = place->schema;

    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(schema->fields[i].name, columns[i].name);
        assert_non_null(schema->fields[i].native);
        assert_non_null(schema->fields[i].engine);
    }
    assert_non_null(schema->collection);
    assert_non_null(schema->fingerprint);
    if (!(schema->flags & LS_SCHEMA_CONSTRAINTS))
        return;
    assert_true(schema->key_count >= 1);
    assert_true(schema->keys[0].primary);
    assert_true(schema->keys[0].not_null);
    assert_int_equal(schema->keys[0].field_count, 2);
    assert_int_equal(schema->keys[0].fields[0], 2);
    assert_int_equal(schema->keys[0].fields[1], 0);
    assert_true(schema->fields[0].flags & LS_FIELD_NOT_NULL);
    assert_true(schema->fields[2].flags & LS_FIELD_NOT_NULL);
    assert_false(schema->fields[1].flags & LS_FIELD_NOT_NULL);
}

static void a_schema_is_described_alike_twice(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *reader = open_session(*state, place->url, false);
    struct ls_schema *again = NULL;
    struct ls_error err = {0};
    char a[65], b[65];

    assert_ls(ls_store_describe(reader, place->name, &place->conf->mem, &again, &err));
    ls_schema_digest(place->schema, a);
    ls_schema_digest(again, b);
    assert_string_equal(a, b);
    assert_string_equal(place->schema->fingerprint, again->fingerprint);
}

static void a_described_collection_goes_by_its_canonical_name_too(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_schema *again = NULL;
    struct ls_error err = {0};

    assert_ls(ls_store_describe(place->store, place->schema->collection, &place->conf->mem, &again,
                                &err));
    assert_string_equal(again->collection, place->schema->collection);
}

static void a_reading_session_says_that_it_may_not_write(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *reader = open_session(*state, place->url, false);
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    assert_ls(ls_store_describe(reader, place->name, &place->conf->mem, &schema, &err));
    assert_true(schema->flags & LS_SCHEMA_READ_ONLY);
    assert_false(place->schema->flags & LS_SCHEMA_READ_ONLY);
    assert_code(LS_PERMISSION, ls_store_begin(reader, &err));
    assert_code(LS_PERMISSION, ls_store_create(reader, "other", place->like, 1, place->key, &err));
}

static void making_a_collection_twice_is_a_conflict(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_error err = {0};

    put_many(place, 3);
    assert_code(LS_CONFLICT,
                ls_store_create(place->store, place->name, place->like, 1, place->key, &err));
    assert_int_equal(read_place(place).count, 3);
}

static void a_missing_collection_is_answered_with_the_nearest_one(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    assert_code(LS_NOT_FOUND,
                ls_store_describe(place->store, "Things1", &place->conf->mem, &schema, &err));
    assert_non_null(strstr(err.text, "Things1"));
    assert_non_null(strstr(err.text, "things1"));
    assert_code(LS_NOT_FOUND,
                ls_store_describe(place->store, "quite another", &place->conf->mem, &schema, &err));
    assert_code(LS_USAGE, ls_store_describe(place->store, "", &place->conf->mem, &schema, &err));
}

static void collections_are_listed_by_the_names_that_describe_takes(void **state)
{
    struct conf *conf = *state;
    const char *const *names = NULL;
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};
    size_t count = 0;

    assert_ls(ls_store_list(conf->writer, &conf->mem, &count, &names, &err));
    assert_int_equal(count, 0);
    make_simple(conf);
    make_simple(conf);
    assert_ls(ls_store_list(conf->writer, &conf->mem, &count, &names, &err));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_ls(ls_store_describe(conf->writer, names[i], &conf->mem, &schema, &err));
        assert_string_equal(schema->collection, names[i]);
    }
}

static void a_foreign_generated_field_is_left_out_of_what_is_made(void **state)
{
    static const struct column columns[] = {
        {"sum", LS_T_INT, -1, -1, LS_FIELD_GENERATED}, COLUMN("id", INT), COLUMN("name", TEXT)};
    struct conf *conf = *state;
    struct ls_field fields[3];
    const size_t key[] = {1};
    const struct ls_schema like = {.collection = "like",
                                   .field_count = 3,
                                   .fields = fields,
                                   .rows_estimate = -1,
                                   .fingerprint = ""};
    const char *name = conf->kind->one_collection ? NULL : "made";
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    for (size_t i = 0; i < 3; i++)
        fields[i] = (struct ls_field){.name = columns[i].name,
                                      .type = columns[i].type,
                                      .native = "",
                                      .engine = "",
                                      .precision = -1,
                                      .scale = -1,
                                      .flags = columns[i].flags};
    assert_ls(ls_store_create(conf->writer, name, &like, 1, key, &err));
    assert_ls(ls_store_describe(conf->writer, name, &conf->mem, &schema, &err));
    assert_int_equal(schema->field_count, 2);
    assert_string_equal(schema->fields[0].name, "id");
    assert_string_equal(schema->fields[1].name, "name");
}

/* Names as people and programs have given them to tables and columns: at most 63 bytes, no two equal when ASCII case is folded. */
static const char *const hostile_names[] = {
    /* quotes and what SQL reads into text */
    "\"",
    "\"\"",
    "a\"b",
    "\"quoted\"",
    "'",
    "''",
    "it's",
    "`",
    "`tick`",
    "[",
    "[bracket]",
    "]",
    "a]b",
    "\\",
    "a\\b",
    "\\N",
    "\\\"",
    "a;b",
    ";",
    "; DROP TABLE things1; --",
    "--",
    "-- comment",
    "/*",
    "/* comment */",
    "*/",
    "a,b",
    "(",
    ")",
    "f(x)",
    "a(b",
    "$1",
    "$$",
    "$tag$",
    "?",
    "a?b",
    "??",
    "?1",
    ":name",
    "@name",
    "#",
    "a#b",
    "%",
    "%s",
    "%d%n",
    "%25",
    "100%",
    "_",
    "__",
    "&",
    "|",
    "||",
    "~",
    "!",
    "!=",
    "=",
    "==",
    "<",
    ">",
    "<>",
    "+",
    "-",
    "a-b",
    "*",
    "/",
    "a/b",
    "^",
    "{",
    "}",
    "{\"a\":1}",
    "$.a",
    "a->>b",
    "::text",
    "x::int",
    "1=1",
    "' OR '1'='1",
    "null value",
    "NaN",
    "Infinity",
    "true",
    "false",
    "default",
    "0",
    "1",
    "007",
    "1a",
    "12.5",
    "-1",
    "1e5",
    "0x10",
    "\xC2\xBD",
    /* dots */
    ".",
    "..",
    "a.b",
    "a.b.c",
    ".hidden",
    "trailing.",
    "public.x",
    "main.x",
    "\"a\".\"b\"",
    "a\".\"b",
    /* blanks and control characters */
    " ",
    "  ",
    " lead",
    "trail ",
    "two words",
    "two  words",
    "tab\there",
    "\t",
    "new\nline",
    "\n",
    "\r\n",
    "cr\rhere",
    "\x01",
    "bell\x07",
    "esc\x1B[31m",
    "\x7F",
    "nbsp\xC2\xA0here",
    "\xC2\x85",
    "line\xE2\x80\xA8sep",
    "em\xE2\x80\x83space",
    "zero\xE2\x80\x8Bwidth",
    "\xEF\xBB\xBF"
    "bom",
    "soft\xC2\xADhyphen",
    "join\xE2\x80\x8D"
    "er",
    /* key words of the databases */
    "select",
    "from",
    "where",
    "group",
    "order",
    "by",
    "having",
    "limit",
    "offset",
    "union",
    "all",
    "distinct",
    "as",
    "on",
    "join",
    "left",
    "right",
    "inner",
    "outer",
    "cross",
    "natural",
    "using",
    "insert",
    "into",
    "values",
    "update",
    "set",
    "delete",
    "create",
    "alter",
    "drop",
    "table",
    "index",
    "view",
    "trigger",
    "column",
    "constraint",
    "primary",
    "key",
    "foreign",
    "references",
    "unique",
    "check",
    "cascade",
    "not",
    "null",
    "and",
    "or",
    "in",
    "is",
    "like",
    "glob",
    "between",
    "exists",
    "case",
    "when",
    "then",
    "else",
    "end",
    "cast",
    "collate",
    "begin",
    "commit",
    "rollback",
    "savepoint",
    "transaction",
    "user",
    "current_user",
    "session_user",
    "current_time",
    "current_date",
    "localtime",
    "analyze",
    "vacuum",
    "pragma",
    "attach",
    "temp",
    "temporary",
    "if",
    "for",
    "do",
    "with",
    "recursive",
    "window",
    "over",
    "partition",
    "range",
    "rows",
    "row",
    "array",
    "any",
    "some",
    "both",
    "leading",
    "fetch",
    "grant",
    "lateral",
    "only",
    "returning",
    "placing",
    "symmetric",
    "analyse",
    "authorization",
    "binary",
    "concurrently",
    "freeze",
    "ilike",
    "isnull",
    "notnull",
    "overlaps",
    "similar",
    "verbose",
    "tablesample",
    "match",
    "regexp",
    "integer",
    "text",
    "int",
    "date",
    "time",
    "timestamp",
    "interval",
    "value",
    "name",
    "type",
    "count",
    "sum",
    "max",
    "public",
    "main",
    "information_schema",
    "schema",
    "database",
    "excluded",
    "new",
    "old",
    "generated",
    "identity",
    /* cases that folding would join with others */
    "CamelCase",
    "snake_Case",
    "UPPER",
    "mIxEd",
    "Select1",
    "\xC3\x84rger",
    "\xC3\xA4rger 2",
    /* the world's letters */
    "\xC3\xA9t\xC3\xA9",
    "e\xCC\x81t\xC3\xA9",
    "stra\xC3\x9F"
    "e",
    "STRASSE",
    "\xC3\xB1",
    "\xC5\x81\xC3\xB3"
    "d\xC5\xBA",
    "\xC4\xB0stanbul",
    "\xC4\xB1",
    "\xCE\xB1\xCE\xB2\xCE\xB3",
    "\xCF\x82\xCF\x83",
    "\xD0\xB8\xD0\xBC\xD1\x8F",
    "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D",
    "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7",
    "\xE2\x80\xAE"
    "rtl",
    "\xE2\x80\x8F"
    "mark",
    "a\xD7\x90"
    "b",
    "\xE4\xB8\xAD\xE6\x96\x87",
    "\xE5\x90\x8D\xE5\x89\x8D",
    "\xED\x95\x9C\xEA\xB8\x80",
    "\xED\x95\x9C\xE1\x84\x80",
    "\xE0\xB8\xAA\xE0\xB8\xA7\xE0\xB8\xB1\xE0\xB8\xAA",
    "\xE0\xA4\xA8\xE0\xA4\xAE",
    "\xEF\xBC\xA1\xEF\xBC\xA2",
    "\xEF\xAC\x81",
    "\xE2\x84\xAA",
    "\xE2\x84\xAB",
    /* emoji and beyond the basic plane */
    "\xF0\x9F\x98\x80",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
    "\xE2\x9D\xA4\xEF\xB8\x8F",
    "\xF0\x9F\x87\xA6\xF0\x9F\x87\xB9",
    "\xF0\x9D\x94\x98",
    "x\xF0\x90\x8D\x88y",
    "\xF4\x8F\xBF\xBF",
    "\xEF\xBF\xBD",
    /* as long as a name may be */
    "a23456789012345678901234567890123456789012345678901234567890123",
    "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98"
    "\x80\xF0\x9F\x98\x80"
    "\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98\x80\xF0\x9F\x98"
    "\x80\xF0\x9F\x98\x80"
    "\xF0\x9F\x98\x80 x",
};

/* The field is used as every part of a statement: key, value, filter, order. */
static void use_names(struct place *place, const char *name)
{
    static const char *const one[] = {"1", "first"}, *const changed[] = {"1", "second"},
                             *const two[] = {"2", "other"};
    struct conf *conf = place->conf;
    const struct ls_value key = value_for(place, 0, "1");
    const struct ls_condition condition = {0, LS_OP_EQ, 1, &key};
    const struct ls_filter filter = {1, &condition};
    struct ls_scan scan = scan_all(place);
    struct ls_write_op ops[2];
    struct ls_error err = {0};
    struct ls_rows rows = {0};

    assert_string_equal(place->schema->fields[0].name, name);
    put(place, 1, one);
    ops[0] = update_op(place, changed);
    ops[1] = insert_op(place, two);
    assert_ls(write_ops(place, ops, 2, &err));
    ops[0] = delete_op(place, two);
    assert_ls(write_ops(place, ops, 1, &err));
    assert_ls(ls_store_fetch(place->store, &scan, 1, &key, false, &conf->mem, &rows, &err));
    assert_int_equal(rows.count, 1);
    scan.filter = &filter;
    scan.ordered = ls_store_orders(place->store, &scan);
    assert_int_equal(read_all(conf, place->store, &scan).count, 1);
    scan.filter = NULL;
    assert_contents(place, "1|second");
}

static void names_are_taken_exactly(void **state)
{
    struct conf *conf = *state;

    for (size_t i = 0; i < COUNT(hostile_names); i++) {
        const char *name = hostile_names[i], *collection = NULL;
        const struct column columns[] = {{name, LS_T_INT, -1, -1, 0}, COLUMN("Other Field", TEXT)};
        const size_t key[] = {0};
        struct place *place;

        if (!conf->kind->one_collection)
            collection = ls_collection_join(&conf->mem, NULL, name);
        place = make_named(conf, collection, columns, 2, key, 1, -1);
        use_names(place, name);
        if (conf->kind->one_collection && place->store != conf->writer)
            close_session(conf, place->store);
    }
}

static void every_hostile_name_is_listed(void **state)
{
    static const size_t key[] = {0};
    static const struct column columns[] = {COLUMN("id", INT)};
    struct conf *conf = *state;
    const char *const *names = NULL;
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};
    size_t count = 0;

    for (size_t i = 0; i < COUNT(hostile_names); i++)
        make_named(conf, ls_collection_join(&conf->mem, NULL, hostile_names[i]), columns, 1, key, 1,
                   -1);
    assert_ls(ls_store_list(conf->writer, &conf->mem, &count, &names, &err));
    assert_int_equal(count, COUNT(hostile_names));
    for (size_t i = 0; i < count; i++) {
        assert_ls(ls_store_describe(conf->writer, names[i], &conf->mem, &schema, &err));
        assert_string_equal(schema->collection, names[i]);
    }
}

static const struct {
    enum ls_type type;
    const char *texts[24];
} samples[] = {
    {LS_T_BOOL, {"t", "f"}},
    {LS_T_INT,
     {"0", "1", "-1", "42", "2147483648", "9007199254740993", "9223372036854775807",
      "-9223372036854775808"}},
    {LS_T_DECIMAL,
     {"0", "1", "1.0", "1.00", "-1.5", "0.1", "100", "0.000001", "-0.5", "9007199254740993.5",
      "12345678901234567890123456789.123456", "-99999999999999999999.99"}},
    {LS_T_DOUBLE,
     {"0", "-0", "1", "0.1", "-2.5", "1e308", "5e-324", "3.141592653589793", "0.30000000000000004",
      "1e21", "123456789012345680", "Infinity", "-Infinity", "NaN"}},
    {LS_T_TEXT,
     {"",
      " ",
      "a",
      "A",
      "null",
      "NULL",
      "\\N",
      "0",
      "007",
      "1.0",
      "it's",
      "say \"hi\"",
      "a,b",
      "a\tb",
      "a\nb",
      "a\r\nb",
      " lead and trail ",
      "\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80",
      "e\xCC\x81",
      "\xEF\xBB\xBF",
      "\\",
      "t",
      "2024-01-01",
      "{\"a\": 1}"}},
    {LS_T_BYTES, {"\\x", "\\x00", "\\x00ff00", "\\x5c78", "\\xdeadbeef", "\\x27220a0d"}},
    {LS_T_DATE, {"1970-01-01", "1969-12-31", "2024-02-29", "0001-01-01", "9999-12-31"}},
    {LS_T_TIME, {"00:00:00", "12:34:56", "23:59:59.999999", "01:02:03.5"}},
    {LS_T_TIMESTAMP,
     {"1970-01-01 00:00:00", "2024-02-29 12:34:56.789012", "1969-12-31 23:59:59.9",
      "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999"}},
    {LS_T_TIMESTAMPTZ,
     {"1970-01-01 00:00:00+00", "2024-02-29 12:34:56.789012+00", "2024-03-31 02:30:00+02",
      "1900-01-01 00:00:00+00"}},
    {LS_T_UUID,
     {"00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000",
      "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"}},
    {LS_T_JSON,
     {"{}", "[]", "null", "true", "0", "1.0", "\"text\"",
      "{\"b\": 1, \"a\": [1, 2.50, \"\xC3\xA9\"]}", "12345678901234567890.123",
      "{\"a\":{\"b\":{\"c\":null}}}", "\"\\u0041\\n\""}},
};

/* Puts one value into the record 1 and reads it back. A refusal is LS_TYPE, at once and without a trace. */
static void trip(struct place *place, enum ls_type type, const char *text)
{
    const struct ls_field *like = &place->like->fields[1], *field = &place->schema->fields[1];
    const struct ls_as as = ls_as_of(like, field), own = ls_as_of(field, field);
    struct ls_value record[2], want = ls_value_null();
    struct ls_write_op op = {LS_INSERT, record, record};
    struct ls_error err = {0};
    struct ls_rows rows;
    enum ls_code rc;

    record[0] = value_for(place, 0, "1");
    assert_ls(ls_value_from_text(type, text, strlen(text), &place->conf->mem, &want, &err));
    rc = ls_value_convert(&want, field, NULL, &place->conf->mem, &record[1], &err);
    if (rc == LS_OK)
        rc = write_ops(place, &op, 1, &err);
    rows = read_place(place);
    if (rc != LS_OK) {
        assert_code(LS_TYPE, rc);
        assert_int_equal(rows.count, 0);
        return;
    }
    assert_int_equal(rows.count, 1);
    if (!ls_value_equal(&rows.values[1], &want, &as) ||
        !ls_value_equal(&rows.values[1], &record[1], &own)) {
        struct ls_buf got;

        ls_buf_init(&got, 0);
        ls_value_to_text(&got, &rows.values[1]);
        print_error("%s '%s' came back as %s '%s'\n", ls_type_word(type), text,
                    ls_type_word(rows.values[1].type), ls_buf_str(&got));
        ls_buf_done(&got);
        fail();
    }
    op.kind = LS_DELETE;
    assert_ls(write_ops(place, &op, 1, &err));
}

static void values_of_every_type_come_back_as_they_were(void **state)
{
    static const size_t key[] = {0};
    struct conf *conf = *state;

    for (size_t s = 0; s < COUNT(samples); s++) {
        const struct column columns[] = {COLUMN("id", INT), {"value", samples[s].type, -1, -1, 0}};
        struct place *place = make_place(conf, columns, 2, key, 1, -1);

        if (!conf->kind->no_types)
            assert_int_equal(place->schema->fields[1].type, samples[s].type);
        for (size_t i = 0; i < COUNT(samples[s].texts) && samples[s].texts[i]; i++)
            trip(place, samples[s].type, samples[s].texts[i]);
    }
}

static void a_null_of_every_type_comes_back_as_null(void **state)
{
    static const size_t key[] = {0};
    static const char *const texts[2 + COUNT(samples)] = {"1", "x"};
    struct column columns[2 + COUNT(samples)] = {COLUMN("id", INT), COLUMN("other", TEXT)};
    struct place *place;
    struct ls_rows rows;

    for (size_t s = 0; s < COUNT(samples); s++)
        columns[2 + s] = (struct column){ls_type_word(samples[s].type), samples[s].type, -1, -1, 0};
    place = make_place(*state, columns, COUNT(columns), key, 1, -1);
    put(place, 1, texts);
    rows = read_place(place);
    assert_int_equal(rows.count, 1);
    for (size_t i = 2; i < COUNT(columns); i++)
        assert_int_equal(rows.values[i].type, LS_T_NULL);
}

static void a_text_may_be_large(void **state)
{
    struct conf *conf = *state;
    struct place *place = make_simple(conf);
    char *large = ls_arena_alloc(&conf->mem, (3 << 20) + 1);
    const char *texts[] = {"1", large, NULL};
    struct ls_rows rows;

    for (size_t i = 0; i < 3 << 20; i++)
        large[i] = (char)('a' + i % 26);
    put(place, 1, texts);
    rows = read_place(place);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.values[1].size, 3 << 20);
    assert_memory_equal(rows.values[1].data, large, 3 << 20);
}

static void every_type_can_be_a_key(void **state)
{
    static const enum ls_type types[] = {
        LS_T_BOOL, LS_T_INT,  LS_T_DECIMAL,   LS_T_DOUBLE,      LS_T_TEXT, LS_T_BYTES,
        LS_T_DATE, LS_T_TIME, LS_T_TIMESTAMP, LS_T_TIMESTAMPTZ, LS_T_UUID};
    static const size_t key[] = {0};

    for (size_t t = 0; t < COUNT(types); t++) {
        const struct column columns[] = {{"key", types[t], -1, -1, 0}, COLUMN("value", TEXT)};
        struct place *place = make_place(*state, columns, 2, key, 1, -1);
        const char *text = types[t] == LS_T_BYTES ? "\\x0102" : NULL;
        struct ls_scan scan = scan_all(place);
        struct ls_error err = {0};
        struct ls_rows rows = {0};
        struct ls_write_op op;

        for (size_t s = 0; s < COUNT(samples); s++)
            if (!text && samples[s].type == types[t])
                text = samples[s].texts[1];
        put(place, 1, (const char *const[]){text, "first"});
        op = update_op(place, (const char *const[]){text, "second"});
        assert_ls(write_ops(place, &op, 1, &err));
        assert_ls(
            ls_store_fetch(place->store, &scan, 1, op.key, false, &place->conf->mem, &rows, &err));
        assert_int_equal(rows.count, 1);
        assert_memory_equal(rows.values[1].data, "second", 6);
        op.kind = LS_DELETE;
        assert_ls(write_ops(place, &op, 1, &err));
        assert_int_equal(read_place(place).count, 0);
    }
}

#define T(name) #name, name
const struct conf_test conf_schema_tests[] = {
    {T(an_identity_has_the_scheme_and_no_collection), 0, false, false},
    {T(two_sessions_of_a_store_have_one_identity), 0, false, false},
    {T(a_collection_is_made_with_its_fields_and_key), 0, false, false},
    {T(a_schema_is_described_alike_twice), 0, false, false},
    {T(a_described_collection_goes_by_its_canonical_name_too), 0, true, false},
    {T(a_reading_session_says_that_it_may_not_write), 0, false, false},
    {T(making_a_collection_twice_is_a_conflict), 0, false, false},
    {T(a_missing_collection_is_answered_with_the_nearest_one), 0, true, false},
    {T(collections_are_listed_by_the_names_that_describe_takes), 0, true, false},
    {T(a_foreign_generated_field_is_left_out_of_what_is_made), 0, false, false},
    {T(names_are_taken_exactly), 0, false, false},
    {T(every_hostile_name_is_listed), 0, true, false},
    {T(values_of_every_type_come_back_as_they_were), 0, false, false},
    {T(a_null_of_every_type_comes_back_as_null), 0, false, false},
    {T(a_text_may_be_large), 0, false, false},
    {T(every_type_can_be_a_key), 0, false, false},
    {NULL, NULL, 0, false, false},
};
