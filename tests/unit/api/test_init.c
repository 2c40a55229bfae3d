/* SPDX-License-Identifier: Apache-2.0 */
/* test_init.c - the configuration that init writes parses again and means the same job. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/config.h"
#include "api_fixture.h"
#include "base/buf.h"
#include "base/file.h"
#include "lib/testdir.h"

static size_t made;

static int teardown(void **state)
{
    (void)state;
    api_done();
    return 0;
}

/* The path of a configuration for two stores, and how many syncs it has. */
static const char *init(const char *source, const char *target, size_t *ret_syncs)
{
    const char *path = api_text("%s/init-%zu.yaml", testdir(), made++);
    struct lockstep_error error = {0};

    assert_code(lockstep_init(source, target, path, false, ret_syncs, &error), LOCKSTEP_OK, &error);
    return path;
}

static const char *text_of(const char *path)
{
    struct ls_arena mem;
    char *data = NULL;
    size_t size = 0;
    struct ls_error err;
    const char *text;

    ls_arena_init(&mem, 0);
    assert_int_equal(ls_file_read(path, 1 << 20, &mem, &data, &size, &err), LS_OK);
    text = api_text("%s", data);
    ls_arena_done(&mem);
    return text;
}

static struct ls_config *read_config(const char *path)
{
    struct ls_config *config = NULL;
    struct ls_error err = {0};

    if (ls_config_read(path, &config, &err) != LS_OK)
        fail_msg("%s\n%s", err.text, text_of(path));
    return config;
}

/* The same digest: key, fields, types, filters. */
static void assert_same_job(const struct ls_sync_config *written, const char *source,
                            const char *source_collection, const char *target,
                            const char *target_collection)
{
    const struct ls_sync_config direct = {.source = {source, source_collection, NULL},
                                          .target = {target, target_collection, NULL}};
    struct ls_job *a = NULL, *b = NULL;
    struct ls_error err = {0};

    if (ls_job_open(written, false, &a, &err) != LS_OK ||
        ls_job_open(&direct, false, &b, &err) != LS_OK)
        fail_msg("%s", err.text);
    assert_string_equal(a->digest, b->digest);
    assert_string_equal(a->source.schema->collection, b->source.schema->collection);
    assert_string_equal(a->target.identity, b->target.identity);
    ls_job_close(a);
    ls_job_close(b);
}

/* The commented fields, as somebody would uncomment them. */
static const char *uncommented(const char *path)
{
    const char *text = text_of(path), *line = text, *next;
    struct ls_buf out;
    bool in_fields = false;
    const char *ret;

    ls_buf_init(&out, 0);
    for (; *line; line = next) {
        const size_t length = strcspn(line, "\n");

        next = line + length + (line[length] == '\n');
        if (strncmp(line, "    # fields:", 13) == 0) {
            in_fields = true;
            ls_buf_text(&out, "    fields:\n");
        } else if (in_fields && strncmp(line, "    #   ", 8) == 0) {
            ls_buf_printf(&out, "      %.*s\n", (int)(length - 8), line + 8);
        } else {
            in_fields = false;
            ls_buf_printf(&out, "%.*s\n", (int)length, line);
        }
    }
    ret = api_file(ls_buf_str(&out));
    ls_buf_done(&out);
    return ret;
}

static void what_was_written_means_the_same_job(void **state)
{
    const char *a = api_sqlite("CREATE TABLE one (id INTEGER PRIMARY KEY, v TEXT, w DECIMAL(10,2));"
                               "CREATE TABLE two (tenant INT NOT NULL, id INT NOT NULL, v BLOB, "
                               "PRIMARY KEY (tenant, id))");
    const char *b =
        api_sqlite("CREATE TABLE two (tenant INT NOT NULL, id INT NOT NULL, v BLOB, "
                   "PRIMARY KEY (tenant, id));"
                   "CREATE TABLE one (id INTEGER PRIMARY KEY, v TEXT, w DECIMAL(10,2))");
    size_t syncs = 0;
    const char *path = init(a, b, &syncs);
    struct ls_config *config = read_config(path);
    struct stat info;

    (void)state;
    assert_int_equal(syncs, 2);
    assert_int_equal(config->sync_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_same_job(&config->syncs[i], a, config->names[i], b, config->names[i]);
    assert_int_equal(config->syncs[1].key_count, 2);
    assert_string_equal(config->syncs[1].key[0], "tenant");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    ls_config_free(config);
}

static void names_of_every_kind_come_through(void **state)
{
    static const char *const names[] = {
        "plain",
        "Order Lines",
        "größe",
        "a.b",
        "say \"hi\"",
        "it's",
        "x:y",
        "a#b",
        "100%",
        "-n",
        "no",
        "null",
        "1st",
        "tab\tname",
        "new\nline",
        "${HOME}",
        "$${x}",
        "back\\slash",
        "{a: b}",
        "[x]",
        "*x",
        "&x",
        "!tag",
        "| pipe",
        "> gt",
        "@at",
        "`tick",
        "日本語",
        "\xc2\x85nel",
        "\xe2\x80\xa8"
        "ls",
        "\xef\xbb\xbf"
        "bom",
        "case",
        "sqlite:x",
        " lead",
        "trail ",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char quoted[100], *at = quoted;
        const char *sql, *a, *b;
        struct ls_config *config;
        size_t syncs = 0;
        const char *path;

        for (const char *c = names[i]; *c; c++) {
            if (*c == '"')
                *at++ = '"';
            *at++ = *c;
        }
        *at = '\0';
        sql = api_text("CREATE TABLE \"%s\" (id INTEGER PRIMARY KEY, \"%s\" TEXT)", quoted,
                       strcmp(names[i], "id") == 0 ? "v" : quoted);
        a = api_sqlite(sql);
        b = api_sqlite(sql);
        path = init(a, b, &syncs);
        assert_int_equal(syncs, 1);
        config = read_config(path);
        assert_same_job(&config->syncs[0], a, config->syncs[0].source.collection, b,
                        config->syncs[0].source.collection);
        ls_config_free(config);
        /* With the fields listed it is the same but for the list, which says the same. */
        config = read_config(uncommented(path));
        assert_int_equal(config->syncs[0].field_count, 2);
        assert_string_equal(config->syncs[0].fields[1].target, names[i]);
        {
            struct ls_job *job = NULL;
            struct ls_error err = {0};

            if (ls_job_open(&config->syncs[0], false, &job, &err) != LS_OK)
                fail_msg("%s\n%s", err.text, text_of(path));
            assert_int_equal(job->layout.field_count, 2);
            ls_job_close(job);
        }
        ls_config_free(config);
        api_done();
    }
}

static void a_pair_makes_a_file_for_that_pair_alone(void **state)
{
    const char *a = api_sqlite(
        "CREATE TABLE x (id INTEGER PRIMARY KEY); CREATE TABLE y (id INTEGER PRIMARY KEY)");
    const char *b = api_sqlite("CREATE TABLE z (id INTEGER PRIMARY KEY)");
    size_t syncs = 0;
    const char *path = init(api_text("%s#x", a), api_text("%s#z", b), &syncs);
    struct ls_config *config = read_config(path);

    (void)state;
    assert_int_equal(syncs, 1);
    assert_same_job(&config->syncs[0], a, "x", b, "z");
    ls_config_free(config);
}

static void tables_that_cannot_be_synced_or_stand_alone_are_told(void **state)
{
    const char *a =
        api_sqlite("CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE TABLE keyless (a TEXT);"
                   "CREATE TABLE here (id INTEGER PRIMARY KEY)");
    const char *b =
        api_sqlite("CREATE TABLE good (id INTEGER PRIMARY KEY); CREATE TABLE keyless (a TEXT);"
                   "CREATE TABLE there (id INTEGER PRIMARY KEY)");
    size_t syncs = 0;
    const char *path = init(a, b, &syncs);

    (void)state;
    assert_int_equal(syncs, 1);
    assert_says(text_of(path), "# \"keyless\" cannot be synced as it is",
                "Only in the source: here", "Only in the target: there");
    ls_config_free(read_config(path));
}

static void an_existing_file_is_replaced_only_when_asked(void **state)
{
    const char *a = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    const char *b = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    const char *path = api_file("precious\n");
    struct lockstep_error error;
    size_t syncs;

    (void)state;
    assert_code(lockstep_init(a, b, path, false, &syncs, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, path, "--replace");
    assert_string_equal(text_of(path), "precious\n");
    assert_code(lockstep_init(a, b, path, true, &syncs, &error), LOCKSTEP_OK, &error);
    assert_says(text_of(path), "syncs:");
}

static void nothing_in_common_writes_nothing(void **state)
{
    const char *a = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    const char *b = api_sqlite("CREATE TABLE u (id INTEGER PRIMARY KEY)");
    const char *keyless = api_sqlite("CREATE TABLE t (id TEXT)");
    const char *path = api_text("%s/never.yaml", testdir());
    struct lockstep_error error;
    size_t syncs;

    (void)state;
    assert_code(lockstep_init(a, b, path, false, &syncs, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "no table of the same name");
    assert_code(lockstep_init(a, keyless, path, false, &syncs, &error), LOCKSTEP_USAGE, &error);
    assert_says(error.text, "key");
    assert_code(lockstep_init(a, "sqlite:no-such.db", path, false, &syncs, &error), LOCKSTEP_USAGE,
                &error);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_variable_stays_where_the_password_was(void **state)
{
    const char *a = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    const char *b = api_sqlite("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    size_t syncs = 0;
    const char *path;

    (void)state;
    setenv("LS_TEST_STORE", b + strlen("sqlite:"), 1);
    path = init(a, "sqlite:${LS_TEST_STORE}", &syncs);
    assert_says(text_of(path), "target: \"sqlite:${LS_TEST_STORE}\"");
    ls_config_free(read_config(path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_written_means_the_same_job, teardown),
        cmocka_unit_test_teardown(names_of_every_kind_come_through, teardown),
        cmocka_unit_test_teardown(a_pair_makes_a_file_for_that_pair_alone, teardown),
        cmocka_unit_test_teardown(tables_that_cannot_be_synced_or_stand_alone_are_told, teardown),
        cmocka_unit_test_teardown(an_existing_file_is_replaced_only_when_asked, teardown),
        cmocka_unit_test_teardown(nothing_in_common_writes_nothing, teardown),
        cmocka_unit_test_teardown(a_variable_stays_where_the_password_was, teardown),
    };

    return cmocka_run_group_tests_name("api/init", tests, NULL, NULL);
}
