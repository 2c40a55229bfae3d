/* SPDX-License-Identifier: Apache-2.0 */
/* runs.h - whole runs of the engine in tests: a journal in memory that can die at any call, plans applied and taken back,
 * tables as exact text. */
#ifndef LS_TESTS_ENGINE_RUNS_H
#define LS_TESTS_ENGINE_RUNS_H

#include "engine/apply.h"
#include "engine/journal.h"
#include "fixture.h"

/* ---- tables as SQL and as text ---- */

/* Runs statements in the store of an sqlite: or postgres: URL; of #schema.table the schema is where
 * names are looked up. */
void runs_sql(const char *url, const char *sql);
/* The first column of all rows, a line each; to be freed. */
char *runs_values(const char *url, const char *sql);
/* A fresh place in a kind of store ("sqlite", "postgres"), in which the statements make a table t. The URL with #collection;
 * fixture_done() frees it. */
const char *runs_table(const char *kind, const char *sql);
/* Every record with every byte it has, in key order: what must be the same before a run and after its undo. To be freed.
 * SQLite and PostgreSQL are asked in SQL, past our own reading of values. url: with #collection. */
char *runs_dump(const char *url);
#define assert_dump(url, expected) runs_assert_dump((url), (expected), __FILE__, __LINE__)
void runs_assert_dump(const char *url, const char *expected, const char *file, int line);

/* ---- journals ---- */

struct fake_blob {
    void *data;
    size_t size;
};
struct fake_batch {
    uint64_t number;
    char *marker;
    enum { FAKE_OPEN, FAKE_COMMITTED, FAKE_ABORTED } state;
    bool synced;
    size_t blob_count;
    struct fake_blob *blobs;
};
/* Keeps what a run journals. Checks the order of calls by itself: a blob belongs to an open batch, no batch is closed as
 * committed that was not synced, none twice, and what it counts for is what it journaled. */
struct fake_journal {
    struct ls_journal journal; /* to be given to apply and undo */
    size_t count;
    struct fake_batch *batches;
    struct ls_buf log; /* "open add sync close+" and so on; runs_shim() adds the store's calls */
    unsigned calls;    /* of the journal, so far */
    unsigned fail_at;  /* this call fails with LS_FULL; 0: none */
    unsigned die_at;   /* this call is the last one that is remembered, and fails */
    bool dead;         /* as after a kill: what comes is not remembered any more */
};
struct fake_journal *fake_journal_new(void);
void fake_journal_free(struct fake_journal *j);
/* Reads it back, newest first; the source is valid until the next call on the journal. */
struct ls_journal_source fake_journal_source(struct fake_journal *j);
/* What the next run does first: asks the target about batches that are open. url: of the target, with #collection. */
void fake_journal_settle(struct fake_journal *j, const char *url);
size_t fake_journal_open_count(const struct fake_journal *j);

/* ---- runs ---- */

struct run {
    enum ls_code rc;
    struct ls_error err;
    struct ls_apply_result result;
    struct ls_buf failures; /* a line each: {"id":"7"} conflict: why */
    uint64_t verified_different;
};
/* How a run is made; zeroed is fine. */
struct run_options {
    struct ls_journal *journal;
    struct ls_cancel *cancel;
    /* Called with the writer before the first write, for faults and watching. */
    void (*prepare)(struct ls_store *writer, void *ctx);
    void *ctx;
};

/* Compares, plans, applies, and compares the touched records when rc is LS_OK. */
struct run *runs_sync(struct ls_job *job, const struct run_options *options);
/* Carries out an open plan, which it closes. */
struct run *runs_apply(struct ls_job *job, struct ls_plan *plan, const struct run_options *options);
/* Takes a run back, over a job of the target alone. key: names of the key's fields, NULL-ended; NULL: primary key. */
struct run *runs_undo(const char *target, const char *const *key, struct fake_journal *of,
                      const struct run_options *options);
void run_free(struct run *run);
/* Counts as one text: "3 created, 2 updated, 1 deleted, 0 failed, 0 conflicts". */
#define assert_run(run, expected) runs_assert((run), (expected), __FILE__, __LINE__)
void runs_assert(const struct run *run, const char *expected, const char *file, int line);
#define assert_sync_is(job, expected) runs_assert_in_sync((job), (expected), __FILE__, __LINE__)
/* How many records differ now. */
void runs_assert_in_sync(struct ls_job *job, uint64_t different, const char *file, int line);

/* Puts fake calls before those of a store session: counts, logs, and fails the n-th one. */
struct shim {
    struct ls_store_ops ops; /* what the session has from now on */
    const struct ls_store_ops *real;
    struct ls_buf *log; /* may be NULL */
    unsigned commits, writes, fetches, begins;
    unsigned fail_commit, fail_write, fail_begin; /* the n-th call fails with `code`; 0: none */
    unsigned times;                               /* and so many after it; 0: it alone */
    bool after;                                   /* a failing commit is carried out before */
    enum ls_code code;
    void (*on_commit)(void *ctx, unsigned n); /* before the n-th commit */
    void (*on_write)(void *ctx, unsigned n);
    void *ctx;
};
/* A run_options.prepare whose ctx is a struct shim. One at a time in a program. */
void runs_shim(struct ls_store *writer, void *shim);

#endif
