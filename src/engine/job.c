/* SPDX-License-Identifier: Apache-2.0 */
/* job.c - a sync made ready: both sides open and described.
 *
 * The order matters to whoever made a mistake: the source first (read-only, always), then the
 * target; with `writable` through a session that may write, so that a missing right, a view or
 * a table whose deletes reach further is said before anything is read. That session is closed
 * again: the job's own sessions only read, and the run opens its writer itself, with its lock.
 *
 * A missing target is made here when asked for, by the source's types; everything after that is
 * as if it had always been there.
 *
 * What the job was made from ends up in one digest (names, key, expressions, filters, both
 * schemas). A plan and an earlier run are held against it. --only and brakes are not in it: they
 * choose records, not what the sync is. */
#include "engine/job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "engine/resolve.h"

#define JOB_MAX_BYTES ((size_t)64 << 20) /* schemas, names, expressions: far below in practice */
#define DEFAULT_BATCH_ROWS 1000
#define DEFAULT_INSERT_ROWS 5000 /* nobody waits for records that are not there yet */
#define DEFAULT_WRITERS 4        /* at most: more wait for each other in the server */
#define DEFAULT_BRAKE_DELETES 0.20
#define DEFAULT_BRAKE_CHANGES 0.50

static enum ls_code job_new(struct ls_job **ret, struct ls_error *err)
{
    struct ls_job *job = calloc(1, sizeof *job);

    if (!job)
        return ls_error_nomem(err);
    ls_arena_init(&job->mem, JOB_MAX_BYTES);
    *ret = job;
    return LS_OK;
}

static void side_close(struct ls_side *side)
{
    ls_store_close(side->store);
    ls_zone_close(side->zone);
}

void ls_job_close(struct ls_job *job)
{
    if (!job)
        return;
    side_close(&job->target);
    side_close(&job->source);
    ls_arena_done(&job->mem);
    free(job);
}

/* ---- one side ---- */

static enum ls_code side_init(struct ls_job *job, enum ls_side_name name, struct ls_side *side,
                              const struct ls_side_config *config, struct ls_error *err)
{
    enum ls_code rc;

    if (!config->url)
        return ls_error_set(err, LS_USAGE, "%s: no URL given", ls_side_word(name));
    rc = ls_url_parse(config->url, &job->mem, &side->url, err);
    if (rc == LS_OK && config->collection) {
        side->url.collection = ls_arena_text(&job->mem, config->collection);
        if (!side->url.collection)
            rc = ls_error_nomem(err);
    }
    if (rc == LS_OK && config->zone)
        rc = ls_zone_open(config->zone, &side->zone, err);
    side->options.lock_timeout_ms = config->lock_timeout_ms;
    side->where_id = -1;
    return rc;
}

static enum ls_code side_describe(struct ls_job *job, struct ls_side *side, struct ls_error *err)
{
    struct ls_schema *schema = NULL;
    enum ls_code rc = ls_store_describe(side->store, side->url.collection, &job->mem, &schema, err);

    if (rc != LS_OK)
        return rc;
    side->schema = schema;
    side->place = ls_arena_printf(&job->mem, "%s#%s", side->identity, schema->collection);
    return side->place ? LS_OK : ls_error_nomem(err);
}

/* Opens the session that the job reads with. */
static enum ls_code side_open(struct ls_job *job, struct ls_side *side, struct ls_error *err)
{
    enum ls_code rc = ls_store_open(&side->url, &side->options, &side->store, err);

    if (rc != LS_OK)
        return rc;
    side->identity = ls_arena_text(&job->mem, ls_store_identity(side->store));
    if (!side->identity)
        return ls_error_nomem(err);
    return side_describe(job, side, err);
}

static enum ls_code source_open(struct ls_job *job, const struct ls_sync_config *config,
                                struct ls_error *err)
{
    enum ls_code rc = side_init(job, LS_SIDE_SOURCE, &job->source, &config->source, err);

    if (rc == LS_OK)
        rc = side_open(job, &job->source, err);
    return rc == LS_OK ? rc : ls_error_wrap(err, "source");
}

/* ---- the target, as something to write to ---- */

static bool always(const struct ls_sync_config *config)
{
    (void)config;
    return true;
}

static bool unless_accepted(const struct ls_sync_config *config)
{
    return !config->cascades_accept;
}

/* Keys are never updated, so that only deletes can cascade. */
static bool when_deleting(const struct ls_sync_config *config)
{
    return !config->cascades_accept && config->deletes == LS_DELETES_REMOVE;
}

/* What forbids writing a target; what no grant would help against comes first. */
static const struct obstacle {
    unsigned flag;
    enum ls_code code;
    bool (*applies)(const struct ls_sync_config *config);
    const char *text;
} obstacles[] = {
    {LS_SCHEMA_VIEW, LS_UNSUPPORTED, always,
     "it is a view: its records cannot be locked. Name the table behind it"},
    {LS_SCHEMA_READ_ONLY, LS_PERMISSION, always,
     "this session may not write it. Grant the rights to insert, update and delete (or make the "
     "file writable)"},
    {LS_SCHEMA_TRIGGERS, LS_CONFIG, unless_accepted,
     "triggers fire when it is written, and undo cannot take back what they do. Say `cascades: "
     "accept` to write it all the same"},
    {LS_SCHEMA_CASCADES, LS_CONFIG, when_deleting,
     "deletes reach other tables, and undo cannot take that back. Say `cascades: accept`, or "
     "`deletes: keep`"},
};

static enum ls_code check_writable(const struct ls_schema *schema,
                                   const struct ls_sync_config *config, struct ls_error *err)
{
    for (size_t i = 0; i < sizeof obstacles / sizeof *obstacles; i++) {
        const struct obstacle *o = &obstacles[i];

        if ((schema->flags & o->flag) && o->applies(config))
            return ls_error_set(err, o->code, "%s: %s", schema->collection, o->text);
    }
    return LS_OK;
}

static enum ls_code create_target(struct ls_job *job, struct ls_store *writer,
                                  const struct ls_sync_config *config, struct ls_error *err)
{
    struct ls_schema *like = NULL;
    const size_t *key = NULL;
    size_t key_count = 0;
    enum ls_code rc = ls_resolve_like(job->source.schema, config, job->target.url.collection,
                                      &job->mem, &like, &key_count, &key, err);

    if (rc == LS_OK && !ls_store_can(writer, LS_CAP_CREATE))
        rc = ls_error_set(err, LS_UNSUPPORTED, "%s: collections cannot be made here",
                          job->target.url.shown);
    if (rc == LS_OK)
        rc = ls_store_create(writer, job->target.url.collection, like, key_count, key, err);
    job->created = rc == LS_OK;
    return rc;
}

/* Through a session of its own: may the target be written, and does it have to be made first? */
static enum ls_code prepare_target(struct ls_job *job, const struct ls_sync_config *config,
                                   struct ls_error *err)
{
    struct ls_store_options options = job->target.options;
    const char *collection = job->target.url.collection;
    struct ls_store *writer = NULL;
    struct ls_schema *schema = NULL;
    enum ls_code rc;

    options.writable = true;
    options.create = config->create;
    rc = ls_store_open(&job->target.url, &options, &writer, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_store_describe(writer, collection, &job->mem, &schema, err);
    if (rc == LS_NOT_FOUND && config->create) {
        rc = create_target(job, writer, config, err);
        if (rc == LS_OK)
            rc = ls_store_describe(writer, collection, &job->mem, &schema, err);
    }
    if (rc == LS_OK && !ls_store_can(writer, LS_CAP_WRITE))
        rc = ls_error_set(err, LS_UNSUPPORTED, "%s: stores of this kind are only read",
                          job->target.url.shown);
    if (rc == LS_OK)
        rc = check_writable(schema, config, err);
    ls_store_close(writer);
    return rc;
}

static enum ls_code target_open(struct ls_job *job, const struct ls_sync_config *config,
                                bool writable, struct ls_error *err)
{
    enum ls_code rc = side_init(job, LS_SIDE_TARGET, &job->target, &config->target, err);

    job->target.options.origin = config->silent ? LS_ORIGIN_SYNC : NULL;
    if (rc == LS_OK && writable)
        rc = prepare_target(job, config, err);
    if (rc == LS_OK)
        rc = side_open(job, &job->target, err);
    return rc == LS_OK ? rc : ls_error_wrap(err, "target");
}

/* ---- the job ---- */

static enum ls_code refuse_same(const struct ls_job *job, struct ls_error *err)
{
    if (strcmp(job->source.identity, job->target.identity) != 0 ||
        strcmp(job->source.schema->collection, job->target.schema->collection) != 0)
        return LS_OK;
    return ls_error_set(err, LS_USAGE,
                        "source and target are the same collection: %s, %s. Name two",
                        job->source.identity, job->source.schema->collection);
}

/* A writer's server and this process share a core at best. */
static size_t default_writers(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : cores < DEFAULT_WRITERS ? (size_t)cores : DEFAULT_WRITERS;
}

static double share(double configured, double normal)
{
    return configured > 0 ? configured : normal;
}

static enum ls_code take_settings(struct ls_job *job, const struct ls_sync_config *config,
                                  struct ls_error *err)
{
    job->deletes = config->deletes;
    job->brake_deletes = share(config->brake_deletes, DEFAULT_BRAKE_DELETES);
    job->brake_changes = share(config->brake_changes, DEFAULT_BRAKE_CHANGES);
    job->atomic = config->atomic;
    job->filtered = config->where != NULL;
    job->partial = config->only_count > 0;
    job->owned = config->target_where != NULL || !job->filtered;
    job->batch_rows = config->batch_rows ? config->batch_rows : DEFAULT_BATCH_ROWS;
    job->insert_rows = config->batch_rows ? config->batch_rows : DEFAULT_INSERT_ROWS;
    job->writers = config->writers ? config->writers : default_writers();
    job->name = config->name
                    ? ls_arena_text(&job->mem, config->name)
                    : ls_arena_printf(&job->mem, "%s -> %s", job->source.place, job->target.place);
    job->fingerprint = ls_arena_printf(&job->mem, "%s | %s", job->source.schema->fingerprint,
                                       job->target.schema->fingerprint);
    return job->name && job->fingerprint ? LS_OK : ls_error_nomem(err);
}

/* Length-prefixed, so that no two lists of texts run into the same bytes. NULL and "" differ. */
static void digest_text(struct ls_sha256 *h, const char *text)
{
    const size_t size = text ? strlen(text) : 0;
    const unsigned char head[] = {text != NULL, (unsigned char)(size >> 24),
                                  (unsigned char)(size >> 16), (unsigned char)(size >> 8),
                                  (unsigned char)size};

    ls_sha256_add(h, head, sizeof head);
    ls_sha256_add(h, text, size);
}

static void digest_zone(struct ls_sha256 *h, const struct ls_zone *zone)
{
    digest_text(h, zone ? ls_zone_name(zone) : NULL);
}

static void make_digest(struct ls_job *job, const struct ls_sync_config *config)
{
    struct ls_sha256 h;
    char schema[65];

    ls_sha256_init(&h);
    digest_text(&h, "lockstep-sync/1");
    for (size_t i = 0; i < job->layout.key_count; i++)
        digest_text(&h, job->layout.fields[job->layout.key[i]].name);
    for (size_t i = 0; i < job->layout.field_count; i++) {
        digest_text(&h, job->layout.fields[i].name);
        digest_text(&h, job->mapping->fields[i].text);
    }
    digest_text(&h, config ? config->where : NULL);
    digest_text(&h, config ? config->target_where : NULL);
    digest_zone(&h, job->source.zone);
    digest_zone(&h, job->target.zone);
    if (job->source.schema) {
        ls_schema_digest(job->source.schema, schema);
        digest_text(&h, schema);
    }
    ls_schema_digest(job->target.schema, schema);
    digest_text(&h, schema);
    ls_sha256_hex(&h, job->digest);
}

enum ls_code ls_job_open(const struct ls_sync_config *config, bool writable, struct ls_job **ret,
                         struct ls_error *err)
{
    struct ls_job *job = NULL;
    enum ls_code rc = job_new(&job, err);

    if (rc != LS_OK)
        return rc;
    rc = source_open(job, config, err);
    if (rc == LS_OK)
        rc = target_open(job, config, writable, err);
    if (rc == LS_OK)
        rc = refuse_same(job, err);
    if (rc == LS_OK)
        rc = take_settings(job, config, err);
    if (rc == LS_OK)
        rc = ls_resolve(job, config, err);
    if (rc != LS_OK) {
        ls_job_close(job);
        return rc;
    }
    make_digest(job, config);
    *ret = job;
    return LS_OK;
}

/* A run is taken back where it was made. Another table, given by mistake, may well hold the same records. */
static enum ls_code check_place(const struct ls_job *job, const char *place, struct ls_error *err)
{
    if (!place || strcmp(job->target.place, place) == 0)
        return LS_OK;
    return ls_error_set(err, LS_USAGE,
                        "it changed %s, and %s is another place. Give the source and the target "
                        "of that run again",
                        place, job->target.place);
}

enum ls_code ls_job_open_target(const char *name, const struct ls_side_config *target,
                                const char *place, size_t key_count, const char *const *key,
                                struct ls_job **ret, struct ls_error *err)
{
    struct ls_job *job = NULL;
    enum ls_code rc = job_new(&job, err);

    if (rc != LS_OK)
        return rc;
    rc = side_init(job, LS_SIDE_TARGET, &job->target, target, err);
    if (rc == LS_OK)
        rc = side_open(job, &job->target, err);
    if (rc != LS_OK)
        (void)ls_error_wrap(err, "target");
    if (rc == LS_OK)
        rc = check_place(job, place, err);
    if (rc == LS_OK)
        rc = ls_resolve_target(job, key_count, key, err);
    if (rc == LS_OK) {
        job->batch_rows = DEFAULT_BATCH_ROWS;
        job->insert_rows = DEFAULT_INSERT_ROWS;
        job->writers = 1; /* newest batch first */
        job->brake_deletes = DEFAULT_BRAKE_DELETES;
        job->brake_changes = DEFAULT_BRAKE_CHANGES;
        job->owned = true;
        job->name = name ? ls_arena_text(&job->mem, name) : job->target.place;
        job->fingerprint = job->target.schema->fingerprint;
        if (!job->name)
            rc = ls_error_nomem(err);
    }
    if (rc != LS_OK) {
        ls_job_close(job);
        return rc;
    }
    make_digest(job, NULL);
    *ret = job;
    return LS_OK;
}
