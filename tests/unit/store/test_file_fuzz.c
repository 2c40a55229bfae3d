/* SPDX-License-Identifier: Apache-2.0 */
/* Random and damaged files: records or LS_DATA that names the file, never a crash; and what was read is written so that
 * it reads the same. The seed is fixed; LOCKSTEP_FUZZ_SEED and LOCKSTEP_FUZZ_ROUNDS set others. */
#include "file_help.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/testdir.h"

static const char *const csv_pieces[] = {
    ",",  "\n", "\r\n", "\"",   "\"\"",         "a", "id",   "b,c\n",      "1,2\n", "\"x\ny\"",
    "\r", ",,", "\xC3", "\xA9", "\xEF\xBB\xBF", " ", "name", "\"a\"\"b\"", "é"};
static const char *const jsonl_pieces[] = {"{",
                                           "}",
                                           "[",
                                           "]",
                                           ":",
                                           ",",
                                           "\"",
                                           "\"a\"",
                                           "\"b\":",
                                           "1",
                                           "1.5e3",
                                           "-",
                                           "0",
                                           "null",
                                           "true",
                                           "\n",
                                           "{\"a\":1}\n",
                                           "\\u",
                                           "\\ud83d",
                                           "\\ude00",
                                           "e999",
                                           "/*",
                                           "//",
                                           "\xFF",
                                           " ",
                                           "\r\n",
                                           "{\"a\":[1,{\"b\":\"x\"}],\"c\":null}\n",
                                           "\"\\u0000\"",
                                           "{\"c\":\"2024-02-29\"}\n",
                                           "{}"};

struct fuzz {
    uint64_t seed;
    const char *name;
    const char *const *pieces;
    size_t piece_count;
    const char *valid; /* what is mutated */
    char *path;
};

/* SplitMix64. */
static size_t draw(struct fuzz *f, size_t below)
{
    uint64_t z = f->seed += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (size_t)((z ^ z >> 31) % below);
}

static void make_bytes(struct fuzz *f, struct ls_buf *out)
{
    for (size_t n = draw(f, 200); n > 0; n--)
        ls_buf_char(out, (char)draw(f, 256));
}

static void make_from_pieces(struct fuzz *f, struct ls_buf *out)
{
    for (size_t n = draw(f, 30); n > 0; n--)
        ls_buf_text(out, f->pieces[draw(f, f->piece_count)]);
}

static void make_mutated(struct fuzz *f, struct ls_buf *out)
{
    ls_buf_text(out, f->valid);
    for (size_t n = draw(f, 4); n > 0 && out->size; n--) {
        const size_t at = draw(f, out->size);

        if (draw(f, 3) == 0)
            ls_buf_cut(out, at);
        else
            out->data[at] = (char)draw(f, 256);
    }
}

static void put(const struct fuzz *f, const struct ls_buf *content)
{
    FILE *file = fopen(f->path, "we");

    assert_non_null(file);
    if (content->size)
        assert_int_equal(fwrite(content->data, content->size, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

/* Writes the file anew with nothing changed but a record that comes and goes, and reads it again. */
static void check_rewrite(struct fuzz *f, struct opened *o, const char *records)
{
    static const size_t key[] = {0};
    struct ls_value *record = ls_arena_array(&o->mem, o->schema->field_count, sizeof *record);
    const struct ls_write_op in = {LS_INSERT, record, record}, out = {LS_DELETE, record, NULL};
    struct ls_write w = {.schema = o->schema,
                         .field_count = o->scan.field_count,
                         .fields = o->all,
                         .key_count = 1,
                         .key = key,
                         .count = 1};
    const char *again;
    struct opened now;
    enum ls_code rc;

    record[0] = ls_value_text("a key that nothing random has");
    assert_int_equal(ls_store_begin(o->store, &o->err), LS_OK);
    w.ops = &in;
    rc = ls_store_write(o->store, &w, &o->err);
    if (rc == LS_OK) {
        w.ops = &out;
        rc = ls_store_write(o->store, &w, &o->err);
    }
    assert_int_equal(rc, LS_OK);
    assert_int_equal(ls_store_commit(o->store, &o->err), LS_OK);
    open_file(&now, f->path, false);
    if (*records || strstr(f->name, "csv")) { /* a JSON Lines file without records has no fields */
        if (read_file(&now, &again) != LS_OK)
            fail_msg("%s", now.err.text);
        assert_string_equal(again, records);
    }
    close_file(&now);
}

static void try_one(struct fuzz *f, const struct ls_buf *content, size_t *ret_read)
{
    const char *records = NULL;
    struct opened o;
    enum ls_code rc;

    put(f, content);
    open_file(&o, f->path, true);
    rc = read_file(&o, &records);
    if (rc == LS_OK) {
        ++*ret_read;
        check_rewrite(f, &o, records);
    } else {
        assert_int_equal(rc, LS_DATA);
        assert_non_null(strstr(o.err.text, f->path));
    }
    close_file(&o);
}

static void run(struct fuzz *f)
{
    static void (*const makers[])(struct fuzz *, struct ls_buf *) = {make_bytes, make_from_pieces,
                                                                     make_mutated};
    const char *seed = getenv("LOCKSTEP_FUZZ_SEED"), *rounds = getenv("LOCKSTEP_FUZZ_ROUNDS");
    const size_t most = rounds ? strtoul(rounds, NULL, 10) : 1500;
    size_t read = 0;

    f->seed = seed ? strtoull(seed, NULL, 10) : 7;
    f->path = testdir_path(f->name);
    for (size_t i = 0; i < most; i++) {
        struct ls_buf content;

        ls_buf_init(&content, 0);
        makers[i % COUNT(makers)](f, &content);
        try_one(f, &content, &read);
        ls_buf_done(&content);
    }
    assert_true(read > most / 20 && read < most); /* else the files teach nothing */
    free(f->path);
}

static void any_bytes_are_records_of_a_csv_file_or_bad_data(void **state)
{
    struct fuzz f = {.name = "fuzz.csv",
                     .pieces = csv_pieces,
                     .piece_count = COUNT(csv_pieces),
                     .valid =
                         "id,name,note\r\n1,Ann,\"a, b\"\r\n2,\"say \"\"hi\"\"\",\r\n3,,\"\"\r\n"
                         "4,\"two\r\nlines\",x\n"};

    (void)state;
    run(&f);
}

static void any_bytes_are_records_of_a_json_lines_file_or_bad_data(void **state)
{
    struct fuzz f = {.name = "fuzz.jsonl",
                     .pieces = jsonl_pieces,
                     .piece_count = COUNT(jsonl_pieces),
                     .valid = "{\"id\":1,\"t\":\"x\\u00e9\\n\",\"n\":-12.50e2}\n"
                              "{\"id\":2,\"j\":{\"a\":[1,{\"b\":null}]},\"b\":true}\n"
                              "{\"t\":\"\\ud83d\\ude00\",\"n\":12345678901234567890}\n"};

    (void)state;
    run(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_are_records_of_a_csv_file_or_bad_data),
        cmocka_unit_test(any_bytes_are_records_of_a_json_lines_file_or_bad_data),
    };

    return cmocka_run_group_tests_name("store/file_fuzz", tests, NULL, NULL);
}
