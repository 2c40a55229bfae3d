/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - CSV and JSON Lines files as stores: one file, one collection.
 *
 * A file has no order, no index and no transactions. So scans come as the file has them (the engine sorts), fetching by
 * key reads the whole file outside of a transaction, and a run is one transaction: the file is loaded into a
 * work database, changed there, written beside the old one and renamed over it. A reader of the file sees
 * the old or the new content, never a part.
 *
 * What the file holds is told by the ending of its name: a format (csv.c, jsonl.c) reads and writes records, through the
 * window of input.c. On top of that scan.c reads, fetch.c finds by key, write.c changes records in
 * the work database (work.c), transaction.c puts them in place, create.c makes new files. Here are
 * sessions, what is told of a file, and run locks.
 *
 * Locks are bytes of a file `.NAME.lockstep-lock` beside it, which stays: a lock on a removed file excludes
 * nobody. Byte 1 is held by a transaction (transaction.c), a byte that comes from its name by a run lock.
 *
 * Not done: appending instead of rewriting; compressed files; other encodings. */
#include "store/file/file.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/text.h"
#include "store/kinds.h"

#define LOCK_TIMEOUT_MS 10000
#define FIRST_RUN_BYTE 2 /* byte 1 is the one of transaction.c */

static const struct file_format *const formats[] = {&file_csv, &file_jsonl};

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

static void file_close(struct ls_store *store)
{
    struct file_store *s = file_of(store);

    file_drop_transaction(s);
    for (size_t i = 0; i < s->lock_count; i++)
        ls_file_unlock(&s->locks[i]);
    ls_arena_done(&s->mem);
    free(s);
}

static const char *file_identity(struct ls_store *store)
{
    return file_of(store)->identity;
}

static enum ls_code file_list(struct ls_store *store, struct ls_arena *mem, size_t *ret_count,
                              const char *const **ret, struct ls_error *err)
{
    const char **names = ls_arena_array(mem, 1, sizeof *names);

    if (!names)
        return ls_error_nomem(err);
    names[0] = file_of(store)->name;
    *ret_count = access(file_of(store)->path, F_OK) == 0;
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
    struct file_store *s = file_of(store);
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

static enum ls_code file_lock(struct ls_store *store, const char *name, struct ls_error *err)
{
    struct file_store *s = file_of(store);
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
