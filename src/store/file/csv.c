/* SPDX-License-Identifier: Apache-2.0 */
/* csv.c - comma-separated values by RFC 4180, with a header line, UTF-8.
 *
 * Every field is text: a CSV file says nothing of types, and the other side of the sync does. An empty field without
 * quotes is NULL and "" is the empty text, as PostgreSQL's COPY has it, so that both survive. Lines end in CRLF or LF; a byte order mark is
 * skipped; an empty line is no record where a record has several fields. What is not CSV - a quote in the
 * middle of a field, a record with more or fewer fields than the header, bytes that are not UTF-8 - is an error with its line, because guessing would
 * move values into other columns.
 *
 * Fields are found in the window of the input by a table of the bytes that end one, so the text between is looked at
 * once. Line ends and a byte order mark of a file are kept when it is written anew; quotes that it would not need are not. */
#include <string.h>

#include "base/text.h"
#include "store/file/format.h"

enum field_end { END_FIELD, END_LINE, END_FILE };

/* A field: a span of the window, good until the next one is read. */
struct csv_field {
    char *text;
    size_t size;
    bool quoted;
    enum field_end end;
};

/* Bytes at which to look closer, outside of quotes and in them. NUL is also what stands behind the window. */
enum { PLAIN = 1, QUOTED = 2 };
static const uint8_t stops[256] = {
    [0] = PLAIN | QUOTED, ['\n'] = PLAIN | QUOTED, ['"'] = PLAIN | QUOTED,
    [','] = PLAIN,        ['\r'] = PLAIN,
};

/* Moves *n, an offset in the window, to the next stop or to the end of the file. */
static enum ls_code find_stop(struct file_input *in, uint8_t where, size_t *n, struct ls_error *err)
{
    for (;;) {
        const char *p = in->data + in->at;
        enum ls_code rc;

        while (!(stops[(unsigned char)p[*n]] & where))
            ++*n;
        if (*n < in->end - in->at || in->eof)
            return LS_OK;
        rc = file_input_more(in, err);
        if (rc != LS_OK)
            return rc;
    }
}

/* The byte at an offset of the window, or -1 at the end of the file. */
static enum ls_code byte_at(struct file_input *in, size_t n, int *ret, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    while (rc == LS_OK && n >= in->end - in->at && !in->eof)
        rc = file_input_more(in, err);
    *ret = n < in->end - in->at ? (unsigned char)in->data[in->at + n] : -1;
    return rc;
}

static enum ls_code refuse_nul(struct ls_error *err, const struct file_input *in)
{
    return file_data_error(err, in, "a field with a NUL byte");
}

/* What ends a field: comma, line end, end of file; *ret_length bytes of it. CR counts only before LF. false: none stands there. */
static enum ls_code find_end(struct file_input *in, size_t n, struct csv_field *f,
                             size_t *ret_length, bool *ret_found, struct ls_error *err)
{
    int c, next = -1;
    enum ls_code rc = byte_at(in, n, &c, err);

    if (rc == LS_OK && c == '\r')
        rc = byte_at(in, n + 1, &next, err);
    *ret_found = c == ',' || c == '\n' || c == -1 || (c == '\r' && next == '\n');
    *ret_length = c == '\r' ? 2 : c != -1;
    f->end = c == ',' ? END_FIELD : c == -1 ? END_FILE : END_LINE;
    if (f->end == END_LINE && in->line == 1)
        in->style.lf = c == '\n';
    return rc;
}

/* A field in quotes. Doubled quotes are made single in the window itself; *n is left behind the closing quote. */
static enum ls_code read_quoted(struct file_input *in, struct csv_field *f, size_t *n,
                                struct ls_error *err)
{
    const uint64_t from_line = in->line;
    size_t from = 1, to = 1; /* what stands at `from` belongs to `to` */
    int c = 0;

    for (*n = 1;; ++*n) {
        enum ls_code rc = find_stop(in, QUOTED, n, err);

        if (rc == LS_OK)
            rc = byte_at(in, *n, &c, err);
        if (rc != LS_OK)
            return rc;
        if (c == '\n') {
            in->line++;
        } else if (c == 0) {
            return refuse_nul(err, in);
        } else if (c == -1) {
            return file_data_error(err, in, "a quote that opens in line %llu is never closed",
                                   (unsigned long long)from_line);
        } else {
            rc = byte_at(in, *n + 1, &c, err);
            if (rc != LS_OK)
                return rc;
            if (to != from)
                memmove(in->data + in->at + to, in->data + in->at + from, *n - from);
            to += *n - from;
            from = *n + 1;
            if (c != '"')
                break;
            ++*n; /* the second quote stays: it is where the next piece begins */
        }
    }
    f->text = in->data + in->at + 1;
    f->size = to - 1;
    ++*n;
    return LS_OK;
}

/* A field without quotes; *n is left at its end. */
static enum ls_code read_plain(struct file_input *in, struct csv_field *f, size_t *n,
                               size_t *ret_length, struct ls_error *err)
{
    bool found = false;

    for (*n = 0; !found; ++*n) {
        enum ls_code rc = find_stop(in, PLAIN, n, err);

        if (rc == LS_OK)
            rc = find_end(in, *n, f, ret_length, &found, err);
        if (rc != LS_OK)
            return rc;
        if (found)
            break;
        if (in->data[in->at + *n] == '\0')
            return refuse_nul(err, in);
        if (in->data[in->at + *n] == '\r' &&
            in->line == 1) /* else all records would be one header */
            return file_data_error(err, in,
                                   "a CR in the header that no LF follows: lines end in LF or "
                                   "CRLF. Convert them: tr '\\r' '\\n'");
        if (in->data[in->at + *n] == '"')
            return file_data_error(err, in,
                                   "a quote inside a field without quotes. Put the field in quotes "
                                   "and write the inner one twice (\"\")");
    }
    f->text = in->data + in->at;
    f->size = *n;
    return LS_OK;
}

/* The next field; the window then begins behind what ends it. */
static enum ls_code read_field(struct file_input *in, struct csv_field *f, struct ls_error *err)
{
    size_t n = 0, length = 0;
    bool found = true;
    int c;
    enum ls_code rc = byte_at(in, 0, &c, err);

    f->quoted = c == '"';
    if (rc == LS_OK && f->quoted) {
        rc = read_quoted(in, f, &n, err);
        if (rc == LS_OK) {
            rc = find_end(in, n, f, &length, &found, err);
            f->text = in->data + in->at + 1;
        }
    } else if (rc == LS_OK) {
        rc = read_plain(in, f, &n, &length, err);
    }
    if (rc != LS_OK)
        return rc;
    if (!found)
        return file_data_error(
            err, in, "text behind a closing quote. Write a quote inside a field twice (\"\")");
    if (ls_utf8_check(f->text, f->size) != f->size)
        return file_data_error(err, in,
                               "a field that is not UTF-8. Convert the file: iconv -t UTF-8");
    in->at += n + length;
    return LS_OK;
}

static bool is_named(const struct ls_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

static enum ls_code add_field(struct file_input *in, const struct csv_field *f,
                              struct ls_arena *mem, struct ls_field **fields, size_t *count,
                              struct ls_error *err)
{
    const char *name = ls_arena_text_n(mem, f->text, f->size);

    if (!name)
        return ls_error_nomem(err);
    if (!*name)
        return file_data_error(err, in, "column %zu of the header has no name", *count + 1);
    if (is_named(*fields, *count, name))
        return file_data_error(err, in, "the header names \"%s\" twice", name);
    if (*count == FILE_FIELDS_MAX)
        return file_data_error(err, in, "the header has more than %d columns", FILE_FIELDS_MAX);
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
    struct csv_field f = {.end = END_FIELD};
    enum ls_code rc = LS_OK;

    *ret = NULL;
    *ret_count = 0;
    while (rc == LS_OK && f.end == END_FIELD) {
        rc = read_field(in, &f, err);
        if (rc == LS_OK && *ret_count == 0 && f.end == END_FILE && f.size == 0)
            rc = ls_error_set(err, LS_DATA,
                              "%s is empty; a CSV file begins with a line of column names",
                              in->shown);
        if (rc == LS_OK)
            rc = add_field(in, &f, mem, ret, ret_count, err);
    }
    return rc;
}

static enum ls_code csv_begin(struct file_input *in, const struct ls_schema *schema,
                              struct ls_error *err)
{
    struct csv_field f = {.end = END_FIELD};
    size_t n = 0;
    bool same = true;

    for (; f.end == END_FIELD; n++) {
        enum ls_code rc = read_field(in, &f, err);

        if (rc != LS_OK)
            return rc;
        same = same && n < schema->field_count && strlen(schema->fields[n].name) == f.size &&
               memcmp(schema->fields[n].name, f.text, f.size) == 0;
    }
    if (!same || n != schema->field_count)
        return ls_error_set(err, LS_CHANGED, "%s has another header than it had. Start again",
                            in->shown);
    in->line++;
    return LS_OK;
}

static enum ls_code take(const struct csv_field *f, struct ls_arena *mem, struct ls_value *ret,
                         struct ls_error *err)
{
    const char *copy;

    if (f->size == 0) {
        *ret = f->quoted ? ls_value_data(LS_T_TEXT, "", 0) : ls_value_null();
        return LS_OK;
    }
    copy = ls_arena_copy(mem, f->text, f->size);
    if (!copy)
        return ls_error_nomem(err);
    *ret = ls_value_data(LS_T_TEXT, copy, f->size);
    return LS_OK;
}

/* One line: *ret_count fields, of which those beyond the schema are counted and not kept; *ret_last is the last one. */
static enum ls_code read_line(struct file_input *in, const struct ls_schema *schema,
                              struct ls_arena *mem, struct ls_value *values, size_t *ret_count,
                              struct csv_field *ret_last, struct ls_error *err)
{
    size_t n = 0;
    enum ls_code rc = LS_OK;

    for (ret_last->end = END_FIELD; rc == LS_OK && ret_last->end == END_FIELD; n++) {
        rc = read_field(in, ret_last, err);
        if (rc == LS_OK && n < schema->field_count)
            rc = take(ret_last, mem, &values[n], err);
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
        const uint64_t line = in->line;
        struct csv_field last;
        size_t count = 0;
        enum ls_code rc = read_line(in, schema, mem, values, &count, &last, err);
        const bool empty = rc == LS_OK && count == 1 && !last.quoted && last.size == 0;

        if (rc != LS_OK || (empty && last.end == END_FILE))
            return rc;
        if (!empty || schema->field_count == 1) {
            if (count != schema->field_count) {
                in->line = line; /* where it begins, whatever line ends stand in its fields */
                return file_data_error(err, in, "%zu field%s where the header has %zu", count,
                                       count == 1 ? "" : "s", schema->field_count);
            }
            *ret_record = true;
        }
        in->line += last.end == END_LINE;
        if (*ret_record)
            return LS_OK;
    }
}

/* ---- write ---- */

static const char *csv_refuses(const struct ls_value *v)
{
    if (!ls_type_has_data(v->type) || v->type == LS_T_BYTES || v->type == LS_T_UUID || !v->size)
        return NULL;
    if (memchr(v->data, '\0', v->size))
        return "a text with a NUL character cannot stand in a CSV file";
    return ls_utf8_check(v->data, v->size) == v->size ? NULL : "the text is not valid UTF-8";
}

static void put_text(struct ls_buf *out, const char *text, size_t size)
{
    bool quote =
        size == 0 || *text == '\xEF'; /* what looks like a byte order mark would be skipped */

    for (size_t i = 0; i < size && !quote; i++)
        quote = (stops[(unsigned char)text[i]] & PLAIN) != 0;
    if (!quote) {
        ls_buf_add(out, text, size);
        return;
    }
    ls_buf_char(out, '"');
    for (size_t i = 0; i < size;) {
        const char *inner = memchr(text + i, '"', size - i);
        const size_t n = inner ? (size_t)(inner - text) + 1 - i : size - i;

        ls_buf_add(out, text + i, n);
        if (inner)
            ls_buf_char(out, '"');
        i += n;
    }
    ls_buf_char(out, '"');
}

static void csv_write_head(struct ls_buf *out, const struct ls_schema *schema,
                           const struct file_style *style)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        ls_buf_text(out, i ? "," : "");
        put_text(out, schema->fields[i].name, strlen(schema->fields[i].name));
    }
    ls_buf_text(out, style->lf ? "\n" : "\r\n");
}

static void csv_write(struct ls_buf *out, const struct ls_schema *schema,
                      const struct ls_value *values, const struct file_style *style)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    for (size_t i = 0; i < schema->field_count; i++) {
        ls_buf_text(out, i ? "," : "");
        if (values[i].type == LS_T_NULL)
            continue;
        ls_buf_reset(&text);
        ls_value_to_text(&text, &values[i]);
        put_text(out, text.failed ? "" : ls_buf_str(&text), text.size);
        out->failed = out->failed || text.failed;
    }
    ls_buf_text(out, style->lf ? "\n" : "\r\n");
    ls_buf_done(&text);
}

static const char *const endings[] = {".csv", NULL};

const struct file_format file_csv = {
    .name = "csv",
    .endings = endings,
    .describe = csv_describe,
    .begin = csv_begin,
    .read = csv_read,
    .refuses = csv_refuses,
    .write_head = csv_write_head,
    .write = csv_write,
};
