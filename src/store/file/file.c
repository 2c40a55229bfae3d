/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - CSV and JSON Lines files as stores: one file, one collection.
 *
 * A file has no order, no index and no transactions. So scans come as the file has them (the engine sorts), fetching by
 * key reads the whole file outside of a transaction, and a run is one transaction: the file is loaded into a
 * work database (work.c), changed there, written beside the old one and renamed over it. A reader of the file sees
 * the old or the new content, never a part.
 *
 * The mark of a transaction is the name of that new file, which exists from the mark on, also after a power cut, and
 * goes away only by the rename. So a transaction committed exactly when its file is not there any more;
 * an aborted one leaves it, empty, until it is forgotten. That is why nothing here calls ls_file_swap_commit(), which removes its file
 * when it fails.
 *
 * Others may write the file too and know no locks of ours. What they do while it is read is seen (input.c); what they did between loading and
 * renaming stops the commit, but for the moment between the last look and the rename.
 *
 * Locks are bytes of a file `.NAME.lockstep-lock` beside it, which stays: a lock on a removed file excludes
 * nobody. Byte 1 is held by a transaction, a byte that comes from its name by a run lock.
 *
 * Not done: appending instead of rewriting; compressed files; other encodings. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/text.h"
#include "store/file/work.h"
#include "store/kinds.h"

static const struct file_format *const formats[] = {&file_csv, &file_jsonl};

struct file_store {
    struct ls_store base;
    struct ls_arena mem;
    const struct file_format *format;
    const char *path, *identity, *name; /* name: of the collection, the file's without its ending */
    const char *lock_path;
    int lock_timeout_ms;
    struct ls_file_lock locks[4]; /* run locks */
    size_t lock_count;
    struct ls_file_lock writing; /* held from begin to commit or rollback */
    struct ls_file_swap swap;    /* open from the mark on */
    struct file_work *work;      /* of the transaction; NULL until its first fetch or write */
    struct stat loaded;          /* the file as it went into work */
    struct file_style style;     /* of that file */
    bool changed;
};

struct file_cursor {
    struct ls_cursor base;
    const struct ls_scan *scan;
    struct file_input in;
    struct ls_arena mem; /* of the sieve */
    struct ls_sieve sieve;
    struct ls_value *record; /* scratch: one record of the schema */
    bool ended;
};

#define BATCH_BYTES (1u << 20)
#define LOCK_TIMEOUT_MS 10000
#define WRITING_BYTE 1
#define FIRST_RUN_BYTE 2

static struct file_store *of(struct ls_store *store)
{
    return (struct file_store *)(void *)store;
}

/* ---- open ---- */

static const struct file_format *format_of(const char *path, size_t *ret_stem)
{
    const size_t length = strlen(path);

    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        for (const char *const *ending = formats[f]->endings; *ending; ending++) {
            const size_t n = strlen(*ending);

            if (length > n && ls_text_equal_nocase(path + length - n, *ending)) {
                *ret_stem = length - n;
                return formats[f];
            }
        }
    return NULL;
}

/* The real path, also of a file that is not there yet; its folder has to be. In mem. */
static enum ls_code real_path(const struct ls_url *url, struct ls_arena *mem, const char **ret,
                              struct ls_error *err)
{
    char *real = realpath(url->location, NULL), *copy;
    enum ls_code rc = LS_OK;

    if (real) {
        *ret = ls_arena_text(mem, real);
    } else if (errno == ENOMEM || !(copy = ls_arena_text(mem, url->location))) {
        *ret = NULL;
    } else if ((real = realpath(dirname(copy), NULL))) {
        copy = ls_arena_text(mem, url->location);
        *ret =
            copy ? ls_arena_printf(mem, "%s/%s", strcmp(real, "/") == 0 ? "" : real, basename(copy))
                 : NULL;
    } else if (errno == ENOMEM) {
        *ret = NULL;
    } else {
        rc = ls_error_set(err, LS_NOT_FOUND, "%s: its folder is not there. Check the path",
                          url->shown);
    }
    free(real);
    return rc == LS_OK && !*ret ? ls_error_nomem(err) : rc;
}

/* What names the file and what lies beside it. */
static enum ls_code name_all(struct file_store *s, const struct ls_url *url, struct ls_error *err)
{
    const char *slash;
    size_t stem = 0;
    enum ls_code rc = real_path(url, &s->mem, &s->path, err);

    if (rc != LS_OK)
        return rc;
    slash = strrchr(s->path, '/');
    format_of(s->path, &stem);
    s->name = ls_arena_text_n(&s->mem, slash + 1, stem - (size_t)(slash + 1 - s->path));
    s->identity = ls_arena_printf(&s->mem, "file:%s", s->path);
    s->lock_path = ls_arena_printf(&s->mem, "%.*s/.%s.lockstep-lock", (int)(slash - s->path),
                                   s->path, slash + 1);
    return s->name && s->identity && s->lock_path ? LS_OK : ls_error_nomem(err);
}

static enum ls_code file_open(const struct ls_url *url, const struct ls_store_options *options,
                              struct ls_store **ret, struct ls_error *err)
{
    struct file_store *s = calloc(1, sizeof *s);
    size_t stem = 0;
    enum ls_code rc;

    if (!s)
        return ls_error_nomem(err);
    ls_arena_init(&s->mem, 0);
    s->writing = LS_FILE_UNLOCKED;
    s->lock_timeout_ms = options->lock_timeout_ms ? options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    s->format = format_of(url->location, &stem);
    rc = s->format
             ? name_all(s, url, err)
             : ls_error_set(err, LS_USAGE,
                            "%s: the name must end in .csv, .jsonl or .ndjson, to tell what it "
                            "holds",
                            url->shown);
    if (rc == LS_OK) {
        *ret = &s->base;
        return LS_OK;
    }
    ls_arena_done(&s->mem);
    free(s);
    return rc;
}

/* Lets go of the new file, which stays where it is, whatever its name is by now. */
static void let_go(struct ls_file_swap *swap)
{
    if (swap->f)
        fclose(swap->f);
    free(swap->path);
    free(swap->temp_path);
    *swap = (struct ls_file_swap){0};
}

/* Ends what is open. The marked file stays, empty: that is how settle knows. */
static void drop_transaction(struct file_store *s)
{
    file_work_close(s->work);
    s->work = NULL;
    s->changed = false;
    if (s->swap.f && ftruncate(fileno(s->swap.f), 0) != 0)
        errno = 0; /* it only takes space until it is forgotten */
    let_go(&s->swap);
    ls_file_unlock(&s->writing);
    s->writing = LS_FILE_UNLOCKED;
}

static void file_close(struct ls_store *store)
{
    struct file_store *s = of(store);

    drop_transaction(s);
    for (size_t i = 0; i < s->lock_count; i++)
        ls_file_unlock(&s->locks[i]);
    ls_arena_done(&s->mem);
    free(s);
}

static const char *file_identity(struct ls_store *store)
{
    return of(store)->identity;
}

static enum ls_code file_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                              const char *const **ret, struct ls_error *err)
{
    const char **names = ls_arena_array(mem, 1, sizeof *names);

    if (!names)
        return ls_error_nomem(err);
    names[0] = of(store)->name;
    *ret_count = access(of(store)->path, F_OK) == 0;
    *ret = names;
    return LS_OK;
}

static bool may_write(const struct file_store *s, const char *folder)
{
    return access(folder, W_OK) == 0 && (access(s->path, F_OK) != 0 || access(s->path, W_OK) == 0);
}

static enum ls_code file_describe(struct ls_store *store, const char *collection,
                                  struct ls_arena *mem, struct ls_schema **ret,
                                  struct ls_error *err)
{
    struct file_store *s = of(store);
    struct file_input in;
    struct ls_field *fields = NULL;
    struct ls_schema *schema = ls_arena_alloc(mem, sizeof *schema);
    char *folder = ls_arena_text(mem, s->path); /* dirname() cuts it */
    size_t count = 0;
    enum ls_code rc;

    if (collection && strcmp(collection, s->name) != 0)
        return ls_store_no_collection(store, collection, 1, &s->name, err);
    if (!schema || !folder)
        return ls_error_nomem(err);
    rc = file_input_open(&in, s->path, err);
    if (rc != LS_OK)
        return rc;
    rc = s->format->describe(&in, mem, &count, &fields, err);
    file_input_close(&in);
    if (rc != LS_OK)
        return rc;
    *schema = (struct ls_schema){
        .collection = ls_arena_text(mem, s->name),
        .field_count = count,
        .fields = fields,
        .rows_estimate = -1,
        .fingerprint = "",
        .flags = store->writable && may_write(s, dirname(folder)) ? 0 : LS_SCHEMA_READ_ONLY,
    };
    *ret = schema;
    return schema->collection ? LS_OK : ls_error_nomem(err);
}

/* ---- reading ---- */

static void file_end(struct ls_cursor *cursor)
{
    struct file_cursor *c = (struct file_cursor *)(void *)cursor;

    ls_sieve_done(&c->sieve);
    file_input_close(&c->in);
    ls_arena_done(&c->mem);
    free(c);
}

static enum ls_code file_scan(struct ls_store *store, const struct ls_scan *scan,
                              struct ls_cursor **ret, struct ls_error *err)
{
    struct file_store *s = of(store);
    struct file_cursor *c = calloc(1, sizeof *c);
    enum ls_code rc;

    if (!c)
        return ls_error_nomem(err);
    c->base.store = store;
    c->scan = scan;
    c->in.fd = -1;
    ls_arena_init(&c->mem, 0);
    c->record = ls_arena_array(&c->mem, scan->schema->field_count, sizeof *c->record);
    rc = c->record && ls_sieve_init(&c->sieve, scan, &c->mem) ? LS_OK : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = file_input_open(&c->in, s->path, err);
    if (rc == LS_OK)
        rc = s->format->begin(&c->in, scan->schema, err);
    if (rc == LS_OK)
        *ret = &c->base;
    else
        file_end(&c->base);
    return rc;
}

static enum ls_code file_next(struct ls_cursor *cursor, struct ls_arena *mem, struct ls_rows *ret,
                              struct ls_error *err)
{
    struct file_cursor *c = (struct file_cursor *)(void *)cursor;
    const struct ls_scan *scan = c->scan;
    const size_t most = scan->batch_rows ? scan->batch_rows : 1000, from = mem->used_bytes;
    struct ls_value *values = ls_arena_array(mem, most * scan->field_count, sizeof *values);
    size_t n = 0;

    if (!values)
        return ls_error_nomem(err);
    while (n < most && !c->ended &&
           mem->used_bytes - from < BATCH_BYTES + most * scan->field_count * sizeof *values) {
        bool record = false;
        enum ls_code rc =
            of(cursor->store)->format->read(&c->in, scan->schema, mem, c->record, &record, err);

        if (rc != LS_OK)
            return rc;
        c->ended = !record;
        if (!record || !ls_sieve_takes(&c->sieve, c->record, NULL))
            continue;
        for (size_t i = 0; i < scan->field_count; i++)
            values[n * scan->field_count + i] = c->record[scan->fields[i]];
        n++;
    }
    *ret = (struct ls_rows){n, scan->field_count, values};
    return LS_OK;
}

/* ---- the transaction ---- */

/* The schema indexes of a key given as positions. In mem. */
static size_t *key_indexes(const size_t *fields, size_t count, const size_t *key,
                           struct ls_arena *mem)
{
    size_t *indexes = ls_arena_array(mem, count, sizeof *indexes);

    for (size_t i = 0; indexes && i < count; i++)
        indexes[i] = fields[key[i]];
    return indexes;
}

static enum ls_code load_records(const struct file_format *format, struct file_input *in,
                                 const struct ls_schema *schema, struct file_work *work,
                                 struct ls_error *err)
{
    struct ls_arena mem;
    bool more = true;
    enum ls_code rc = format->begin(in, schema, err);

    ls_arena_init(&mem, 0);
    while (rc == LS_OK) {
        struct ls_value *record = ls_arena_array(&mem, schema->field_count, sizeof *record);

        rc = record ? format->read(in, schema, &mem, record, &more, err) : ls_error_nomem(err);
        if (rc != LS_OK || !more)
            break;
        rc = file_work_add(work, record, err);
        ls_arena_reset(&mem);
    }
    ls_arena_done(&mem);
    return rc == LS_OK ? file_work_loaded(work, err) : rc;
}

/* Loads the file into a work database with this key. */
static enum ls_code load(struct file_store *s, const struct ls_schema *schema, size_t key_count,
                         const size_t *key, struct file_work **ret, struct ls_error *err)
{
    struct file_work *work = NULL;
    struct file_input in;
    enum ls_code rc = file_input_open(&in, s->path, err);

    if (rc != LS_OK)
        return rc;
    rc = file_work_open(schema, key_count, key, &work, err);
    if (rc == LS_OK)
        rc = load_records(s->format, &in, schema, work, err);
    s->loaded = in.seen;
    s->style = in.style;
    file_input_close(&in);
    if (rc == LS_OK)
        *ret = work;
    else
        file_work_close(work);
    return rc;
}

static enum ls_code need_work(struct file_store *s, const struct ls_schema *schema,
                              size_t key_count, const size_t *key, struct ls_error *err)
{
    if (!s->work)
        return load(s, schema, key_count, key, &s->work, err);
    if (!file_work_has_key(s->work, key_count, key))
        return ls_error_set(err, LS_INTERNAL, "%s: a second key in one transaction", s->path);
    return LS_OK;
}

static enum ls_code fetch_all(struct file_work *work, const struct ls_scan *what, size_t count,
                              const struct ls_value *keys, struct ls_arena *mem,
                              struct ls_rows *ret, struct ls_error *err)
{
    struct ls_value *values = ls_arena_array(mem, count * what->field_count, sizeof *values);
    size_t n = 0;

    if (!values)
        return ls_error_nomem(err);
    for (size_t i = 0; i < count; i++) {
        struct ls_value *record = NULL;
        enum ls_code rc = file_work_find(work, keys + i * what->key_count, mem, &record, err);

        if (rc != LS_OK)
            return rc;
        for (size_t f = 0; record && f < what->field_count; f++)
            values[n * what->field_count + f] = record[what->fields[f]];
        n += record != NULL;
    }
    *ret = (struct ls_rows){n, what->field_count, values};
    return LS_OK;
}

static enum ls_code file_fetch(struct ls_store *store, const struct ls_scan *what, size_t key_count,
                               const struct ls_value *keys, bool for_update, struct ls_arena *mem,
                               struct ls_rows *ret, struct ls_error *err)
{
    struct file_store *s = of(store);
    const size_t *key = key_indexes(what->fields, what->key_count, what->key, mem);
    struct file_work *work = NULL;
    enum ls_code rc;

    (void)for_update; /* the run lock keeps other writers of ours away; a file has no other lock */
    if (!key)
        return ls_error_nomem(err);
    if (store->in_transaction) {
        rc = need_work(s, what->schema, what->key_count, key, err);
        return rc == LS_OK ? fetch_all(s->work, what, key_count, keys, mem, ret, err) : rc;
    }
    rc = load(s, what->schema, what->key_count, key, &work, err);
    if (rc == LS_OK)
        rc = fetch_all(work, what, key_count, keys, mem, ret, err);
    file_work_close(work);
    return rc;
}

/* Waits for the transaction of another session; LS_BUSY when it takes too long. */
static enum ls_code wait_for_writing(struct file_store *s, struct ls_file_lock *lock,
                                     struct ls_error *err)
{
    const int64_t until = ls_clock_monotonic_us() + (int64_t)s->lock_timeout_ms * 1000;
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

    for (;;) {
        enum ls_code rc = ls_file_lock(lock, s->lock_path, WRITING_BYTE, false, err);

        if (rc != LS_BUSY)
            return rc;
        if (ls_clock_monotonic_us() >= until)
            return ls_error_set(err, LS_BUSY,
                                "%s is being written by another lockstep. Wait for it to end",
                                s->path);
        nanosleep(&pause, NULL);
    }
}

static enum ls_code file_begin(struct ls_store *store, struct ls_error *err)
{
    return wait_for_writing(of(store), &of(store)->writing, err);
}

/* The record that an operation leaves: the one that is there with the written fields over it. */
static enum ls_code make_record(const struct ls_write *w, const struct ls_write_op *op,
                                const struct ls_value *old, struct ls_arena *mem,
                                struct ls_value **ret, struct ls_error *err)
{
    struct ls_value *record = ls_arena_array(mem, w->schema->field_count, sizeof *record);

    if (!record)
        return ls_error_nomem(err);
    for (size_t i = 0; i < w->schema->field_count; i++)
        record[i] = old ? old[i] : ls_value_null();
    for (size_t i = 0; i < w->field_count; i++)
        record[w->fields[i]] = op->record[i];
    for (size_t k = 0; old && k < w->key_count; k++)
        record[w->fields[w->key[k]]] = old[w->fields[w->key[k]]];
    *ret = record;
    return LS_OK;
}

/* LS_TYPE when the record would not read back as it is. */
static enum ls_code check_record(struct file_store *s, const struct ls_schema *schema,
                                 const struct ls_value *record, struct ls_error *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < schema->field_count; i++) {
        const char *why = s->format->refuses(&record[i]);

        if (why)
            return ls_error_set(err, LS_TYPE, "%s: field \"%s\": %s", s->path,
                                schema->fields[i].name, why);
        bytes += ls_type_has_data(record[i].type) ? record[i].size : 32;
    }
    if (bytes > FILE_RECORD_MAX / 8) /* one byte takes six at most, as in \u0000 */
        return ls_error_set(err, LS_TYPE, "%s: a record of more than 8 MiB", s->path);
    return LS_OK;
}

static enum ls_code write_one(struct file_store *s, const struct ls_write *w,
                              const struct ls_write_op *op, struct ls_arena *mem,
                              struct ls_error *err)
{
    struct ls_value *old = NULL, *record = NULL;
    enum ls_code rc = file_work_find(s->work, op->key, mem, &old, err);

    if (rc == LS_OK && !old != (op->kind == LS_INSERT))
        rc = ls_error_set(err, LS_CONFLICT, "%s: a record to %s %s", s->path,
                          ls_change_word(op->kind), old ? "is there already" : "is not there");
    if (rc == LS_OK && op->kind != LS_DELETE)
        rc = make_record(w, op, old, mem, &record, err);
    if (rc == LS_OK && record)
        rc = check_record(s, w->schema, record, err);
    if (rc != LS_OK)
        return rc;
    return old ? file_work_put(s->work, op->key, record, err) : file_work_add(s->work, record, err);
}

static enum ls_code file_write(struct ls_store *store, const struct ls_write *w,
                               struct ls_error *err)
{
    static const enum ls_change_kind order[] = {LS_DELETE, LS_UPDATE, LS_INSERT};
    struct file_store *s = of(store);
    struct ls_arena mem;
    struct ls_error ignored;
    const size_t *key;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    key = key_indexes(w->fields, w->key_count, w->key, &mem);
    rc = key ? need_work(s, w->schema, w->key_count, key, err) : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = file_work_save(s->work, err);
    if (rc != LS_OK)
        goto done;
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (size_t i = 0; i < w->count && rc == LS_OK; i++)
            if (w->ops[i].kind == order[k])
                rc = write_one(s, w, &w->ops[i], &mem, err);
    if (rc == LS_OK)
        rc = file_work_keep(s->work, true, err);
    else if (file_work_keep(s->work, false, &ignored) != LS_OK)
        rc = LS_IO; /* what was half written cannot be taken back here: the caller rolls back */
    s->changed = s->changed || rc == LS_OK;
done:
    ls_arena_done(&mem);
    return rc;
}

/* Makes the names in the file's folder durable. Some network file systems cannot, and say EINVAL. */
static enum ls_code sync_folder(const struct file_store *s, struct ls_error *err)
{
    const int length = (int)(strrchr(s->path, '/') - s->path);
    char *folder = NULL;
    enum ls_code rc = LS_OK;
    int fd;

    if (asprintf(&folder, "%.*s/", length, s->path) < 0)
        return ls_error_nomem(err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        rc = ls_error_errno(err, errno, "sync %s", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

static enum ls_code file_mark(struct ls_store *store, const char *tag, struct ls_arena *mem,
                              const char **ret_marker, struct ls_error *err)
{
    struct file_store *s = of(store);
    enum ls_code rc = ls_file_swap_open(&s->swap, s->path, tag, 0, err);

    if (rc == LS_OK)
        rc = ls_file_swap_sync(&s->swap, err);
    if (rc == LS_OK)
        rc = sync_folder(s, err);
    if (rc == LS_OK && !(*ret_marker = ls_arena_text(mem, s->swap.temp_path)))
        rc = ls_error_nomem(err);
    return rc;
}

/* LS_CHANGED when the file is not the one that was loaded. */
static enum ls_code check_same(const struct file_store *s, struct ls_error *err)
{
    struct stat now;

    if (stat(s->path, &now) != 0)
        return ls_error_errno(err, errno, "look at %s", s->path);
    if (now.st_dev == s->loaded.st_dev && now.st_ino == s->loaded.st_ino &&
        now.st_size == s->loaded.st_size && now.st_mtim.tv_sec == s->loaded.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == s->loaded.st_mtim.tv_nsec)
        return LS_OK;
    return ls_error_set(err, LS_CHANGED,
                        "%s was changed by somebody else meanwhile, so nothing was written. Run "
                        "again",
                        s->path);
}

/* The work database becomes the new file. */
static enum ls_code replace(struct file_store *s, struct ls_error *err)
{
    enum ls_code rc = LS_OK;

    if (!s->swap.f)
        rc = ls_file_swap_open(&s->swap, s->path, "write", 0, err);
    if (rc == LS_OK)
        rc = file_work_write(s->work, s->format, &s->style, s->swap.f, err);
    if (rc == LS_FULL || rc == LS_IO)
        ls_error_wrap(err, "%s", s->path);
    if (rc == LS_OK)
        rc = ls_file_swap_sync(&s->swap, err);
    if (rc == LS_OK)
        rc = check_same(s, err);
    if (rc == LS_OK && rename(s->swap.temp_path, s->path) != 0)
        rc = ls_error_errno(err, errno, "rename %s to %s", s->swap.temp_path, s->path);
    return rc;
}

static enum ls_code file_commit(struct ls_store *store, struct ls_error *err)
{
    struct file_store *s = of(store);
    const bool marked = s->swap.f != NULL;
    enum ls_code rc = LS_OK;

    if (s->changed)
        rc = replace(s, err);
    else if (marked && unlink(s->swap.temp_path) != 0)
        rc = ls_error_errno(err, errno, "remove %s", s->swap.temp_path);
    if (rc != LS_OK && !marked)
        ls_file_swap_abort(&s->swap); /* nobody will ask for it */
    if (rc != LS_OK)
        return rc;
    let_go(&s->swap); /* at once: it is the live file now, and a rollback empties what is open */
    if (s->changed || marked)
        rc = sync_folder(s, err);
    s->changed = false;
    if (rc == LS_OK)
        drop_transaction(s);
    return rc;
}

static void file_rollback(struct ls_store *store)
{
    drop_transaction(of(store));
}

static enum ls_code file_settle(struct ls_store *store, const struct ls_schema *schema,
                                const char *marker, enum ls_outcome *ret, struct ls_error *err)
{
    struct file_store *s = of(store);
    struct ls_file_lock writing = LS_FILE_UNLOCKED;
    enum ls_code rc = LS_OK;

    (void)schema;
    if (!store->in_transaction)
        rc = wait_for_writing(s, &writing, err);
    if (rc != LS_OK)
        return rc;
    *ret = access(marker, F_OK) == 0 ? LS_OUTCOME_ABORTED : LS_OUTCOME_COMMITTED;
    ls_file_unlock(&writing);
    return LS_OK;
}

/* Removes the marked files of a run that are still there. */
static void file_forget(struct ls_store *store, const char *tag)
{
    static const char *const ours[] = {"lock", "fields", NULL}; /* these stay, whatever the tag */
    struct file_store *s = of(store);
    const char *slash = strrchr(s->path, '/');
    struct ls_arena mem;
    char *folder, *prefix;
    DIR *dir;

    ls_arena_init(&mem, 0);
    folder = ls_arena_text_n(&mem, s->path, (size_t)(slash - s->path) + 1);
    prefix = ls_arena_printf(&mem, ".%s.lockstep-", slash + 1);
    dir = folder && prefix ? opendir(folder) : NULL;
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        const char *tail = e->d_name + strlen(prefix);
        bool stays = !ls_text_starts(e->d_name, prefix) || !ls_text_starts(tail, tag);

        for (size_t i = 0; !stays && ours[i]; i++)
            stays = strcmp(tail, ours[i]) == 0;
        if (!stays)
            unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
    ls_arena_done(&mem);
}

/* ---- the rest ---- */

/* The fields that a new file gets. In mem. */
static struct ls_schema *writable_fields(const struct ls_schema *like, struct ls_arena *mem)
{
    struct ls_schema *schema = ls_arena_copy(mem, like, sizeof *like);
    struct ls_field *fields = ls_arena_array(mem, like->field_count, sizeof *fields);

    if (!schema || !fields)
        return NULL;
    schema->fields = fields;
    schema->field_count = 0;
    for (size_t i = 0; i < like->field_count; i++)
        if (!(like->fields[i].flags & LS_FIELD_GENERATED))
            fields[schema->field_count++] = like->fields[i];
    return schema;
}

/* A rename that replaces nothing, where the file system knows one. */
static enum ls_code publish(struct file_store *s, const struct ls_file_swap *swap,
                            struct ls_error *err)
{
    int rc = renameat2(AT_FDCWD, swap->temp_path, AT_FDCWD, s->path, RENAME_NOREPLACE);

    if (rc != 0 && (errno == EINVAL || errno == ENOSYS))
        rc = rename(swap->temp_path, s->path);
    if (rc != 0 && errno == EEXIST)
        return ls_error_set(err, LS_CONFLICT, "%s is there already", s->path);
    return rc == 0 ? sync_folder(s, err) : ls_error_errno(err, errno, "make %s", s->path);
}

static enum ls_code file_create(struct ls_store *store, const char *collection,
                                const struct ls_schema *like, size_t key_count, const size_t *key,
                                struct ls_error *err)
{
    static const struct file_style style = {0};
    struct file_store *s = of(store);
    const struct ls_schema *schema = writable_fields(like, &s->mem);
    struct ls_file_swap swap = {0};
    struct ls_buf head;
    enum ls_code rc = schema ? LS_OK : ls_error_nomem(err);

    (void)collection;
    (void)key_count;
    (void)key;
    if (access(s->path, F_OK) == 0)
        return ls_error_set(err, LS_CONFLICT, "%s is there already", s->path);
    ls_buf_init(&head, 0);
    if (rc == LS_OK)
        s->format->write_head(&head, schema, &style);
    if (head.failed)
        rc = ls_error_nomem(err);
    if (rc == LS_OK && s->format->note)
        rc = s->format->note(s->path, schema, err);
    if (rc == LS_OK)
        rc = ls_file_swap_open(&swap, s->path, "create", 0600, err);
    if (rc == LS_OK && head.size && fwrite(head.data, head.size, 1, swap.f) != 1)
        rc = ls_error_errno(err, errno, "write %s", s->path);
    if (rc == LS_OK)
        rc = ls_file_swap_sync(&swap, err);
    if (rc == LS_OK)
        rc = publish(s, &swap, err);
    ls_file_swap_abort(&swap);
    ls_buf_done(&head);
    if (rc != LS_OK && rc != LS_CONFLICT && s->format->unnote)
        s->format->unnote(s->path);
    return rc;
}

static enum ls_code file_lock(struct ls_store *store, const char *name, struct ls_error *err)
{
    struct file_store *s = of(store);
    const off_t byte = FIRST_RUN_BYTE + (off_t)(ls_hash64(name, strlen(name), 0) >> 2);
    enum ls_code rc;

    if (s->lock_count == sizeof s->locks / sizeof *s->locks)
        return ls_error_set(err, LS_INTERNAL, "%s: too many locks in one session", s->path);
    rc = ls_file_lock(&s->locks[s->lock_count], s->lock_path, byte, false, err);
    if (rc == LS_BUSY)
        return ls_error_set(err, LS_LOCKED,
                            "%s is being synced by another lockstep. Wait for it to end", s->path);
    s->lock_count += rc == LS_OK;
    return rc;
}

const struct ls_store_ops ls_file_ops = {
    .scheme = "file",
    .summary = "A CSV file (RFC 4180, with a header, UTF-8) or a JSON Lines file; one file is one "
               "collection.",
    .example = "file:customers.csv",
    .caps = LS_CAP_WRITE | LS_CAP_CREATE | LS_CAP_LOCK,
    .leaves = "A run writes a new file .NAME.lockstep-… beside the old one and renames it over; a "
              "file .NAME.lockstep-lock "
              "holds the lock and stays. A JSON Lines file that lockstep made has its types in "
              ".NAME.lockstep-fields.",
    .open = file_open,
    .close = file_close,
    .identity = file_identity,
    .list = file_list,
    .describe = file_describe,
    .scan = file_scan,
    .next = file_next,
    .end = file_end,
    .fetch = file_fetch,
    .begin = file_begin,
    .write = file_write,
    .mark = file_mark,
    .commit = file_commit,
    .rollback = file_rollback,
    .settle = file_settle,
    .forget = file_forget,
    .create = file_create,
    .lock = file_lock,
};
