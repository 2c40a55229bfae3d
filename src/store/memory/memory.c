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
 * rows.c has rows, versions and orders, table.c describes and makes collections, scan.c reads,
 * write.c changes; here are sessions, transactions, marks and locks.
 *
 * Limits: a write costs time linear in the collection, so batches should not be tiny. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/kinds.h"
#include "store/memory/memory.h"

#define LOCK_TIMEOUT_MS 10000

static struct {
    pthread_mutex_t mutex; /* over everything but what one session alone has */
    pthread_cond_t freed;  /* a writer ended */
    struct ls_mem_db *first;
} all = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL};

void ls_mem_enter(void)
{
    pthread_mutex_lock(&all.mutex);
}

void ls_mem_leave(void)
{
    pthread_mutex_unlock(&all.mutex);
}

static struct ls_mem_db *find_db(const char *name)
{
    struct ls_mem_db *db = all.first;

    while (db && strcmp(db->name, name) != 0)
        db = db->next;
    return db;
}

static struct ls_mem_db *hold_db(const char *name)
{
    struct ls_mem_db *db = find_db(name);

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

static void free_names(struct ls_mem_name **list, const struct ls_mem_session *owner,
                       const char *prefix)
{
    while (*list) {
        struct ls_mem_name *name = *list;

        if ((owner && name->owner != owner) || !ls_text_starts(name->text, prefix)) {
            list = &name->next;
            continue;
        }
        *list = name->next;
        free(name);
    }
}

static bool add_name(struct ls_mem_name **list, const struct ls_mem_session *owner,
                     const char *text)
{
    struct ls_mem_name *name = malloc(sizeof(*name) + strlen(text) + 1);

    if (!name)
        return false;
    name->owner = owner;
    memcpy(name->text, text, strlen(text) + 1);
    name->next = *list;
    *list = name;
    return true;
}

static const struct ls_mem_name *find_name(const struct ls_mem_name *list, const char *text)
{
    while (list && strcmp(list->text, text) != 0)
        list = list->next;
    return list;
}

static void release_db(struct ls_mem_db *db)
{
    struct ls_mem_db **at = &all.first;

    if (--db->sessions)
        return;
    while (*at != db)
        at = &(*at)->next;
    *at = db->next;
    while (db->tables) {
        struct ls_mem_table *table = db->tables;

        db->tables = table->next;
        ls_mem_table_free(table);
    }
    free_names(&db->marks, NULL, "");
    free_names(&db->locks, NULL, "");
    free(db->name);
    free(db);
}

static enum ls_code memory_open(const struct ls_url *url, const struct ls_store_options *options,
                                struct ls_store **ret, struct ls_error *err)
{
    struct ls_mem_session *s = calloc(1, sizeof(*s));

    if (!s)
        return ls_error_nomem(err);
    s->lock_timeout_ms = options->lock_timeout_ms ? options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    if (asprintf(&s->identity, "memory:%s", url->location) < 0) {
        free(s);
        return ls_error_nomem(err);
    }
    ls_mem_enter();
    s->db = hold_db(url->location);
    ls_mem_leave();
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
    struct ls_mem_session *s = ls_mem_of(store);

    ls_mem_enter();
    free_names(&s->db->locks, s, "");
    release_db(s->db);
    ls_mem_leave();
    free(s->identity);
    free(s);
}

static const char *memory_identity(struct ls_store *store)
{
    return ls_mem_of(store)->identity;
}

/* With the mutex held: waits until nobody writes. */
static enum ls_code wait_for_writer(struct ls_mem_session *s, struct ls_error *err)
{
    const int64_t until = ls_clock_monotonic_us() + INT64_C(1000) * s->lock_timeout_ms;

    while (s->db->writer)
        if (!ls_cond_wait(&all.freed, &all.mutex, until))
            return ls_error_set(err, LS_BUSY,
                                "another transaction did not end in time (store=%s, timeout_ms=%d)",
                                s->identity, s->lock_timeout_ms);
    return LS_OK;
}

static enum ls_code memory_begin(struct ls_store *store, struct ls_error *err)
{
    struct ls_mem_session *s = ls_mem_of(store);
    enum ls_code rc;

    ls_mem_enter();
    rc = wait_for_writer(s, err);
    if (rc == LS_OK)
        s->db->writer = s;
    ls_mem_leave();
    return rc;
}

/* Drops what is left of the transaction and lets the next writer in. */
static void end_transaction(struct ls_mem_session *s)
{
    while (s->drafts) {
        struct ls_mem_draft *d = s->drafts;

        s->drafts = d->next;
        ls_mem_version_free(d->version);
        free(d);
    }
    ls_mem_enter();
    free_names(&s->marks, NULL, "");
    if (s->db->writer == s)
        s->db->writer = NULL;
    pthread_cond_broadcast(&all.freed);
    ls_mem_leave();
}

static enum ls_code memory_commit(struct ls_store *store, struct ls_error *err)
{
    struct ls_mem_session *s = ls_mem_of(store);
    struct ls_mem_name **last = &s->marks;

    (void)err;
    ls_mem_enter();
    for (struct ls_mem_draft *d = s->drafts; d; d = d->next) {
        struct ls_mem_version *before = d->table->now;

        d->table->now = d->version;
        d->version = before;
    }
    while (*last)
        last = &(*last)->next;
    *last = s->db->marks;
    s->db->marks = s->marks;
    s->marks = NULL;
    ls_mem_leave();
    end_transaction(s);
    return LS_OK;
}

static void memory_rollback(struct ls_store *store)
{
    end_transaction(ls_mem_of(store));
}

static enum ls_code memory_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                                const char **ret_marker, struct ls_error *err)
{
    struct ls_mem_session *s = ls_mem_of(store);
    char *marker = ls_arena_text(mem, tag);
    bool added;

    ls_mem_enter(); /* other sessions look for marks of the writer */
    added = marker && add_name(&s->marks, NULL, tag);
    ls_mem_leave();
    if (!added)
        return ls_error_nomem(err);
    *ret_marker = marker;
    return LS_OK;
}

static enum ls_code memory_settle(struct ls_store *store, const struct ls_schema *schema,
                                  const char *marker, enum ls_outcome *ret, struct ls_error *err)
{
    struct ls_mem_session *s = ls_mem_of(store);
    enum ls_code rc = LS_OK;

    (void)schema;
    ls_mem_enter();
    if (s->db->writer && find_name(s->db->writer->marks, marker))
        rc = wait_for_writer(s, err);
    if (rc == LS_OK)
        *ret = find_name(s->db->marks, marker) ? LS_OUTCOME_COMMITTED : LS_OUTCOME_ABORTED;
    ls_mem_leave();
    return rc;
}

static void memory_forget(struct ls_store *store, const char *tag)
{
    ls_mem_enter();
    free_names(&ls_mem_of(store)->db->marks, NULL, tag);
    ls_mem_leave();
}

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
    struct ls_mem_session *s = ls_mem_of(store);
    const struct ls_mem_name *held;
    enum ls_code rc = LS_OK;

    ls_mem_enter();
    held = find_name(s->db->locks, name);
    if (held && held->owner != s)
        rc = ls_error_set(err, LS_LOCKED,
                          "another run holds the lock %s (store=%s). Wait for its end", name,
                          s->identity);
    else if (!held && !add_name(&s->db->locks, s, name))
        rc = ls_error_nomem(err);
    ls_mem_leave();
    return rc;
}

const struct ls_store_ops ls_memory_ops = {
    .scheme = "memory",
    .summary =
        "Collections inside one process, gone when its last session closes: for tests and as the "
        "kind to copy.",
    .example = "memory:NAME#customers",
    .caps = LS_CAP_ORDER | LS_CAP_DIGEST | LS_CAP_WRITE | LS_CAP_CREATE | LS_CAP_LOCK |
            LS_CAP_FETCH | LS_CAP_BATCHES,
    .open = memory_open,
    .close = memory_close,
    .identity = memory_identity,
    .list = ls_mem_list,
    .describe = ls_mem_describe,
    .scan = ls_mem_scan,
    .next = ls_mem_next,
    .end = ls_mem_end,
    .fetch = ls_mem_fetch,
    .seeks = ls_mem_seeks,
    .begin = memory_begin,
    .write = ls_mem_write,
    .mark = memory_mark,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .settle = memory_settle,
    .forget = memory_forget,
    .digest_family = memory_digest_family,
    .digest = ls_store_digest_by_scan,
    .bounds = ls_store_bounds_by_scan,
    .create = ls_mem_create,
    .lock = memory_lock,
};
