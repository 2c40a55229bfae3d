/* SPDX-License-Identifier: Apache-2.0 */
/* csv.c - comma-separated values by RFC 4180, with a header line, UTF-8.
 *
 * Every field is text: a CSV file says nothing of types, and the other side of the sync does. An empty field without
 * quotes is NULL and "" is the empty text, as PostgreSQL's COPY has it, so that both survive. Lines end in CRLF or LF; a byte order mark is
 * skipped; an empty line is no record where a record has several fields. What is not CSV - a quote in the
 * middle of a field, a record with more or fewer fields than the header, bytes that are not UTF-8 - is an error with its line, because guessing would
 * move values into other columns. */
#include <string.h>

#include "base/text.h"
#include "store/file/format.h"

#define FIELD_MAX ((size_t)64 << 20)

enum field_end { END_FIELD, END_LINE, END_FILE };

/* A field in quotes, behind the first one. */
static enum ls_code read_quoted(struct file_input *in, struct ls_error *err)
{
    const uint64_t from = in->line;

    in->quoted = true;
    for (;;) {
        int c = getc_unlocked(in->f);

        if (c == EOF)
            return file_data_error(err, in, "a quote that opens in line %llu is never closed",
                                   (unsigned long long)from);
        if (c == '\n')
            in->line++;
        if (c == '"') {
            c = getc_unlocked(in->f);
            if (c != '"') {
                ungetc(c, in->f);
                return LS_OK;
            }
        }
        ls_buf_char(&in->scratch, (char)c);
    }
}

/* What ends a field: comma, line end, end of file. CR counts only before LF. */
static bool is_end(struct file_input *in, int c, enum field_end *ret)
{
    if (c == '\r') {
        const int next = getc_unlocked(in->f);

        if (next != '\n') {
            ungetc(next, in->f);
            return false;
        }
        c = '\n';
    }
    if (c != ',' && c != '\n' && c != EOF)
        return false;
    *ret = c == ',' ? END_FIELD : c == '\n' ? END_LINE : END_FILE;
    return true;
}

/* One field into scratch. */
static enum ls_code read_field(struct file_input *in, enum field_end *ret_end, struct ls_error *err)
{
    enum ls_code rc = LS_OK;
    int c = getc_unlocked(in->f);

    ls_buf_reset(&in->scratch);
    in->quoted = false;
    if (c == '"') {
        rc = read_quoted(in, err);
        if (rc != LS_OK)
            return rc;
        c = getc_unlocked(in->f);
        if (!is_end(in, c, ret_end))
            return file_data_error(
                err, in, "text behind a closing quote. Write a quote inside a field twice (\"\")");
    } else {
        for (; !is_end(in, c, ret_end); c = getc_unlocked(in->f)) {
            if (c == '"')
                return file_data_error(
                    err, in,
                    "a quote inside a field without quotes. Put the field in quotes and "
                    "write the inner one twice (\"\")");
            ls_buf_char(&in->scratch, (char)c);
        }
    }
    if (in->scratch.failed)
        return file_data_error(err, in, "a field of more than 64 MiB");
    if (ferror(in->f))
        return ls_error_set(err, LS_IO, "%s: reading failed", in->shown);
    if (ls_utf8_check(in->scratch.data, in->scratch.size) != in->scratch.size)
        return file_data_error(err, in,
                               "a field that is not UTF-8. Convert the file: iconv -t UTF-8");
    if (in->scratch.size && memchr(in->scratch.data, '\0', in->scratch.size))
        return file_data_error(err, in, "a field with a NUL byte");
    return LS_OK;
}

static void skip_mark(FILE *f)
{
    const int c = getc_unlocked(f);

    if (c != 0xEF) {
        ungetc(c, f);
        return;
    }
    if (getc_unlocked(f) != 0xBB || getc_unlocked(f) != 0xBF)
        rewind(f); /* no mark: the first field's check will say that it is not UTF-8 */
}

static bool is_named(const struct ls_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

static enum ls_code add_field(struct file_input *in, struct ls_arena *mem, struct ls_field **fields,
                              size_t *count, struct ls_error *err)
{
    const char *name =
        ls_arena_text_n(mem, in->scratch.size ? in->scratch.data : "", in->scratch.size);

    if (!name)
        return ls_error_nomem(err);
    if (!*name)
        return file_data_error(err, in, "column %zu of the header has no name", *count + 1);
    if (is_named(*fields, *count, name))
        return file_data_error(err, in, "the header names \"%s\" twice", name);
    if ((*count & (*count - 1)) == 0) { /* 0, 1, 2, 4...: twice the room */
        struct ls_field *more = ls_arena_array(mem, *count ? *count * 2 : 1, sizeof *more);

        if (!more)
            return ls_error_nomem(err);
        if (*count)
            memcpy(more, *fields, *count * sizeof *more);
        *fields = more;
    }
    (*fields)[(*count)++] = (struct ls_field){.name = name,
                                              .type = LS_T_TEXT,
                                              .native = "text",
                                              .engine = "",
                                              .precision = -1,
                                              .scale = -1};
    return LS_OK;
}

static enum ls_code csv_describe(struct file_input *in, struct ls_arena *mem, size_t *ret_count,
                                 struct ls_field **ret, struct ls_error *err)
{
    struct ls_field *fields = NULL;
    size_t count = 0;
    enum field_end end = END_FIELD;
    enum ls_code rc = LS_OK;

    in->line = 1;
    in->scratch.max_bytes = FIELD_MAX;
    skip_mark(in->f);
    while (rc == LS_OK && end == END_FIELD) {
        rc = read_field(in, &end, err);
        if (rc == LS_OK && count == 0 && end == END_FILE && in->scratch.size == 0)
            rc = ls_error_set(err, LS_DATA,
                              "%s is empty; a CSV file begins with a line of column names",
                              in->shown);
        if (rc == LS_OK)
            rc = add_field(in, mem, &fields, &count, err);
    }
    *ret = fields;
    *ret_count = count;
    return rc;
}

static enum ls_code csv_begin(struct file_input *in, const struct ls_schema *schema,
                              struct ls_error *err)
{
    enum field_end end = END_FIELD;
    enum ls_code rc = LS_OK;

    (void)schema;
    in->line = 1;
    in->scratch.max_bytes = FIELD_MAX;
    skip_mark(in->f);
    while (rc == LS_OK && end == END_FIELD)
        rc = read_field(in, &end, err);
    in->line++;
    return rc;
}

static enum ls_code take(struct file_input *in, struct ls_arena *mem, struct ls_value *ret,
                         struct ls_error *err)
{
    const char *copy;

    if (in->scratch.size == 0 && !in->quoted) {
        *ret = ls_value_null();
        return LS_OK;
    }
    copy = ls_arena_copy(mem, in->scratch.size ? in->scratch.data : "", in->scratch.size);
    if (!copy)
        return ls_error_nomem(err);
    *ret = ls_value_data(LS_T_TEXT, copy, in->scratch.size);
    return LS_OK;
}

/* One line; *ret_count fields of it (those beyond the schema are counted, not kept). */
static enum ls_code read_line(struct file_input *in, const struct ls_schema *schema,
                              struct ls_arena *mem, struct ls_value *values, size_t *ret_count,
                              enum field_end *ret_end, struct ls_error *err)
{
    size_t n = 0;
    enum ls_code rc = LS_OK;

    for (*ret_end = END_FIELD; rc == LS_OK && *ret_end == END_FIELD; n++) {
        rc = read_field(in, ret_end, err);
        if (rc == LS_OK && n < schema->field_count)
            rc = take(in, mem, &values[n], err);
    }
    *ret_count = n;
    return rc;
}

static enum ls_code csv_read(struct file_input *in, const struct ls_schema *schema,
                             struct ls_arena *mem, struct ls_value *values, bool *ret_record,
                             struct ls_error *err)
{
    *ret_record = false;
    for (;;) {
        enum field_end end;
        size_t count = 0;
        enum ls_code rc = read_line(in, schema, mem, values, &count, &end, err);
        const bool empty = count == 1 && !in->quoted && in->scratch.size == 0;

        if (rc != LS_OK)
            return rc;
        if (empty && end == END_FILE)
            return LS_OK;
        if (!empty || schema->field_count == 1) {
            if (count != schema->field_count)
                return file_data_error(err, in, "%zu fields where the header has %zu", count,
                                       schema->field_count);
            *ret_record = true;
        }
        if (end == END_LINE)
            in->line++;
        if (*ret_record || end == END_FILE)
            return LS_OK;
    }
}

static void put_text(struct ls_buf *out, const char *text, size_t size)
{
    bool quote =
        size == 0 || *text == '\xEF'; /* what looks like a byte order mark would be skipped */

    for (size_t i = 0; i < size && !quote; i++)
        quote = strchr(",\"\r\n", text[i]) != NULL;
    if (!quote) {
        ls_buf_add(out, text, size);
        return;
    }
    ls_buf_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"')
            ls_buf_char(out, '"');
        ls_buf_char(out, text[i]);
    }
    ls_buf_char(out, '"');
}

static void csv_write_head(struct ls_buf *out, const struct ls_schema *schema)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        ls_buf_text(out, i ? "," : "");
        put_text(out, schema->fields[i].name, strlen(schema->fields[i].name));
    }
    ls_buf_text(out, "\r\n");
}

static void csv_write(struct ls_buf *out, const struct ls_schema *schema,
                      const struct ls_value *values)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    for (size_t i = 0; i < schema->field_count; i++) {
        ls_buf_text(out, i ? "," : "");
        if (values[i].type == LS_T_NULL)
            continue;
        ls_buf_reset(&text);
        ls_value_to_text(&text, &values[i]);
        put_text(out, ls_buf_str(&text), text.size);
        out->failed = out->failed || text.failed;
    }
    ls_buf_text(out, "\r\n");
    ls_buf_done(&text);
}

static const char *const endings[] = {".csv", NULL};

const struct file_format file_csv = {
    .name = "csv",
    .endings = endings,
    .describe = csv_describe,
    .begin = csv_begin,
    .read = csv_read,
    .write_head = csv_write_head,
    .write = csv_write,
    .creates = true,
};
