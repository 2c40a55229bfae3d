/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - collections: finding, listing, describing and making them.
 *
 * A new collection keeps the keys of what it is made like as unique ones, so that
 * tests of the engine get collections with several keys without SQL. */
#include <stdlib.h>
#include <string.h>

#include "store/memory/memory.h"

void ls_mem_table_free(struct ls_mem_table *table)
{
    if (!table)
        return;
    ls_mem_version_free(table->now);
    ls_arena_done(&table->mem);
    free(table);
}

/* With the mutex held. */
static struct ls_mem_table *look_up(struct ls_mem_session *s, const char *name)
{
    struct ls_mem_table *table = s->db->tables;

    while (table && strcmp(table->schema->collection, name) != 0)
        table = table->next;
    return table;
}

/* Collections are never removed, so the pointer stays good while the session is open. */
static struct ls_mem_table *find_table(struct ls_mem_session *s, const char *name)
{
    struct ls_mem_table *table;

    ls_mem_enter();
    table = look_up(s, name);
    ls_mem_leave();
    return table;
}

enum ls_code ls_mem_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                         const char *const **ret, struct ls_error *err)
{
    struct ls_mem_session *s = ls_mem_of(store);
    const char **names;
    size_t count = 0, i = 0;

    ls_mem_enter();
    for (struct ls_mem_table *t = s->db->tables; t; t = t->next)
        count++;
    names = ls_arena_array(mem, count, sizeof(*names));
    for (struct ls_mem_table *t = s->db->tables; t && names; t = t->next)
        names[i++] = t->schema->collection;
    ls_mem_leave();
    if (!names)
        return ls_error_nomem(err);
    *ret_count = count;
    *ret = names;
    return LS_OK;
}

static enum ls_code no_such_table(struct ls_store *store, const char *name, struct ls_error *err)
{
    const char *const *names = NULL;
    struct ls_arena mem;
    size_t count = 0;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    rc = ls_mem_list(store, &mem, &count, &names, err);
    if (rc == LS_OK)
        rc = ls_store_no_collection(store, name, count, names, err);
    ls_arena_done(&mem);
    return rc;
}

enum ls_code ls_mem_need_table(struct ls_store *store, const char *name, struct ls_mem_table **ret,
                               struct ls_error *err)
{
    *ret = find_table(ls_mem_of(store), name ? name : "");
    return *ret ? LS_OK : no_such_table(store, name ? name : "", err);
}

/* What the session sees of a collection: its own draft, or the present. To be freed. */
struct ls_mem_version *ls_mem_see(struct ls_mem_session *s, struct ls_mem_table *table)
{
    struct ls_mem_version *v;

    for (struct ls_mem_draft *d = s->drafts; d; d = d->next)
        if (d->table == table)
            return ls_mem_version_hold(d->version);
    ls_mem_enter();
    v = ls_mem_version_hold(table->now);
    ls_mem_leave();
    return v;
}

enum ls_code ls_mem_describe(struct ls_store *store, const char *collection, struct ls_arena *mem,
                             struct ls_schema **ret, struct ls_error *err)
{
    struct ls_mem_table *table;
    struct ls_mem_version *v;
    enum ls_code rc = ls_mem_need_table(store, collection, &table, err);

    if (rc != LS_OK)
        return rc;
    *ret = ls_schema_copy(mem, table->schema);
    if (!*ret)
        return ls_error_nomem(err);
    v = ls_mem_see(ls_mem_of(store), table);
    (*ret)->rows_estimate = (int64_t)v->count;
    ls_mem_version_free(v);
    if (!store->writable)
        (*ret)->flags |= LS_SCHEMA_READ_ONLY;
    return LS_OK;
}

/* The fields of `like` that are kept, and where each of its fields went. */
static bool copy_fields(struct ls_schema *schema, const struct ls_schema *like,
                        struct ls_arena *mem, size_t *moved)
{
    struct ls_field *fields = ls_arena_array(mem, like->field_count, sizeof(*fields));
    size_t count = 0;

    for (size_t i = 0; fields && i < like->field_count; i++) {
        struct ls_field *f = &fields[count];

        if (like->fields[i].flags & LS_FIELD_GENERATED)
            continue;
        *f = like->fields[i];
        f->flags &= LS_FIELD_NOT_NULL | LS_FIELD_DYNAMIC;
        if (f->type != LS_T_NATIVE) {
            f->native = ls_type_word(f->type);
            f->engine = "";
        }
        moved[i] = count++;
    }
    schema->fields = fields;
    schema->field_count = count;
    return fields;
}

/* Whether a key of `like` goes along: not the one that is the primary key now, and none over a field that was left out. */
static bool keeps_key(const struct ls_schema *like, const struct ls_key *k, size_t key_count,
                      const size_t *key)
{
    for (size_t i = 0; i < k->field_count; i++)
        if (like->fields[k->fields[i]].flags & LS_FIELD_GENERATED)
            return false;
    return k->field_count != key_count || memcmp(k->fields, key, key_count * sizeof(*key)) != 0;
}

/* The new primary key first, then the keys of `like` as unique ones. */
static bool copy_keys(struct ls_schema *schema, const struct ls_schema *like, size_t key_count,
                      const size_t *key, struct ls_arena *mem, const size_t *moved)
{
    struct ls_key *keys = ls_arena_array(mem, like->key_count + 1, sizeof(*keys));
    size_t *primary = ls_arena_array(mem, key_count, sizeof(*primary));
    struct ls_field *fields =
        ls_arena_copy(mem, schema->fields, schema->field_count * sizeof(*fields));

    if (!keys || !primary || !fields)
        return false;
    for (size_t i = 0; i < key_count; i++) {
        primary[i] = moved[key[i]];
        fields[primary[i]].flags |= LS_FIELD_NOT_NULL;
    }
    schema->fields = fields;
    keys[0] = (struct ls_key){"", key_count, primary, true, true, false};
    schema->key_count = 1;
    for (size_t k = 0; k < like->key_count; k++) {
        const struct ls_key *from = &like->keys[k];
        struct ls_key *to = &keys[schema->key_count];
        size_t *at = ls_arena_array(mem, from->field_count, sizeof(*at));

        if (!at)
            return false;
        if (!keeps_key(like, from, key_count, key))
            continue;
        schema->key_count++;
        *to = (struct ls_key){from->name, from->field_count, at, false, true, false};
        for (size_t i = 0; i < from->field_count; i++) {
            at[i] = moved[from->fields[i]];
            to->not_null &= (fields[at[i]].flags & LS_FIELD_NOT_NULL) != 0;
        }
    }
    schema->keys = keys;
    return true;
}

static struct ls_mem_table *new_table(const char *name, const struct ls_schema *like,
                                      size_t key_count, const size_t *key)
{
    struct ls_mem_table *table = calloc(1, sizeof(*table));
    struct ls_schema schema = {
        .collection = name, .fingerprint = "", .flags = LS_SCHEMA_CONSTRAINTS};
    size_t *moved;

    if (!table)
        return NULL;
    ls_arena_init(&table->mem, 0);
    moved = ls_arena_array(&table->mem, like->field_count, sizeof(*moved));
    if (moved && copy_fields(&schema, like, &table->mem, moved) &&
        copy_keys(&schema, like, key_count, key, &table->mem, moved))
        table->schema = ls_schema_copy(&table->mem, &schema);
    table->as = ls_arena_array(&table->mem, schema.field_count, sizeof(*table->as));
    table->now = ls_mem_version_new(0);
    if (!table->schema || !table->as || !table->now) {
        ls_mem_table_free(table);
        return NULL;
    }
    for (size_t i = 0; i < schema.field_count; i++)
        table->as[i] = ls_as_of(&table->schema->fields[i], &table->schema->fields[i]);
    return table;
}

enum ls_code ls_mem_create(struct ls_store *store, const char *collection,
                           const struct ls_schema *like, size_t key_count, const size_t *key,
                           struct ls_error *err)
{
    struct ls_mem_session *s = ls_mem_of(store);
    struct ls_mem_table *table = new_table(collection, like, key_count, key);
    bool there;

    if (!table)
        return ls_error_nomem(err);
    ls_mem_enter();
    there = look_up(s, collection) != NULL;
    if (!there) {
        table->next = s->db->tables;
        s->db->tables = table;
    }
    ls_mem_leave();
    if (!there)
        return LS_OK;
    ls_mem_table_free(table);
    return ls_error_set(err, LS_CONFLICT, "cannot create %s: it exists (store=%s)", collection,
                        s->identity);
}
