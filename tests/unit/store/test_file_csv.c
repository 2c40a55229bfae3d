/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of store/file/csv.c: what is CSV, what is not and in which line, how it is written. */
#include "file_help.h"

#include <stdio.h>

#define reads(content, records) assert_reads("t.csv", TEXT_AND_SIZE(content), records)
#define refused(content, says) assert_refused("t.csv", TEXT_AND_SIZE(content), says)

static void fields_stand_in_quotes_or_not(void **state)
{
    (void)state;
    reads("id,name\r\n1,Ann\r\n\"2\",\"Bob\"\r\n", "1|Ann;2|Bob");
    reads("id,name\n1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n3,\"\"\"\"\n", "1|a,b;2|say \"hi\";3|\"");
    reads("id,name\n1, a b \n2,\" c \"\n", "1| a b ;2| c ");
    reads("id,name\n1,\"\"\"\"\"\"\n2,\"x\"\"\"\n3,\"\"\"x\"\n", "1|\"\";2|x\";3|\"x");
}

static void nothing_is_null_and_quotes_around_nothing_are_empty(void **state)
{
    (void)state;
    reads("a,b,c\n,\"\",x\n", "\\N||x");
    reads("a,b\n,\n", "\\N|\\N");
}

static void lines_end_in_crlf_or_lf_and_may_be_mixed(void **state)
{
    (void)state;
    reads("a,b\r\n1,2\n3,4\r\n5,6\n", "1|2;3|4;5|6");
    reads("a,b\n1,x\ry\n2,\r\r\n", "1|x\ry;2|\r");
    refused("a,b\r1,2\r", "line 1: a CR in the header that no LF follows");
    reads("a,b\n1,\"x\"\r\n2,\"y\"\n", "1|x;2|y");
}

static void the_last_line_needs_no_end(void **state)
{
    (void)state;
    reads("a,b\n1,2", "1|2");
    reads("a,b\n1,\"2\"", "1|2");
    reads("a,b\n1,", "1|\\N");
    reads("a,b\n1,2\r", "1|2\r");
}

static void line_ends_in_quotes_belong_to_the_field(void **state)
{
    (void)state;
    reads("a,b\n1,\"x\ny\"\n2,\"x\r\ny\r\n\"\n", "1|x\ny;2|x\r\ny\r\n");
    reads("\"a\nz\",b\n1,2\n", "1|2");
}

static void a_byte_order_mark_is_skipped(void **state)
{
    char *path = a_file("t.csv", TEXT_AND_SIZE("\xEF\xBB\xBFid,b\n1,\xEF\xBB\xBFx\n"));
    const char *got;
    struct opened o;

    (void)state;
    open_file(&o, path, false);
    assert_int_equal(read_file(&o, &got), LS_OK);
    assert_string_equal(o.schema->fields[0].name, "id");
    assert_string_equal(got, "1|\xEF\xBB\xBFx");
    close_file(&o);
    free(path);
}

static void empty_lines_are_no_records_where_there_are_several_columns(void **state)
{
    (void)state;
    reads("a,b\n\n1,2\n\r\n\n3,4\n\n", "1|2;3|4");
}

static void in_a_file_of_one_column_an_empty_line_is_null(void **state)
{
    (void)state;
    reads("a\n1\n\n\"\"\n2\n", "1;\\N;;2");
    reads("a\n1\n2", "1;2");
    reads("a\n", "");
}

static void a_header_alone_is_an_empty_collection(void **state)
{
    (void)state;
    reads("a,b", "");
    reads("a,b\r\n", "");
}

static void a_file_without_a_header_is_refused(void **state)
{
    (void)state;
    refused("", "is empty");
    refused("\xEF\xBB\xBF", "is empty");
    refused("\n", "line 1: column 1 of the header has no name");
    refused("a,,c\n", "line 1: column 2 of the header has no name");
    refused("a,b,a\n", "line 1: the header names \"a\" twice");
    refused("a,\"\"\n", "column 2 of the header has no name");
}

static void a_record_of_another_length_is_refused_with_the_line_it_begins_in(void **state)
{
    (void)state;
    refused("a,b\n1,2\n3\n", "line 3: 1 field where the header has 2");
    refused("a,b\n1,2,3\n", "line 2: 3 fields where the header has 2");
    refused("a,b\n1,\"x\ny\nz\"\n2,\"u\nv\",3\n", "line 5: 3 fields");
    refused("a,b\n1,2\n3", "line 3: 1 field");
    refused("a\n1,2\n", "line 2: 2 fields");
}

static void a_quote_in_a_wrong_place_is_refused(void **state)
{
    (void)state;
    refused("a,b\n1,x\"y\n", "line 2: a quote inside a field without quotes");
    refused("a,b\n1, \"y\"\n", "line 2: a quote inside");
    refused("a,b\n1,\"y\" \n", "line 2: text behind a closing quote");
    refused("a,b\n1,\"y\"\r", "line 2: text behind a closing quote");
    refused("a,b\n1,\"y\nz\n", "line 4: a quote that opens in line 2 is never closed");
    refused("a,b\n1,\"", "never closed");
    refused("a,b\n1,\"\"\"", "never closed");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    refused("a,b\n1,\xFF\n", "line 2: a field that is not UTF-8");
    refused("a,b\n1,\"\xC3\"\n", "line 2: a field that is not UTF-8");
    refused("a,b\n1,\xED\xA0\x80\n", "not UTF-8");
    refused("\xFF\xFE"
            "a\n",
            "line 1: a field that is not UTF-8");
    refused("a,b\n1,x\0y\n", "line 2: a field with a NUL byte");
    refused("a,b\n1,\"x\0y\"\n", "line 2: a field with a NUL byte");
    refused("a,b\n1,x\0", "line 2: a field with a NUL byte");
}

/* Larger than the window, with doubled quotes that must be made single across its edges. */
static void a_field_may_be_larger_than_what_is_read_at_once(void **state)
{
    const size_t pairs = 700000;
    struct ls_buf text;
    struct opened o;
    const char *got;
    char *path;

    (void)state;
    ls_buf_init(&text, 0);
    ls_buf_text(&text, "a,b\n1,\"");
    for (size_t i = 0; i < pairs; i++)
        ls_buf_text(&text, i % 7 ? "\"\"x" : "\n");
    ls_buf_text(&text, "\"\n2,y\n");
    path = a_file("t.csv", text.data, text.size);
    open_file(&o, path, false);
    assert_int_equal(read_file(&o, &got), LS_OK);
    assert_int_equal(strlen(got), 2 + pairs / 7 + (pairs - pairs / 7) * 2 + 4);
    assert_memory_equal(got, "1|\n\"x\"x\"x\"x\"x\"x\n", 16);
    assert_string_equal(got + strlen(got) - 6, "\"x;2|y");
    close_file(&o);
    ls_buf_done(&text);
    free(path);
}

/* Every byte of a file stands at the edge of the window once. */
static void the_edge_of_the_window_is_nowhere_seen(void **state)
{
    static const char tail[] = "\"q\"\"r\",\r\nz,\"\"\r\n\"\n\",w\r\n";

    (void)state;
    for (size_t shift = 0; shift < sizeof tail + 2; shift++) {
        const size_t fill = ((size_t)256 << 10) - 4 - shift;
        struct ls_buf text, want;
        char *padding = malloc(fill);

        memset(padding, 'p', fill);
        ls_buf_init(&text, 0);
        ls_buf_init(&want, 0);
        ls_buf_text(&text, "a,b\n");
        ls_buf_add(&text, padding, fill - 3);
        ls_buf_printf(&text, ",k\n%s", tail);
        ls_buf_add(&want, padding, fill - 3);
        ls_buf_text(&want, "|k;q\"r|\\N;z|;\n|w");
        assert_reads("t.csv", text.data, text.size, ls_buf_str(&want));
        ls_buf_done(&text);
        ls_buf_done(&want);
        free(padding);
    }
}

static void memory_stays_flat_while_a_file_is_read(void **state)
{
    struct ls_buf text;
    struct ls_arena mem;
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows;
    struct opened o;
    size_t most = 0, count = 0;
    char *path;

    (void)state;
    ls_buf_init(&text, 0);
    ls_buf_text(&text, "id,text\n");
    for (size_t i = 0; i < 200000; i++)
        ls_buf_printf(&text, "%zu,something of some length that fills a file rather quickly\n", i);
    path = a_file("t.csv", text.data, text.size);
    open_file(&o, path, false);
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_store_scan(o.store, &o.scan, &cursor, &o.err), LS_OK);
    ls_arena_init(&mem, 0);
    do {
        ls_arena_reset(&mem);
        assert_int_equal(ls_cursor_next(cursor, &mem, &rows, &o.err), LS_OK);
        count += rows.count;
        most = mem.used_bytes > most ? mem.used_bytes : most;
    } while (rows.count);
    assert_int_equal(count, 200000);
    assert_true(most < text.size / 10);
    ls_cursor_end(cursor);
    ls_arena_done(&mem);
    close_file(&o);
    ls_buf_done(&text);
    free(path);
}

static void a_long_stretch_that_a_filter_leaves_out_is_not_the_end(void **state)
{
    static const char *const only[] = {"id=199999"};
    struct ls_filter filter;
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows;
    struct ls_buf text;
    struct opened o;
    char *path;
    size_t before;

    (void)state;
    ls_buf_init(&text, 0);
    ls_buf_text(&text, "id,text\n");
    for (size_t i = 0; i < 200000; i++)
        ls_buf_printf(&text, "%zu,something of some length that fills a batch\n", i);
    path = a_file("t.csv", text.data, text.size);
    open_file(&o, path, false);
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_filter_only(only, 1, o.schema, &o.mem, &filter, &o.err), LS_OK);
    o.scan.filter = &filter;
    assert_int_equal(ls_store_scan(o.store, &o.scan, &cursor, &o.err), LS_OK);
    before = o.mem.used_bytes;
    assert_int_equal(ls_cursor_next(cursor, &o.mem, &rows, &o.err), LS_OK);
    assert_int_equal(rows.count, 1);
    assert_memory_equal(ls_row(&rows, 0)[0].data, "199999", 6);
    assert_true(o.mem.used_bytes - before < text.size / 10);
    ls_cursor_end(cursor);
    close_file(&o);
    ls_buf_done(&text);
    free(path);
}

static void a_header_of_very_many_columns_is_refused(void **state)
{
    struct ls_buf text;

    (void)state;
    ls_buf_init(&text, 0);
    for (size_t i = 0; i <= 10000; i++)
        ls_buf_printf(&text, "%sc%zu", i ? "," : "", i);
    assert_refused("t.csv", text.data, text.size, "more than 10000 columns");
    ls_buf_done(&text);
}

/* Reads the file, adds a record, and gives the new content. */
static char *with_one_more(const char *content, size_t size)
{
    static const char *const texts[] = {"9", "new"};
    char *path = a_file("t.csv", content, size), *now;
    struct opened o;

    open_file(&o, path, true);
    assert_int_equal(describe_file(&o), LS_OK);
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(change(&o, LS_INSERT, texts), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    close_file(&o);
    now = content_of(path, NULL);
    free(path);
    return now;
}

static void line_ends_and_the_mark_are_kept(void **state)
{
    char *lf = with_one_more(TEXT_AND_SIZE("a,b\n1,x\n")),
         *crlf = with_one_more(TEXT_AND_SIZE("a,b\r\n1,x\r\n")),
         *marked = with_one_more(TEXT_AND_SIZE("\xEF\xBB\xBF"
                                               "a,b\n1,x"));

    (void)state;
    assert_string_equal(lf, "a,b\n1,x\n9,new\n");
    assert_string_equal(crlf, "a,b\r\n1,x\r\n9,new\r\n");
    assert_string_equal(marked, "\xEF\xBB\xBF"
                                "a,b\n1,x\n9,new\n");
    free(lf);
    free(crlf);
    free(marked);
}

static void quotes_are_written_where_they_are_needed(void **state)
{
    char *now = with_one_more(
        TEXT_AND_SIZE("a,b\n1,\"plain\"\n2,\"a,b\"\n3,\"a\"\"b\"\n4,\"a\nb\"\n5,\"\"\n"
                      "6,\n7,\"\xEF\xBB\xBF\"\n8,\"a\rb\"\n"));

    (void)state;
    assert_string_equal(now, "a,b\n1,plain\n2,\"a,b\"\n3,\"a\"\"b\"\n4,\"a\nb\"\n5,\"\"\n6,\n"
                             "7,\"\xEF\xBB\xBF\"\n8,\"a\rb\"\n9,new\n");
    free(now);
}

static void what_would_not_read_back_is_refused(void **state)
{
    static const size_t all[] = {0, 1};
    char *path = a_file("t.csv", TEXT_AND_SIZE("a,b\n1,x\n")), *now;
    struct ls_value record[] = {ls_value_text("2"), ls_value_data(LS_T_TEXT, "x\0y", 3)};
    const struct ls_write_op op = {LS_INSERT, record, record};
    struct ls_write w = {
        .field_count = 2, .fields = all, .key_count = 1, .key = all, .count = 1, .ops = &op};
    struct opened o;

    (void)state;
    open_file(&o, path, true);
    assert_int_equal(describe_file(&o), LS_OK);
    w.schema = o.schema;
    assert_int_equal(ls_store_begin(o.store, &o.err), LS_OK);
    assert_int_equal(ls_store_write(o.store, &w, &o.err), LS_TYPE);
    assert_non_null(strstr(o.err.text, "field \"b\""));
    record[1] = ls_value_data(LS_T_TEXT, "x\xFF", 2);
    assert_int_equal(ls_store_write(o.store, &w, &o.err), LS_TYPE);
    record[1] = ls_value_text("fine");
    assert_int_equal(ls_store_write(o.store, &w, &o.err), LS_OK);
    assert_int_equal(ls_store_commit(o.store, &o.err), LS_OK);
    close_file(&o);
    now = content_of(path, NULL);
    assert_string_equal(now, "a,b\n1,x\n2,fine\n");
    free(now);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_stand_in_quotes_or_not),
        cmocka_unit_test(nothing_is_null_and_quotes_around_nothing_are_empty),
        cmocka_unit_test(lines_end_in_crlf_or_lf_and_may_be_mixed),
        cmocka_unit_test(the_last_line_needs_no_end),
        cmocka_unit_test(line_ends_in_quotes_belong_to_the_field),
        cmocka_unit_test(a_byte_order_mark_is_skipped),
        cmocka_unit_test(empty_lines_are_no_records_where_there_are_several_columns),
        cmocka_unit_test(in_a_file_of_one_column_an_empty_line_is_null),
        cmocka_unit_test(a_header_alone_is_an_empty_collection),
        cmocka_unit_test(a_file_without_a_header_is_refused),
        cmocka_unit_test(a_record_of_another_length_is_refused_with_the_line_it_begins_in),
        cmocka_unit_test(a_quote_in_a_wrong_place_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(a_field_may_be_larger_than_what_is_read_at_once),
        cmocka_unit_test(the_edge_of_the_window_is_nowhere_seen),
        cmocka_unit_test(memory_stays_flat_while_a_file_is_read),
        cmocka_unit_test(a_long_stretch_that_a_filter_leaves_out_is_not_the_end),
        cmocka_unit_test(a_header_of_very_many_columns_is_refused),
        cmocka_unit_test(line_ends_and_the_mark_are_kept),
        cmocka_unit_test(quotes_are_written_where_they_are_needed),
        cmocka_unit_test(what_would_not_read_back_is_refused),
    };

    return cmocka_run_group_tests_name("store/file_csv", tests, NULL, NULL);
}
