/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - the list of store kinds, and the checks that every call on a store passes once.
 *
 * A kind may therefore rely on: scans whose indexes are in range, one cursor at a time, writes only
 * by writable sessions and inside a transaction, keys that are given. What breaks these rules is a
 * mistake of the caller and gives LS_INTERNAL; what a user can get wrong (an unknown
 * scheme, a session that may not write) has a message for people.
 *
 * Transactions: begin - fetch, write, mark - commit, or rollback at any point. `in_transaction`
 * stays set after a commit that failed, until the rollback. */
#include "store/store.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "store/kinds.h"

/* Add a kind here. */
const struct ls_store_ops *const ls_store_kinds[] = {
    &ls_sqlite_ops, &ls_postgres_ops, &ls_file_ops, &ls_memory_ops, NULL,
};

static const struct ls_store_ops *find_kind(const char *scheme)
{
    for (size_t i = 0; ls_store_kinds[i]; i++)
        if (!strcmp(ls_store_kinds[i]->scheme, scheme))
            return ls_store_kinds[i];
    return NULL;
}

static enum ls_code unknown_scheme(const char *scheme, struct ls_error *err)
{
    struct ls_buf known, shown;
    enum ls_code rc;

    ls_buf_init(&known, 0);
    ls_buf_init(&shown, 0);
    for (size_t i = 0; ls_store_kinds[i]; i++)
        ls_buf_printf(&known, "%s%s", i ? ", " : "", ls_store_kinds[i]->example);
    ls_text_printable(&shown, scheme, strlen(scheme));
    if (known.failed || shown.failed)
        rc = ls_error_nomem(err);
    else
        rc = ls_error_set(
            err, LS_USAGE,
            "cannot open the store: there is no kind of store called %s. Write one of: %s",
            ls_buf_str(&shown), ls_buf_str(&known));
    ls_buf_done(&shown);
    ls_buf_done(&known);
    return rc;
}

enum ls_code ls_store_open(const struct ls_url *url, const struct ls_store_options *options,
                           struct ls_store **ret, struct ls_error *err)
{
    static const struct ls_store_options defaults = {0};
    const struct ls_store_ops *ops = find_kind(url->scheme);
    enum ls_code rc;

    if (!ops)
        return unknown_scheme(url->scheme, err);
    if (!options)
        options = &defaults;
    if (options->writable && !(ops->caps & LS_CAP_WRITE))
        return ls_error_set(err, LS_UNSUPPORTED,
                            "cannot open %s for writing: stores of kind %s are only read",
                            url->shown, ops->scheme);
    rc = ops->open(url, options, ret, err);
    if (rc != LS_OK)
        return rc;
    (*ret)->ops = ops;
    (*ret)->writable = options->writable;
    return LS_OK;
}

void ls_store_close(struct ls_store *store)
{
    if (!store)
        return;
    ls_store_rollback(store);
    store->ops->close(store);
}

bool ls_store_can(const struct ls_store *store, enum ls_caps cap)
{
    return store->ops->caps & (unsigned)cap;
}

const char *ls_store_identity(struct ls_store *store)
{
    return store->ops->identity(store);
}

static enum ls_code misuse(struct ls_store *store, const char *call, const char *why,
                           struct ls_error *err)
{
    return ls_error_set(err, LS_INTERNAL, "%s: %s (store=%s). This is a fault of the program", call,
                        why, store->ops->identity(store));
}

static enum ls_code need_idle(struct ls_store *store, const char *call, struct ls_error *err)
{
    return store->scanning ? misuse(store, call, "a scan is open", err) : LS_OK;
}

enum ls_code ls_store_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                           const char *const **ret, struct ls_error *err)
{
    enum ls_code rc = need_idle(store, "list", err);

    return rc == LS_OK ? store->ops->list(store, mem, ret_count, ret, err) : rc;
}

enum ls_code ls_store_describe(struct ls_store *store, const char *collection, struct ls_arena *mem,
                               struct ls_schema **ret, struct ls_error *err)
{
    enum ls_code rc = need_idle(store, "describe", err);

    return rc == LS_OK ? store->ops->describe(store, collection, mem, ret, err) : rc;
}

static bool indexes_below(const size_t *indexes, size_t count, size_t limit)
{
    for (size_t i = 0; i < count; i++)
        if (indexes[i] >= limit)
            return false;
    return true;
}

static bool partition_fine(const struct ls_partition *p)
{
    if (p->count < 1 || p->count > 65536)
        return false;
    return p->by_range ? p->count == 1 || p->bounds : (p->count & (p->count - 1)) == 0;
}

static const char *scan_fault(const struct ls_scan *scan)
{
    if (!scan->schema || !scan->field_count || !scan->fields)
        return "it names no fields";
    if (!indexes_below(scan->fields, scan->field_count, scan->schema->field_count))
        return "a field is out of range";
    if (!indexes_below(scan->key, scan->key_count, scan->field_count))
        return "a key position is out of range";
    if ((scan->ordered || scan->partition) && !scan->key_count)
        return "it has no key";
    if (scan->partition && !partition_fine(scan->partition))
        return "the partition is wrong";
    for (size_t i = 0; scan->filter && i < scan->filter->count; i++)
        if (scan->filter->conditions[i].field >= scan->schema->field_count)
            return "a field of the filter is out of range";
    for (size_t i = 0; i < scan->sought_count; i++)
        if (scan->sought[i].condition.field >= scan->schema->field_count)
            return "a field that is sought is out of range";
    return NULL;
}

static enum ls_code check_scan(struct ls_store *store, const char *call, const struct ls_scan *scan,
                               struct ls_error *err)
{
    const char *fault = scan_fault(scan);

    return fault ? misuse(store, call, fault, err) : need_idle(store, call, err);
}

enum ls_code ls_store_lacking(struct ls_store *store, const struct ls_schema *schema,
                              size_t field_count, const size_t *fields, bool writes,
                              struct ls_arena *mem, const char **ret, struct ls_error *err)
{
    *ret = "";
    if (!store->ops->lacking)
        return LS_OK;
    return store->ops->lacking(store, schema, field_count, fields, writes, mem, ret, err);
}

enum ls_code ls_store_scan(struct ls_store *store, const struct ls_scan *scan,
                           struct ls_cursor **ret, struct ls_error *err)
{
    enum ls_code rc = check_scan(store, "scan", scan, err);

    if (rc == LS_OK && scan->ordered && !ls_store_can(store, LS_CAP_ORDER))
        rc = misuse(store, "scan", "this kind of store has no order", err);
    if (rc == LS_OK)
        rc = store->ops->scan(store, scan, ret, err);
    if (rc != LS_OK)
        return rc;
    (*ret)->store = store;
    store->scanning = true;
    return LS_OK;
}

enum ls_code ls_cursor_next(struct ls_cursor *cursor, struct ls_arena *mem, struct ls_rows *ret,
                            struct ls_error *err)
{
    return cursor->store->ops->next(cursor, mem, ret, err);
}

void ls_cursor_end(struct ls_cursor *cursor)
{
    if (!cursor)
        return;
    cursor->store->scanning = false;
    cursor->store->ops->end(cursor);
}

enum ls_code ls_store_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                            const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                            struct ls_rows *ret, struct ls_error *err)
{
    enum ls_code rc = check_scan(store, "fetch", what, err);

    if (rc == LS_OK && !what->key_count)
        rc = misuse(store, "fetch", "it has no key", err);
    if (rc == LS_OK && for_update && !store->in_transaction)
        rc = misuse(store, "fetch", "no transaction is open to lock records in", err);
    if (rc != LS_OK)
        return rc;
    if (!key_count) {
        *ret = (struct ls_rows){.width = what->field_count};
        return LS_OK;
    }
    return store->ops->fetch(store, what, key_count, keys, for_update, mem, ret, err);
}

void ls_store_cancel(struct ls_store *store)
{
    if (store && store->ops->cancel)
        store->ops->cancel(store);
}

bool ls_store_alive(struct ls_store *store)
{
    return !store->ops->alive || store->ops->alive(store);
}

bool ls_store_orders(struct ls_store *store, const struct ls_scan *scan)
{
    if (!ls_store_can(store, LS_CAP_ORDER) || store->scanning)
        return false;
    return !store->ops->orders || store->ops->orders(store, scan);
}

bool ls_store_seeks(struct ls_store *store, const struct ls_schema *schema,
                    const struct ls_sought *sought)
{
    const enum ls_op op = sought->condition.op;

    return store->ops->seeks && !store->scanning && (op == LS_OP_EQ || op == LS_OP_IN) &&
           store->ops->seeks(store, schema, sought);
}

static enum ls_code need_writable(struct ls_store *store, const char *call, struct ls_error *err)
{
    if (!store->writable)
        return ls_error_set(
            err, LS_PERMISSION,
            "cannot %s: the store was opened for reading only (store=%s). Sources are "
            "never written; open it as a target",
            call, store->ops->identity(store));
    return need_idle(store, call, err);
}

static enum ls_code need_transaction(struct ls_store *store, const char *call, struct ls_error *err)
{
    enum ls_code rc = need_writable(store, call, err);

    if (rc == LS_OK && !store->in_transaction)
        rc = misuse(store, call, "no transaction is open", err);
    return rc;
}

enum ls_code ls_store_begin(struct ls_store *store, struct ls_error *err)
{
    enum ls_code rc = need_writable(store, "begin", err);

    if (rc == LS_OK && store->in_transaction)
        rc = misuse(store, "begin", "a transaction is open already", err);
    if (rc == LS_OK)
        rc = store->ops->begin(store, err);
    if (rc == LS_OK)
        store->in_transaction = true;
    return rc;
}

static const char *write_fault(const struct ls_write *write)
{
    const struct ls_schema *schema = write->schema;

    if (!schema || !write->field_count || !write->key_count)
        return "it names no fields or no key";
    if (!indexes_below(write->fields, write->field_count, schema->field_count) ||
        !indexes_below(write->key, write->key_count, write->field_count))
        return "a field or key position is out of range";
    for (size_t i = 0; i < write->field_count; i++)
        if (schema->fields[write->fields[i]].flags & LS_FIELD_GENERATED)
            return "a generated field is to be written";
    for (size_t i = 0; i < write->count; i++)
        if (!write->ops[i].key || (!write->ops[i].record && write->ops[i].kind != LS_DELETE))
            return "a change has no key or no record";
    return NULL;
}

enum ls_code ls_store_write(struct ls_store *store, const struct ls_write *write,
                            struct ls_error *err)
{
    enum ls_code rc = need_transaction(store, "write", err);
    const char *fault = write_fault(write);

    if (rc == LS_OK && fault)
        rc = misuse(store, "write", fault, err);
    if (rc == LS_OK && (write->schema->flags & LS_SCHEMA_VIEW))
        rc = ls_error_set(err, LS_UNSUPPORTED,
                          "cannot write %s: it is a view (store=%s). Name the table behind it",
                          write->schema->collection, store->ops->identity(store));
    if (rc != LS_OK || !write->count)
        return rc;
    return store->ops->write(store, write, err);
}

enum ls_code ls_store_waits(struct ls_store *store, const struct ls_write *write,
                            struct ls_arena *mem, size_t *ret_count, const struct ls_wait **ret,
                            struct ls_error *err)
{
    enum ls_code rc = need_transaction(store, "waits", err);
    const char *fault = write_fault(write);

    if (rc == LS_OK && fault)
        rc = misuse(store, "waits", fault, err);
    if (rc != LS_OK)
        return rc;
    *ret_count = 0;
    *ret = NULL;
    if (!store->ops->waits || !write->count)
        return LS_OK;
    return store->ops->waits(store, write, mem, ret_count, ret, err);
}

static bool tag_fine(const char *tag)
{
    size_t n =
        tag ? strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") : 0;

    return n > 0 && n <= 100 && !tag[n];
}

enum ls_code ls_store_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                           const char **ret_marker, struct ls_error *err)
{
    enum ls_code rc = need_transaction(store, "mark", err);

    if (rc == LS_OK && !tag_fine(tag))
        rc = misuse(store, "mark", "the tag is not made of 1 to 100 letters, digits and -", err);
    return rc == LS_OK ? store->ops->mark(store, tag, mem, ret_marker, err) : rc;
}

static enum ls_code need_inbox(struct ls_store *store, struct ls_error *err)
{
    enum ls_code rc = need_transaction(store, "note", err);

    if (rc == LS_OK && !ls_store_can(store, LS_CAP_INBOX))
        rc = ls_error_set(err, LS_UNSUPPORTED, "stores of kind %s cannot note messages",
                          store->ops->scheme);
    return rc;
}

enum ls_code ls_store_note(struct ls_store *store, const struct ls_note *note, struct ls_arena *mem,
                           const char **ret_known, bool *ret_stale, struct ls_error *err)
{
    enum ls_code rc = need_inbox(store, err);

    return rc == LS_OK ? store->ops->note(store, note, mem, ret_known, ret_stale, err) : rc;
}

enum ls_code ls_store_outcome(struct ls_store *store, const struct ls_note *note,
                              const char *outcome, struct ls_error *err)
{
    enum ls_code rc = need_inbox(store, err);

    return rc == LS_OK ? store->ops->outcome(store, note, outcome, err) : rc;
}

enum ls_code ls_store_newer(struct ls_store *store, const struct ls_news *change,
                            struct ls_arena *mem, bool *ret, struct ls_error *err)
{
    enum ls_code rc = need_inbox(store, err);

    return rc == LS_OK ? store->ops->newer(store, change, mem, ret, err) : rc;
}

enum ls_code ls_store_took(struct ls_store *store, const struct ls_news *change,
                           struct ls_arena *mem, struct ls_error *err)
{
    enum ls_code rc = need_inbox(store, err);

    return rc == LS_OK ? store->ops->took(store, change, mem, err) : rc;
}

enum ls_code ls_store_forget_notes(struct ls_store *store, int64_t before_us, struct ls_error *err)
{
    enum ls_code rc = need_writable(store, "forget notes", err);

    if (rc == LS_OK && store->in_transaction)
        return misuse(store, "forget notes", "a transaction is open", err);
    if (rc != LS_OK || !ls_store_can(store, LS_CAP_INBOX))
        return rc;
    return store->ops->forget_notes(store, before_us, err);
}

enum ls_code ls_store_commit(struct ls_store *store, struct ls_error *err)
{
    enum ls_code rc = need_transaction(store, "commit", err);

    if (rc == LS_OK)
        rc = store->ops->commit(store, err);
    if (rc == LS_OK)
        store->in_transaction = false;
    return rc;
}

void ls_store_rollback(struct ls_store *store)
{
    if (!store || !store->in_transaction)
        return;
    store->ops->rollback(store);
    store->in_transaction = false;
}

enum ls_code ls_store_settle(struct ls_store *store, const struct ls_schema *schema,
                             const char *marker, enum ls_outcome *ret, struct ls_error *err)
{
    enum ls_code rc = need_idle(store, "settle", err);

    if (rc == LS_OK && store->in_transaction)
        rc = misuse(store, "settle", "a transaction is open", err);
    if (rc == LS_OK && !ls_store_can(store, LS_CAP_WRITE))
        rc = misuse(store, "settle", "this kind of store is never written", err);
    return rc == LS_OK ? store->ops->settle(store, schema, marker, ret, err) : rc;
}

void ls_store_forget(struct ls_store *store, const char *tag)
{
    if (store->ops->forget && store->writable && !store->scanning && !store->in_transaction && *tag)
        store->ops->forget(store, tag);
}

const char *ls_store_digest_family(struct ls_store *store, const struct ls_scan *scan,
                                   struct ls_arena *mem, struct ls_error *err)
{
    if (!ls_store_can(store, LS_CAP_DIGEST)) {
        ls_error_set(err, LS_UNSUPPORTED, "stores of kind %s do not digest", store->ops->scheme);
        return NULL;
    }
    if (check_scan(store, "digest_family", scan, err) != LS_OK)
        return NULL;
    return store->ops->digest_family(store, scan, mem, err);
}

enum ls_code ls_store_digest(struct ls_store *store, const struct ls_scan *scan,
                             const uint64_t seeds[2], struct ls_segment *ret, struct ls_error *err)
{
    enum ls_code rc = check_scan(store, "digest", scan, err);

    if (rc == LS_OK && !ls_store_can(store, LS_CAP_DIGEST))
        rc = misuse(store, "digest", "this kind of store does not digest", err);
    if (rc == LS_OK && (!scan->partition || seeds[0] < 2 || seeds[1] < 2))
        rc = misuse(store, "digest", "it needs a partition, and seeds that are not 0 or 1", err);
    return rc == LS_OK ? store->ops->digest(store, scan, seeds, ret, err) : rc;
}

enum ls_code ls_store_bounds(struct ls_store *store, const struct ls_scan *scan, size_t wanted,
                             struct ls_arena *mem, size_t *ret_count, struct ls_value **ret,
                             struct ls_error *err)
{
    enum ls_code rc = check_scan(store, "bounds", scan, err);

    if (rc == LS_OK && (!ls_store_can(store, LS_CAP_DIGEST) || !scan->key_count))
        rc = misuse(store, "bounds", "this kind of store does not digest, or the scan has no key",
                    err);
    return rc == LS_OK ? store->ops->bounds(store, scan, wanted, mem, ret_count, ret, err) : rc;
}

enum ls_code ls_store_create(struct ls_store *store, const char *collection,
                             const struct ls_schema *like, size_t key_count, const size_t *key,
                             struct ls_error *err)
{
    enum ls_code rc = need_writable(store, "create a collection", err);

    if (rc != LS_OK)
        return rc;
    if (!ls_store_can(store, LS_CAP_CREATE))
        return ls_error_set(err, LS_UNSUPPORTED,
                            "cannot create %s: stores of kind %s cannot make collections",
                            collection ? collection : "the collection", store->ops->scheme);
    if (store->in_transaction)
        return misuse(store, "create", "a transaction is open", err);
    if (!key_count || !indexes_below(key, key_count, like->field_count))
        return misuse(store, "create", "the key is missing or out of range", err);
    for (size_t i = 0; i < key_count; i++)
        if (like->fields[key[i]].flags & LS_FIELD_GENERATED)
            return misuse(store, "create", "the key is a generated field", err);
    return store->ops->create(store, collection, like, key_count, key, err);
}

enum ls_code ls_store_position(struct ls_store *store, struct ls_arena *mem, const char **ret,
                               struct ls_error *err)
{
    enum ls_code rc = need_idle(store, "position", err);

    *ret = "";
    return rc == LS_OK && store->ops->position ? store->ops->position(store, mem, ret, err) : rc;
}

enum ls_code ls_store_lock(struct ls_store *store, const char *name, struct ls_error *err)
{
    if (!ls_store_can(store, LS_CAP_LOCK))
        return misuse(store, "lock", "this kind of store has no locks", err);
    return store->ops->lock(store, name, err);
}
