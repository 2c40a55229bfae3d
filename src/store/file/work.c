/* SPDX-License-Identifier: Apache-2.0 */
/* work.c - the records of a file while it is being changed.
 *
 * A file cannot be changed in the middle, and its records do not fit memory. So a writing transaction loads it
 * into an SQLite database in TMPDIR that nobody else can see, changes that, and writes the file anew
 * at commit. Records keep their order in the file; new ones come last. Keys are stored in canonical form, so that
 * finding one means the same as everywhere; their index is made when all are there, which sorts them once. The database needs no durability: it dies with the transaction. */
#include "store/file/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/json.h"
#include "sql/sql.h"

enum { ADD, FIND, REPLACE, REMOVE, ALL, STATEMENTS };

static const char *const texts[STATEMENTS] = {
    [ADD] = "INSERT INTO record (k, v) VALUES (?, ?)",
    [FIND] = "SELECT n, v FROM record WHERE k = ? LIMIT 2",
    [REPLACE] = "UPDATE record SET v = ? WHERE k = ?",
    [REMOVE] = "DELETE FROM record WHERE k = ?",
    [ALL] = "SELECT v FROM record ORDER BY n",
};

struct file_work {
    struct ls_arena mem;
    const struct ls_schema *schema;
    size_t key_count, *key;
    struct ls_as *as;
    struct ls_value *probe;
    struct ls_sql *db;
    struct ls_sql_stmt *stmt[STATEMENTS];
    struct ls_buf k, v;
};

static enum ls_code open_database(struct file_work *w, struct ls_error *err)
{
    const char *folder = getenv("TMPDIR");
    char *path =
        ls_arena_printf(&w->mem, "%s/lockstep-XXXXXX", folder && *folder ? folder : "/tmp");
    struct ls_url url = {.scheme = "sqlite", .shown = "a temporary database in TMPDIR"};
    int fd;
    enum ls_code rc;

    if (!path)
        return ls_error_nomem(err);
    fd = mkstemp(path);
    if (fd < 0)
        return ls_error_errno(err, errno,
                              "make a temporary file %s: set TMPDIR to a folder with space", path);
    close(fd);
    url.location = path;
    rc = ls_sql_open(&url, NULL, &w->db, err);
    if (rc == LS_OK)
        rc = ls_sql_exec(
            w->db,
            "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -4096;"
            "PRAGMA locking_mode = EXCLUSIVE;"
            "CREATE TABLE record (n INTEGER PRIMARY KEY, k BLOB NOT NULL, v BLOB NOT NULL);"
            "BEGIN",
            err);
    unlink(path); /* it goes with its last descriptor */
    return rc;
}

enum ls_code file_work_open(const struct ls_schema *schema, size_t key_count, const size_t *key,
                            struct file_work **ret, struct ls_error *err)
{
    struct file_work *w = calloc(1, sizeof *w);
    enum ls_code rc;

    if (!w)
        return ls_error_nomem(err);
    ls_arena_init(&w->mem, 0);
    ls_buf_init(&w->k, 0);
    ls_buf_init(&w->v, 0);
    w->schema = schema;
    w->key_count = key_count;
    w->key = ls_arena_copy(&w->mem, key, key_count * sizeof *key);
    w->as = ls_arena_array(&w->mem, key_count, sizeof *w->as);
    w->probe = ls_arena_array(&w->mem, key_count, sizeof *w->probe);
    rc = (w->key || !key_count) && w->as && w->probe ? open_database(w, err) : ls_error_nomem(err);
    for (size_t i = 0; i < key_count && rc == LS_OK; i++)
        w->as[i] = ls_as_of(&schema->fields[key[i]], &schema->fields[key[i]]);
    for (size_t i = 0; i < STATEMENTS && rc == LS_OK; i++)
        rc = ls_sql_prepare(w->db, texts[i], &w->stmt[i], err);
    if (rc == LS_OK)
        *ret = w;
    else
        file_work_close(w);
    return rc;
}

void file_work_close(struct file_work *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        ls_sql_finish(w->stmt[i]);
    ls_sql_close(w->db);
    ls_buf_done(&w->k);
    ls_buf_done(&w->v);
    ls_arena_done(&w->mem);
    free(w);
}

bool file_work_has_key(const struct file_work *w, size_t key_count, const size_t *key)
{
    return w->key_count == key_count && memcmp(w->key, key, key_count * sizeof *key) == 0;
}

static struct ls_value bytes_of(const struct ls_buf *buf)
{
    return ls_value_data(LS_T_BYTES, ls_buf_str(buf), buf->size);
}

static struct ls_value key_bytes(struct file_work *w, const struct ls_value *key)
{
    ls_buf_reset(&w->k);
    ls_values_canon(&w->k, key, w->as, w->key_count);
    return bytes_of(&w->k);
}

static struct ls_value record_bytes(struct file_work *w, const struct ls_value *record)
{
    ls_buf_reset(&w->v);
    ls_values_encode(&w->v, record, w->schema->field_count);
    return bytes_of(&w->v);
}

static enum ls_code change(struct file_work *w, int which, const struct ls_value *params,
                           size_t count, struct ls_error *err)
{
    if (w->k.failed || w->v.failed)
        return ls_error_nomem(err);
    return ls_sql_change(w->stmt[which], params, count, NULL, err);
}

enum ls_code file_work_add(struct file_work *w, const struct ls_value *record, struct ls_error *err)
{
    struct ls_value params[2];

    for (size_t i = 0; i < w->key_count; i++)
        w->probe[i] = record[w->key[i]];
    params[0] = key_bytes(w, w->probe);
    params[1] = record_bytes(w, record);
    return change(w, ADD, params, 2, err);
}

enum ls_code file_work_loaded(struct file_work *w, struct ls_error *err)
{
    return ls_sql_exec(w->db, "CREATE INDEX record_k ON record (k)", err);
}

static enum ls_code decode(struct file_work *w, int column, struct ls_sql_stmt *stmt,
                           struct ls_arena *mem, struct ls_value **ret, struct ls_error *err)
{
    struct ls_value *record = ls_arena_array(mem, w->schema->field_count, sizeof *record);
    struct ls_reader rd;
    size_t size = 0;
    const void *blob = ls_sql_bytes(stmt, column, &size);

    if (!record)
        return ls_error_nomem(err);
    ls_reader_init(&rd, blob, size);
    if (!ls_values_decode(&rd, mem, record, w->schema->field_count))
        return rd.failed
                   ? ls_error_set(err, LS_IO, "a record in a temporary file in TMPDIR is damaged")
                   : ls_error_nomem(err);
    *ret = record;
    return LS_OK;
}

enum ls_code file_work_find(struct file_work *w, const struct ls_value *key, struct ls_arena *mem,
                            struct ls_value **ret, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = w->stmt[FIND];
    const struct ls_value param = key_bytes(w, key);
    bool row = false;
    enum ls_code rc = w->k.failed ? ls_error_nomem(err) : ls_sql_run(stmt, &param, 1, false, err);

    *ret = NULL;
    if (rc == LS_OK)
        rc = ls_sql_step(stmt, &row, err);
    if (rc == LS_OK && row) {
        rc = decode(w, 1, stmt, mem, ret, err);
        if (rc == LS_OK)
            rc = ls_sql_step(stmt, &row, err);
        if (rc == LS_OK && row)
            rc = ls_error_set(err, LS_DATA, "a key stands in the file more than once");
    }
    return rc;
}

enum ls_code file_work_put(struct file_work *w, const struct ls_value *key,
                           const struct ls_value *record, struct ls_error *err)
{
    struct ls_value params[2];

    if (!record) {
        params[0] = key_bytes(w, key);
        return change(w, REMOVE, params, 1, err);
    }
    params[0] = record_bytes(w, record);
    params[1] = key_bytes(w, key);
    return change(w, REPLACE, params, 2, err);
}

enum ls_code file_work_save(struct file_work *w, struct ls_error *err)
{
    return ls_sql_exec(w->db, "SAVEPOINT batch", err);
}

enum ls_code file_work_keep(struct file_work *w, bool keep, struct ls_error *err)
{
    return ls_sql_exec(w->db, keep ? "RELEASE batch" : "ROLLBACK TO batch; RELEASE batch", err);
}

enum ls_code file_work_write(struct file_work *w, const struct file_format *format,
                             const struct file_style *style, FILE *f, struct ls_error *err)
{
    struct ls_sql_stmt *stmt = w->stmt[ALL];
    struct ls_arena mem;
    struct ls_buf out;
    bool row = true;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&out, 0);
    if (style->mark)
        ls_buf_text(&out, "\xEF\xBB\xBF");
    format->write_head(&out, w->schema, style);
    for (rc = ls_sql_run(stmt, NULL, 0, true, err); rc == LS_OK && row;) {
        struct ls_value *record = NULL;

        if (out.failed) /* the head; a file without it would be another one */
            rc = ls_error_nomem(err);
        else if (out.size && fwrite(out.data, out.size, 1, f) != 1)
            rc = ls_error_errno(err, errno, "cannot write the file");
        ls_buf_reset(&out);
        if (rc == LS_OK)
            rc = ls_sql_step(stmt, &row, err);
        if (rc == LS_OK && row)
            rc = decode(w, 0, stmt, &mem, &record, err);
        if (record)
            format->write(&out, w->schema, record, style);
        if (rc == LS_OK && out.failed)
            rc = ls_error_nomem(err);
        ls_arena_reset(&mem);
    }
    ls_buf_done(&out);
    ls_arena_done(&mem);
    return rc;
}
