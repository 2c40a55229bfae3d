/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of store/file/jsonl.c, jsonl_value.c and fields.c: JSON Lines, and the types of their fields. */
#include "file_help.h"

#include <stdio.h>
#include <sys/stat.h>

#define reads(content, records) assert_reads("t.jsonl", TEXT_AND_SIZE(content), records)
#define refused(content, says) assert_refused("t.jsonl", TEXT_AND_SIZE(content), says)

/* The types of the fields as "int text* json"; a star for dynamic ones. Of a file at path, or of this content. */
static void assert_types_at(const char *path, const char *want)
{
    struct ls_buf types;
    struct opened o;

    ls_buf_init(&types, 0);
    open_file(&o, path, false);
    if (describe_file(&o) != LS_OK)
        fail_msg("%s", o.err.text);
    for (size_t i = 0; i < o.schema->field_count; i++)
        ls_buf_printf(&types, "%s%s%s", i ? " " : "", ls_type_word(o.schema->fields[i].type),
                      o.schema->fields[i].flags & LS_FIELD_DYNAMIC ? "*" : "");
    assert_string_equal(ls_buf_str(&types), want);
    close_file(&o);
    ls_buf_done(&types);
}

static void assert_types(const char *content, const char *want)
{
    char *path = a_file("t.jsonl", content, strlen(content));

    assert_types_at(path, want);
    free(path);
}

static void an_object_a_line_is_a_record(void **state)
{
    (void)state;
    reads("{\"id\":1,\"a\":\"x\"}\n{\"id\":2,\"a\":\"y\"}\n", "1|x;2|y");
    reads("{\"id\":1}", "1");
    reads("\xEF\xBB\xBF{\"id\":1}\r\n{\"id\":2}\r\n", "1;2");
    reads("  {\"id\" : 1 }  \n", "1");
    reads("{\"id\":true,\"a\":null,\"b\":false}", "true|\\N|false");
    reads("{}\n{\"a\":1}\n", "\\N;1");
}

static void blank_lines_are_no_records(void **state)
{
    (void)state;
    reads("\n\n{\"id\":1}\n \t\r\n\n{\"id\":2}\n\n", "1;2");
}

static void numbers_are_exact(void **state)
{
    struct ls_buf want;

    (void)state;
    reads("{\"n\":12345678901234567890}", "12345678901234567890");
    reads("{\"n\":9223372036854775807}\n{\"n\":-9223372036854775808}",
          "9223372036854775807;-9223372036854775808");
    reads("{\"n\":9007199254740993.10}", "9007199254740993.10");
    reads("{\"n\":0.1}\n{\"n\":1.50e1}\n{\"n\":-25E-3}\n{\"n\":1}", "0.1;15.0;-0.025;1");
    ls_buf_init(&want, 0);
    ls_buf_char(&want, '1');
    for (int i = 0; i < 400; i++)
        ls_buf_char(&want, '0');
    reads("{\"n\":1e400}", ls_buf_str(&want));
    ls_buf_done(&want);
}

static void a_number_of_too_many_digits_is_refused(void **state)
{
    (void)state;
    refused("{\"n\":1e999999999}", "line 1: a number of too many digits");
    refused("{\"n\":1}\n{\"n\":1e-99999999999999999999}", "line 2: a number of too many digits");
}

static void objects_and_lists_are_json_as_they_stand_there(void **state)
{
    (void)state;
    reads("{\"id\":1,\"j\":{ \"b\" : [1, 2.50 ,\"\\u00e9\"],\"a\":{} }}",
          "1|{ \"b\" : [1, 2.50 ,\"\\u00e9\"],\"a\":{} }");
    reads("{\"j\":[]}\n{\"j\":[[[1e400]]]}", "[];[[[1e400]]]");
    reads("{\"j\":{\"j\":1,\"k\":null},\"k\":2}", "{\"j\":1,\"k\":null}|2");
    assert_types("{\"j\":[true]}\n{\"j\":{\"a\":1}}", "json");
}

static void of_two_members_with_one_name_the_last_counts(void **state)
{
    (void)state;
    reads("{\"a\":1,\"a\":2}", "2");
    reads("{\"a\":1,\"b\":3,\"a\":null}", "\\N|3");
}

static void an_escaped_nul_is_part_of_the_text(void **state)
{
    (void)state;
    reads("{\"a\":\"x\\u0000y\"}", "x\\0y");
    refused("{\"a\\u0000b\":1}", "a member whose name holds a NUL");
}

static void half_a_surrogate_pair_is_refused(void **state)
{
    (void)state;
    reads("{\"a\":\"\\ud83d\\ude00\"}", "\xF0\x9F\x98\x80");
    reads("{\"a\":\"\\\\ud83d\"}", "\\ud83d");
    refused("{\"a\":\"\\ud83d\"}", "line 1: half a surrogate pair");
    refused("{\"a\":1}\n{\"a\":\"\\uDE00x\"}", "line 2: half a surrogate pair");
    refused("{\"a\":{\"b\":[\"\\ud83d\\ud83d\"]}}", "half a surrogate pair");
    refused("{\"\\udead\":1}", "half a surrogate pair");
}

static void what_is_no_object_is_refused_with_its_line(void **state)
{
    static const char *const lines[] = {"[1]",
                                        "[{\"a\":1}]",
                                        "1",
                                        "\"x\"",
                                        "null",
                                        "{\"a\":1},",
                                        "{\"a\":1,}",
                                        "{\"a\":1} {\"a\":2}",
                                        "{\"a\":1}{\"a\":2}",
                                        "{\"a\":1",
                                        "{\"a\"}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{\"a\":01}",
                                        "{\"a\":+1}",
                                        "{\"a\":.5}",
                                        "{\"a\":1.}",
                                        "{\"a\":-}",
                                        "{\"a\":NaN}",
                                        "{\"a\":undefined}",
                                        "{\"a\":\"\t\"}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\xFF\"}",
                                        "{\"a\":[1,]}",
                                        "{\"a\":]}",
                                        "}",
                                        "]",
                                        "{\"a\":1}]"};

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct ls_buf text;

        ls_buf_init(&text, 0);
        ls_buf_printf(&text, "{\"a\":1}\n%s\n{\"a\":1}\n", lines[i]);
        assert_refused("t.jsonl", text.data, text.size, "line 2: ");
        ls_buf_done(&text);
    }
    refused("{\"a\":\"x\0y\"}", "line 1");
    refused("{\"a\":1}\0", "line 1");
}

static void comments_are_refused(void **state)
{
    (void)state;
    refused("/* x */ {\"a\":1}\n", "line 1");
    refused("{\"a\":1} // x\n", "line 1");
    refused("{\"a\":1 /* x */}\n", "line 1");
    refused("{\"a\":{/**/}}\n", "line 1");
    refused("# x\n{\"a\":1}\n", "line 1");
}

static void deep_nesting_is_refused_and_does_no_harm(void **state)
{
    const size_t deep = 1000000;
    struct ls_buf text;

    (void)state;
    for (int i = 0; i < 3; i++) {
        ls_buf_init(&text, 0);
        ls_buf_text(&text, i == 2 ? "" : "{\"a\":");
        for (size_t k = 0; k < deep; k++)
            ls_buf_text(&text, i == 1 ? "{\"a\":" : "[");
        assert_refused("t.jsonl", text.data, text.size, "line 1: ");
        ls_buf_done(&text);
    }
}

static void a_thousand_levels_are_taken(void **state)
{
    struct ls_buf text, want;

    (void)state;
    ls_buf_init(&text, 0);
    ls_buf_init(&want, 0);
    for (int i = 0; i < 999; i++)
        ls_buf_char(&want, '[');
    for (int i = 0; i < 999; i++)
        ls_buf_char(&want, ']');
    ls_buf_printf(&text, "{\"a\":%s}\n", ls_buf_str(&want));
    assert_reads("t.jsonl", text.data, text.size, ls_buf_str(&want));
    ls_buf_reset(&text);
    ls_buf_printf(&text, "{\"a\":[%s]}\n", ls_buf_str(&want));
    assert_refused("t.jsonl", text.data, text.size, "more than 1,000 levels");
    ls_buf_done(&text);
    ls_buf_done(&want);
}

static void a_field_has_the_type_that_all_its_values_have(void **state)
{
    (void)state;
    assert_types("{\"i\":1,\"d\":1.5,\"t\":\"x\",\"b\":true,\"n\":null}",
                 "int decimal text bool text");
    assert_types("{\"a\":1}\n{\"a\":2.5}\n{\"a\":null}", "decimal");
    assert_types("{\"a\":2.5}\n{\"a\":1}", "decimal");
}

static void mixed_types_make_a_dynamic_field_and_each_value_keeps_its_own(void **state)
{
    (void)state;
    assert_types("{\"a\":1}\n{\"a\":\"1\"}\n{\"a\":1}", "text*");
    assert_types("{\"a\":true}\n{\"a\":1}", "text*");
    assert_types("{\"a\":\"x\"}\n{\"a\":{}}", "text*");
    reads("{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":true}\n{\"a\":[1]}\n{}", "1;x;true;[1];\\N");
}

static void members_that_appear_late_are_fields_of_all_records(void **state)
{
    (void)state;
    reads("{\"a\":1}\n{\"b\":2}\n{\"c\":3,\"a\":4}", "1|\\N|\\N;\\N|2|\\N;4|\\N|3");
}

static void a_file_without_records_has_no_fields(void **state)
{
    (void)state;
    refused("", "holds no record");
    refused("\n \n", "holds no record");
    refused("{}\n{}\n", "holds no record");
}

static void very_many_different_members_are_refused(void **state)
{
    struct ls_buf text;

    (void)state;
    ls_buf_init(&text, 0);
    for (size_t i = 0; i <= 10000; i++)
        ls_buf_printf(&text, "{\"m%zu\":1}\n", i);
    assert_refused("t.jsonl", text.data, text.size, "line 10001: ");
    ls_buf_done(&text);
}

static void a_member_that_was_not_seen_before_is_a_change(void **state)
{
    char *path = a_file("t.jsonl", TEXT_AND_SIZE("{\"a\":1}\n"));
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows;
    struct opened o;
    FILE *f;

    (void)state;
    open_file(&o, path, false);
    assert_int_equal(describe_file(&o), LS_OK);
    f = fopen(path, "ae");
    assert_non_null(f);
    fputs("{\"a\":\"x\"}\n", f);
    fclose(f);
    assert_int_equal(ls_store_scan(o.store, &o.scan, &cursor, &o.err), LS_OK);
    assert_int_equal(ls_cursor_next(cursor, &o.mem, &rows, &o.err), LS_CHANGED);
    ls_cursor_end(cursor);
    close_file(&o);
    free(path);
}

/* ---- files that lockstep made ---- */

static const struct ls_field declared[] = {
#define FIELD(n, t)                                                                    \
    {                                                                                  \
        .name = n, .type = t, .native = "", .engine = "", .precision = -1, .scale = -1 \
    }
    FIELD("id", LS_T_INT),         FIELD("ok", LS_T_BOOL),   FIELD("price", LS_T_DECIMAL),
    FIELD("f", LS_T_DOUBLE),       FIELD("raw", LS_T_BYTES), FIELD("day", LS_T_DATE),
    FIELD("at", LS_T_TIMESTAMPTZ), FIELD("uid", LS_T_UUID),  FIELD("j", LS_T_JSON),
    FIELD("tags", LS_T_NATIVE),
#undef FIELD
};
#define DECLARED "int bool decimal double bytes date timestamptz uuid json text"

/* A file that create() made, in a fresh folder; and the path of the list of its fields. */
static char *made_file(struct opened *o, char **ret_beside)
{
    static const size_t key[] = {0};
    const struct ls_schema like = {
        .collection = "x", .field_count = COUNT(declared), .fields = declared, .fingerprint = ""};
    char *path = a_file("t.jsonl", "", 0), *folder = strdup(path);

    *strrchr(folder, '/') = '\0';
    assert_true(asprintf(ret_beside, "%s/.t.jsonl.lockstep-fields", folder) > 0);
    free(folder);
    assert_int_equal(remove(path), 0);
    open_file(o, path, true);
    assert_int_equal(ls_store_create(o->store, NULL, &like, 1, key, &o->err), LS_OK);
    return path;
}

static const char *const one[] = {"7",
                                  "true",
                                  "1.50",
                                  "0.1",
                                  "\\x00ff",
                                  "2024-02-29",
                                  "2024-02-29 12:00:00+00",
                                  "01234567-89ab-cdef-0123-456789abcdef",
                                  "{\"a\":\n1}",
                                  "{1,2}"};

static void a_new_file_knows_its_types(void **state)
{
    struct opened o;
    char *beside, *path = made_file(&o, &beside), *now;
    struct stat st;

    (void)state;
    now = content_of(path, NULL);
    assert_string_equal(now, "");
    assert_types_at(path, DECLARED);
    assert_int_equal(stat(beside, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close_file(&o);
    free(now);
    free(beside);
    free(path);
}

static void typed_values_are_written_and_read_back(void **state)
{
    struct opened o;
    char *beside, *path = made_file(&o, &beside), *now;
    const char *got;

    (void)state;
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change(&o, LS_INSERT, one), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    now = content_of(path, NULL);
    assert_string_equal(
        now, "{\"id\":7,\"ok\":true,\"price\":1.50,\"f\":0.1,\"raw\":\"\\\\x00ff\",\"day\":"
             "\"2024-02-29\",\"at\":\"2024-02-29 12:00:00+00\",\"uid\":"
             "\"01234567-89ab-cdef-0123-456789abcdef\",\"j\":{\"a\": 1},\"tags\":\"{1,2}\"}\n");
    assert_int_equal(read_file(&o, &got), LS_OK);
    assert_string_equal(got, "7|true|1.50|0.1|\\x00ff|2024-02-29|2024-02-29 12:00:00+00|"
                             "01234567-89ab-cdef-0123-456789abcdef|{\"a\": 1}|{1,2}");
    assert_types_at(path, DECLARED);
    close_file(&o);
    free(now);
    free(beside);
    free(path);
}

static void append(const char *path, const char *line)
{
    FILE *f = fopen(path, "ae");

    assert_non_null(f);
    fputs(line, f);
    assert_int_equal(fclose(f), 0);
}

static void what_others_write_is_read_as_the_declared_type(void **state)
{
    struct opened o;
    char *beside, *path = made_file(&o, &beside);
    const char *got;

    (void)state;
    append(path,
           "{\"at\":\"2024-02-29T13:00:00+01:00\",\"price\":\"1.5\",\"f\":\"NaN\",\"j\":\"x\","
           "\"id\":1}\n{\"j\":17,\"f\":3,\"price\":2}\n");
    assert_types_at(path, DECLARED);
    assert_int_equal(read_file(&o, &got), LS_OK);
    assert_string_equal(got, "1|\\N|1.5|NaN|\\N|\\N|2024-02-29 12:00:00+00|\\N|\"x\"|\\N;"
                             "\\N|\\N|2|3|\\N|\\N|\\N|\\N|17|\\N");
    close_file(&o);
    free(beside);
    free(path);
}

static void a_declared_type_gives_way_to_values_that_are_none(void **state)
{
    static const struct {
        const char *line, *types;
    } cases[] = {
        {"{\"day\":\"tomorrow\"}\n",
         "int bool decimal double bytes text timestamptz uuid json text"},
        {"{\"id\":\"7\"}\n", "text bool decimal double bytes date timestamptz uuid json text"},
        {"{\"id\":7}\n{\"id\":\"x\"}\n",
         "text* bool decimal double bytes date timestamptz uuid json text"},
        {"{\"f\":0.10000000000000001}\n",
         "int bool decimal decimal bytes date timestamptz uuid json text"},
        {"{\"ok\":1}\n", "int int decimal double bytes date timestamptz uuid json text"},
        {"{\"late\":1}\n", DECLARED " int"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct opened o;
        char *beside, *path = made_file(&o, &beside);

        append(path, cases[i].line);
        assert_types_at(path, cases[i].types);
        close_file(&o);
        free(beside);
        free(path);
    }
}

static void without_the_list_the_types_come_from_the_records(void **state)
{
    struct opened o;
    char *beside, *path = made_file(&o, &beside);
    struct ls_schema *schema;

    (void)state;
    assert_int_equal(remove(beside), 0);
    assert_int_equal(ls_store_describe(o.store, NULL, &o.mem, &schema, &o.err), LS_DATA);
    append(path, "{\"id\":7,\"day\":\"2024-02-29\"}\n");
    assert_types_at(path, "int text");
    close_file(&o);
    free(beside);
    free(path);
}

static void a_list_of_fields_that_is_none_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"lockstep_fields\":2,\"fields\":[]}",
        "{\"lockstep_fields\":1}",
        "{\"lockstep_fields\":1,\"fields\":[{\"name\":\"a\"}]}",
        "{\"lockstep_fields\":1,\"fields\":[{\"name\":\"a\",\"type\":\"integer\"}]}",
        "{\"lockstep_fields\":1,\"fields\":[{\"name\":\"a\",\"type\":\"int\"},"
        "{\"name\":\"a\",\"type\":\"int\"}]}",
        "{\"lockstep_fields\":1,\"fields\":[17]}"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct opened o;
        char *beside, *path = made_file(&o, &beside);
        struct ls_schema *schema;
        FILE *f = fopen(beside, "we");

        assert_non_null(f);
        fputs(texts[i], f);
        fclose(f);
        assert_int_equal(ls_store_describe(o.store, NULL, &o.mem, &schema, &o.err), LS_DATA);
        assert_non_null(strstr(o.err.text, "Remove it"));
        close_file(&o);
        free(beside);
        free(path);
    }
}

static void what_would_not_read_back_is_refused(void **state)
{
    struct opened o;
    char *beside, *path = made_file(&o, &beside), *now;
    const char *texts[COUNT(declared)] = {"1"};

    (void)state;
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    for (int i = 0; i < 3; i++) {
        texts[8] = i == 0 ? " null " : i == 1 ? "\"\\ud800\"" : NULL;
        texts[9] = i == 2 ? "x\xFF" : NULL;
        assert_int_equal(change(&o, LS_INSERT, texts), LS_TYPE);
    }
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    now = content_of(path, NULL);
    assert_string_equal(now, "");
    close_file(&o);
    free(now);
    free(beside);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_a_line_is_a_record),
        cmocka_unit_test(blank_lines_are_no_records),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(a_number_of_too_many_digits_is_refused),
        cmocka_unit_test(objects_and_lists_are_json_as_they_stand_there),
        cmocka_unit_test(of_two_members_with_one_name_the_last_counts),
        cmocka_unit_test(an_escaped_nul_is_part_of_the_text),
        cmocka_unit_test(half_a_surrogate_pair_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused_with_its_line),
        cmocka_unit_test(comments_are_refused),
        cmocka_unit_test(deep_nesting_is_refused_and_does_no_harm),
        cmocka_unit_test(a_thousand_levels_are_taken),
        cmocka_unit_test(a_field_has_the_type_that_all_its_values_have),
        cmocka_unit_test(mixed_types_make_a_dynamic_field_and_each_value_keeps_its_own),
        cmocka_unit_test(members_that_appear_late_are_fields_of_all_records),
        cmocka_unit_test(a_file_without_records_has_no_fields),
        cmocka_unit_test(very_many_different_members_are_refused),
        cmocka_unit_test(a_member_that_was_not_seen_before_is_a_change),
        cmocka_unit_test(a_new_file_knows_its_types),
        cmocka_unit_test(typed_values_are_written_and_read_back),
        cmocka_unit_test(what_others_write_is_read_as_the_declared_type),
        cmocka_unit_test(a_declared_type_gives_way_to_values_that_are_none),
        cmocka_unit_test(without_the_list_the_types_come_from_the_records),
        cmocka_unit_test(a_list_of_fields_that_is_none_is_refused),
        cmocka_unit_test(what_would_not_read_back_is_refused),
    };

    return cmocka_run_group_tests_name("store/file_jsonl", tests, NULL, NULL);
}
