/* SPDX-License-Identifier: Apache-2.0 */
/* jsonl.c - JSON Lines: one object a line, UTF-8.
 *
 * The fields are the union of the members of all objects, so describing a file reads it once. Numbers keep their text: whole ones
 * that fit are INT, others DECIMAL, never double. Nested objects and lists are JSON values, byte by byte as they stand
 * there. A member that an object lacks is NULL, as is null. Of several members with one name the last counts.
 *
 * A field's type is what was declared for it when the file was made (fields.c), as long as all its values can be read as
 * that; else what all its values have in common; where they differ it is text and dynamic, and each value keeps its own type.
 *
 * yajl gives tokens with their lengths, so that texts with escaped NULs are not cut. It keeps its own stack, so deep nesting
 * costs memory only, and is refused beyond LS_JSON_MAX_DEPTH, as the model does. It makes a question mark of half a surrogate pair (\ud800);
 * a line that may hold one is looked at by the model first. */
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "base/text.h"
#include "model/decimal.h"
#include "model/jsontext.h"
#include "store/file/fields.h"
#include "store/file/format.h"
#include "store/file/jsonl_value.h"

#define NUMBER_MAX ((size_t)1 << 18) /* bytes of a number written without its exponent */

/* One line being parsed. */
struct line {
    struct ls_arena *mem;
    void (*member)(struct line *l, const char *name, struct ls_value value);
    yajl_handle parser;
    const char *text;
    int depth;         /* 0 outside, 1 in the object, more inside a nested value */
    const char *name;  /* the member being read, in mem */
    size_t nested;     /* where the nested value that is open begins */
    bool ended, nomem; /* ended: the object is closed */
    const char *bad;   /* what is wrong with the line */
    /* for member functions */
    const struct ls_schema *schema;
    struct ls_value *values;
    size_t next; /* the field to look at first: most objects have their members in one order */
    const char *changed;
    struct fields *fields;
};

static const char not_an_object[] =
    "this is not one JSON object in UTF-8 (an object a line, no comma behind it)";

static int give(struct line *l, struct ls_value value)
{
    if (l->depth == 1)
        l->member(l, l->name, value);
    else if (l->depth == 0)
        l->bad = not_an_object; /* a value that is no member */
    return !l->nomem && !l->bad;
}

/* A value with data, copied. */
static int give_copy(struct line *l, enum ls_type type, const void *data, size_t size)
{
    const void *copy = l->depth == 1 ? ls_arena_copy(l->mem, size ? data : "", size) : "";

    l->nomem = l->nomem || !copy;
    return copy ? give(l, ls_value_data(type, copy, size)) : 0;
}

static int on_null(void *ctx)
{
    return give(ctx, ls_value_null());
}

static int on_boolean(void *ctx, int b)
{
    return give(ctx, (struct ls_value){.type = LS_T_BOOL, .b = b != 0});
}

/* A number with an exponent is written without it; nothing is rounded. */
static int give_plain(struct line *l, const char *text, size_t size)
{
    struct ls_buf plain;
    int ret;

    ls_buf_init(&plain, NUMBER_MAX);
    if (ls_decimal_valid(text, size)) /* not when the exponent itself is too large */
        ls_decimal_plain(&plain, text, size);
    if (plain.failed || !plain.size)
        l->bad = "a number of too many digits";
    ret = l->bad ? 0 : give_copy(l, LS_T_DECIMAL, plain.data, plain.size);
    ls_buf_done(&plain);
    return ret;
}

static int on_number(void *ctx, const char *text, size_t size)
{
    int64_t i;

    if (((struct line *)ctx)->depth != 1)
        return give(ctx, ls_value_null());
    if (ls_text_to_i64(text, size, &i))
        return give(ctx, ls_value_int(i));
    if (memchr(text, 'e', size) || memchr(text, 'E', size))
        return give_plain(ctx, text, size);
    return give_copy(ctx, LS_T_DECIMAL, text, size);
}

static int on_string(void *ctx, const unsigned char *text, size_t size)
{
    return give_copy(ctx, LS_T_TEXT, text, size);
}

static int on_key(void *ctx, const unsigned char *text, size_t size)
{
    struct line *l = ctx;

    if (l->depth != 1)
        return 1;
    l->name = ls_arena_text_n(l->mem, size ? (const char *)text : "", size);
    l->nomem = l->nomem || !l->name;
    if (size && memchr(text, '\0', size))
        l->bad = "a member whose name holds a NUL character";
    return !l->nomem && !l->bad;
}

static int open_nested(struct line *l)
{
    if (l->depth == 1)
        l->nested = yajl_get_bytes_consumed(l->parser) - 1;
    if (++l->depth > LS_JSON_MAX_DEPTH)
        l->bad = "a value of more than 1,000 levels";
    return !l->bad;
}

static int close_nested(struct line *l)
{
    if (--l->depth != 1)
        return 1;
    return give_copy(l, LS_T_JSON, l->text + l->nested,
                     yajl_get_bytes_consumed(l->parser) - l->nested);
}

static int on_map(void *ctx)
{
    struct line *l = ctx;

    if (l->depth > 0)
        return open_nested(l);
    l->depth = 1;
    return 1;
}

static int on_map_end(void *ctx)
{
    struct line *l = ctx;

    if (l->depth > 1)
        return close_nested(l);
    l->depth = 0;
    l->ended = true;
    return 1;
}

static int on_array(void *ctx)
{
    struct line *l = ctx;

    if (l->depth == 0)
        l->bad = not_an_object;
    return l->bad ? 0 : open_nested(l);
}

static int on_array_end(void *ctx)
{
    return close_nested(ctx);
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

/* Whether an escape that begins a surrogate stands in the text; then only the model knows whether its other half does. */
static bool has_surrogate(const char *text, size_t size)
{
    for (const char *p = text, *end = text + size; p && p < end;) {
        p = memchr(p, '\\', (size_t)(end - p));
        if (p && end - p > 2 && p[1] == 'u' && (p[2] == 'd' || p[2] == 'D'))
            return true;
        p = p ? p + 2 : NULL;
    }
    return false;
}

static enum ls_code parse_line(struct file_input *in, struct line *l, size_t size,
                               struct ls_error *err)
{
    yajl_status status;
    enum ls_code rc = LS_OK;

    if (has_surrogate(l->text, size) && !ls_json_valid(l->text, size))
        return file_data_error(err, in,
                               "half a surrogate pair (\\ud800), or this is no JSON at all");
    l->parser = yajl_alloc(&callbacks, NULL, l);
    if (!l->parser)
        return ls_error_nomem(err);
    status = yajl_parse(l->parser, (const unsigned char *)l->text, size);
    if (status == yajl_status_ok)
        status = yajl_complete_parse(l->parser);
    if (l->nomem)
        rc = ls_error_nomem(err);
    else if (l->bad || status != yajl_status_ok || !l->ended)
        rc = file_data_error(err, in, "%s", l->bad ? l->bad : not_an_object);
    yajl_free(l->parser);
    return rc;
}

static bool is_blank(const char *text, size_t size)
{
    while (size && strchr(" \t\r", text[size - 1]) && text[size - 1])
        size--;
    return size == 0;
}

/* The next line that is not blank, without its end, as a span of the window; *ret_text NULL at the end of the file. */
static enum ls_code next_line(struct file_input *in, const char **ret_text, size_t *ret_size,
                              struct ls_error *err)
{
    size_t n = 0; /* of the line, what was looked at */

    for (*ret_text = NULL; in->at < in->end || !in->eof;) {
        char *line = in->data + in->at, *end = memchr(line + n, '\n', in->end - in->at - n);
        enum ls_code rc;

        n = end ? (size_t)(end - line) : in->end - in->at;
        if (!end && !in->eof) {
            rc = file_input_more(in, err);
            if (rc != LS_OK)
                return rc;
            continue;
        }
        in->at += n + (end != NULL);
        in->line++;
        *ret_size = n;
        if (!is_blank(line, n)) {
            *ret_text = line;
            return LS_OK;
        }
        n = 0;
    }
    return LS_OK;
}

/* ---- describe ---- */

static void note_member(struct line *l, const char *name, struct ls_value value)
{
    if (!fields_note(l->fields, name, &value, l->mem)) {
        if (l->fields->count == FILE_FIELDS_MAX)
            l->bad = "the objects so far have more than 10,000 different members";
        else
            l->nomem = true;
    }
}

static enum ls_code jsonl_describe(struct file_input *in, struct ls_arena *mem, size_t *ret_count,
                                   struct ls_field **ret, struct ls_error *err)
{
    struct fields fields = {.mem = mem};
    struct ls_arena scratch;
    enum ls_code rc = fields_load(&fields, in->shown, err);

    ls_arena_init(&scratch, 0);
    in->line = 0;
    while (rc == LS_OK) {
        struct line l = {.mem = &scratch, .member = note_member, .fields = &fields};
        size_t size = 0;

        fields.next = 0;
        rc = next_line(in, &l.text, &size, err);
        if (rc != LS_OK || !l.text)
            break;
        rc = parse_line(in, &l, size, err);
        ls_arena_reset(&scratch);
    }
    ls_arena_done(&scratch);
    if (rc == LS_OK && fields.count == 0)
        rc = ls_error_set(
            err, LS_DATA,
            "%s holds no record, so it has no fields. Begin it with one record, or remove it and "
            "let lockstep make it (--create)",
            in->shown);
    if (rc == LS_OK)
        rc = fields_settle(&fields, ret_count, ret, err);
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

static int field_of(struct line *l, const char *name)
{
    const struct ls_schema *s = l->schema;

    if (l->next < s->field_count && strcmp(s->fields[l->next].name, name) == 0)
        return (int)l->next++;
    return ls_schema_find(s, name);
}

static void keep_member(struct line *l, const char *name, struct ls_value value)
{
    const int at = field_of(l, name);
    bool fits = false;

    if (at >= 0 && !jsonl_value_read(&value, &l->schema->fields[at], l->mem, &l->values[at], &fits))
        l->nomem = true;
    else if (!fits)
        l->changed = name;
}

static enum ls_code jsonl_read(struct file_input *in, const struct ls_schema *schema,
                               struct ls_arena *mem, struct ls_value *values, bool *ret_record,
                               struct ls_error *err)
{
    struct line l = {.mem = mem, .member = keep_member, .schema = schema, .values = values};
    size_t size = 0;
    enum ls_code rc = next_line(in, &l.text, &size, err);

    *ret_record = rc == LS_OK && l.text;
    if (!*ret_record)
        return rc;
    for (size_t i = 0; i < schema->field_count; i++)
        values[i] = ls_value_null();
    rc = parse_line(in, &l, size, err);
    if (rc == LS_OK && l.changed)
        rc = ls_error_set(err, LS_CHANGED,
                          "%s line %llu: the member \"%s\" is not what it was when the file was "
                          "looked at. Try again when nobody writes to it",
                          in->shown, (unsigned long long)in->line, l.changed);
    return rc;
}

static void write_head(struct ls_buf *out, const struct ls_schema *schema,
                       const struct file_style *style)
{
    (void)out;
    (void)schema;
    (void)style;
}

static void jsonl_write(struct ls_buf *out, const struct ls_schema *schema,
                        const struct ls_value *values, const struct file_style *style)
{
    (void)style;
    for (size_t i = 0; i < schema->field_count; i++) {
        ls_buf_char(out, i ? ',' : '{');
        ls_text_json(out, schema->fields[i].name, strlen(schema->fields[i].name));
        ls_buf_char(out, ':');
        jsonl_value_write(out, &values[i]);
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
    .refuses = jsonl_value_refuses,
    .write_head = write_head,
    .write = jsonl_write,
    .note = fields_save,
    .unnote = fields_remove,
};
