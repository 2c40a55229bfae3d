/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl.c - JSON Lines: one object a line, UTF-8.
 *
 * The fields are the union of the members of all objects, so describing a file reads it once. Numbers keep their text: whole ones
 * that fit are INT, others DECIMAL, never double. Nested objects and arrays are JSON values. A member that an object lacks is NULL, as
 * is null. A field's type is what all its values have in common; where they differ it is text and dynamic, and
 * each value keeps its own type.
 *
 * yajl gives tokens with their lengths, so that texts with escaped NULs are not cut. */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include "base/text.h"
#include "model/decimal.h"
#include "store/file/format.h"

#define LINE_MAX_BYTES ((size_t)64 << 20)

/* One line being parsed. */
struct line {
    struct ls_arena *mem;
    void (*member)(struct line *l, const char *name, size_t size, struct ls_value value);
    int depth;        /* 0 outside, 1 in the object, more inside a nested value */
    const char *name; /* the member being read, in mem */
    size_t name_size;
    yajl_gen nested; /* rebuilds a nested value; NULL when none is open */
    bool ended, bad, nomem;
    /* for member functions */
    const struct ls_schema *schema;
    struct ls_value *values;
    const char *unknown;
    struct fields *fields;
};

static void give(struct line *l, struct ls_value value)
{
    if (l->depth == 1 && l->name)
        l->member(l, l->name, l->name_size, value);
    else
        l->bad = true; /* a value that is no member: the line is no object */
}

/* A value with data, copied. */
static struct ls_value copied(struct line *l, enum ls_type type, const void *data, size_t size)
{
    const void *copy = ls_arena_copy(l->mem, size ? data : "", size);

    l->nomem = l->nomem || !copy;
    return copy ? ls_value_data(type, copy, size) : ls_value_null();
}

static int on_null(void *ctx)
{
    struct line *l = ctx;

    if (l->nested)
        yajl_gen_null(l->nested);
    else
        give(l, ls_value_null());
    return 1;
}

static int on_boolean(void *ctx, int b)
{
    struct line *l = ctx;

    if (l->nested)
        yajl_gen_bool(l->nested, b);
    else
        give(l, (struct ls_value){.type = LS_T_BOOL, .b = b != 0});
    return 1;
}

static int on_number(void *ctx, const char *text, size_t size)
{
    struct line *l = ctx;
    struct ls_buf plain;
    int64_t i;

    if (l->nested) {
        yajl_gen_number(l->nested, text, size);
        return 1;
    }
    if (ls_text_to_i64(text, size, &i)) {
        give(l, ls_value_int(i));
        return 1;
    }
    if (!memchr(text, 'e', size) && !memchr(text, 'E', size)) {
        give(l, copied(l, LS_T_DECIMAL, text, size));
        return 1;
    }
    ls_buf_init(&plain, 1 << 16);
    ls_decimal_canon(&plain, text, size);
    l->bad = l->bad || plain.failed;
    give(l, copied(l, LS_T_DECIMAL, plain.data, plain.size));
    ls_buf_done(&plain);
    return 1;
}

static int on_string(void *ctx, const unsigned char *text, size_t size)
{
    struct line *l = ctx;

    if (l->nested)
        yajl_gen_string(l->nested, text, size);
    else
        give(l, copied(l, LS_T_TEXT, text, size));
    return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t size)
{
    struct line *l = ctx;

    if (l->nested) {
        yajl_gen_string(l->nested, text, size);
        return 1;
    }
    l->name = ls_arena_text_n(l->mem, (const char *)text, size);
    l->name_size = size;
    l->nomem = l->nomem || !l->name;
    l->bad = l->bad || (size && memchr(text, '\0', size));
    return !l->nomem;
}

static bool open_nested(struct line *l)
{
    if (l->depth++ == 0)
        return false;
    if (!l->nested)
        l->nested = yajl_gen_alloc(NULL);
    l->nomem = l->nomem || !l->nested;
    return l->nested != NULL;
}

static void close_nested(struct line *l)
{
    const unsigned char *text;
    size_t size;

    if (--l->depth != 1)
        return;
    yajl_gen_get_buf(l->nested, &text, &size);
    give(l, copied(l, LS_T_JSON, text, size));
    yajl_gen_free(l->nested);
    l->nested = NULL;
}

static int on_map(void *ctx)
{
    struct line *l = ctx;

    if (l->depth == 0 && l->ended)
        l->bad = true; /* a second object in the line */
    if (open_nested(l))
        yajl_gen_map_open(l->nested);
    return !l->nomem && !l->bad;
}

static int on_map_end(void *ctx)
{
    struct line *l = ctx;

    if (l->depth == 1) {
        l->depth = 0;
        l->ended = true;
        return 1;
    }
    yajl_gen_map_close(l->nested);
    close_nested(l);
    return 1;
}

static int on_array(void *ctx)
{
    struct line *l = ctx;

    if (l->depth == 0)
        l->bad = true;
    if (!l->bad && open_nested(l))
        yajl_gen_array_open(l->nested);
    return !l->nomem && !l->bad;
}

static int on_array_end(void *ctx)
{
    struct line *l = ctx;

    yajl_gen_array_close(l->nested);
    close_nested(l);
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_map_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_array_end,
};

static enum ls_code parse_line(struct file_input *in, struct line *l, struct ls_error *err)
{
    yajl_handle parser = yajl_alloc(&callbacks, NULL, l);
    const unsigned char *text = (const unsigned char *)in->scratch.data;
    yajl_status status;
    enum ls_code rc = LS_OK;

    if (!parser)
        return ls_error_nomem(err);
    status = yajl_parse(parser, text, in->scratch.size);
    if (status == yajl_status_ok)
        status = yajl_complete_parse(parser);
    if (l->nomem)
        rc = ls_error_nomem(err);
    else if (status != yajl_status_ok || l->bad || !l->ended)
        rc = file_data_error(
            err, in, "this is not one JSON object in UTF-8 (an object a line, no comma behind it)");
    if (l->nested)
        yajl_gen_free(l->nested);
    yajl_free(parser);
    return rc;
}

/* The next line that is not blank, without its end, in scratch; *ret_line false at the end of the file. */
static enum ls_code next_line(struct file_input *in, bool *ret_line, struct ls_error *err)
{
    *ret_line = false;
    in->scratch.max_bytes = LINE_MAX_BYTES;
    for (;;) {
        int c;

        ls_buf_reset(&in->scratch);
        in->line++;
        while ((c = getc_unlocked(in->f)) != EOF && c != '\n')
            ls_buf_char(&in->scratch, (char)c);
        if (in->scratch.failed)
            return file_data_error(err, in, "a line of more than 64 MiB");
        if (ferror(in->f))
            return ls_error_set(err, LS_IO, "%s: reading failed", in->shown);
        if (in->scratch.size && strspn(in->scratch.data, " \t\r") != in->scratch.size) {
            *ret_line = true;
            return LS_OK;
        }
        if (c == EOF)
            return LS_OK;
    }
}

/* ---- describe ---- */

struct fields {
    struct ls_arena *mem;
    struct ls_field *list;
    size_t count, room;
    bool nomem;
};

/* The type that holds both: INT in DECIMAL, everything else mixed is dynamic text. */
static void widen(struct ls_field *f, enum ls_type type)
{
    const bool numbers = (f->type == LS_T_INT || f->type == LS_T_DECIMAL) &&
                         (type == LS_T_INT || type == LS_T_DECIMAL);

    if (type == LS_T_NULL || type == f->type)
        return;
    if (f->type == LS_T_NULL) {
        f->type = type;
    } else if (numbers) {
        f->type = LS_T_DECIMAL;
    } else {
        f->type = LS_T_TEXT;
        f->flags |= LS_FIELD_DYNAMIC;
    }
}

static void note_member(struct line *l, const char *name, size_t size, struct ls_value value)
{
    struct fields *fs = l->fields;

    (void)size;
    for (size_t i = 0; i < fs->count; i++)
        if (strcmp(fs->list[i].name, name) == 0) {
            widen(&fs->list[i], value.type);
            return;
        }
    if (fs->count == fs->room) {
        struct ls_field *more = ls_arena_array(fs->mem, fs->room ? fs->room * 2 : 16, sizeof *more);

        if (!more) {
            l->nomem = true;
            return;
        }
        if (fs->count)
            memcpy(more, fs->list, fs->count * sizeof *more);
        fs->list = more;
        fs->room = fs->room ? fs->room * 2 : 16;
    }
    fs->list[fs->count++] = (struct ls_field){.name = ls_arena_text(fs->mem, name),
                                              .type = value.type,
                                              .engine = "",
                                              .precision = -1,
                                              .scale = -1};
    l->nomem = l->nomem || !fs->list[fs->count - 1].name;
}

static enum ls_code jsonl_describe(struct file_input *in, struct ls_arena *mem, size_t *ret_count,
                                   struct ls_field **ret, struct ls_error *err)
{
    struct fields fields = {.mem = mem};
    struct ls_arena scratch;
    bool more = true;
    enum ls_code rc = LS_OK;

    ls_arena_init(&scratch, 0);
    in->line = 0;
    while (rc == LS_OK && more) {
        struct line l = {.mem = &scratch, .member = note_member, .fields = &fields};

        rc = next_line(in, &more, err);
        if (rc == LS_OK && more)
            rc = parse_line(in, &l, err);
        ls_arena_reset(&scratch);
    }
    ls_arena_done(&scratch);
    for (size_t i = 0; i < fields.count; i++) {
        if (fields.list[i].type == LS_T_NULL)
            fields.list[i].type = LS_T_TEXT;
        fields.list[i].native = ls_type_word(fields.list[i].type);
    }
    if (rc == LS_OK && fields.count == 0)
        rc = ls_error_set(
            err, LS_DATA,
            "%s holds no object, so it has no fields. A JSON Lines file needs one record at "
            "least; a CSV file can be empty but for its header",
            in->shown);
    *ret = fields.list;
    *ret_count = fields.count;
    return rc;
}

/* ---- read and write ---- */

static enum ls_code jsonl_begin(struct file_input *in, const struct ls_schema *schema,
                                struct ls_error *err)
{
    (void)schema;
    (void)err;
    in->line = 0;
    return LS_OK;
}

static void keep_member(struct line *l, const char *name, size_t size, struct ls_value value)
{
    const int at = ls_schema_find(l->schema, name);

    (void)size;
    if (at < 0)
        l->unknown = name;
    else
        l->values[at] = value; /* of a name that stands twice the last one counts */
}

static enum ls_code jsonl_read(struct file_input *in, const struct ls_schema *schema,
                               struct ls_arena *mem, struct ls_value *values, bool *ret_record,
                               struct ls_error *err)
{
    struct line l = {.mem = mem, .member = keep_member, .schema = schema, .values = values};
    enum ls_code rc = next_line(in, ret_record, err);

    if (rc != LS_OK || !*ret_record)
        return rc;
    for (size_t i = 0; i < schema->field_count; i++)
        values[i] = ls_value_null();
    rc = parse_line(in, &l, err);
    if (rc == LS_OK && l.unknown)
        rc = file_data_error(
            err, in,
            "the member \"%s\" was not there when the file was looked at: it is being written",
            l.unknown);
    return rc;
}

static void write_head(struct ls_buf *out, const struct ls_schema *schema)
{
    (void)out;
    (void)schema;
}

static bool is_json_number(const struct ls_value *v)
{
    const char *p = v->data, *end = v->data + v->size;

    p += p < end && *p == '-';
    return p < end && *p >= '0' && *p <= '9' && !(*p == '0' && p + 1 < end && p[1] != '.') &&
           end[-1] != '.';
}

static void write_value(struct ls_buf *out, const struct ls_value *v)
{
    struct ls_buf text;

    ls_buf_init(&text, 0);
    ls_value_to_text(&text, v);
    out->failed = out->failed || text.failed;
    if (v->type == LS_T_NULL)
        ls_buf_text(out, "null");
    else if (v->type == LS_T_BOOL)
        ls_buf_text(out, v->b ? "true" : "false");
    else if (v->type == LS_T_INT || v->type == LS_T_JSON ||
             (v->type == LS_T_DOUBLE && v->d - v->d == 0) || /* neither NaN nor infinite */
             (v->type == LS_T_DECIMAL && is_json_number(v)))
        ls_buf_add(out, text.data, text.size);
    else
        ls_text_json(out, ls_buf_str(&text), text.size);
    ls_buf_done(&text);
}

static void jsonl_write(struct ls_buf *out, const struct ls_schema *schema,
                        const struct ls_value *values)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        ls_buf_char(out, i ? ',' : '{');
        ls_text_json(out, schema->fields[i].name, strlen(schema->fields[i].name));
        ls_buf_char(out, ':');
        write_value(out, &values[i]);
    }
    ls_buf_text(out, "}\n");
}

static const char *const endings[] = {".jsonl", ".ndjson", NULL};

const struct file_format file_jsonl = {
    .name = "jsonl",
    .endings = endings,
    .describe = jsonl_describe,
    .begin = jsonl_begin,
    .read = jsonl_read,
    .write_head = write_head,
    .write = jsonl_write,
};
