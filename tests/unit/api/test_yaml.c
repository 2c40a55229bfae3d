/* SPDX-License-Identifier: Apache-2.0 */
/* test_yaml.c - YAML as a tree with places, and what is refused. */
#include "api/yaml.h"

#include <stdlib.h>
#include <string.h>

#include "api_fixture.h"
#include "lib/testdir.h"

static struct ls_arena mem;

static enum ls_code read_bytes(const char *text, size_t size, struct yaml_node **ret,
                               struct ls_error *err)
{
    char *path = testdir_file("a.yaml", text, size);
    const enum ls_code rc = ls_yaml_read(path, &mem, ret, err);

    free(path);
    return rc;
}

static struct yaml_node *read(const char *text)
{
    struct yaml_node *root = NULL;
    struct ls_error err = {0};

    if (read_bytes(text, strlen(text), &root, &err) != LS_OK)
        fail_msg("%s", err.text);
    return root;
}

static int setup(void **state)
{
    (void)state;
    ls_arena_init(&mem, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ls_arena_done(&mem);
    api_done();
    return 0;
}

static void maps_lists_and_texts_have_places(void **state)
{
    const struct yaml_node *root = read("a: 1\n"
                                        "list:\n"
                                        "  - one\n"
                                        "  - { x: \"two words\" }\n"
                                        "empty:\n");
    const struct yaml_node *list = ls_yaml_get(root, "list");

    (void)state;
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->count, 3);
    assert_string_equal(ls_yaml_get(root, "a")->text, "1");
    assert_false(ls_yaml_get(root, "a")->quoted);
    assert_int_equal(list->kind, YAML_LIST);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->items[0]->text, "one");
    assert_int_equal(list->items[0]->line, 3);
    assert_int_equal(list->items[0]->column, 5);
    assert_string_equal(ls_yaml_get(list->items[1], "x")->text, "two words");
    assert_true(ls_yaml_get(list->items[1], "x")->quoted);
    assert_int_equal(ls_yaml_get(list->items[1], "x")->column, 10);
    assert_string_equal(ls_yaml_get(root, "empty")->text, "");
    assert_null(ls_yaml_get(root, "none"));
    assert_null(ls_yaml_get(list, "x"));
}

static void a_byte_order_mark_and_crlf_are_no_part_of_it(void **state)
{
    const struct yaml_node *root = read("\xef\xbb\xbf"
                                        "a: 1\r\nb: zwei\r\n");

    (void)state;
    assert_string_equal(root->items[0]->text, "a");
    assert_string_equal(ls_yaml_get(root, "b")->text, "zwei");
    assert_int_equal(ls_yaml_get(root, "b")->line, 2);
}

static void variables_are_replaced_in_quoted_and_plain_texts(void **state)
{
    const struct yaml_node *root;

    (void)state;
    setenv("LS_TEST_A", "value: with # signs", 1);
    setenv("LS_TEST_EMPTY", "", 1);
    unsetenv("LS_TEST_NONE");
    root = read("a: ${LS_TEST_A}\n"
                "b: \"x${LS_TEST_A}y${LS_TEST_A}\"\n"
                "c: ${LS_TEST_NONE:-default value}\n"
                "d: ${LS_TEST_EMPTY:-instead}\n"
                "e: \"${LS_TEST_EMPTY}\"\n"
                "f: ${LS_TEST_NONE:-}\n"
                "g: a$b $ {c} $${LS_TEST_A} 100%\n");
    assert_string_equal(ls_yaml_get(root, "a")->text, "value: with # signs");
    assert_string_equal(ls_yaml_get(root, "b")->text, "xvalue: with # signsyvalue: with # signs");
    assert_string_equal(ls_yaml_get(root, "c")->text, "default value");
    assert_string_equal(ls_yaml_get(root, "d")->text, "instead");
    assert_string_equal(ls_yaml_get(root, "e")->text, "");
    assert_string_equal(ls_yaml_get(root, "f")->text, "");
    assert_string_equal(ls_yaml_get(root, "g")->text, "a$b $ {c} ${LS_TEST_A} 100%");
}

static const struct {
    const char *yaml;
    const char *place; /* line and column */
    const char *word;
} refused[] = {
    {"a: [1, 2\n", ":2:1: ", "not YAML"},
    {"a: {b: 1\nc: 2}\n", ":2:2: ", "not YAML"},
    {"a: \"open\n", ":2:1: ", "not YAML"},
    {"a: b: c\n", ":1:5: ", "not YAML"},
    {"\ta: 1\n", ":1:1: ", "not YAML"},
    {"a: 1\nb: 2\na: 3\n", ":3:1: ", "twice (first in line 1)"},
    {"x: { a: 1, a: 2 }\n", ":1:12: ", "twice"},
    {"a: &x 1\n", ":1:4: ", "anchors"},
    {"a: &x [1]\n", ":1:4: ", "anchors"},
    {"a: &x { b: 1 }\n", ":1:4: ", "anchors"},
    {"a: 1\nb: *a\n", ":2:4: ", "anchors"},
    {"<<: *base\n", ":1:5: ", "anchors"},
    {"a: 1\n---\nb: 2\n", ":3:1: ", "second document"},
    {"? [a, b]\n: 1\n", ":1:3: ", "a name is expected"},
    {"? {a: b}\n: 1\n", ":1:3: ", "a name is expected"},
    {"a: \"nul \\0 byte\"\n", ":1:4: ", "NUL"},
    {"\n a: ${LS_TEST_NONE}\n", ":2:5: ", "LS_TEST_NONE is not set"},
    {"a: x${LS_TEST_NONE\n", ":1:4: ", "no }"},
    {"a: ${}\n", ":1:4: ", "NAME"},
    {"a: ${1A}\n", ":1:4: ", "NAME"},
    {"a: ${A B}\n", ":1:4: ", "NAME"},
    {"a: ${A:+x}\n", ":1:4: ", "NAME:-default"},
    {"a: \"${LS_TEST_NONE:-${OTHER}}\"\n", ":1:4: ", "one is enough"},
};

static void faults_are_told_with_line_and_column(void **state)
{
    (void)state;
    unsetenv("LS_TEST_NONE");
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct yaml_node *root = NULL;
        struct ls_error err = {0};
        const enum ls_code rc = read_bytes(refused[i].yaml, strlen(refused[i].yaml), &root, &err);

        if (rc != LS_CONFIG)
            print_error("taken: %s\n", refused[i].yaml);
        assert_int_equal(rc, LS_CONFIG);
        assert_says(err.text, "a.yaml", refused[i].place, refused[i].word);
    }
}

static void what_is_no_text_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *word;
    } cases[] = {
        {"", 0, "is empty"},
        {"# only a remark\n", 16, "is empty"},
        {"a: \xff\n", 5, "byte 3 is not UTF-8"},
        {"a: b\0c: d\n", 10, "not YAML"},
        {"a: b\x01\n", 6, "not YAML"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct yaml_node *root = NULL;
        struct ls_error err = {0};

        assert_int_equal(read_bytes(cases[i].bytes, cases[i].size, &root, &err), LS_CONFIG);
        assert_says(err.text, "a.yaml", cases[i].word);
    }
}

/* A kilobyte that would unfold into gigabytes; and depth that would use up the stack. */
static void a_file_cannot_grow_by_being_read(void **state)
{
    struct yaml_node *root = NULL;
    struct ls_error err = {0};
    char *deep = malloc(2000001), *many;

    (void)state;
    assert_non_null(deep);
    memset(deep, '[', 1000);
    assert_int_equal(read_bytes(deep, 1000, &root, &err), LS_CONFIG);
    assert_says(err.text, "more than 20 levels");
    memset(deep, 'x', 2000000);
    assert_int_equal(read_bytes(deep, 2000000, &root, &err), LS_CONFIG);
    assert_says(err.text, "larger than 1 MiB");
    many = deep;
    for (size_t i = 0; i < 1000000; i += 4)
        memcpy(many + i, "- x\n", 4);
    assert_int_equal(read_bytes(deep, 1000000, &root, &err), LS_CONFIG);
    assert_says(err.text, "more than 100000 entries");
    free(deep);
}

static void depth_that_people_use_is_taken(void **state)
{
    const struct yaml_node *root = read("[[[[[[[[[[ x ]]]]]]]]]]\n");

    (void)state;
    for (int i = 0; i < 10; i++)
        root = root->items[0];
    assert_string_equal(root->text, "x");
}

static void a_file_that_is_not_there_says_how_to_get_one(void **state)
{
    struct yaml_node *root = NULL;
    struct ls_error err = {0};

    (void)state;
    assert_int_equal(ls_yaml_read("no-such.yaml", &mem, &root, &err), LS_NOT_FOUND);
    assert_says(err.text, "no-such.yaml", "lockstep init");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(maps_lists_and_texts_have_places, setup, teardown),
        cmocka_unit_test_setup_teardown(a_byte_order_mark_and_crlf_are_no_part_of_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(variables_are_replaced_in_quoted_and_plain_texts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(faults_are_told_with_line_and_column, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_text_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_cannot_grow_by_being_read, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_that_people_use_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_says_how_to_get_one, setup,
                                        teardown),
    };

    return cmocka_run_group_tests_name("api/yaml", tests, NULL, NULL);
}
