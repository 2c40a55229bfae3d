/* SPDX-License-Identifier: Apache-2.0 */
/* file_help.c - what the tests of the file store share. */
#include "file_help.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/testdir.h"

char *a_file(const char *name, const void *content, size_t size)
{
    char *folder = testdir_new(), *path = NULL;
    FILE *f;

    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    free(folder);
    return path;
}

char *content_of(const char *path, size_t *ret_size)
{
    FILE *f = fopen(path, "re");
    char *data = NULL;
    long size;

    if (!f)
        return NULL;
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    rewind(f);
    data = malloc((size_t)size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)size, f), size);
    data[size] = '\0';
    if (ret_size)
        *ret_size = (size_t)size;
    fclose(f);
    return data;
}

bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

void open_file(struct opened *o, const char *path, bool writable)
{
    const struct ls_store_options options = {.writable = writable, .lock_timeout_ms = 50};
    struct ls_url url = {.scheme = "file", .location = path, .shown = path};

    memset(o, 0, sizeof *o);
    ls_arena_init(&o->mem, 0);
    assert_int_equal(ls_store_open(&url, &options, &o->store, &o->err), LS_OK);
}

enum ls_code describe_file(struct opened *o)
{
    static const size_t key[] = {0};
    enum ls_code rc = ls_store_describe(o->store, NULL, &o->mem, &o->schema, &o->err);

    if (rc != LS_OK)
        return rc;
    for (size_t i = 0; i < COUNT(o->all); i++)
        o->all[i] = i;
    o->scan = (struct ls_scan){.schema = o->schema,
                               .field_count = o->schema->field_count,
                               .fields = o->all,
                               .key_count = 1,
                               .key = key};
    if (o->schema->field_count > COUNT(o->all)) /* only the first ones are looked at then */
        o->scan.field_count = COUNT(o->all);
    return LS_OK;
}

void close_file(struct opened *o)
{
    ls_store_close(o->store);
    ls_arena_done(&o->mem);
}

static void show(struct ls_buf *out, const struct ls_value *v)
{
    struct ls_buf text;

    if (v->type == LS_T_NULL) {
        ls_buf_text(out, "\\N");
        return;
    }
    ls_buf_init(&text, 0);
    ls_value_to_text(&text, v);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i])
            ls_buf_char(out, text.data[i]);
        else
            ls_buf_text(out, "\\0");
    }
    ls_buf_done(&text);
}

enum ls_code read_file(struct opened *o, const char **ret_records)
{
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {0};
    struct ls_buf out;
    enum ls_code rc = describe_file(o);

    *ret_records = NULL;
    if (rc == LS_OK)
        rc = ls_store_scan(o->store, &o->scan, &cursor, &o->err);
    if (rc != LS_OK)
        return rc;
    ls_buf_init(&out, 0);
    do {
        rc = ls_cursor_next(cursor, &o->mem, &rows, &o->err);
        for (size_t r = 0; rc == LS_OK && r < rows.count; r++) {
            ls_buf_text(&out, out.size ? ";" : "");
            for (size_t i = 0; i < rows.width; i++) {
                ls_buf_text(&out, i ? "|" : "");
                show(&out, &ls_row(&rows, r)[i]);
            }
        }
    } while (rc == LS_OK && rows.count);
    ls_cursor_end(cursor);
    if (rc == LS_OK)
        *ret_records = ls_arena_text(&o->mem, ls_buf_str(&out));
    ls_buf_done(&out);
    return rc;
}

void assert_reads(const char *name, const void *content, size_t size, const char *records)
{
    char *path = a_file(name, content, size);
    const char *got = NULL;
    struct opened o;

    open_file(&o, path, false);
    if (read_file(&o, &got) != LS_OK)
        fail_msg("%s", o.err.text);
    assert_string_equal(got, records);
    close_file(&o);
    free(path);
}

void assert_refused(const char *name, const void *content, size_t size, const char *says)
{
    char *path = a_file(name, content, size);
    const char *got = NULL;
    struct opened o;

    open_file(&o, path, false);
    assert_int_equal(read_file(&o, &got), LS_DATA);
    if (!strstr(o.err.text, says))
        fail_msg("\"%s\" is not in \"%s\"", says, o.err.text);
    assert_non_null(strstr(o.err.text, path));
    close_file(&o);
    free(path);
}

enum ls_code change(struct opened *o, enum ls_change_kind kind, const char *const *texts)
{
    static const size_t key[] = {0};
    struct ls_value record[COUNT(o->all)];
    const struct ls_write_op op = {kind, record, kind == LS_DELETE ? NULL : record};
    const struct ls_write w = {.schema = o->schema,
                               .field_count = o->schema->field_count,
                               .fields = o->all,
                               .key_count = 1,
                               .key = key,
                               .count = 1,
                               .ops = &op};

    for (size_t i = 0; i < o->schema->field_count; i++) {
        const enum ls_type type = o->schema->fields[i].type;

        record[i] = ls_value_null();
        if (texts[i] && (type == LS_T_JSON || type == LS_T_TEXT)) /* valid or not */
            record[i] = ls_value_data(type, texts[i], strlen(texts[i]));
        else if (texts[i])
            assert_int_equal(
                ls_value_from_text(type, texts[i], strlen(texts[i]), &o->mem, &record[i], &o->err),
                LS_OK);
        if (kind == LS_DELETE)
            break;
    }
    return ls_store_write(o->store, &w, &o->err);
}
