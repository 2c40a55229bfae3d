/* SPDX-License-Identifier: Apache-2.0 */
/* event.c - events as JSON.
 *
 * yajl reads the text and tells where it stands after each token, so that the bytes of `data` are cut out of what
 * came instead of being written anew: a receiver checks a signature over bytes, and a number or an order of
 * members that a parser has changed is another text.
 *
 * A name that is twice in one object is refused, at every level: of two readers one takes the first and the other the last, and our own receivers refuse
 * it. The names of the objects that are open are kept as hashes on a stack. A short object is looked through for each name, a long one is sorted
 * at its end: so no text costs more than n log n, and the usual one next to nothing. */
#include "event/event.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "model/value.h"

#define SHORT 24 /* names of an object that are looked through */

const char *const ls_event_types[] = {
    "enrollment.created", "enrollment.updated", "enrollment.deleted",
    "profile.updated",    "user.updated",       "progress.updated",
};
const size_t ls_event_type_count = sizeof ls_event_types / sizeof *ls_event_types;

bool ls_event_type_fits(const char *type, const char *pattern)
{
    const size_t length = strlen(pattern);

    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(type, pattern, length - 1) == 0;
    return strcmp(type, pattern) == 0;
}

/* ---- reading ---- */

/*    member, name, what it has to be */
#define MEMBERS(X)                   \
    X(ID, "id")                      \
    X(TYPE, "type")                  \
    X(RESOURCE_ID, "resourceId")     \
    X(RESOURCE_TYPE, "resourceType") \
    X(DATA, "data")                  \
    X(TIMESTAMP, "timestamp")        \
    X(RETRY_COUNT, "retryCount")     \
    X(STATUS, "status")
#define X(member, name) member,
enum member { MEMBERS(X) MEMBER_COUNT };
#undef X
#define X(member, name) name,
static const char *const names[] = {MEMBERS(X)};
#undef X

/* A name of an object that is open. */
struct known {
    struct ls_hash128 hash;
    size_t at; /* behind it, in the piece */
};

struct reader {
    const char *whole; /* all that came */
    const char *text;  /* of the piece that is parsed */
    yajl_handle parser;
    const struct ls_event_rules *rules;
    int64_t now_us;
    struct ls_arena *mem;
    struct ls_error *err;
    enum ls_code rc;

    struct ls_event **events; /* grows in mem */
    size_t *count, capacity;
    struct ls_event e; /* the one being read */
    bool array;        /* the piece is an array of events */
    int depth, base;   /* levels open; the level of an event's members */
    unsigned seen;     /* members, as bits */
    enum member member;
    size_t start; /* of data */

    struct known *known; /* of all levels, the innermost last; freed at the end */
    size_t known_count, known_room;
    size_t first[LS_EVENT_MAX_DEPTH + 1]; /* of each level */
};

/* Sets the error, with which event it is about; gives what stops the parser. */
static int refuse(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int refuse(struct reader *r, const char *fmt, ...)
{
    char why[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    r->rc = ls_error_set(r->err, LS_DATA, "event %zu: %s", *r->count + 1, why);
    return 0;
}

static int no_memory(struct reader *r)
{
    r->rc = ls_error_nomem(r->err);
    return 0;
}

/* A place in the piece, as it is told: from 1, of all that came. */
static size_t place(const struct reader *r, size_t at)
{
    return (size_t)(r->text - r->whole) + at + 1;
}

static bool in_event(const struct reader *r)
{
    return r->depth == r->base;
}

static size_t here(const struct reader *r)
{
    return yajl_get_bytes_consumed(r->parser);
}

/* ---- names inside of data ---- */

/* The name that ends at `at`, as it was written. */
static int refuse_twice(struct reader *r, size_t at)
{
    size_t begin = at - 1; /* of its closing quote */
    size_t escapes;

    do {
        begin--;
        for (escapes = 0; begin > escapes && r->text[begin - escapes - 1] == '\\'; escapes++) {
        }
    } while (begin > 0 && (r->text[begin] != '"' || escapes % 2));
    return refuse(r, "%.*s is twice in an object of data (byte %zu)",
                  (int)(at - begin < 100 ? at - begin : 100), r->text + begin, place(r, begin));
}

static bool same_name(const struct known *a, const struct known *b)
{
    return a->hash.high == b->hash.high && a->hash.low == b->hash.low;
}

static int by_hash(const void *x, const void *y)
{
    const struct known *a = x, *b = y;

    if (a->hash.high != b->hash.high)
        return a->hash.high < b->hash.high ? -1 : 1;
    if (a->hash.low != b->hash.low)
        return a->hash.low < b->hash.low ? -1 : 1;
    return a->at < b->at ? -1 : 1;
}

static bool known_room(struct reader *r)
{
    const size_t room = r->known_room ? 2 * r->known_room : 64;
    struct known *more;

    if (r->known_count < r->known_room)
        return true;
    more = reallocarray(r->known, room, sizeof *more);
    if (!more)
        return false;
    r->known = more;
    r->known_room = room;
    return true;
}

static int on_inner_name(struct reader *r, const char *name, size_t size)
{
    const struct known new = {ls_hash128(name, size, 0), here(r)};
    const size_t first = r->first[r->depth];

    for (size_t i = first; r->known_count - first <= SHORT && i < r->known_count; i++)
        if (same_name(&r->known[i], &new))
            return refuse_twice(r, new.at);
    if (!known_room(r))
        return no_memory(r);
    r->known[r->known_count++] = new;
    return 1;
}

static int end_of_names(struct reader *r)
{
    const size_t first = r->first[r->depth], count = r->known_count - first;
    struct known *names_of_it = r->known + first;
    size_t twice = 0;

    r->known_count = first;
    if (count <= SHORT)
        return 1;
    qsort(names_of_it, count, sizeof *names_of_it, by_hash);
    for (size_t i = 1; i < count; i++)
        if (same_name(&names_of_it[i - 1], &names_of_it[i]) &&
            (!twice || names_of_it[i].at < twice))
            twice = names_of_it[i].at;
    return twice ? refuse_twice(r, twice) : 1;
}

/* ---- values ---- */

/* A value has ended that is no map and no array, or one that is. */
static int value_ended(struct reader *r)
{
    if (!in_event(r) || r->member != DATA)
        return 1;
    r->e.data = r->text + r->start;
    r->e.data_size = here(r) - r->start;
    return 1;
}

static int wrong_kind(struct reader *r, const char *kind)
{
    if (r->depth < r->base)
        return refuse(r, "an event is a JSON object, not %s", kind);
    if (!in_event(r) || r->member == DATA || r->member == RETRY_COUNT || r->member == STATUS)
        return value_ended(r);
    return refuse(r, "%s must be a text, not %s", names[r->member], kind);
}

/* An object or an array where none belongs. Refused also where anything else is ignored: nothing may open a level
 * that is not counted, or its end is taken for the event's. */
static int wrong_nest(struct reader *r, const char *kind)
{
    return refuse(r, "%s must be a %s, not %s", names[r->member],
                  r->member == RETRY_COUNT ? "number" : "text", kind);
}

static int on_null(void *ctx)
{
    return wrong_kind(ctx, "null");
}

static int on_bool(void *ctx, int value)
{
    (void)value;
    return wrong_kind(ctx, "a boolean");
}

static int on_number(void *ctx, const char *digits, size_t size)
{
    (void)digits;
    (void)size;
    return wrong_kind(ctx, "a number");
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return true;
    return false;
}

/* An id goes into headers, so it is visible ASCII. */
static int read_id(struct reader *r, const char *text, size_t size, const char **ret)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return refuse(r, "%s holds something else than visible ASCII characters",
                          names[r->member]);
    if (size == 0 || size > LS_EVENT_ID_MAX)
        return refuse(r, "%s must have 1 to %d characters", names[r->member], LS_EVENT_ID_MAX);
    *ret = ls_arena_text_n(r->mem, text, size);
    return *ret ? 1 : no_memory(r);
}

static int read_name(struct reader *r, const char *text, size_t size, const char **ret)
{
    if (size == 0 || size > LS_EVENT_NAME_MAX || has_control(text, size))
        return refuse(r, "%s must have 1 to %d bytes without control characters", names[r->member],
                      LS_EVENT_NAME_MAX);
    if (ls_utf8_check(text, size) != size) /* half of a surrogate pair, which the parser lets in */
        return refuse(r, "%s is no UTF-8", names[r->member]);
    *ret = ls_arena_text_n(r->mem, text, size);
    return *ret ? 1 : no_memory(r);
}

static int read_time(struct reader *r, const char *text, size_t size)
{
    struct ls_value v;
    struct ls_error ignored;

    if (ls_value_from_text(LS_T_TIMESTAMPTZ, text, size, r->mem, &v, &ignored) != LS_OK ||
        v.i == LS_TIME_INFINITY || v.i == LS_TIME_MINUS_INFINITY)
        return refuse(r, "timestamp is not a time such as 2026-01-31T12:00:00.000Z");
    r->e.at_us = v.i;
    return 1;
}

static int on_string(void *ctx, const unsigned char *bytes, size_t size)
{
    struct reader *r = ctx;
    const char *text = (const char *)bytes;

    if (!in_event(r))
        return wrong_kind(r, "a text");
    switch (r->member) {
    case ID:
        return read_id(r, text, size, &r->e.id);
    case TYPE:
        return read_id(r, text, size, &r->e.type);
    case RESOURCE_ID:
        return read_name(r, text, size, &r->e.resource_id);
    case RESOURCE_TYPE:
        return read_name(r, text, size, &r->e.resource_type);
    case TIMESTAMP:
        return read_time(r, text, size);
    case DATA:
    case RETRY_COUNT:
    case STATUS:
    case MEMBER_COUNT:
    default:
        return value_ended(r);
    }
}

static int unknown_member(struct reader *r, const char *name, size_t size)
{
    const char *near = ls_text_nearest(ls_arena_text_n(r->mem, name, size), names, MEMBER_COUNT);

    return refuse(r, "an event has no member \"%.*s\"%s%s%s", (int)(size < 100 ? size : 100), name,
                  near ? ". Did you mean \"" : ". What belongs to the event itself goes into data",
                  near ? near : "", near ? "\"?" : "");
}

/* Where the value begins that comes after a name. */
static size_t behind_colon(const struct reader *r)
{
    const char *p = r->text + here(r);

    p += strspn(p, " \t\r\n");
    p += *p == ':';
    p += strspn(p, " \t\r\n");
    return (size_t)(p - r->text);
}

static int on_name(void *ctx, const unsigned char *bytes, size_t size)
{
    struct reader *r = ctx;
    const char *name = (const char *)bytes;
    unsigned m = 0;

    if (!in_event(r))
        return on_inner_name(r, name, size);
    while (m < MEMBER_COUNT && (strlen(names[m]) != size || memcmp(names[m], name, size) != 0))
        m++;
    if (m == MEMBER_COUNT)
        return unknown_member(r, name, size);
    if (r->seen & 1u << m)
        return refuse(r, "%s is there twice", names[m]);
    r->seen |= 1u << m;
    r->member = (enum member)m;
    if (m == DATA)
        r->start = behind_colon(r);
    return 1;
}

static int too_deep(struct reader *r)
{
    return refuse(r, "its JSON has more than %d levels", LS_EVENT_MAX_DEPTH);
}

static int on_map(void *ctx)
{
    struct reader *r = ctx;

    if (in_event(r) && r->member != DATA)
        return wrong_nest(r, "an object");
    if (++r->depth > LS_EVENT_MAX_DEPTH)
        return too_deep(r);
    r->first[r->depth] = r->known_count;
    if (in_event(r)) {
        r->e = (struct ls_event){.options = ""};
        r->seen = 0;
    }
    return 1;
}

static int on_array(void *ctx)
{
    struct reader *r = ctx;

    if (in_event(r) && r->member != DATA)
        return wrong_nest(r, "an array");
    if (r->depth < r->base && !(r->array && r->depth == 0))
        return wrong_kind(r, "an array");
    if (++r->depth > LS_EVENT_MAX_DEPTH)
        return too_deep(r);
    r->first[r->depth] = r->known_count;
    return 1;
}

static bool type_is_known(const struct reader *r, const char *type)
{
    for (size_t i = 0; i < ls_event_type_count; i++)
        if (strcmp(ls_event_types[i], type) == 0)
            return true;
    for (size_t i = 0; i < r->rules->type_count; i++)
        if (ls_event_type_fits(type, r->rules->types[i]))
            return true;
    return r->rules->any;
}

static int unknown_type(struct reader *r)
{
    const char *near = ls_text_nearest(r->e.type, ls_event_types, ls_event_type_count);

    return refuse(r,
                  "the type %s is not known%s%s%s. Types of your own are listed under events: "
                  "types: in the configuration",
                  r->e.type, near ? ". Did you mean " : "", near ? near : "", near ? "?" : "");
}

static int need_id(struct reader *r)
{
    char id[37];

    if (r->e.id)
        return 1;
    ls_uuid_new(id);
    r->e.id = ls_arena_text(r->mem, id);
    return r->e.id ? 1 : no_memory(r);
}

/* The event is whole: what was left out gets its default. */
static int add_event(struct reader *r)
{
    if (!r->e.type || !r->e.resource_id)
        return refuse(r, "it has no %s", r->e.type ? "resourceId" : "type");
    if (!type_is_known(r, r->e.type))
        return unknown_type(r);
    if (!r->e.resource_type && *r->e.type == '.')
        return refuse(r, "the type %s begins with a dot: it has no kind of resource", r->e.type);
    if (!r->e.resource_type)
        r->e.resource_type = ls_arena_text_n(r->mem, r->e.type, strcspn(r->e.type, "."));
    if (!r->e.resource_type)
        return no_memory(r);
    if (!(r->seen & 1u << TIMESTAMP))
        r->e.at_us = r->now_us;
    if (!r->e.data) {
        r->e.data = "null";
        r->e.data_size = 4;
    }
    if (!need_id(r))
        return 0;
    if (*r->count == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 16;
        struct ls_event *more = ls_arena_array(r->mem, capacity, sizeof *more);

        if (!more)
            return no_memory(r);
        if (*r->count)
            memcpy(more, *r->events, *r->count * sizeof *more);
        *r->events = more;
        r->capacity = capacity;
    }
    (*r->events)[(*r->count)++] = r->e;
    return 1;
}

static int on_end(void *ctx)
{
    struct reader *r = ctx;
    const bool event = in_event(r);

    if (!end_of_names(r))
        return 0;
    r->depth--;
    return event ? add_event(r) : value_ended(r);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_map,
    .yajl_map_key = on_name,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_end,
};

/* What yajl says, without the picture that it draws of the place. */
static void syntax_error(struct reader *r, size_t size, bool ended)
{
    unsigned char *text = yajl_get_error(r->parser, 0, (const unsigned char *)r->text, size);
    const char *why = text ? (const char *)text : "it is no JSON";

    refuse(r, "%.*s (byte %zu)", (int)strcspn(why, "\n"), why,
           place(r, ended     ? size
                    : here(r) ? here(r) - 1
                              : 0));
    if (text)
        yajl_free_error(r->parser, text);
}

/* One JSON text: text[size] can be read (a NUL or an end of line). */
static enum ls_code read_piece(struct reader *r, const char *text, size_t size)
{
    yajl_status status;
    bool ended = false;

    r->text = text;
    r->depth = 0;
    r->known_count = 0;
    r->base = r->array ? 2 : 1;
    r->parser = yajl_alloc(&callbacks, NULL, r);
    if (!r->parser)
        return ls_error_nomem(r->err);
    status = yajl_parse(r->parser, (const unsigned char *)text, size);
    if (status == yajl_status_ok) {
        ended = true; /* what is wrong from here on is that there is no more */
        status = yajl_complete_parse(r->parser);
    }
    if (status != yajl_status_ok && r->rc == LS_OK)
        syntax_error(r, size, ended);
    yajl_free(r->parser);
    return r->rc;
}

static enum ls_code read_lines(struct reader *r, const char *text, size_t size)
{
    const char *end = text + size;

    for (const char *line = text; line < end && r->rc == LS_OK;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const size_t length = (size_t)((stop ? stop : end) - line);

        if (strspn(line, " \t\r") < length)
            r->rc = read_piece(r, line, length);
        line += length + 1;
    }
    return r->rc;
}

enum ls_code ls_events_read(const char *text, size_t size, bool lines,
                            const struct ls_event_rules *rules, int64_t now_us,
                            struct ls_arena *mem, size_t *ret_count, struct ls_event **ret,
                            struct ls_error *err)
{
    static const struct ls_event_rules none;
    struct reader r = {.rules = rules ? rules : &none,
                       .now_us = now_us,
                       .mem = mem,
                       .err = err,
                       .events = ret,
                       .count = ret_count};
    const char *copy = ls_arena_text_n(mem, text, size); /* ends in a NUL */
    enum ls_code rc;

    *ret_count = 0;
    *ret = NULL;
    if (!copy)
        return ls_error_nomem(err);
    r.whole = copy;
    r.array = copy[strspn(copy, " \t\r\n")] == '[';
    if (strspn(copy, " \t\r\n") == size)
        return ls_error_set(err, LS_DATA, "there is no event in it");
    rc = lines && !r.array ? read_lines(&r, copy, size) : read_piece(&r, copy, size);
    free(r.known);
    if (rc == LS_OK && *ret_count == 0)
        rc = ls_error_set(err, LS_DATA, "there is no event in it");
    return rc;
}

/* ---- writing ---- */

static void member(struct ls_buf *out, const char *before, const char *text)
{
    ls_buf_text(out, before);
    ls_text_json(out, text, strlen(text));
}

void ls_event_write(struct ls_buf *out, const struct ls_event *e, int64_t retries,
                    const char *status)
{
    char at[25];

    ls_clock_iso(e->at_us, at);
    member(out, "{\"id\":", e->id);
    member(out, ",\"type\":", e->type);
    member(out, ",\"resourceId\":", e->resource_id);
    member(out, ",\"resourceType\":", e->resource_type);
    ls_buf_text(out, ",\"data\":");
    ls_buf_add(out, e->data, e->data_size);
    member(out, ",\"timestamp\":", at);
    ls_buf_text(out, ",\"retryCount\":");
    ls_buf_i64(out, retries);
    member(out, ",\"status\":", status);
    ls_buf_char(out, '}');
}
