/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - collections inside the process: for tests, and the store kind to copy.
 *
 * A database is named (memory:NAME), shared by all sessions of the process, and exists while
 * a session is open. It shows every part of the contract in store.h with the least machinery:
 *
 * Versions. What a collection holds is a version: an array of pointers to rows, in the order
 * of the primary key. Versions and rows never change and are counted, so a scan is a
 * snapshot by holding one, a transaction is a private version of each collection it touched,
 * commit puts them in place, and rollback drops them.
 *
 * One writer. A transaction has the database for itself until it ends; others that begin wait,
 * at most the lock timeout. Readers never wait.
 *
 * Marks are kept by the database: they are in it exactly when their transaction committed.
 *
 * Invariants: every row has the schema's fields in order; all keys of the schema are unique,
 * NULLs apart; a value is NULL or of its field's type. The list of databases is the one
 * global of this layer: "shared inside the process" cannot be had without it.
 *
 * Limits: a write costs time linear in the collection, so batches should not be tiny. */
#include "store/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

#define LOCK_TIMEOUT_MS 10000
#define BATCH_BYTES ((size_t)1 << 20)

struct row {
    atomic_size_t refs;
    struct ls_value values[]; /* their data stands behind them */
};

struct version {
    atomic_size_t refs;
    size_t count;
    struct row **rows;
};

struct table {
    struct table *next;
    struct ls_arena mem;
    struct ls_schema *schema;
    struct ls_as *as; /* of each field by its own type */
    struct version *now;
};

struct name { /* a mark, or a lock that a session holds */
    struct name *next;
    const struct session *owner;
    char text[];
};

struct db {
    struct db *next;
    char *name;
    size_t sessions;
    struct session *writer;
    struct table *tables;
    struct name *marks, *locks;
};

struct draft { /* what a collection will be after the commit */
    struct draft *next;
    struct table *table;
    struct version *version;
};

struct session {
    struct ls_store base;
    struct db *db;
    char *identity;
    int lock_timeout_ms;
    struct draft *drafts;
    struct name *marks;
};

struct cursor {
    struct ls_cursor base;
    const struct ls_scan *scan;
    struct ls_arena mem;
    struct version *version;
    struct row **rows; /* the version's, or sorted ones in mem */
    struct ls_sieve sieve;
    size_t at;
};

static struct {
    pthread_mutex_t mutex; /* over everything but what one session alone has */
    pthread_cond_t freed;  /* a writer ended */
    struct db *first;
} all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};

static struct session *session_of(struct ls_store *store)
{
    return (struct session *)store;
}

/* ---- rows and versions */

static size_t value_bytes(const struct ls_value *v)
{
    return ls_type_has_data(v->type) ? v->size : 0;
}

static struct row *row_new(const struct ls_value *values, size_t width)
{
    size_t bytes = 0;
    struct row *row;
    char *data;

    for (size_t i = 0; i < width; i++)
        bytes += value_bytes(&values[i]);
    row = malloc(sizeof(*row) + width * sizeof(*values) + bytes);
    if (!row)
        return NULL;
    atomic_init(&row->refs, 1);
    data = (char *)(row->values + width);
    for (size_t i = 0; i < width; i++) {
        row->values[i] = values[i];
        if (!ls_type_has_data(values[i].type))
            continue;
        if (values[i].size)
            memcpy(data, values[i].data, values[i].size);
        row->values[i].data = data;
        data += values[i].size;
    }
    return row;
}

static void row_free(struct row *row)
{
    if (row && atomic_fetch_sub(&row->refs, 1) == 1)
        free(row);
}

/* Room for count rows; count is set to 0. */
static struct version *version_new(size_t capacity)
{
    struct version *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    atomic_init(&v->refs, 1);
    v->rows = calloc(capacity ? capacity : 1, sizeof(struct row *));
    if (v->rows)
        return v;
    free(v);
    return NULL;
}

static struct version *version_hold(struct version *v)
{
    atomic_fetch_add(&v->refs, 1);
    return v;
}

static void version_free(struct version *v)
{
    if (!v || atomic_fetch_sub(&v->refs, 1) != 1)
        return;
    for (size_t i = 0; i < v->count; i++)
        row_free(v->rows[i]);
    free(v->rows);
    free(v);
}

/* An order of rows: by some fields (schema indexes). */
struct order {
    size_t count;
    const size_t *fields;
    const struct ls_as *as; /* count of them */
};

static int compare_rows(const struct row *a, const struct row *b, const struct order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        int c = ls_value_order(&a->values[o->fields[i]], &b->values[o->fields[i]], &o->as[i]);

        if (c)
            return c;
    }
    return 0;
}

static int compare_pointers(const void *a, const void *b, void *order)
{
    return compare_rows(*(struct row *const *)a, *(struct row *const *)b, order);
}

static int compare_key(const struct row *row, const struct ls_value *key, const struct order *o)
{
    for (size_t i = 0; i < o->count; i++) {
        int c = ls_value_order(&row->values[o->fields[i]], &key[i], &o->as[i]);

        if (c)
            return c;
    }
    return 0;
}

/* ---- databases and sessions */

static struct db *find_db(const char *name)
{
    struct db *db = all.first;

    while (db && strcmp(db->name, name) != 0)
        db = db->next;
    return db;
}

static struct db *hold_db(const char *name)
{
    struct db *db = find_db(name);

    if (!db) {
        db = calloc(1, sizeof(*db));
        if (db)
            db->name = strdup(name);
        if (!db || !db->name) {
            free(db);
            return NULL;
        }
        db->next = all.first;
        all.first = db;
    }
    db->sessions++;
    return db;
}

static void free_names(struct name **list, const struct session *owner, const char *prefix)
{
    while (*list) {
        struct name *name = *list;

        if ((owner && name->owner != owner) || !ls_text_starts(name->text, prefix)) {
            list = &name->next;
            continue;
        }
        *list = name->next;
        free(name);
    }
}

static bool add_name(struct name **list, const struct session *owner, const char *text)
{
    struct name *name = malloc(sizeof(*name) + strlen(text) + 1);

    if (!name)
        return false;
    name->owner = owner;
    memcpy(name->text, text, strlen(text) + 1);
    name->next = *list;
    *list = name;
    return true;
}

static const struct name *find_name(const struct name *list, const char *text)
{
    while (list && strcmp(list->text, text) != 0)
        list = list->next;
    return list;
}

static void free_table(struct table *table)
{
    if (!table)
        return;
    version_free(table->now);
    ls_arena_done(&table->mem);
    free(table);
}

static void release_db(struct db *db)
{
    struct db **at = &all.first;

    if (--db->sessions)
        return;
    while (*at != db)
        at = &(*at)->next;
    *at = db->next;
    while (db->tables) {
        struct table *table = db->tables;

        db->tables = table->next;
        free_table(table);
    }
    free_names(&db->marks, NULL, "");
    free_names(&db->locks, NULL, "");
    free(db->name);
    free(db);
}

static enum ls_code memory_open(const struct ls_url *url, const struct ls_store_options *options,
                                struct ls_store **ret, struct ls_error *err)
{
    struct session *s = calloc(1, sizeof(*s));

    if (!s)
        return ls_error_nomem(err);
    s->lock_timeout_ms = options->lock_timeout_ms ? options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    if (asprintf(&s->identity, "memory:%s", url->location) < 0) {
        free(s);
        return ls_error_nomem(err);
    }
    pthread_mutex_lock(&all.mutex);
    s->db = hold_db(url->location);
    pthread_mutex_unlock(&all.mutex);
    if (!s->db) {
        free(s->identity);
        free(s);
        return ls_error_nomem(err);
    }
    *ret = &s->base;
    return LS_OK;
}

static void memory_close(struct ls_store *store)
{
    struct session *s = session_of(store);

    pthread_mutex_lock(&all.mutex);
    free_names(&s->db->locks, s, "");
    release_db(s->db);
    pthread_mutex_unlock(&all.mutex);
    free(s->identity);
    free(s);
}

static const char *memory_identity(struct ls_store *store)
{
    return session_of(store)->identity;
}

/* ---- collections */

/* Collections are never removed, so the pointer stays good while the session is open. */
static struct table *find_table(struct session *s, const char *name)
{
    struct table *table;

    pthread_mutex_lock(&all.mutex);
    table = s->db->tables;
    while (table && strcmp(table->schema->collection, name) != 0)
        table = table->next;
    pthread_mutex_unlock(&all.mutex);
    return table;
}

static enum ls_code memory_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                                const char *const **ret, struct ls_error *err)
{
    struct session *s = session_of(store);
    const char **names;
    size_t count = 0, i = 0;

    pthread_mutex_lock(&all.mutex);
    for (struct table *t = s->db->tables; t; t = t->next)
        count++;
    names = ls_arena_array(mem, count, sizeof(*names));
    for (struct table *t = s->db->tables; t && names; t = t->next)
        names[i++] = t->schema->collection;
    pthread_mutex_unlock(&all.mutex);
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
    rc = memory_list(store, &mem, &count, &names, err);
    if (rc == LS_OK)
        rc = ls_store_no_collection(store, name, count, names, err);
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code need_table(struct ls_store *store, const char *name, struct table **ret,
                               struct ls_error *err)
{
    *ret = find_table(session_of(store), name ? name : "");
    return *ret ? LS_OK : no_such_table(store, name ? name : "", err);
}

/* What the session sees of a collection: its own draft, or the present. To be freed. */
static struct version *see(struct session *s, struct table *table)
{
    struct version *v;

    for (struct draft *d = s->drafts; d; d = d->next)
        if (d->table == table)
            return version_hold(d->version);
    pthread_mutex_lock(&all.mutex);
    v = version_hold(table->now);
    pthread_mutex_unlock(&all.mutex);
    return v;
}

static enum ls_code memory_describe(struct ls_store *store, const char *collection, struct ls_arena *mem,
                                    struct ls_schema **ret, struct ls_error *err)
{
    struct table *table;
    struct version *v;
    enum ls_code rc = need_table(store, collection, &table, err);

    if (rc != LS_OK)
        return rc;
    *ret = ls_schema_copy(mem, table->schema);
    if (!*ret)
        return ls_error_nomem(err);
    v = see(session_of(store), table);
    (*ret)->rows_estimate = (int64_t)v->count;
    version_free(v);
    if (!store->writable)
        (*ret)->flags |= LS_SCHEMA_READ_ONLY;
    return LS_OK;
}

/* The fields of `like` that are kept, and where each of its fields went. */
static bool copy_fields(struct ls_schema *schema, const struct ls_schema *like, struct ls_arena *mem,
                        size_t *moved)
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
    struct ls_field *fields = ls_arena_copy(mem, schema->fields, schema->field_count * sizeof(*fields));

    if (!keys || !primary || !fields)
        return false;
    for (size_t i = 0; i < key_count; i++) {
        primary[i] = moved[key[i]];
        fields[primary[i]].flags |= LS_FIELD_NOT_NULL;
    }
    schema->fields = fields;
    keys[0] = (struct ls_key){"", key_count, primary, true, true};
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
        *to = (struct ls_key){from->name, from->field_count, at, false, true};
        for (size_t i = 0; i < from->field_count; i++) {
            at[i] = moved[from->fields[i]];
            to->not_null &= (fields[at[i]].flags & LS_FIELD_NOT_NULL) != 0;
        }
    }
    schema->keys = keys;
    return true;
}

static struct table *new_table(const char *name, const struct ls_schema *like, size_t key_count,
                               const size_t *key)
{
    struct table *table = calloc(1, sizeof(*table));
    struct ls_schema schema = {.collection = name, .fingerprint = "", .flags = LS_SCHEMA_CONSTRAINTS};
    size_t *moved;

    if (!table)
        return NULL;
    ls_arena_init(&table->mem, 0);
    moved = ls_arena_array(&table->mem, like->field_count, sizeof(*moved));
    if (moved && copy_fields(&schema, like, &table->mem, moved) &&
        copy_keys(&schema, like, key_count, key, &table->mem, moved))
        table->schema = ls_schema_copy(&table->mem, &schema);
    table->as = ls_arena_array(&table->mem, schema.field_count, sizeof(*table->as));
    table->now = version_new(0);
    if (!table->schema || !table->as || !table->now) {
        free_table(table);
        return NULL;
    }
    for (size_t i = 0; i < schema.field_count; i++)
        table->as[i] = ls_as_of(&table->schema->fields[i], &table->schema->fields[i]);
    return table;
}

static enum ls_code memory_create(struct ls_store *store, const char *collection,
                                  const struct ls_schema *like, size_t key_count, const size_t *key,
                                  struct ls_error *err)
{
    struct session *s = session_of(store);
    struct table *table;

    if (find_table(s, collection))
        return ls_error_set(err, LS_CONFLICT, "cannot create %s: it exists (store=%s)", collection,
                            s->identity);
    table = new_table(collection, like, key_count, key);
    if (!table)
        return ls_error_nomem(err);
    pthread_mutex_lock(&all.mutex);
    table->next = s->db->tables;
    s->db->tables = table;
    pthread_mutex_unlock(&all.mutex);
    return LS_OK;
}

/* ---- reading */

static bool same_order(const struct order *o, const struct table *table)
{
    const struct ls_key *primary = &table->schema->keys[0];

    if (o->count != primary->field_count)
        return false;
    for (size_t i = 0; i < o->count; i++)
        if (o->fields[i] != primary->fields[i] ||
            memcmp(&o->as[i], &table->as[o->fields[i]], sizeof(o->as[i])) != 0)
            return false;
    return true;
}

/* The rows of a version in this order: its own array, or a sorted copy in mem. */
static struct row **sorted_rows(const struct table *table, struct version *v, struct order *o,
                                struct ls_arena *mem)
{
    struct row **rows;

    if (same_order(o, table))
        return v->rows;
    rows = ls_arena_array(mem, v->count, sizeof(*rows));
    if (!rows)
        return NULL;
    if (v->count)
        memcpy(rows, v->rows, v->count * sizeof(struct row *));
    qsort_r(rows, v->count, sizeof(*rows), compare_pointers, o);
    return rows;
}

/* The order of a scan's key, in mem. */
static bool key_order(const struct ls_scan *scan, struct ls_arena *mem, struct order *ret)
{
    size_t *fields = ls_arena_array(mem, scan->key_count, sizeof(*fields));

    for (size_t i = 0; fields && i < scan->key_count; i++)
        fields[i] = scan->fields[scan->key[i]];
    *ret = (struct order){scan->key_count, fields, ls_scan_key_as(scan, mem)};
    return fields && ret->as;
}

static void memory_end(struct ls_cursor *base)
{
    struct cursor *c = (struct cursor *)base;

    ls_sieve_done(&c->sieve);
    version_free(c->version);
    ls_arena_done(&c->mem);
    free(c);
}

static enum ls_code memory_scan(struct ls_store *store, const struct ls_scan *scan,
                                struct ls_cursor **ret, struct ls_error *err)
{
    struct table *table;
    struct cursor *c;
    struct order order;
    enum ls_code rc = need_table(store, scan->schema->collection, &table, err);

    if (rc != LS_OK)
        return rc;
    c = calloc(1, sizeof(*c));
    if (!c)
        return ls_error_nomem(err);
    ls_arena_init(&c->mem, 0);
    c->scan = scan;
    c->version = see(session_of(store), table);
    c->rows = c->version->rows;
    if (scan->ordered)
        c->rows = key_order(scan, &c->mem, &order) ? sorted_rows(table, c->version, &order, &c->mem) : NULL;
    if (!c->rows || !ls_sieve_init(&c->sieve, scan, &c->mem)) {
        memory_end(&c->base);
        return ls_error_nomem(err);
    }
    *ret = &c->base;
    return LS_OK;
}

/* Copies the asked fields of a row; *bytes grows by what its data took. false: out of memory. */
static bool copy_row(const struct ls_scan *scan, const struct row *row, struct ls_arena *mem,
                     struct ls_value *to, size_t *bytes)
{
    for (size_t i = 0; i < scan->field_count; i++) {
        const struct ls_value *v = &row->values[scan->fields[i]];

        if (!ls_value_copy(mem, v, &to[i]))
            return false;
        *bytes += value_bytes(v);
    }
    return true;
}

static enum ls_code memory_next(struct ls_cursor *base, struct ls_arena *mem, struct ls_rows *ret,
                                struct ls_error *err)
{
    struct cursor *c = (struct cursor *)base;
    const struct ls_scan *scan = c->scan;
    size_t most = scan->batch_rows ? scan->batch_rows : 1000, bytes = 0;
    struct ls_rows rows = {.width = scan->field_count};

    if (most > c->version->count - c->at)
        most = c->version->count - c->at;
    rows.values = ls_arena_array(mem, most * rows.width, sizeof(*rows.values));
    if (!rows.values)
        return ls_error_nomem(err);
    while (rows.count < most && c->at < c->version->count && bytes < BATCH_BYTES) {
        const struct row *row = c->rows[c->at++];

        if (!ls_sieve_takes(&c->sieve, row->values, NULL))
            continue;
        if (!copy_row(scan, row, mem, ls_row(&rows, rows.count), &bytes))
            return ls_error_nomem(err);
        rows.count++;
    }
    *ret = rows;
    return LS_OK;
}

static struct row **find_row(struct row **rows, size_t count, const struct ls_value *key,
                             const struct order *o)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_key(rows[middle], key, o);

        if (!c)
            return &rows[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static enum ls_code memory_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                                 const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                                 struct ls_rows *ret, struct ls_error *err)
{
    struct table *table;
    struct version *v;
    struct row **rows;
    struct order order;
    struct ls_rows out = {.width = what->field_count};
    size_t bytes = 0;
    enum ls_code rc = need_table(store, what->schema->collection, &table, err);

    (void)for_update; /* the transaction has the database for itself */
    if (rc != LS_OK)
        return rc;
    v = see(session_of(store), table);
    rows = key_order(what, mem, &order) ? sorted_rows(table, v, &order, mem) : NULL;
    out.values = ls_arena_array(mem, key_count * out.width, sizeof(*out.values));
    if (!rows || !out.values)
        rc = ls_error_nomem(err);
    for (size_t i = 0; i < key_count && rc == LS_OK; i++) {
        struct row **at = find_row(rows, v->count, keys + i * what->key_count, &order);

        if (at && !copy_row(what, *at, mem, ls_row(&out, out.count++), &bytes))
            rc = ls_error_nomem(err);
    }
    version_free(v);
    if (rc == LS_OK)
        *ret = out;
    return rc;
}

/* ---- transactions */

static struct timespec deadline(int timeout_ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_ms / 1000;
    t.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    return t;
}

/* With the mutex held: waits until nobody writes. */
static enum ls_code wait_for_writer(struct session *s, struct ls_error *err)
{
    struct timespec until = deadline(s->lock_timeout_ms);

    while (s->db->writer)
        if (pthread_cond_clockwait(&all.freed, &all.mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
            return ls_error_set(err, LS_BUSY,
                                "another transaction did not end in time (store=%s, timeout_ms=%d)",
                                s->identity, s->lock_timeout_ms);
    return LS_OK;
}

static enum ls_code memory_begin(struct ls_store *store, struct ls_error *err)
{
    struct session *s = session_of(store);
    enum ls_code rc;

    pthread_mutex_lock(&all.mutex);
    rc = wait_for_writer(s, err);
    if (rc == LS_OK)
        s->db->writer = s;
    pthread_mutex_unlock(&all.mutex);
    return rc;
}

/* Drops what is left of the transaction and lets the next writer in. */
static void end_transaction(struct session *s)
{
    while (s->drafts) {
        struct draft *d = s->drafts;

        s->drafts = d->next;
        version_free(d->version);
        free(d);
    }
    free_names(&s->marks, NULL, "");
    pthread_mutex_lock(&all.mutex);
    if (s->db->writer == s)
        s->db->writer = NULL;
    pthread_cond_broadcast(&all.freed);
    pthread_mutex_unlock(&all.mutex);
}

static enum ls_code memory_commit(struct ls_store *store, struct ls_error *err)
{
    struct session *s = session_of(store);
    struct name **last = &s->marks;

    (void)err;
    pthread_mutex_lock(&all.mutex);
    for (struct draft *d = s->drafts; d; d = d->next) {
        struct version *before = d->table->now;

        d->table->now = d->version;
        d->version = before;
    }
    while (*last)
        last = &(*last)->next;
    *last = s->db->marks;
    s->db->marks = s->marks;
    s->marks = NULL;
    pthread_mutex_unlock(&all.mutex);
    end_transaction(s);
    return LS_OK;
}

static void memory_rollback(struct ls_store *store)
{
    end_transaction(session_of(store));
}

static enum ls_code memory_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                                const char **ret_marker, struct ls_error *err)
{
    struct session *s = session_of(store);
    char *marker = ls_arena_text(mem, tag);

    if (!marker || !add_name(&s->marks, NULL, tag))
        return ls_error_nomem(err);
    *ret_marker = marker;
    return LS_OK;
}

static enum ls_code memory_settle(struct ls_store *store, const struct ls_schema *schema,
                                  const char *marker, enum ls_outcome *ret, struct ls_error *err)
{
    struct session *s = session_of(store);
    enum ls_code rc = LS_OK;

    (void)schema;
    pthread_mutex_lock(&all.mutex);
    if (s->db->writer && find_name(s->db->writer->marks, marker))
        rc = wait_for_writer(s, err);
    if (rc == LS_OK)
        *ret = find_name(s->db->marks, marker) ? LS_OUTCOME_COMMITTED : LS_OUTCOME_ABORTED;
    pthread_mutex_unlock(&all.mutex);
    return rc;
}

static void memory_forget(struct ls_store *store, const char *tag)
{
    pthread_mutex_lock(&all.mutex);
    free_names(&session_of(store)->db->marks, NULL, tag);
    pthread_mutex_unlock(&all.mutex);
}

/* ---- writing */

/* A write in the making: the rows as they were, in the order of the write's key, and what becomes of each. */
struct work {
    const struct ls_write *write;
    struct table *table;
    struct order key, primary;
    struct ls_value *values; /* a record by schema index */
    size_t old_count, new_count;
    struct row **old;   /* sorted by key */
    struct row **after; /* what each of old becomes: itself, another row (owned), or NULL */
    struct row **added; /* owned */
    struct ls_arena mem;
};

static enum ls_code refuse(const struct work *w, enum ls_code code, const char *why,
                           const struct ls_field *field, struct ls_error *err)
{
    return ls_error_set(err, code, "a record is refused: %s (collection=%s%s%s)", why,
                        w->table->schema->collection, field ? ", field=" : "", field ? field->name : "");
}

static enum ls_code check_values(const struct work *w, struct ls_error *err)
{
    for (size_t i = 0; i < w->table->schema->field_count; i++) {
        const struct ls_field *field = &w->table->schema->fields[i];
        const struct ls_value *v = &w->values[i];

        if (v->type == LS_T_NULL && (field->flags & LS_FIELD_NOT_NULL))
            return refuse(w, LS_CONSTRAINT, "the field must not be NULL", field, err);
        if (v->type != LS_T_NULL && v->type != field->type && !(field->flags & LS_FIELD_DYNAMIC))
            return refuse(w, LS_TYPE, "the value is of another type", field, err);
    }
    return LS_OK;
}

/* The row that `op` makes of `before` (NULL: of nothing). */
static enum ls_code make_row(struct work *w, const struct ls_write_op *op, const struct row *before,
                             struct row **ret, struct ls_error *err)
{
    size_t width = w->table->schema->field_count;
    enum ls_code rc;

    for (size_t i = 0; i < width; i++)
        w->values[i] = before ? before->values[i] : ls_value_null();
    for (size_t i = 0; i < w->write->field_count; i++)
        w->values[w->write->fields[i]] = op->record[i];
    for (size_t i = 0; before && i < w->key.count; i++)
        w->values[w->key.fields[i]] = before->values[w->key.fields[i]];
    rc = check_values(w, err);
    if (rc != LS_OK)
        return rc;
    *ret = row_new(w->values, width);
    return *ret ? LS_OK : ls_error_nomem(err);
}

static enum ls_code change_one(struct work *w, const struct ls_write_op *op, struct ls_error *err)
{
    struct row **at = find_row(w->old, w->old_count, op->key, &w->key), **after;
    struct row *made = NULL;
    enum ls_code rc;

    after = at ? &w->after[at - w->old] : NULL;
    if (op->kind == LS_INSERT) {
        if (after && *after)
            return refuse(w, LS_CONFLICT, "one with its key is there already", NULL, err);
        rc = make_row(w, op, NULL, &made, err);
        if (rc == LS_OK)
            w->added[w->new_count++] = made;
        return rc;
    }
    if (!after || !*after)
        return refuse(w, LS_CONFLICT, "it is not there any more", NULL, err);
    if (op->kind == LS_UPDATE) {
        rc = make_row(w, op, *after, &made, err);
        if (rc != LS_OK)
            return rc;
    }
    if (*after != *at)
        row_free(*after);
    *after = made;
    return LS_OK;
}

static bool has_null(const struct row *row, const struct order *o)
{
    for (size_t i = 0; i < o->count; i++)
        if (row->values[o->fields[i]].type == LS_T_NULL)
            return true;
    return false;
}

static bool has_twins(struct row **rows, size_t count, const struct order *o)
{
    for (size_t i = 1; i < count; i++)
        if (!compare_rows(rows[i - 1], rows[i], o) && !has_null(rows[i], o))
            return true;
    return false;
}

static bool order_of(const struct table *table, size_t count, const size_t *fields, struct ls_arena *mem,
                     struct order *ret)
{
    struct ls_as *as = ls_arena_array(mem, count, sizeof(*as));

    for (size_t i = 0; as && i < count; i++)
        as[i] = table->as[fields[i]];
    *ret = (struct order){count, fields, as};
    return as;
}

/* Every key of the schema holds in v, whose rows stand in the primary order. */
static enum ls_code check_keys(struct work *w, struct version *v, struct ls_error *err)
{
    const struct ls_schema *schema = w->table->schema;

    for (size_t k = 0; k < schema->key_count; k++) {
        struct order order;
        struct row **rows = NULL;

        if (order_of(w->table, schema->keys[k].field_count, schema->keys[k].fields, &w->mem, &order))
            rows = sorted_rows(w->table, v, &order, &w->mem);
        if (!rows)
            return ls_error_nomem(err);
        if (has_twins(rows, v->count, &order))
            return refuse(w, same_order(&w->key, w->table) && !k ? LS_CONFLICT : LS_CONSTRAINT,
                          "another has the same value in a unique key",
                          &schema->fields[schema->keys[k].fields[0]], err);
    }
    return LS_OK;
}

/* Takes over the references of work: both runs are sorted, then merged. */
static struct version *merge_rows(struct work *w)
{
    struct version *v = version_new(w->old_count + w->new_count);
    size_t kept = 0, a = 0, b = 0;

    if (!v)
        return NULL;
    for (size_t i = 0; i < w->old_count; i++) {
        struct row *row = w->after[i];

        if (row && row == w->old[i])
            atomic_fetch_add(&row->refs, 1);
        if (row)
            w->after[kept++] = row;
    }
    if (!same_order(&w->key, w->table))
        qsort_r(w->after, kept, sizeof(struct row *), compare_pointers, &w->primary);
    qsort_r(w->added, w->new_count, sizeof(struct row *), compare_pointers, &w->primary);
    while (a < kept || b < w->new_count) {
        if (b == w->new_count || (a < kept && compare_rows(w->after[a], w->added[b], &w->primary) <= 0))
            v->rows[v->count++] = w->after[a++];
        else
            v->rows[v->count++] = w->added[b++];
    }
    w->old_count = w->new_count = 0;
    return v;
}

static enum ls_code prepare_work(struct work *w, struct version *v, struct ls_error *err)
{
    const struct ls_write *write = w->write;
    size_t *fields = ls_arena_array(&w->mem, write->key_count, sizeof(*fields));
    const struct ls_key *primary = &w->table->schema->keys[0];

    for (size_t i = 0; fields && i < write->key_count; i++)
        fields[i] = write->fields[write->key[i]];
    w->values = ls_arena_array(&w->mem, w->table->schema->field_count, sizeof(*w->values));
    w->added = ls_arena_array(&w->mem, write->count, sizeof(*w->added));
    w->after = ls_arena_array(&w->mem, v->count, sizeof(*w->after));
    if (!fields || !w->values || !w->added || !w->after ||
        !order_of(w->table, write->key_count, fields, &w->mem, &w->key) ||
        !order_of(w->table, primary->field_count, primary->fields, &w->mem, &w->primary))
        return ls_error_nomem(err);
    w->old = sorted_rows(w->table, v, &w->key, &w->mem);
    if (!w->old)
        return ls_error_nomem(err);
    w->old_count = v->count;
    if (v->count)
        memcpy(w->after, w->old, v->count * sizeof(struct row *));
    return LS_OK;
}

static void work_done(struct work *w)
{
    for (size_t i = 0; i < w->old_count; i++)
        if (w->after[i] && w->after[i] != w->old[i])
            row_free(w->after[i]);
    for (size_t i = 0; i < w->new_count; i++)
        row_free(w->added[i]);
    ls_arena_done(&w->mem);
}

/* Puts v in as the session's draft of the collection. */
static enum ls_code keep_draft(struct session *s, struct table *table, struct version *v,
                               struct ls_error *err)
{
    struct draft *d = s->drafts;

    while (d && d->table != table)
        d = d->next;
    if (!d) {
        d = calloc(1, sizeof(*d));
        if (!d)
            return ls_error_nomem(err);
        d->table = table;
        d->next = s->drafts;
        s->drafts = d;
    }
    version_free(d->version);
    d->version = v;
    return LS_OK;
}

/* Deletes, then updates, then inserts, on a copy; the keys are checked on the whole result, so that values may change places. */
static enum ls_code memory_write(struct ls_store *store, const struct ls_write *write,
                                 struct ls_error *err)
{
    static const enum ls_change_kind steps[] = {LS_DELETE, LS_UPDATE, LS_INSERT};
    struct session *s = session_of(store);
    struct work w = {.write = write};
    struct version *before, *after = NULL;
    enum ls_code rc = need_table(store, write->schema->collection, &w.table, err);

    if (rc != LS_OK)
        return rc;
    ls_arena_init(&w.mem, 0);
    before = see(s, w.table);
    rc = prepare_work(&w, before, err);
    for (size_t step = 0; step < 3 && rc == LS_OK; step++)
        for (size_t i = 0; i < write->count && rc == LS_OK; i++)
            if (write->ops[i].kind == steps[step])
                rc = change_one(&w, &write->ops[i], err);
    if (rc == LS_OK) {
        after = merge_rows(&w);
        rc = after ? check_keys(&w, after, err) : ls_error_nomem(err);
    }
    if (rc == LS_OK)
        rc = keep_draft(s, w.table, after, err);
    if (rc != LS_OK)
        version_free(after);
    work_done(&w);
    version_free(before);
    return rc;
}

/* ---- digests and locks */

static const char *memory_digest_family(struct ls_store *store, const struct ls_scan *scan,
                                        struct ls_arena *mem, struct ls_error *err)
{
    const char *family = ls_store_scan_family(scan, mem);

    (void)store;
    if (!family)
        ls_error_nomem(err);
    return family;
}

static enum ls_code memory_lock(struct ls_store *store, const char *name, struct ls_error *err)
{
    struct session *s = session_of(store);
    const struct name *held;
    enum ls_code rc = LS_OK;

    pthread_mutex_lock(&all.mutex);
    held = find_name(s->db->locks, name);
    if (held && held->owner != s)
        rc = ls_error_set(err, LS_LOCKED, "another run holds the lock %s (store=%s). Wait for its end", name,
                          s->identity);
    else if (!held && !add_name(&s->db->locks, s, name))
        rc = ls_error_nomem(err);
    pthread_mutex_unlock(&all.mutex);
    return rc;
}

const struct ls_store_ops ls_memory_ops = {
    .scheme = "memory",
    .summary = "Collections inside one process, gone when its last session closes: for tests and as the "
               "kind to copy.",
    .example = "memory:NAME#customers",
    .caps = LS_CAP_ORDER | LS_CAP_DIGEST | LS_CAP_WRITE | LS_CAP_CREATE | LS_CAP_LOCK | LS_CAP_FETCH |
            LS_CAP_BATCHES,
    .open = memory_open,
    .close = memory_close,
    .identity = memory_identity,
    .list = memory_list,
    .describe = memory_describe,
    .scan = memory_scan,
    .next = memory_next,
    .end = memory_end,
    .fetch = memory_fetch,
    .begin = memory_begin,
    .write = memory_write,
    .mark = memory_mark,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .settle = memory_settle,
    .forget = memory_forget,
    .digest_family = memory_digest_family,
    .digest = ls_store_digest_by_scan,
    .bounds = ls_store_bounds_by_scan,
    .create = memory_create,
    .lock = memory_lock,
};
