/* SPDX-License-Identifier: Apache-2.0 */
/* runs.c - whole runs of the engine in tests. */
#include "runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lib/testpg.h"
#include "model/json.h"
#include "sql/sql.h"

/* ---- tables ---- */

static struct ls_store *open_url(const char *url, bool writable, struct ls_arena *mem,
                                 struct ls_url *ret)
{
    const struct ls_store_options options = {.writable = writable};
    struct ls_store *store = NULL;
    struct ls_error err = {0};

    assert_ok(ls_url_parse(url, mem, ret, &err), &err);
    assert_ok(ls_store_open(ret, &options, &store, &err), &err);
    return store;
}

static struct ls_sql *open_sql(const char *url)
{
    const struct ls_sql_options options = {.create = true};
    struct ls_sql *db = NULL;
    struct ls_error err = {0};
    struct ls_arena mem;
    struct ls_url parsed;

    ls_arena_init(&mem, 0);
    assert_ok(ls_url_parse(url, &mem, &parsed, &err), &err);
    assert_ok(ls_sql_open(&parsed, &options, &db, &err), &err);
    ls_arena_done(&mem);
    return db;
}

void runs_sql(const char *url, const char *sql)
{
    struct ls_sql *db = open_sql(url);
    const char *name = strchr(url, '#'), *dot = name ? strchr(name, '.') : NULL;
    struct ls_error err = {0};

    if (dot && ls_sql_dialect(db) == LS_POSTGRES)
        assert_ok(
            ls_sql_execf(db, &err, "SET search_path TO %.*s", (int)(dot - name - 1), name + 1),
            &err);
    assert_ok(ls_sql_exec(db, sql, &err), &err);
    ls_sql_close(db);
}

const char *runs_table(const char *kind, const char *sql)
{
    static unsigned made;
    const bool postgres = strcmp(kind, "postgres") == 0;
    const char *store = postgres ? fixture_postgres() : fixture_sqlite();
    char schema[40], *all;

    if (!postgres) {
        runs_sql(store, sql);
        return fixture_url(store, "t");
    }
    snprintf(schema, sizeof schema, "s%u.t", ++made);
    assert_true(asprintf(&all, "CREATE SCHEMA s%u; SET search_path TO s%u; %s", made, made, sql) >
                0);
    runs_sql(store, all);
    free(all);
    return fixture_url(store, schema);
}

/* One text column, a line each row. */
static void dump_sql(struct ls_buf *out, const char *url, const char *sql)
{
    struct ls_sql *db = open_sql(url);
    struct ls_sql_stmt *stmt = NULL;
    struct ls_error err = {0};
    bool row = true;

    assert_ok(ls_sql_prepare(db, sql, &stmt, &err), &err);
    assert_ok(ls_sql_run(stmt, NULL, 0, true, &err), &err);
    while (row) {
        assert_ok(ls_sql_step(stmt, &row, &err), &err);
        if (row) {
            const struct ls_value v = ls_sql_value(stmt, 0);

            ls_value_to_text(out, &v);
            ls_buf_char(out, '\n');
        }
    }
    ls_sql_finish(stmt);
    ls_sql_close(db);
}

char *runs_values(const char *url, const char *sql)
{
    struct ls_buf out;
    char *ret;

    ls_buf_init(&out, 0);
    dump_sql(&out, url, sql);
    ret = strdup(out.size ? ls_buf_str(&out) : "");
    ls_buf_done(&out);
    assert_non_null(ret);
    return ret;
}

static void select_quoted(struct ls_buf *sql, const struct ls_schema *schema)
{
    ls_buf_text(sql, "SELECT ''");
    for (size_t i = 0; i < schema->field_count; i++)
        ls_buf_printf(sql, " || quote(\"%s\") || ' ' || typeof(\"%s\") || ', '",
                      schema->fields[i].name, schema->fields[i].name);
    ls_buf_printf(sql, " AS line FROM \"%s\" ORDER BY line", schema->collection);
}

static int order_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void dump_scan(struct ls_buf *out, struct ls_store *store, const struct ls_schema *schema,
                      struct ls_arena *mem)
{
    size_t *all = ls_arena_array(mem, schema->field_count, sizeof *all), count = 0;
    struct ls_scan scan = {.schema = schema, .field_count = schema->field_count, .fields = all};
    struct ls_cursor *cursor = NULL;
    struct ls_rows rows = {.count = 1};
    struct ls_error err = {0};
    char *lines[10000];

    for (size_t i = 0; i < schema->field_count; i++)
        all[i] = i;
    assert_ok(ls_store_scan(store, &scan, &cursor, &err), &err);
    while (rows.count) {
        assert_ok(ls_cursor_next(cursor, mem, &rows, &err), &err);
        for (size_t r = 0; r < rows.count; r++) {
            struct ls_buf line;

            ls_buf_init(&line, 0);
            ls_record_to_json(&line, schema->fields, NULL, ls_row(&rows, r), schema->field_count);
            assert_true(count < COUNT_OF(lines));
            lines[count++] = ls_arena_text(mem, ls_buf_str(&line));
            ls_buf_done(&line);
        }
    }
    ls_cursor_end(cursor);
    qsort(lines, count, sizeof *lines, order_lines);
    for (size_t i = 0; i < count; i++)
        ls_buf_printf(out, "%s\n", lines[i]);
}

char *runs_dump(const char *url)
{
    struct ls_arena mem;
    struct ls_url parsed;
    struct ls_store *store;
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};
    struct ls_buf out, sql;
    char *ret;

    ls_arena_init(&mem, 0);
    ls_buf_init(&out, 0);
    ls_buf_init(&sql, 0);
    store = open_url(url, false, &mem, &parsed);
    assert_ok(ls_store_describe(store, parsed.collection, &mem, &schema, &err), &err);
    if (strcmp(parsed.scheme, "sqlite") == 0) {
        select_quoted(&sql, schema);
        dump_sql(&out, url, ls_buf_str(&sql));
    } else if (strcmp(parsed.scheme, "postgres") == 0) {
        ls_buf_printf(&sql, "SELECT t::text AS line FROM %s AS t ORDER BY line",
                      schema->collection);
        dump_sql(&out, url, ls_buf_str(&sql));
    } else {
        dump_scan(&out, store, schema, &mem);
    }
    ls_store_close(store);
    ret = strdup(out.size ? ls_buf_str(&out) : "");
    ls_buf_done(&sql);
    ls_buf_done(&out);
    ls_arena_done(&mem);
    assert_non_null(ret);
    return ret;
}

void runs_assert_dump(const char *url, const char *expected, const char *file, int line)
{
    char *now = runs_dump(url);
    const bool same = strcmp(now, expected) == 0;

    if (!same)
        print_error("%s holds\n%snot\n%s", url, now, expected);
    free(now);
    if (!same)
        _fail(file, line);
}

/* ---- journals ---- */

/* Several writers have several batches open at once. */
static struct fake_batch *batch_of(struct fake_journal *j, uint64_t number)
{
    for (size_t i = j->count; i > 0; i--)
        if (j->batches[i - 1].number == number)
            return &j->batches[i - 1];
    fail_msg("batch %llu was never opened", (unsigned long long)number);
    return NULL;
}

/* Counts a call; true when it is to fail. */
static bool fails(struct fake_journal *j, const char *call, struct ls_error *err)
{
    ls_buf_printf(&j->log, "%s ", call);
    if (++j->calls != j->fail_at && !j->dead)
        return false;
    ls_error_set(err, LS_FULL, "write the journal: no space left");
    return true;
}

/* The end of a call that was remembered. */
static enum ls_code done(struct fake_journal *j, struct ls_error *err)
{
    j->dead = j->dead || j->calls == j->die_at;
    return j->dead ? ls_error_set(err, LS_IO, "the process was killed") : LS_OK;
}

static enum ls_code fake_open(void *ctx, uint64_t batch, const char *marker, struct ls_error *err)
{
    struct fake_journal *j = ctx;
    struct fake_batch *b;

    if (fails(j, "open", err))
        return LS_FULL;
    for (size_t i = 0; i < j->count; i++)
        assert_true(j->batches[i].number < batch);
    j->batches = realloc(j->batches, (j->count + 1) * sizeof *j->batches);
    assert_non_null(j->batches);
    b = &j->batches[j->count++];
    *b = (struct fake_batch){.number = batch, .marker = strdup(marker)};
    return done(j, err);
}

static enum ls_code fake_add(void *ctx, uint64_t batch, const void *blob, size_t size,
                             struct ls_error *err)
{
    struct fake_journal *j = ctx;
    struct fake_batch *b;

    if (fails(j, "add", err))
        return LS_FULL;
    b = batch_of(j, batch);
    assert_int_equal(b->state, FAKE_OPEN);
    assert_false(b->synced);
    b->blobs = realloc(b->blobs, (b->blob_count + 1) * sizeof *b->blobs);
    assert_non_null(b->blobs);
    b->blobs[b->blob_count] = (struct fake_blob){malloc(size), size};
    memcpy(b->blobs[b->blob_count++].data, blob, size);
    return done(j, err);
}

static enum ls_code fake_sync(void *ctx, uint64_t batch, const struct ls_batch_counts *counts,
                              struct ls_error *err)
{
    struct fake_journal *j = ctx;
    struct fake_batch *b;
    uint64_t entries = 0;

    if (fails(j, "sync", err))
        return LS_FULL;
    b = batch_of(j, batch);
    for (size_t i = 0; i < b->blob_count; i++) {
        struct ls_reader rd;

        ls_reader_init(&rd, (const char *)b->blobs[i].data + 9, 4); /* after format and shape */
        entries += ls_reader_u32(&rd);
    }
    assert_int_equal(counts->created + counts->updated + counts->deleted, entries);
    b->synced = true;
    return done(j, err);
}

static enum ls_code fake_close(void *ctx, uint64_t batch, bool committed, struct ls_error *err)
{
    struct fake_journal *j = ctx;
    struct fake_batch *b;

    if (fails(j, committed ? "close+" : "close-", err))
        return LS_FULL;
    b = batch_of(j, batch);
    assert_int_equal(b->state, FAKE_OPEN);
    assert_true(b->synced || !committed);
    b->state = committed ? FAKE_COMMITTED : FAKE_ABORTED;
    return done(j, err);
}

struct fake_journal *fake_journal_new(void)
{
    struct fake_journal *j = calloc(1, sizeof *j);

    assert_non_null(j);
    j->journal = (struct ls_journal){j, fake_open, fake_add, fake_sync, fake_close};
    ls_buf_init(&j->log, 0);
    return j;
}

void fake_journal_free(struct fake_journal *j)
{
    for (size_t i = 0; j && i < j->count; i++) {
        for (size_t k = 0; k < j->batches[i].blob_count; k++)
            free(j->batches[i].blobs[k].data);
        free(j->batches[i].blobs);
        free(j->batches[i].marker);
    }
    if (j) {
        free(j->batches);
        ls_buf_done(&j->log);
    }
    free(j);
}

/* Where reading is: the blob before this one of this batch comes next. */
struct reading {
    struct fake_journal *journal;
    size_t batch, blob;
};
static struct reading reading;

static enum ls_code fake_next(void *ctx, struct ls_arena *mem, const void **ret_blob,
                              size_t *ret_size, struct ls_error *err)
{
    struct reading *r = ctx;
    struct fake_journal *j = r->journal;

    (void)err;
    *ret_blob = NULL;
    while (r->blob == 0 && r->batch > 0) {
        r->batch--;
        assert_int_not_equal(j->batches[r->batch].state, FAKE_OPEN); /* settled before */
        r->blob =
            j->batches[r->batch].state == FAKE_COMMITTED ? j->batches[r->batch].blob_count : 0;
    }
    if (r->blob == 0)
        return LS_OK;
    r->blob--;
    *ret_size = j->batches[r->batch].blobs[r->blob].size;
    *ret_blob = ls_arena_copy(mem, j->batches[r->batch].blobs[r->blob].data, *ret_size);
    assert_non_null(*ret_blob);
    return LS_OK;
}

struct ls_journal_source fake_journal_source(struct fake_journal *j)
{
    reading = (struct reading){j, j->count, 0};
    return (struct ls_journal_source){&reading, fake_next};
}

size_t fake_journal_open_count(const struct fake_journal *j)
{
    size_t n = 0;

    for (size_t i = 0; i < j->count; i++)
        n += j->batches[i].state == FAKE_OPEN;
    return n;
}

void fake_journal_settle(struct fake_journal *j, const char *url)
{
    struct ls_arena mem;
    struct ls_url parsed;
    struct ls_store *store;
    struct ls_schema *schema = NULL;
    struct ls_error err = {0};

    ls_arena_init(&mem, 0);
    store = open_url(url, true, &mem, &parsed);
    assert_ok(ls_store_describe(store, parsed.collection, &mem, &schema, &err), &err);
    for (size_t i = 0; i < j->count; i++) {
        enum ls_outcome outcome = LS_OUTCOME_UNKNOWN;

        if (j->batches[i].state != FAKE_OPEN)
            continue;
        assert_ok(ls_store_settle(store, schema, j->batches[i].marker, &outcome, &err), &err);
        j->batches[i].state = outcome == LS_OUTCOME_ABORTED ? FAKE_ABORTED : FAKE_COMMITTED;
    }
    j->dead = false;
    ls_store_close(store);
    ls_arena_done(&mem);
}

/* ---- runs ---- */

static void on_failed(void *ctx, const char *key_json, enum ls_code code, const char *text)
{
    struct run *run = ctx;

    ls_buf_printf(&run->failures, "%s %s: %s\n", key_json, ls_code_name(code), text);
}

static struct run *run_new(void)
{
    struct run *run = calloc(1, sizeof *run);

    assert_non_null(run);
    ls_buf_init(&run->failures, 0);
    return run;
}

void run_free(struct run *run)
{
    if (run)
        ls_buf_done(&run->failures);
    free(run);
}

static struct ls_store *open_writer(struct ls_job *job, const struct run_options *options)
{
    const struct ls_store_options writable = {.writable = true};
    struct ls_store *writer = NULL;
    struct ls_error err = {0};

    assert_ok(ls_store_open(&job->target.url, &writable, &writer, &err), &err);
    if (options && options->prepare)
        options->prepare(writer, options->ctx);
    return writer;
}

static struct ls_hooks hooks_of(struct run *run, const struct run_options *options)
{
    return (struct ls_hooks){
        .ctx = run, .cancel = options ? options->cancel : NULL, .failed = on_failed};
}

struct run *runs_apply(struct ls_job *job, struct ls_plan *plan, const struct run_options *options)
{
    struct run *run = run_new();
    const struct ls_hooks hooks = hooks_of(run, options);
    struct ls_store *writer = open_writer(job, options);
    struct ls_touched *touched = NULL;
    struct ls_compare_result verified;
    struct ls_error err = {0};
    const char *scope = NULL;
    char uuid[37];

    ls_uuid_new(uuid);
    assert_ok(ls_touched_open(job, &touched, &err), &err);
    run->rc = ls_apply(job, writer, uuid, plan, options ? options->journal : NULL, &hooks, touched,
                       &run->result, &run->err);
    ls_store_close(writer);
    if (run->rc == LS_OK) {
        assert_ok(ls_verify(job, touched, false, NULL, NULL, NULL, NULL, &verified, &scope, &err),
                  &err);
        run->verified_different = verified.total - verified.count[LS_IN_SYNC];
    }
    ls_touched_close(touched);
    ls_plan_close(plan);
    return run;
}

struct run *runs_sync(struct ls_job *job, const struct run_options *options)
{
    const struct ls_compare_options compare = {.no_recheck = true};
    struct ls_compare_result compared;
    struct ls_plan *plan = NULL;
    struct ls_error err = {0};

    assert_ok(ls_plan_make(job, &compare, NULL, &plan, &compared, &err), &err);
    return runs_apply(job, plan, options);
}

struct run *runs_undo(const char *target, const char *const *key, struct fake_journal *of,
                      const struct run_options *options)
{
    const struct ls_side_config side = {.url = target};
    struct run *run = run_new();
    const struct ls_hooks hooks = hooks_of(run, options);
    struct ls_journal_source source;
    struct ls_store *writer;
    struct ls_error err = {0};
    struct ls_job *job = NULL;
    uint64_t checked = 0;
    size_t key_count = 0;
    char uuid[37];

    while (key && key[key_count])
        key_count++;
    fake_journal_settle(of, target);
    assert_ok(ls_job_open_target("test", &side, NULL, key_count, key, &job, &err), &err);
    writer = open_writer(job, options);
    ls_uuid_new(uuid);
    source = fake_journal_source(of);
    run->rc = ls_undo(job, writer, uuid, &source, NULL, options ? options->journal : NULL, &hooks,
                      NULL, &run->result, &run->err);
    ls_store_close(writer);
    if (run->rc == LS_OK) {
        source = fake_journal_source(of);
        assert_ok(
            ls_verify_undo(job, &source, NULL, NULL, &checked, &run->verified_different, &err),
            &err);
    }
    ls_job_close(job);
    return run;
}

void runs_assert(const struct run *run, const char *expected, const char *file, int line)
{
    const struct ls_apply_result *r = &run->result;
    char text[200];

    snprintf(text, sizeof text,
             "%" PRIu64 " created, %" PRIu64 " updated, %" PRIu64 " deleted, %" PRIu64
             " failed, %" PRIu64 " conflicts",
             r->created, r->updated, r->deleted, r->failed, r->conflicts);
    if (run->rc == LS_OK && strcmp(text, expected) == 0)
        return;
    print_error("%s%s%s\nnot %s\n%s", run->rc == LS_OK ? "" : run->err.text,
                run->rc == LS_OK ? "" : "\n", text, expected,
                run->failures.size ? ls_buf_str(&run->failures) : "");
    _fail(file, line);
}

void runs_assert_in_sync(struct ls_job *job, uint64_t different, const char *file, int line)
{
    const struct ls_compare_options options = {.no_recheck = true};
    struct ls_compare_result compared;
    struct ls_error err = {0};

    assert_ok(ls_compare(job, &options, NULL, NULL, NULL, &compared, &err), &err);
    if (compared.total - compared.count[LS_IN_SYNC] == different)
        return;
    print_error("%" PRIu64 " records differ, not %" PRIu64 "\n",
                compared.total - compared.count[LS_IN_SYNC], different);
    _fail(file, line);
}

/* ---- faults ---- */

static struct shim *active;

static bool hits(unsigned n, unsigned from)
{
    return from && n >= from && n <= from + active->times;
}

static enum ls_code fault(const char *call, struct ls_error *err)
{
    return ls_error_set(err, active->code, "%s failed because the test wants it", call);
}

static void note(const char *call)
{
    if (active->log)
        ls_buf_printf(active->log, "%s ", call);
}

static enum ls_code shim_begin(struct ls_store *store, struct ls_error *err)
{
    note("BEGIN");
    return hits(++active->begins, active->fail_begin) ? fault("begin", err)
                                                      : active->real->begin(store, err);
}

static enum ls_code shim_write(struct ls_store *store, const struct ls_write *write,
                               struct ls_error *err)
{
    note("WRITE");
    active->writes++;
    if (active->on_write)
        active->on_write(active->ctx, active->writes);
    return hits(active->writes, active->fail_write) ? fault("write", err)
                                                    : active->real->write(store, write, err);
}

static enum ls_code shim_commit(struct ls_store *store, struct ls_error *err)
{
    enum ls_code rc;

    note("COMMIT");
    active->commits++;
    if (active->on_commit)
        active->on_commit(active->ctx, active->commits);
    if (!hits(active->commits, active->fail_commit))
        return active->real->commit(store, err);
    if (active->after) {
        rc = active->real->commit(store, err);
        assert_ok(rc, err);
        store->in_transaction = false;
    }
    return fault("commit", err);
}

static void shim_rollback(struct ls_store *store)
{
    note("ROLLBACK");
    active->real->rollback(store);
}

void runs_shim(struct ls_store *writer, void *ctx)
{
    active = ctx;
    active->real = writer->ops;
    active->ops = *writer->ops;
    active->ops.begin = shim_begin;
    active->ops.write = shim_write;
    active->ops.commit = shim_commit;
    active->ops.rollback = shim_rollback;
    writer->ops = &active->ops;
}
