/* SPDX-License-Identifier: Apache-2.0 */
/* jsontext.c - the content of a JSON text.
 *
 * yajl reads it, because it hands over numbers as text: jansson makes doubles of them, and then 0.1 and
 * 0.10000000000000001 would be the same and 9007199254740993 another number. A tree is built in an arena and
 * written back in one canonical way.
 *
 * yajl replaces a lone surrogate (\ud800) by a question mark, which would make different texts equal; so such
 * texts are not taken as JSON here. PostgreSQL's jsonb refuses them too, its json keeps them as text.
 *
 * The tree is walked by recursion, which is why its depth is limited. */
#include "model/jsontext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "base/arena.h"
#include "model/decimal.h"

enum node_kind {
    NODE_NULL,
    NODE_FALSE,
    NODE_TRUE,
    NODE_NUMBER,
    NODE_STRING,
    NODE_ARRAY,
    NODE_OBJECT
};

struct node {
    enum node_kind kind;
    const char *text; /* of a number or string */
    size_t size;
    const char *name; /* of a member */
    size_t name_size;
    size_t count; /* children; the position among its siblings while they are sorted is `order` */
    size_t order;
    struct node *first, *last, *next, *parent;
};

struct tree {
    struct ls_arena *mem; /* NULL: only the syntax is looked at */
    struct node root, *at;
    const char *name; /* of the member whose value comes next */
    size_t name_size;
    size_t depth;
};

/* Adds a child where the parser stands; NULL when out of memory. */
static struct node *grow(struct tree *t, enum node_kind kind, const char *text, size_t size)
{
    struct node *n = ls_arena_alloc(t->mem, sizeof *n);

    if (!n)
        return NULL;
    *n = (struct node){.kind = kind, .size = size, .parent = t->at, .order = t->at->count++};
    n->text = ls_arena_copy(t->mem, text, size);
    n->name = t->name;
    n->name_size = t->name_size;
    t->name = NULL;
    if (t->at->last)
        t->at->last->next = n;
    else
        t->at->first = n;
    t->at->last = n;
    return n;
}

static int leaf(struct tree *t, enum node_kind kind, const char *text, size_t size)
{
    return !t->mem || grow(t, kind, text, size);
}

static int on_null(void *ctx)
{
    return leaf(ctx, NODE_NULL, "", 0);
}

static int on_boolean(void *ctx, int truth)
{
    return leaf(ctx, truth ? NODE_TRUE : NODE_FALSE, "", 0);
}

static int on_number(void *ctx, const char *text, size_t size)
{
    return ls_decimal_valid(text, size) && leaf(ctx, NODE_NUMBER, text, size);
}

static int on_string(void *ctx, const unsigned char *text, size_t size)
{
    return leaf(ctx, NODE_STRING, (const char *)text, size);
}

static int on_key(void *ctx, const unsigned char *text, size_t size)
{
    struct tree *t = ctx;

    if (!t->mem)
        return 1;
    t->name = ls_arena_copy(t->mem, text, size);
    t->name_size = size;
    return t->name != NULL;
}

static int descend(struct tree *t, enum node_kind kind)
{
    struct node *n;

    if (++t->depth > LS_JSON_MAX_DEPTH)
        return 0;
    if (!t->mem)
        return 1;
    n = grow(t, kind, "", 0);
    if (n)
        t->at = n;
    return n != NULL;
}

static int on_object(void *ctx)
{
    return descend(ctx, NODE_OBJECT);
}

static int on_array(void *ctx)
{
    return descend(ctx, NODE_ARRAY);
}

static int on_end(void *ctx)
{
    struct tree *t = ctx;

    t->depth--;
    if (t->mem)
        t->at = t->at->parent;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_object,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array,
    .yajl_end_array = on_end,
};

/* The code unit of a \uXXXX at text[at], or -1. */
static long escape_at(const char *text, size_t size, size_t at)
{
    char hex[5] = "";
    char *end;
    long unit;

    if (size - at < 6 || text[at] != '\\' || text[at + 1] != 'u')
        return -1;
    memcpy(hex, text + at + 2, 4);
    unit = strtol(hex, &end, 16);
    return end == hex + 4 ? unit : -1;
}

/* Looks at every escape; false when one is half of a surrogate pair. *ret_nul: one of them is U+0000. */
static bool scan_escapes(const char *text, size_t size, bool *ret_nul)
{
    const char *found;

    *ret_nul = false;
    for (size_t at = 0; at < size && (found = memchr(text + at, '\\', size - at)) != NULL;) {
        long unit, low;

        at = (size_t)(found - text);
        unit = escape_at(text, size, at);
        *ret_nul = *ret_nul || unit == 0;
        at += unit < 0 ? 2 : 6;
        if (unit < 0xd800 || unit > 0xdfff)
            continue;
        low = at < size ? escape_at(text, size, at) : -1;
        if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff)
            return false;
        at += 6;
    }
    return true;
}

bool ls_json_has_nul(const char *text, size_t size)
{
    bool nul;

    return !scan_escapes(text, size, &nul) || nul;
}

static bool parse(struct tree *t, const char *text, size_t size)
{
    yajl_handle yajl;
    bool nul, ok;

    if (!scan_escapes(text, size, &nul))
        return false;
    t->at = &t->root;
    yajl = yajl_alloc(&callbacks, NULL, t);
    if (!yajl)
        return false;
    ok = yajl_parse(yajl, (const unsigned char *)text, size) == yajl_status_ok &&
         yajl_complete_parse(yajl) == yajl_status_ok;
    yajl_free(yajl);
    return ok;
}

bool ls_json_valid(const char *text, size_t size)
{
    struct tree t = {.mem = NULL};

    return parse(&t, text, size);
}

static int order_members(const void *a, const void *b)
{
    const struct node *l = *(const struct node *const *)a, *r = *(const struct node *const *)b;
    int order = memcmp(l->name, r->name, l->name_size < r->name_size ? l->name_size : r->name_size);

    if (order != 0)
        return order;
    if (l->name_size != r->name_size)
        return l->name_size < r->name_size ? -1 : 1;
    return l->order < r->order ? -1 : 1;
}

static bool same_name(const struct node *a, const struct node *b)
{
    return a->name_size == b->name_size && memcmp(a->name, b->name, a->name_size) == 0;
}

static void write_node(struct ls_buf *out, const struct node *n, struct ls_arena *mem);

static void write_object(struct ls_buf *out, const struct node *n, struct ls_arena *mem)
{
    const struct node **members = ls_arena_array(mem, n->count + 1, sizeof(struct node *));
    size_t count = 0;

    if (!members) {
        out->failed = true;
        return;
    }
    for (const struct node *m = n->first; m; m = m->next)
        members[count++] = m;
    qsort(members, count, sizeof(struct node *), order_members);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && same_name(members[i], members[i + 1]))
            continue;
        ls_buf_char(out, 'm');
        ls_buf_bytes(out, members[i]->name, members[i]->name_size);
        write_node(out, members[i], mem);
    }
}

/* One letter for the kind; runs of bytes with their length, lists with an end mark. */
static void write_node(struct ls_buf *out, const struct node *n, struct ls_arena *mem)
{
    ls_buf_char(out, "nft#s[{"[n->kind]);
    if (n->kind == NODE_NUMBER) {
        ls_decimal_key(out, n->text, n->size);
        ls_buf_char(out, ';');
    } else if (n->kind == NODE_STRING) {
        ls_buf_bytes(out, n->text, n->size);
    } else if (n->kind == NODE_ARRAY) {
        for (const struct node *m = n->first; m; m = m->next)
            write_node(out, m, mem);
        ls_buf_char(out, ']');
    } else if (n->kind == NODE_OBJECT) {
        write_object(out, n, mem);
        ls_buf_char(out, '}');
    }
}

bool ls_json_content(struct ls_buf *out, const char *text, size_t size)
{
    struct ls_arena mem;
    struct tree t = {.mem = &mem};
    bool ok;

    ls_arena_init(&mem, 0);
    ok = parse(&t, text, size) && t.root.first;
    if (ok)
        write_node(out, t.root.first, &mem);
    ls_arena_done(&mem);
    return ok;
}
