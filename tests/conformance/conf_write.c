/* SPDX-License-Identifier: Apache-2.0 */
/* conf_write.c - transactions, what a write may and may not do, marks, locks. */
#include "conf.h"

#include <string.h>

static void what_is_committed_stays(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op ops[3];
    struct ls_error err = {0};

    put(place, 3, (const char *const[]){"1", "a", "10", "2", "b", NULL, "3", "c", "30"});
    assert_contents(place, "1|a|10;2|b|\\N;3|c|30");
    ops[0] = insert_op(place, (const char *const[]){"4", "", "-1"});
    ops[1] = delete_op(place, (const char *const[]){"1", NULL, NULL});
    ops[2] = update_op(place, (const char *const[]){"3", NULL, "31"});
    assert_ls(write_ops(place, ops, 3, &err));
    assert_contents(place, "2|b|\\N;3|\\N|31;4||-1");
}

static void what_is_rolled_back_leaves_no_trace(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op ops[3];
    const struct ls_write write = write_of(place, ops, 3);
    struct ls_error err = {0};

    put(place, 2, (const char *const[]){"1", "a", "10", "2", "b", NULL});
    ops[0] = insert_op(place, (const char *const[]){"3", "c", "30"});
    ops[1] = delete_op(place, (const char *const[]){"1", NULL, NULL});
    ops[2] = update_op(place, (const char *const[]){"2", "changed", "31"});
    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    ls_store_rollback(place->store);
    assert_contents(place, "1|a|10;2|b|\\N");
    ls_store_rollback(place->store);
    assert_ls(write_ops(place, ops, 3, &err));
    assert_contents(place, "2|changed|31;3|c|30");
}

static void a_session_that_closes_takes_its_transaction_back(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *other = open_session(place->conf, place->url, true);
    const struct ls_write_op op = insert_op(place, (const char *const[]){"3", "c", "30"});
    const struct ls_write write = write_of(place, &op, 1);
    struct ls_error err = {0};

    assert_ls(ls_store_begin(other, &err));
    assert_ls(ls_store_write(other, &write, &err));
    close_session(place->conf, other);
    assert_contents(place, "");
    assert_ls(write_ops(place, &op, 1, &err));
    assert_contents(place, "3|c|30");
}

static void a_transaction_may_write_several_times(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op op;
    const struct ls_write write = write_of(place, &op, 1);
    struct ls_error err = {0};

    assert_ls(ls_store_begin(place->store, &err));
    op = insert_op(place, (const char *const[]){"1", "a", NULL});
    assert_ls(ls_store_write(place->store, &write, &err));
    op = update_op(place, (const char *const[]){"1", "b", NULL});
    assert_ls(ls_store_write(place->store, &write, &err));
    op = insert_op(place, (const char *const[]){"2", "c", NULL});
    assert_ls(ls_store_write(place->store, &write, &err));
    op = delete_op(place, (const char *const[]){"2", NULL, NULL});
    assert_ls(ls_store_write(place->store, &write, &err));
    assert_ls(ls_store_commit(place->store, &err));
    assert_contents(place, "1|b|\\N");
}

static void a_transaction_may_write_nothing(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_write write = write_of(place, NULL, 0);
    struct ls_error err = {0};

    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_commit(place->store, &err));
    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    assert_ls(ls_store_commit(place->store, &err));
    assert_contents(place, "");
}

static void one_transaction_may_write_two_collections(void **state)
{
    struct place *a = make_simple(*state), *b = make_simple(*state);
    const struct ls_write_op op_a = insert_op(a, (const char *const[]){"1", "a", NULL}),
                             op_b = insert_op(b, (const char *const[]){"2", "b", NULL});
    const struct ls_write write_a = write_of(a, &op_a, 1), write_b = write_of(b, &op_b, 1);
    struct ls_error err = {0};

    assert_ls(ls_store_begin(a->store, &err));
    assert_ls(ls_store_write(a->store, &write_a, &err));
    assert_ls(ls_store_write(a->store, &write_b, &err));
    ls_store_rollback(a->store);
    assert_contents(a, "");
    assert_contents(b, "");
    assert_ls(ls_store_begin(a->store, &err));
    assert_ls(ls_store_write(a->store, &write_a, &err));
    assert_ls(ls_store_write(a->store, &write_b, &err));
    assert_ls(ls_store_commit(a->store, &err));
    assert_contents(a, "1|a|\\N");
    assert_contents(b, "2|b|\\N");
}

static void a_record_that_is_not_there_is_a_conflict(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_write_op good = insert_op(place, (const char *const[]){"9", "good", NULL});
    struct ls_write_op ops[2] = {good};
    struct ls_error err = {0};

    put(place, 1, (const char *const[]){"1", "a", NULL});
    ops[1] = update_op(place, (const char *const[]){"2", "b", NULL});
    assert_code(LS_CONFLICT, write_ops(place, ops, 2, &err));
    assert_contents(place, "1|a|\\N");
    ops[1] = delete_op(place, (const char *const[]){"2", NULL, NULL});
    assert_code(LS_CONFLICT, write_ops(place, ops, 2, &err));
    assert_contents(place, "1|a|\\N");
}

static void an_insert_of_what_is_there_is_a_conflict(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op ops[3];
    struct ls_error err = {0};

    put(place, 2, (const char *const[]){"1", "a", NULL, "2", "b", NULL});
    ops[0] = update_op(place, (const char *const[]){"2", "changed", NULL});
    ops[1] = insert_op(place, (const char *const[]){"3", "c", NULL});
    ops[2] = insert_op(place, (const char *const[]){"1", "again", NULL});
    assert_code(LS_CONFLICT, write_ops(place, ops, 3, &err));
    assert_contents(place, "1|a|\\N;2|b|\\N");
}

static void a_deleted_key_may_be_inserted_in_the_same_write(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op ops[2];
    struct ls_error err = {0};

    put(place, 1, (const char *const[]){"1", "a", NULL});
    ops[0] = insert_op(place, (const char *const[]){"1", "new", "5"});
    ops[1] = delete_op(place, (const char *const[]){"1", NULL, NULL});
    assert_ls(write_ops(place, ops, 2, &err));
    assert_contents(place, "1|new|5");
}

static void fields_that_are_not_written_keep_their_values(void **state)
{
    static const size_t fields[] = {2, 0}, key[] = {1};
    struct place *place = make_simple(*state);
    struct ls_value values[4] = {value_for(place, 2, "11"), value_for(place, 0, "1"),
                                 value_for(place, 2, "22"), value_for(place, 0, "2")};
    const struct ls_write_op ops[] = {{LS_UPDATE, &values[1], &values[0]},
                                      {LS_INSERT, &values[3], &values[2]}};
    struct ls_write write = write_of(place, ops, 2);
    struct ls_error err = {0};

    put(place, 1, (const char *const[]){"1", "kept", "10"});
    write.field_count = 2;
    write.fields = fields;
    write.key = key;
    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    assert_ls(ls_store_commit(place->store, &err));
    assert_contents(place,
                    place->conf->kind->no_types && place->conf->kind->one_collection
                        ? contents(place) /* a text field that is not given may be empty or NULL */
                        : "1|kept|11;2|\\N|22");
    assert_non_null(strstr(contents(place), "1|kept|11"));
}

static void compound_keys_name_one_record(void **state)
{
    static const struct column columns[] = {COLUMN("value", TEXT), COLUMN("tenant", TEXT),
                                            COLUMN("id", INT)};
    static const size_t key[] = {1, 2};
    struct place *place = make_place(*state, columns, 3, key, 2, -1);
    struct ls_write_op ops[2];
    struct ls_error err = {0};

    put(place, 4,
        (const char *const[]){"1", "a", "1", "2", "a", "2", "3", "b", "1", "4", "b", "2"});
    ops[0] = update_op(place, (const char *const[]){"changed", "a", "2"});
    ops[1] = delete_op(place, (const char *const[]){NULL, "b", "1"});
    assert_ls(write_ops(place, ops, 2, &err));
    assert_contents(place, "1|a|1;4|b|2;changed|a|2");
}

static void a_collection_of_key_fields_alone_can_be_written(void **state)
{
    static const struct column columns[] = {COLUMN("a", INT), COLUMN("b", INT)};
    static const size_t key[] = {0, 1};
    struct place *place = make_place(*state, columns, 2, key, 2, -1);
    struct ls_write_op op;
    struct ls_error err = {0};

    put(place, 2, (const char *const[]){"1", "1", "1", "2"});
    op = update_op(place, (const char *const[]){"1", "2"});
    assert_ls(write_ops(place, &op, 1, &err));
    op = update_op(place, (const char *const[]){"2", "2"});
    assert_code(LS_CONFLICT, write_ops(place, &op, 1, &err));
    op = delete_op(place, (const char *const[]){"1", "1"});
    assert_ls(write_ops(place, &op, 1, &err));
    assert_contents(place, "1|2");
}

static void thousands_of_changes_are_one_write(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op *ops = ls_arena_array(&place->conf->mem, 3000, sizeof(*ops));
    struct ls_arena *mem = &place->conf->mem;
    struct ls_error err = {0};
    struct ls_rows rows;
    size_t changed = 0;

    put_many(place, 3000);
    for (int i = 0; i < 3000; i++) {
        const char *texts[] = {ls_arena_printf(mem, "%d", i < 1000 ? i + 3001 : i + 1), "changed",
                               NULL};

        ops[i] = i < 1000   ? insert_op(place, texts)
                 : i < 2000 ? update_op(place, texts)
                            : delete_op(place, texts);
    }
    assert_ls(write_ops(place, ops, 3000, &err));
    rows = read_place(place);
    assert_int_equal(rows.count, 3000);
    for (size_t i = 0; i < rows.count; i++)
        changed += ls_row(&rows, i)[1].size == 7;
    assert_int_equal(changed, 2000);
}

/* {id, code unique}; not_null: the code must have a value all the time. */
static struct place *unique_place(struct conf *conf, enum ls_type type, bool not_null)
{
    const struct column columns[] = {COLUMN("id", INT),
                                     {"code", type, -1, -1, not_null ? LS_FIELD_NOT_NULL : 0},
                                     COLUMN("other", TEXT)};
    static const size_t key[] = {0};

    return make_place(conf, columns, 3, key, 1, 1);
}

static void unique_values_may_change_places(void **state)
{
    static const struct {
        enum ls_type type;
        const char *code[4];
    } kinds[] = {
        {LS_T_INT, {"1", "2", "3", "4"}},
        {LS_T_TEXT, {"a", "b", "c", ""}},
        {LS_T_UUID,
         {"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002",
          "00000000-0000-0000-0000-000000000003", "00000000-0000-0000-0000-000000000004"}},
        {LS_T_DATE, {"2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"}},
        {LS_T_DECIMAL, {"1.5", "2.5", "3.5", "4.5"}},
        {LS_T_BYTES, {"\\x01", "\\x02", "\\x03", "\\x"}},
    };

    for (size_t k = 0; k < COUNT(kinds); k++)
        for (int not_null = 0; not_null < 2; not_null++) {
            const char *const *c = kinds[k].code;
            struct place *place = unique_place(*state, kinds[k].type, not_null);
            const char *want;
            struct ls_write_op ops[4];
            struct ls_error err = {0};

            put(place, 4,
                (const char *const[]){"1", c[1], "x", "2", c[0], "x", "3", c[2], "x", "4", c[3],
                                      "x"});
            want = contents(place);
            ops[0] = update_op(place, (const char *const[]){"1", c[0], "x"}); /* a swap */
            ops[1] = update_op(place, (const char *const[]){"2", c[1], "x"});
            assert_ls(write_ops(place, ops, 2, &err));
            assert_string_not_equal(contents(place), want);
            ops[0] = update_op(place, (const char *const[]){
                                          "1", c[1], "x"}); /* a cycle of three, and a bystander */
            ops[1] = update_op(place, (const char *const[]){"2", c[2], "x"});
            ops[2] = update_op(place, (const char *const[]){"3", c[0], "x"});
            ops[3] = update_op(place, (const char *const[]){"4", c[3], "y"});
            assert_ls(write_ops(place, ops, 4, &err));
            ops[0] = update_op(place,
                               (const char *const[]){"2", c[0], "x"}); /* back, in another order */
            ops[1] = update_op(place, (const char *const[]){"3", c[2], "x"});
            ops[2] = update_op(place, (const char *const[]){"4", c[3], "x"});
            assert_ls(write_ops(place, ops, 3, &err));
            assert_string_equal(contents(place), want);
        }
}

static void unique_values_may_move_along_a_chain(void **state)
{
    struct place *place = unique_place(*state, LS_T_INT, true);
    struct ls_write_op ops[5];
    struct ls_error err = {0};

    put(place, 4,
        (const char *const[]){"1", "10", "", "2", "20", "", "3", "30", "", "4", "40", ""});
    ops[0] = insert_op(place, (const char *const[]){"5", "10", ""}); /* takes what 1 gives up */
    ops[1] = update_op(place, (const char *const[]){"1", "20", ""});
    ops[2] = update_op(place, (const char *const[]){"2", "30", ""});
    ops[3] = update_op(place, (const char *const[]){"3", "40", ""});
    ops[4] = delete_op(place, (const char *const[]){"4", NULL, NULL});
    assert_ls(write_ops(place, ops, 5, &err));
    assert_contents(place, "1|20|;2|30|;3|40|;5|10|");
}

static bool enforces(struct place *place)
{
    for (size_t i = 0; i < place->schema->key_count; i++)
        if (!place->schema->keys[i].primary && place->schema->keys[i].fields[0] == 1)
            return true;
    return false;
}

static void a_unique_value_of_another_record_is_refused(void **state)
{
    struct place *place = unique_place(*state, LS_T_INT, true);
    struct ls_write_op ops[2];
    struct ls_error err = {0};

    if (!enforces(place))
        return;
    put(place, 3, (const char *const[]){"1", "10", "", "2", "20", "", "3", "30", ""});
    ops[0] = update_op(place, (const char *const[]){"3", "31", ""});
    ops[1] = update_op(place, (const char *const[]){"2", "10", ""});
    assert_code(LS_CONSTRAINT, write_ops(place, ops, 2, &err));
    assert_contents(place, "1|10|;2|20|;3|30|");
    ops[1] = insert_op(place, (const char *const[]){"4", "10", ""});
    assert_code(LS_CONSTRAINT, write_ops(place, ops, 2, &err));
    assert_contents(place, "1|10|;2|20|;3|30|");
    ops[0] = update_op(
        place, (const char *const[]){"1", "20", ""}); /* a swap whose second half is refused */
    ops[1] = update_op(place, (const char *const[]){"2", "30", ""});
    assert_code(LS_CONSTRAINT, write_ops(place, ops, 2, &err));
    assert_contents(place, "1|10|;2|20|;3|30|");
}

static void missing_values_are_not_the_same_in_a_unique_field(void **state)
{
    struct place *place = unique_place(*state, LS_T_INT, false);
    struct ls_write_op ops[2];
    struct ls_error err = {0};

    put(place, 3, (const char *const[]){"1", NULL, "", "2", NULL, "", "3", "30", ""});
    ops[0] = update_op(place, (const char *const[]){"3", NULL, ""});
    ops[1] = update_op(place, (const char *const[]){"1", "30", ""});
    assert_ls(write_ops(place, ops, 2, &err));
    assert_contents(place, "1|30|;2|\\N|;3|\\N|");
}

static void a_missing_value_is_refused_where_one_is_needed(void **state)
{
    static const struct column columns[] = {COLUMN("id", INT),
                                            {"must", LS_T_TEXT, -1, -1, LS_FIELD_NOT_NULL}};
    static const size_t key[] = {0};
    struct place *place = make_place(*state, columns, 2, key, 1, -1);
    struct ls_write_op op;
    struct ls_error err = {0};

    if (!(place->schema->flags & LS_SCHEMA_CONSTRAINTS))
        return;
    assert_true(place->schema->fields[1].flags & LS_FIELD_NOT_NULL);
    put(place, 1, (const char *const[]){"1", "a"});
    op = insert_op(place, (const char *const[]){"2", NULL});
    assert_code(LS_CONSTRAINT, write_ops(place, &op, 1, &err));
    op = update_op(place, (const char *const[]){"1", NULL});
    assert_code(LS_CONSTRAINT, write_ops(place, &op, 1, &err));
    assert_contents(place, "1|a");
}

static void after_a_refusal_the_session_goes_on(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_write_op op;
    struct ls_error err = {0};

    for (int i = 0; i < 3; i++) {
        op = update_op(place, (const char *const[]){"99", "b", NULL});
        assert_code(LS_CONFLICT, write_ops(place, &op, 1, &err));
        op = insert_op(
            place, (const char *const[]){ls_arena_printf(&place->conf->mem, "%d", i), "a", NULL});
        assert_ls(write_ops(place, &op, 1, &err));
    }
    assert_contents(place, "0|a|\\N;1|a|\\N;2|a|\\N");
}

static void write_and_commit_need_a_transaction(void **state)
{
    struct place *place = make_simple(*state);
    const struct ls_write_op op = insert_op(place, (const char *const[]){"1", "a", NULL});
    const struct ls_write write = write_of(place, &op, 1);
    struct ls_error err = {0};
    const char *marker = NULL;

    assert_code(LS_INTERNAL, ls_store_write(place->store, &write, &err));
    assert_code(LS_INTERNAL, ls_store_commit(place->store, &err));
    assert_code(LS_INTERNAL, ls_store_mark(place->store, "tag", &place->conf->mem, &marker, &err));
    assert_ls(ls_store_begin(place->store, &err));
    assert_code(LS_INTERNAL, ls_store_begin(place->store, &err));
    assert_code(LS_INTERNAL,
                ls_store_mark(place->store, "a tag", &place->conf->mem, &marker, &err));
    ls_store_rollback(place->store);
    assert_contents(place, "");
}

/* A transaction with one insert and a mark, left open. */
static const char *marked(struct place *place, struct ls_store *store, const char *id,
                          const char *tag)
{
    const struct ls_write_op op = insert_op(place, (const char *const[]){id, "a", NULL});
    const struct ls_write write = write_of(place, &op, 1);
    struct ls_error err = {0};
    const char *marker = NULL;

    assert_ls(ls_store_begin(store, &err));
    assert_ls(ls_store_write(store, &write, &err));
    assert_ls(ls_store_mark(store, tag, &place->conf->mem, &marker, &err));
    assert_non_null(marker);
    assert_true(*marker);
    return marker;
}

static enum ls_outcome outcome(struct place *place, struct ls_store *store, const char *marker)
{
    enum ls_outcome ret = LS_OUTCOME_UNKNOWN;
    struct ls_error err = {0};

    assert_ls(ls_store_settle(store, place->schema, marker, &ret, &err));
    return ret;
}

static void a_mark_tells_that_its_transaction_committed(void **state)
{
    struct place *place = make_simple(*state);
    const char *marker = marked(place, place->store, "1", "run-1");
    struct ls_store *other;
    struct ls_error err = {0};

    assert_ls(ls_store_commit(place->store, &err));
    assert_int_equal(outcome(place, place->store, marker), LS_OUTCOME_COMMITTED);
    other = open_session(place->conf, place->url, true);
    assert_int_equal(outcome(place, other, marker), LS_OUTCOME_COMMITTED);
    close_session(place->conf, other);
    assert_contents(place, "1|a|\\N");
}

static void a_mark_tells_that_its_transaction_was_taken_back(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *other;
    const char *marker = marked(place, place->store, "1", "run-1");

    ls_store_rollback(place->store);
    assert_int_equal(outcome(place, place->store, marker), LS_OUTCOME_ABORTED);
    other = open_session(place->conf, place->url, true);
    marker = marked(place, other, "1", "run-2");
    close_session(place->conf, other);
    assert_int_equal(outcome(place, place->store, marker), LS_OUTCOME_ABORTED);
    assert_contents(place, "");
}

static void a_mark_of_a_transaction_in_progress_is_waited_for(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *other = open_session(place->conf, place->url, true);
    const char *marker = marked(place, place->store, "1", "run-1");
    enum ls_outcome ret = LS_OUTCOME_UNKNOWN;
    struct ls_error err = {0};

    assert_code(LS_BUSY, ls_store_settle(other, place->schema, marker, &ret, &err));
    assert_ls(ls_store_commit(place->store, &err));
    assert_int_equal(outcome(place, other, marker), LS_OUTCOME_COMMITTED);
}

static void each_mark_stands_for_its_own_transaction(void **state)
{
    struct place *place = make_simple(*state);
    const char *markers[4];
    struct ls_error err = {0};

    for (int i = 0; i < 4; i++) {
        char id[8] = {(char)('1' + i)}, tag[16] = {'r', 'u', 'n', '-', (char)('1' + i)};

        markers[i] = marked(place, place->store, id, tag);
        if (i % 2)
            ls_store_rollback(place->store);
        else
            assert_ls(ls_store_commit(place->store, &err));
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(outcome(place, place->store, markers[i]),
                         i % 2 ? LS_OUTCOME_ABORTED : LS_OUTCOME_COMMITTED);
    assert_contents(place, "1|a|\\N;3|a|\\N");
}

static void marks_of_other_runs_are_not_forgotten(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_error err = {0};
    const char *kept;

    marked(place, place->store, "1", "run-1-1");
    assert_ls(ls_store_commit(place->store, &err));
    kept = marked(place, place->store, "2", "run-2-1");
    assert_ls(ls_store_commit(place->store, &err));
    ls_store_forget(place->store, "run-1");
    ls_store_forget(place->store, "run_2");
    assert_int_equal(outcome(place, place->store, kept), LS_OUTCOME_COMMITTED);
    assert_contents(place, "1|a|\\N;2|a|\\N");
}

static void nothing_of_ours_is_listed(void **state)
{
    struct place *place = make_simple(*state);
    const char *const *names = NULL;
    struct ls_error err = {0};
    size_t count = 0;

    marked(place, place->store, "1", "run-1");
    assert_ls(ls_store_commit(place->store, &err));
    assert_ls(ls_store_list(place->store, &place->conf->mem, &count, &names, &err));
    assert_int_equal(count, 1);
}

static void a_second_writer_waits_and_then_gives_up(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *other = open_session(place->conf, place->url, true);
    struct ls_scan scan = scan_all(place);
    struct ls_write_op op;
    const struct ls_write write = write_of(place, &op, 1);
    struct ls_error err = {0};
    struct ls_rows rows = {0};
    enum ls_code rc;

    put(place, 1, (const char *const[]){"1", "a", NULL});
    op = update_op(place, (const char *const[]){"1", "b", NULL});
    assert_ls(ls_store_begin(place->store, &err));
    assert_ls(ls_store_fetch(place->store, &scan, 1, op.key, true, &place->conf->mem, &rows, &err));
    assert_ls(ls_store_write(place->store, &write, &err));
    rc = ls_store_begin(other, &err);
    if (rc == LS_OK)
        rc = ls_store_fetch(other, &scan, 1, op.key, true, &place->conf->mem, &rows, &err);
    if (rc == LS_HELD) /* about this record alone: the transaction goes on */
        assert_ls(ls_store_fetch(other, &scan, 0, op.key, true, &place->conf->mem, &rows, &err));
    else
        assert_code(LS_BUSY, rc);
    ls_store_rollback(other);
    assert_ls(ls_store_commit(place->store, &err));
    assert_contents(place, "1|b|\\N");
}

static void a_lock_is_held_by_one_session(void **state)
{
    struct conf *conf = *state;
    struct place *place = make_simple(conf);
    struct ls_store *a = open_session(conf, place->url, true),
                    *b = open_session(conf, place->url, true);
    struct ls_error err = {0};

    assert_ls(ls_store_lock(a, "sync one", &err));
    assert_code(LS_LOCKED, ls_store_lock(b, "sync one", &err));
    assert_ls(ls_store_lock(b, "sync two", &err));
    assert_code(LS_LOCKED, ls_store_lock(a, "sync two", &err));
    close_session(conf, a);
    assert_ls(ls_store_lock(b, "sync one", &err));
}

static void a_lock_does_not_keep_others_from_writing(void **state)
{
    struct place *place = make_simple(*state);
    struct ls_store *locker = open_session(place->conf, place->url, true);
    struct ls_error err = {0};

    assert_ls(ls_store_lock(locker, "sync", &err));
    put(place, 1, (const char *const[]){"1", "a", NULL});
    assert_contents(place, "1|a|\\N");
}

#define T(name) #name, name
const struct conf_test conf_write_tests[] = {
    {T(what_is_committed_stays), 0, false, false},
    {T(what_is_rolled_back_leaves_no_trace), 0, false, false},
    {T(a_session_that_closes_takes_its_transaction_back), 0, false, false},
    {T(a_transaction_may_write_several_times), 0, false, false},
    {T(a_transaction_may_write_nothing), 0, false, false},
    {T(one_transaction_may_write_two_collections), 0, true, false},
    {T(a_record_that_is_not_there_is_a_conflict), 0, false, false},
    {T(an_insert_of_what_is_there_is_a_conflict), 0, false, false},
    {T(a_deleted_key_may_be_inserted_in_the_same_write), 0, false, false},
    {T(fields_that_are_not_written_keep_their_values), 0, false, false},
    {T(compound_keys_name_one_record), 0, false, false},
    {T(a_collection_of_key_fields_alone_can_be_written), 0, false, false},
    {T(thousands_of_changes_are_one_write), 0, false, false},
    {T(unique_values_may_change_places), 0, false, false},
    {T(unique_values_may_move_along_a_chain), 0, false, false},
    {T(a_unique_value_of_another_record_is_refused), 0, false, false},
    {T(missing_values_are_not_the_same_in_a_unique_field), 0, false, false},
    {T(a_missing_value_is_refused_where_one_is_needed), 0, false, false},
    {T(after_a_refusal_the_session_goes_on), 0, false, false},
    {T(write_and_commit_need_a_transaction), 0, false, false},
    {T(a_mark_tells_that_its_transaction_committed), 0, false, false},
    {T(a_mark_tells_that_its_transaction_was_taken_back), 0, false, false},
    {T(a_mark_of_a_transaction_in_progress_is_waited_for), 0, false, false},
    {T(each_mark_stands_for_its_own_transaction), 0, false, false},
    {T(marks_of_other_runs_are_not_forgotten), 0, false, false},
    {T(nothing_of_ours_is_listed), 0, true, false},
    {T(a_second_writer_waits_and_then_gives_up), 0, false, false},
    {T(a_lock_is_held_by_one_session), LS_CAP_LOCK, false, false},
    {T(a_lock_does_not_keep_others_from_writing), LS_CAP_LOCK, false, false},
    {NULL, NULL, 0, false, false},
};
