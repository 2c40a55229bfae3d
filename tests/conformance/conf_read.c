/* SPDX-License-Identifier: Apache-2.0 */
/* conf_read.c - scans with all their options, and fetch. */
#include "conf.h"

#include <stdio.h>
#include <string.h>

static int64_t int_of(struct conf *conf, const struct ls_value *v)
{
    struct ls_value i = ls_value_null();
    struct ls_error err = {0};
    struct ls_buf text;

    if (v->type == LS_T_INT)
        return v->i;
    ls_buf_init(&text, 0);
    ls_value_to_text(&text, v);
    assert_ls(ls_value_from_text(LS_T_INT, ls_buf_str(&text), text.size, &conf->mem, &i, &err));
    ls_buf_done(&text);
    return i.i;
}

static void an_empty_collection_ends_at_once(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_scan scan = scan_all(place);
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {.count = 9};
    struct ls_error err = {0};

    assert_ls(ls_store_scan(place->store, &scan, &cursor, &err));
    assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 0);
    assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 0);
    ls_cursor_end(cursor);
    ls_cursor_end(NULL);
}

static void every_record_comes_once(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_scan scan = scan_all(place);
    struct ls_rows rows;
    uint8_t *seen;

    put_many(place, 5000);
    seen = ls_arena_alloc(&place->conf->mem, 5001);
    rows = read_all(place->conf, place->store, &scan);
    assert_int_equal(rows.count, 5000);
    for (size_t i = 0; i < rows.count; i++) {
        const struct ls_value *row = ls_row(&rows, i);
        int64_t id = int_of(place->conf, &row[0]);
        char name[32];

        assert_in_range(id, 1, 5000);
        assert_int_equal(seen[id]++, 0);
        snprintf(name, sizeof(name), "n%d", (int)id);
        assert_int_equal(row[1].size, strlen(name));
        assert_memory_equal(row[1].data, name, strlen(name));
        if (id % 10)
            assert_int_equal(int_of(place->conf, &row[2]), id % 10);
        else
            assert_int_equal(row[2].type, LS_T_NULL);
    }
}

static void fields_come_as_they_are_asked_for(void **state)
{
    static const size_t fields[] = {2, 0, 2, 1}, only_name[] = {1}, key[] = {1};
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    struct ls_rows rows;

    put(place, 1, (const char *const[]){"7", "seven", "70"});
    scan.field_count = 4;
    scan.fields = fields;
    scan.key = key;
    rows = read_all(place->conf, place->store, &scan);
    assert_int_equal(rows.count, 1);
    assert_int_equal(int_of(place->conf, &rows.values[0]), 70);
    assert_int_equal(int_of(place->conf, &rows.values[1]), 7);
    assert_int_equal(int_of(place->conf, &rows.values[2]), 70);
    assert_memory_equal(rows.values[3].data, "seven", 5);
    scan.field_count = 1;
    scan.fields = only_name;
    scan.key_count = 0;
    rows = read_all(place->conf, place->store, &scan);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.width, 1);
    assert_memory_equal(rows.values[0].data, "seven", 5);
}

static void batches_hold_no_more_than_was_asked(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    size_t count = 0;

    put_many(place, 2500);
    scan.batch_rows = 7;
    assert_ls(ls_store_scan(place->store, &scan, &cursor, &err));
    do {
        assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
        assert_true(rows.count <= 7);
        count += rows.count;
    } while (rows.count);
    ls_cursor_end(cursor);
    assert_int_equal(count, 2500);
    scan.batch_rows = 0;
    assert_ls(ls_store_scan(place->store, &scan, &cursor, &err));
    assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
    assert_in_range(rows.count, 1, 1000);
    ls_cursor_end(cursor);
}

static void a_batch_of_large_records_ends_early(void **state)
{
    struct conf *conf = *state;
    struct place *place = make_simple(conf);
    struct ls_scan scan = scan_all(place);
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    char *large = ls_arena_alloc(&conf->mem, 300001);
    size_t count = 0;

    memset(large, 'x', 300000);
    for (int i = 0; i < 20; i++)
        put(place, 1, (const char *const[]){ls_arena_printf(&conf->mem, "%d", i), large, NULL});
    assert_ls(ls_store_scan(place->store, &scan, &cursor, &err));
    do {
        assert_ls(ls_cursor_next(cursor, &conf->mem, &rows, &err));
        assert_true(rows.count <= 8);
        count += rows.count;
    } while (rows.count);
    ls_cursor_end(cursor);
    assert_int_equal(count, 20);
}

static void a_scan_may_be_left_before_its_end(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};

    put_many(place, 3000);
    scan.batch_rows = 10;
    for (int i = 0; i < 3; i++) {
        assert_ls(ls_store_scan(place->store, &scan, &cursor, &err));
        assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
        ls_cursor_end(cursor);
        assert_ls(ls_store_begin(place->store, &err));
        ls_store_rollback(place->store);
    }
    assert_int_equal(read_all(place->conf, place->store, &scan).count, 3000);
}

static void a_scan_keeps_to_its_snapshot(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *reader = open_session(place->conf, place->url, false);
    struct ls_scan scan = scan_all(place);
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_error err = {0};
    struct ls_write_op op;
    size_t count;

    put_many(place, 3000);
    scan.batch_rows = 10;
    assert_ls(ls_store_scan(reader, &scan, &cursor, &err));
    assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
    count = rows.count;
    op = delete_op(place, (const char *const[]){"2999", "", NULL});
    assert_ls(write_ops(place, &op, 1, &err));
    op = insert_op(place, (const char *const[]){"4000", "new", NULL});
    assert_ls(write_ops(place, &op, 1, &err));
    do {
        assert_ls(ls_cursor_next(cursor, &place->conf->mem, &rows, &err));
        for (size_t i = 0; i < rows.count; i++)
            assert_int_not_equal(int_of(place->conf, ls_row(&rows, i)), 4000);
        count += rows.count;
    } while (rows.count);
    ls_cursor_end(cursor);
    assert_int_equal(count, 3000);
}

static void only_the_session_itself_sees_what_it_has_not_committed(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *reader = open_session(place->conf, place->url, false);
    const struct ls_scan scan = scan_all(place);
    const struct ls_write_op op = insert_op(place, (const char *const[]){"11", "new", NULL});
    const struct ls_write write = write_of(place, &op, 1);
    struct ls_error err = {0};
    struct ls_rows rows = {0};

    put_many(place, 10);
    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    assert_ls(ls_store_fetch(place->store, &scan, 1, op.key, true, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 1);
    assert_int_equal(read_all(place->conf, reader, &scan).count, 10);
    assert_ls(ls_store_commit(place->store, &err));
    assert_int_equal(read_all(place->conf, reader, &scan).count, 11);
}

static size_t count_filtered(struct place *place, const struct ls_filter *filter)
{
    static const size_t only_name[] = {1};
    struct ls_scan scan = scan_all(place);
    struct ls_rows all = read_all(place->conf, place->store, &scan);
    size_t expected = 0, got;

    for (size_t i = 0; i < all.count; i++)
        expected += ls_filter_match(filter, place->schema, ls_row(&all, i));
    scan.filter = filter;
    got = read_all(place->conf, place->store, &scan).count;
    assert_int_equal(got, expected);
    scan.fields = only_name; /* the filter's fields need not be read */
    scan.field_count = 1;
    scan.key_count = 0;
    assert_int_equal(read_all(place->conf, place->store, &scan).count, expected);
    return got;
}

static void filters_take_the_records_they_name(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value ids[] = {value_for(place, 0, "500"), value_for(place, 0, "3"),
                                   value_for(place, 0, "9000")};
    const struct ls_value names[] = {value_for(place, 1, "n7"), value_for(place, 1, "N8"),
                                     value_for(place, 1, "n9")};
    const struct ls_value five = value_for(place, 2, "5");
    const struct {
        struct ls_condition condition;
        size_t typed; /* how many of 1000 records, where ids are numbers */
    } cases[] = {
        {{0, LS_OP_EQ, 1, ids}, 1},          {{0, LS_OP_NE, 1, ids}, 999},
        {{0, LS_OP_LT, 1, ids}, 499},        {{0, LS_OP_LE, 1, ids}, 500},
        {{0, LS_OP_GT, 1, ids}, 500},        {{0, LS_OP_GE, 1, ids}, 501},
        {{0, LS_OP_IN, 3, ids}, 2},          {{1, LS_OP_EQ, 1, names}, 1},
        {{1, LS_OP_NE, 1, names}, 999},      {{1, LS_OP_IN, 3, names}, 2},
        {{2, LS_OP_EQ, 1, &five}, 100},      {{2, LS_OP_NE, 1, &five}, 800},
        {{2, LS_OP_LT, 1, &five}, 400},      {{2, LS_OP_IS_NULL, 0, NULL}, 100},
        {{2, LS_OP_NOT_NULL, 0, NULL}, 900},
    };

    put_many(place, 1000);
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct ls_filter filter = {1, &cases[i].condition};
        size_t got = count_filtered(place, &filter);

        if (!place->conf->kind->no_types)
            assert_int_equal(got, cases[i].typed);
    }
}

static void conditions_are_joined_by_and(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value five = value_for(place, 2, "5"), id = value_for(place, 0, "105");
    const struct ls_condition both[] = {{2, LS_OP_EQ, 1, &five}, {0, LS_OP_NE, 1, &id}};
    const struct ls_filter filter = {2, both}, none = {0, NULL};

    put_many(place, 200);
    assert_int_equal(count_filtered(place, &filter), 19);
    assert_int_equal(count_filtered(place, &none), 200);
}

static void filters_of_other_types_mean_what_the_model_says(void **state)
{
    static const struct column columns[] = {COLUMN("id", INT),   COLUMN("price", DECIMAL),
                                            COLUMN("day", DATE), COLUMN("at", TIMESTAMP),
                                            COLUMN("ok", BOOL),  COLUMN("u", UUID)};
    static const size_t key[] = {0};
    static const enum ls_op ops[] = {LS_OP_EQ, LS_OP_NE, LS_OP_LT, LS_OP_LE,
                                     LS_OP_GT, LS_OP_GE, LS_OP_IN};
    struct place *place = make_place(*state, columns, COUNT(columns), key, 1, -1);
    const char *const wanted[] = {"9.50", "2024-03-10", "2024-03-10 10:00:00", "t",
                                  "00000000-0000-0000-0000-000000000005"};

    for (int i = 1; i < 20; i++) {
        const char *texts[6];

        texts[0] = ls_arena_printf(&place->conf->mem, "%d", i);
        texts[1] = ls_arena_printf(&place->conf->mem, "%d.5", i);
        texts[2] = ls_arena_printf(&place->conf->mem, "2024-03-%02d", i);
        texts[3] = ls_arena_printf(&place->conf->mem, "2024-03-%02d 10:00:00", i);
        texts[4] = i % 3 ? (i % 2 ? "t" : "f") : NULL;
        texts[5] = ls_arena_printf(&place->conf->mem, "00000000-0000-0000-0000-0000000000%02d", i);
        put(place, 1, texts);
    }
    for (size_t f = 1; f < COUNT(columns); f++)
        for (size_t o = 0; o < COUNT(ops); o++) {
            const struct ls_value v = value_for(place, f, wanted[f - 1]);
            const struct ls_condition condition = {f, ops[o], 1, &v};
            const struct ls_filter filter = {1, &condition};

            count_filtered(place, &filter);
        }
}

/* What meets it is there, and what is not sought only where the store takes no notice. */
static void seek(struct place *place, size_t field, const struct ls_value *values, size_t count)
{
    const struct ls_sought sought = {
        .condition = {field, count > 1 ? LS_OP_IN : LS_OP_EQ, count, values}};
    const struct ls_filter filter = {1, &sought.condition};
    struct ls_scan scan = scan_all(place);
    const struct ls_rows all = read_all(place->conf, place->store, &scan);
    size_t wanted = 0, found = 0;
    struct ls_rows got;

    scan.sought_count = 1;
    scan.sought = &sought;
    got = read_all(place->conf, place->store, &scan);
    for (size_t i = 0; i < all.count; i++)
        wanted += ls_filter_match(&filter, place->schema, ls_row(&all, i));
    for (size_t i = 0; i < got.count; i++)
        found += ls_filter_match(&filter, place->schema, ls_row(&got, i));
    assert_int_equal(found, wanted);
    assert_int_equal(got.count,
                     ls_store_seeks(place->store, place->schema, &sought) ? wanted : all.count);
}

static void what_is_sought_comes(void **state)
{
    static const struct column columns[] = {
        COLUMN("id", INT),       COLUMN("i", INT),        COLUMN("d", DECIMAL), COLUMN("f", DOUBLE),
        COLUMN("t", TEXT),       COLUMN("x", BYTES),      COLUMN("b", BOOL),    COLUMN("day", DATE),
        COLUMN("clock", TIME),   COLUMN("at", TIMESTAMP), COLUMN("u", UUID),    COLUMN("j", JSON),
        COLUMN("z", TIMESTAMPTZ)};
    static const char *const values[][COUNT(columns)] = {
        {"1", "0", "0", "0", "", "\\x", "t", "2024-02-29", "00:00:00", "2024-02-29 00:00:00",
         "00000000-0000-0000-0000-000000000000", "{}", "2024-02-29 00:00:00+00"},
        {"2", "-1", "12.50", "0.1", "a", "\\x00", "f", "0044-03-15 BC", "24:00:00",
         "2024-02-29 00:00:00.000001", "ffffffff-ffff-ffff-ffff-ffffffffffff", "1.0",
         "2024-02-29 02:00:00+02"},
        {"3", "9223372036854775807", "-0.000000000000000000001", "-0.0", "A", "\\x61", NULL,
         "infinity", "12:00:00.5", "infinity", "123e4567-e89b-12d3-a456-426614174000", "\"a\"",
         "-infinity"},
        {"4", "-9223372036854775808", "9007199254740993", "1e308", "5", "\\x35", "t", "9999-12-31",
         "12:00:00.500001", "0044-03-15 00:00:00 BC", "12345678-1234-1234-1234-123456789012", "1",
         "2024-02-29 00:00:00.5+00"},
        {"5", "9007199254740993", "9007199254740992", "5e-324", "it's \"so\" \\ {,}", "\\x5c78",
         "f", "12024-01-01", "23:59:59", "12024-01-01 00:00:00", NULL, "true",
         "12024-01-01 00:00:00+00"},
        {"6", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL},
        {"7", "5", "5.0", "5", "a ", "\\x6100", "t", "2024-03-01", "00:00:00.000001",
         "2024-02-29 12:00:00", "00000000-0000-0000-0000-000000000005", "[1, 2]",
         "2024-02-29 12:00:00+00"},
        {"8", "12", "NaN", "0.30000000000000004", "\xc3\xa9", "\\xff", "f", "2024-02-28",
         "01:00:00", "-infinity", "00000000-0000-0000-0000-000000000006", "{\"a\": 1}", "infinity"},
    };
    static const size_t key[] = {0};
    struct place *place = make_place(*state, columns, COUNT(columns), key, 1, -1);

    for (size_t i = 0; i < COUNT(values); i++)
        put(place, 1, values[i]);
    for (size_t f = 0; f < COUNT(columns); f++) {
        struct ls_value before = {.type = LS_T_NULL};

        for (size_t i = 0; i < COUNT(values); i++) {
            if (!values[i][f])
                continue;
            const struct ls_value two[] = {value_for(place, f, values[i][f]), before};

            seek(place, f, two, 1);
            if (before.type != LS_T_NULL)
                seek(place, f, two, 2);
            before = two[0];
        }
    }
}

/* Reads each segment alone and counts; every record is in one, and with a definition in process, in that one. */
static void check_partition(struct place *place, struct ls_partition *p, size_t total, bool exact)
{
    struct conf *conf = place->conf;
    struct ls_scan scan = scan_all(place);
    uint8_t *wanted = ls_arena_alloc(&conf->mem, p->count / 8 + 1);
    const struct ls_as *as = ls_scan_key_as(&scan, &conf->mem);
    struct ls_buf scratch;
    size_t count = 0;

    ls_buf_init(&scratch, 0);
    p->wanted = wanted;
    scan.partition = p;
    for (size_t s = 0; s < p->count; s++) {
        struct ls_rows rows;

        memset(wanted, 0, p->count / 8 + 1);
        wanted[s / 8] = (uint8_t)(1 << s % 8);
        rows = read_all(conf, place->store, &scan);
        for (size_t i = 0; i < rows.count && exact; i++)
            assert_int_equal(
                ls_partition_of(p, key_of(place, ls_row(&rows, i)), as, place->key_count, &scratch),
                s);
        count += rows.count;
    }
    assert_int_equal(count, total);
    for (size_t s = 0; s < p->count; s += 2) {
        wanted[s / 8] = (uint8_t)(wanted[s / 8] | 1 << s % 8);
        wanted[(s + 1) / 8] = (uint8_t)(wanted[(s + 1) / 8] & ~(1 << (s + 1) % 8));
    }
    count = read_all(conf, place->store, &scan).count;
    for (size_t s = 0; s < p->count; s++)
        wanted[s / 8] ^= (uint8_t)(1 << s % 8);
    assert_int_equal(count + read_all(conf, place->store, &scan).count, total);
    p->wanted = NULL;
    assert_int_equal(read_all(conf, place->store, &scan).count, total);
    ls_buf_done(&scratch);
}

static bool hashes_in_process(struct place *place)
{
    const struct ls_scan scan = scan_all(place);
    struct ls_error err = {0};
    const char *family = NULL;

    if (ls_store_can(place->store, LS_CAP_DIGEST))
        family = ls_store_digest_family(place->store, &scan, &place->conf->mem, &err);
    return !family || !strncmp(family, "lockstep-", 9);
}

static void each_record_is_in_one_segment_by_hash(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_partition p = {.count = 16, .seed = 12345};

    put_many(place, 1000);
    check_partition(place, &p, 1000, hashes_in_process(place));
}

static void each_record_is_in_one_segment_by_range(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value bounds[] = {value_for(place, 0, "-5"),  value_for(place, 0, "100"),
                                      value_for(place, 0, "101"), value_for(place, 0, "400"),
                                      value_for(place, 0, "999"), value_for(place, 0, "5000")};
    struct ls_partition p = {.by_range = true, .count = 7, .bounds = bounds};

    if (place->schema->fields[0].type != LS_T_INT)
        return; /* these bounds do not ascend as text */
    put_many(place, 1000);
    check_partition(place, &p, 1000, true);
}

static void ranges_of_text_are_by_bytes(void **state)
{
    static const struct column columns[] = {COLUMN("key", TEXT), COLUMN("value", INT)};
    static const size_t key[] = {0};
    static const char *const keys[] = {"a", "B", "b", "",  "\xC3\xA4",        "aa",
                                       "A", "z", "Z", "~", "\xF0\x9F\x98\x80"};
    struct place *place = make_place(*state, columns, 2, key, 1, -1);
    const struct ls_value bounds[] = {value_for(place, 0, "B"), value_for(place, 0, "a"),
                                      value_for(place, 0, "aa"), value_for(place, 0, "~")};
    struct ls_partition p = {.by_range = true, .count = 5, .bounds = bounds};

    for (size_t i = 0; i < COUNT(keys); i++)
        put(place, 1, (const char *const[]){keys[i], "1"});
    check_partition(place, &p, COUNT(keys), true);
}

static void ranges_of_a_compound_key_cut_its_first_field(void **state)
{
    static const struct column columns[] = {COLUMN("tenant", INT), COLUMN("id", INT),
                                            COLUMN("value", TEXT)};
    static const size_t key[] = {0, 1};
    struct place *place = make_place(*state, columns, 3, key, 2, -1);
    const struct ls_value bounds[] = {value_for(place, 0, "2"), value_for(place, 0, "4")};
    struct ls_partition p = {.by_range = true, .count = 3, .bounds = bounds},
                        hash = {.count = 4, .seed = 7};
    struct ls_arena *mem = &place->conf->mem;

    for (int i = 0; i < 60; i++)
        put(place, 1,
            (const char *const[]){ls_arena_printf(mem, "%d", i % 6), ls_arena_printf(mem, "%d", i),
                                  "x"});
    check_partition(place, &p, 60, true);
    check_partition(place, &hash, 60, hashes_in_process(place));
}

static void check_order(struct place *place, size_t total)
{
    struct conf *conf = place->conf;
    struct ls_scan scan = scan_all(place);
    const struct ls_as *as = ls_scan_key_as(&scan, &conf->mem);
    struct ls_rows rows;

    scan.batch_rows = 3;
    scan.ordered = true;
    if (!ls_store_orders(place->store, &scan))
        return;
    rows = read_all(conf, place->store, &scan);
    assert_int_equal(rows.count, total);
    for (size_t i = 1; i < rows.count; i++)
        assert_true(ls_values_order(key_of(place, ls_row(&rows, i - 1)),
                                    key_of(place, ls_row(&rows, i)), as, place->key_count) < 0);
}

static const struct {
    enum ls_type type;
    const char *keys[16];
} ordered_keys[] = {
    {LS_T_INT,
     {"5", "-3", "0", "10", "9", "-9223372036854775808", "9223372036854775807", "100", "-20"}},
    {LS_T_TEXT,
     {"b", "a", "B", "", "aa", "a b", "ab", "\xC3\xA4", "z", "Z", "_", "~", "\xEF\xBF\xBD",
      "\xF0\x9F\x98\x80", "10", "9"}},
    {LS_T_UUID,
     {"f0000000-0000-0000-0000-000000000000", "0f000000-0000-0000-0000-000000000000",
      "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-000000000009",
      "A0000000-0000-0000-0000-000000000000"}},
    {LS_T_BYTES, {"\\x", "\\xff", "\\x00", "\\x0001", "\\x7f", "\\x80", "\\x41"}},
    {LS_T_DATE,
     {"2024-01-02", "1969-12-31", "2023-12-31", "0001-01-01", "9999-12-31", "2024-01-10"}},
    {LS_T_TIME, {"10:00:00", "09:59:59.999999", "10:00:00.5", "10:00:00.45", "00:00:00"}},
    {LS_T_TIMESTAMP,
     {"2024-01-02 00:00:00", "2024-01-02 00:00:00.5", "2024-01-02 00:00:00.45",
      "1960-01-01 00:00:00"}},
    {LS_T_TIMESTAMPTZ,
     {"2024-01-02 00:00:00+00", "2024-01-02 00:00:00.5+00", "1960-01-01 00:00:00+00"}},
    {LS_T_BOOL, {"t", "f"}},
    {LS_T_DECIMAL,
     {"10", "9", "-1.5", "-1.25", "0.1", "0.09", "100000000000000000000", "99999999999999999999"}},
    {LS_T_DOUBLE, {"10", "9", "-1.5", "1e100", "0.1", "-0.25", "1e-9"}},
};

static void ordered_scans_come_in_key_order_for_every_type(void **state)
{
    static const size_t key[] = {0};

    for (size_t t = 0; t < COUNT(ordered_keys); t++) {
        const struct column columns[] = {{"key", ordered_keys[t].type, -1, -1, 0},
                                         COLUMN("value", TEXT)};
        struct place *place = make_place(*state, columns, 2, key, 1, -1);
        size_t count = 0;

        while (count < COUNT(ordered_keys[t].keys) && ordered_keys[t].keys[count])
            put(place, 1, (const char *const[]){ordered_keys[t].keys[count++], "x"});
        check_order(place, count);
    }
}

static void compound_keys_are_ordered_field_by_field(void **state)
{
    static const struct column columns[] = {COLUMN("value", TEXT), COLUMN("name", TEXT),
                                            COLUMN("id", INT)};
    static const size_t key[] = {1, 2};
    struct place *place = make_place(*state, columns, 3, key, 2, -1);
    struct ls_arena *mem = &place->conf->mem;

    for (int i = 0; i < 50; i++)
        put(place, 1,
            (const char *const[]){"x",
                                  ls_arena_printf(mem, "%c%s", "bBaA"[i % 4], i % 3 ? "" : "a"),
                                  ls_arena_printf(mem, "%d", i * 37 % 50 - 25)});
    check_order(place, 50);
}

static void many_records_come_in_key_order(void **state)
{
    struct place *place = make_simple(*state);

    put_many(place, 5000);
    check_order(place, 5000);
}

static void an_order_holds_with_filter_and_segments(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_value bounds[] = {value_for(place, 0, "300"), value_for(place, 0, "600")};
    const struct ls_value five = value_for(place, 2, "5");
    const struct ls_condition condition = {2, LS_OP_EQ, 1, &five};
    const struct ls_filter filter = {1, &condition};
    const uint8_t wanted[] = {5};
    const struct ls_partition p = {
        .by_range = true, .count = 3, .bounds = bounds, .wanted = wanted};
    struct ls_scan scan = scan_all(place);
    struct ls_rows rows;

    put_many(place, 1000);
    scan.ordered = true;
    scan.filter = &filter;
    scan.partition = &p;
    scan.batch_rows = 10;
    if (place->schema->fields[0].type != LS_T_INT || !ls_store_orders(place->store, &scan))
        return;
    rows = read_all(place->conf, place->store, &scan);
    assert_int_equal(rows.count, 70);
    for (size_t i = 0; i < rows.count; i++) {
        int64_t id = ls_row(&rows, i)[0].i;

        assert_int_equal(id % 10, 5);
        assert_true(id < 300 || id >= 600);
        assert_true(!i || ls_row(&rows, i - 1)[0].i < id);
    }
}

static void fetch_gives_the_records_that_exist(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan what = scan_all(place);
    struct ls_value *keys = ls_arena_array(&place->conf->mem, 3000, sizeof(*keys));
    struct ls_error err = {0};
    struct ls_rows rows = {0};
    int64_t sum = 0;

    put_many(place, 2000);
    for (int i = 0; i < 3000; i++)
        keys[i] = value_for(place, 0, ls_arena_printf(&place->conf->mem, "%d", i * 2));
    assert_ls(
        ls_store_fetch(place->store, &what, 3000, keys, false, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 1000);
    assert_int_equal(rows.width, 3);
    for (size_t i = 0; i < rows.count; i++)
        sum += int_of(place->conf, ls_row(&rows, i));
    assert_int_equal(sum, 1000 * 1001);
    assert_ls(ls_store_fetch(place->store, &what, 0, NULL, false, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 0);
}

static void fetch_takes_compound_keys_and_some_fields(void **state)
{
    static const struct column columns[] = {COLUMN("value", TEXT), COLUMN("tenant", TEXT),
                                            COLUMN("id", INT)};
    static const size_t key[] = {1, 2}, fields[] = {2, 0, 1}, at[] = {2, 0};
    struct place *place = make_place(*state, columns, 3, key, 2, -1);
    struct ls_scan what = scan_all(place);
    struct ls_value keys[8];
    struct ls_error err = {0};
    struct ls_rows rows = {0};

    put(place, 3, (const char *const[]){"one", "a", "1", "two", "a", "2", "three", "A", "1"});
    what.fields = fields;
    what.key = at;
    for (size_t i = 0; i < 4; i++) {
        keys[2 * i] = value_for(place, 1, (const char *const[]){"a", "A", "A", "b"}[i]);
        keys[2 * i + 1] = value_for(place, 2, (const char *const[]){"2", "1", "2", "1"}[i]);
    }
    assert_ls(ls_store_fetch(place->store, &what, 4, keys, false, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct ls_value *row = ls_row(&rows, i);
        bool two = row[1].size == 3;

        assert_int_equal(int_of(place->conf, &row[0]), two ? 2 : 1);
        assert_memory_equal(row[1].data, two ? "two" : "three", row[1].size);
        assert_memory_equal(row[2].data, two ? "a" : "A", 1);
    }
}

static void keys_are_told_apart_byte_by_byte(void **state)
{
    static const struct column columns[] = {COLUMN("key", TEXT), COLUMN("value", TEXT)};
    static const size_t key[] = {0};
    static const char *const near[] = {"a",         "A", "a ", " a", "\xC3\xA9",
                                       "e\xCC\x81", "",  " ",  "ss", "\xC3\x9F"};
    struct place *place = make_place(*state, columns, 2, key, 1, -1);
    struct ls_scan what = scan_all(place);
    struct ls_error err = {0};
    struct ls_rows rows = {0};

    for (size_t i = 0; i < COUNT(near); i++)
        put(place, 1, (const char *const[]){near[i], near[i]});
    for (size_t i = 0; i < COUNT(near); i++) {
        struct ls_value k = value_for(place, 0, near[i]);

        assert_ls(
            ls_store_fetch(place->store, &what, 1, &k, false, &place->conf->mem, &rows, &err));
        assert_int_equal(rows.count, 1);
        assert_int_equal(rows.values[0].size, strlen(near[i]));
        assert_memory_equal(rows.values[0].data, near[i], strlen(near[i]));
    }
}

static void records_are_fetched_for_update_in_a_transaction(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_scan what = scan_all(place);
    struct ls_value key = value_for(place, 0, "5");
    struct ls_error err = {0};
    struct ls_rows rows = {0};

    put_many(place, 10);
    assert_code(LS_INTERNAL,
                ls_store_fetch(place->store, &what, 1, &key, true, &place->conf->mem, &rows, &err));
    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_fetch(place->store, &what, 1, &key, true, &place->conf->mem, &rows, &err));
    assert_int_equal(rows.count, 1);
    ls_store_rollback(place->store);
}

static void mistakes_of_the_caller_are_found(void **state)
{
    static const size_t far[] = {9};
    struct place *place = make_simple(*state);
    struct ls_scan scan = scan_all(place);
    const struct ls_partition odd = {.count = 3, .seed = 1};
    const struct ls_scan good = scan;
    struct ls_cursor *cursor = NULL, *other = NULL;
    struct ls_error err = {0};

    scan.fields = far;
    scan.field_count = 1;
    assert_code(LS_INTERNAL, ls_store_scan(place->store, &scan, &cursor, &err));
    scan = good;
    scan.partition = &odd;
    assert_code(LS_INTERNAL, ls_store_scan(place->store, &scan, &cursor, &err));
    assert_ls(ls_store_scan(place->store, &good, &cursor, &err));
    assert_code(LS_INTERNAL, ls_store_scan(place->store, &good, &other, &err));
    assert_code(LS_INTERNAL, ls_store_begin(place->store, &err));
    ls_cursor_end(cursor);
    assert_code(LS_INTERNAL, ls_store_commit(place->store, &err));
}

#define T(name) #name, name
const struct conf_test conf_read_tests[] = {
    {T(an_empty_collection_ends_at_once), 0, false, false},
    {T(every_record_comes_once), 0, false, false},
    {T(fields_come_as_they_are_asked_for), 0, false, false},
    {T(batches_hold_no_more_than_was_asked), 0, false, false},
    {T(a_batch_of_large_records_ends_early), 0, false, false},
    {T(a_scan_may_be_left_before_its_end), 0, false, false},
    {T(a_scan_keeps_to_its_snapshot), 0, false, true},
    {T(only_the_session_itself_sees_what_it_has_not_committed), 0, false, false},
    {T(filters_take_the_records_they_name), 0, false, false},
    {T(conditions_are_joined_by_and), 0, false, false},
    {T(filters_of_other_types_mean_what_the_model_says), 0, false, false},
    {T(what_is_sought_comes), 0, false, false},
    {T(each_record_is_in_one_segment_by_hash), 0, false, false},
    {T(each_record_is_in_one_segment_by_range), 0, false, false},
    {T(ranges_of_text_are_by_bytes), 0, false, false},
    {T(ranges_of_a_compound_key_cut_its_first_field), 0, false, false},
    {T(ordered_scans_come_in_key_order_for_every_type), LS_CAP_ORDER, false, false},
    {T(compound_keys_are_ordered_field_by_field), LS_CAP_ORDER, false, false},
    {T(many_records_come_in_key_order), LS_CAP_ORDER, false, false},
    {T(an_order_holds_with_filter_and_segments), LS_CAP_ORDER, false, false},
    {T(fetch_gives_the_records_that_exist), 0, false, false},
    {T(fetch_takes_compound_keys_and_some_fields), 0, false, false},
    {T(keys_are_told_apart_byte_by_byte), 0, false, false},
    {T(records_are_fetched_for_update_in_a_transaction), 0, false, false},
    {T(mistakes_of_the_caller_are_found), 0, false, false},
    {NULL, NULL, 0, false, false},
};
