/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - the changes that would make the target match, as a file.
 *
 * The header stands first and holds the counts, which are known last: room for it is left at the
 * start (blanks are white space to JSON) and it is written over at the end. The closing line
 * holds the SHA-256 of every byte before it, so `head -n -1 FILE | sha256sum` checks a plan without us. The
 * whole file is checked before its first change is handed out: a plan that was cut or edited by accident must not
 * be carried out in part.
 *
 * A sync spools its own plan in the same format into an unnamed temporary file; that one is not
 * hashed, for nobody else can reach it.
 *
 * Not done: no signature. Whoever may write the file may also write its digest. */
#include "engine/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/text.h"
#include "engine/sync_config.h"
#include "model/json.h"

#define PLAN_FORMAT 1
#define COUNTS_ROOM 400       /* bytes that the counts take at most, names included */
#define NEXT_BYTES (4u << 20) /* a batch of changes ends at about this many bytes of text */
#define TAKE_TEXT "make a new plan with `lockstep plan`"

/* ---- writing ---- */

struct maker {
    struct ls_job *job;
    FILE *f;
    struct ls_buf line, header;
    size_t header_bytes; /* room that was left, line feed included */
    struct ls_plan_counts counts;
    struct ls_value *after; /* scratch: one record of the layout */
    int64_t now_us;
};

static enum ls_code write_failed(struct ls_error *err)
{
    return ls_error_errno(err, errno, "write the plan");
}

static void add_field_list(struct ls_buf *out, const struct ls_layout *layout)
{
    ls_buf_text(out, ",\"fields\":[");
    for (size_t i = 0; i < layout->field_count; i++) {
        ls_buf_text(out, i ? ",{\"name\":" : "{\"name\":");
        ls_text_json(out, layout->fields[i].name, strlen(layout->fields[i].name));
        ls_buf_printf(out, ",\"type\":\"%s\"}", ls_type_word(layout->fields[i].type));
    }
    ls_buf_text(out, "],\"key\":[");
    for (size_t i = 0; i < layout->key_count; i++) {
        const char *name = layout->fields[layout->key[i]].name;

        ls_buf_text(out, i ? "," : "");
        ls_text_json(out, name, strlen(name));
    }
    ls_buf_text(out, "]");
}

static void add_text_member(struct ls_buf *out, const char *name, const char *text)
{
    ls_buf_printf(out, ",\"%s\":", name);
    ls_text_json(out, text, strlen(text));
}

/* Everything of the header but the counts. */
static void begin_header(struct maker *m)
{
    const struct ls_job *job = m->job;
    char now[25];

    ls_clock_iso(m->now_us, now);
    ls_buf_printf(&m->header, "{\"lockstep\":\"plan\",\"format\":%d", PLAN_FORMAT);
    add_text_member(&m->header, "sync", job->name);
    add_text_member(&m->header, "source", job->source.identity);
    add_text_member(&m->header, "target", job->target.identity);
    add_text_member(&m->header, "made_at", now);
    add_text_member(&m->header, "job", job->digest);
    add_text_member(&m->header, "fingerprint", job->fingerprint ? job->fingerprint : "");
    ls_buf_printf(&m->header, ",\"config\":%s", job->config_json ? job->config_json : "{}");
    add_field_list(&m->header, &job->layout);
}

static void end_header(struct maker *m)
{
    const struct ls_plan_counts *c = &m->counts;

    ls_buf_printf(&m->header,
                  ",\"counts\":{\"inserts\":%" PRIu64 ",\"updates\":%" PRIu64
                  ",\"deletes\":%" PRIu64 ",\"kept\":%" PRIu64 ",\"unchanged\":%" PRIu64
                  ",\"moving\":%" PRIu64 ",\"source_count\":%" PRIu64 ",\"target_count\":%" PRIu64
                  "}}",
                  c->inserts, c->updates, c->deletes, c->kept, c->unchanged, c->moving,
                  c->source_count, c->target_count);
    while (!m->header.failed && m->header.size + 1 < m->header_bytes)
        ls_buf_char(&m->header, ' ');
    ls_buf_char(&m->header, '\n');
}

static void add_record(struct ls_buf *out, const char *name, const struct ls_layout *layout,
                       const size_t *positions, const struct ls_value *values, size_t count)
{
    ls_buf_printf(out, ",\"%s\":", name);
    ls_record_to_json(out, layout->fields, positions, values, count);
}

static enum ls_code write_change(struct maker *m, const struct ls_change *change,
                                 struct ls_error *err)
{
    const struct ls_layout *layout = &m->job->layout;

    ls_buf_reset(&m->line);
    ls_buf_printf(&m->line, "{\"op\":\"%s\"", ls_change_word(change->kind));
    add_record(&m->line, "key", layout, layout->key, change->key, layout->key_count);
    if (change->before)
        add_record(&m->line, "before", layout, NULL, change->before, layout->field_count);
    if (change->after)
        add_record(&m->line, "after", layout, NULL, change->after, layout->field_count);
    ls_buf_text(&m->line, "}\n");
    if (m->line.failed)
        return ls_error_nomem(err);
    if (fwrite(m->line.data, m->line.size, 1, m->f) != 1)
        return write_failed(err);
    return LS_OK;
}

/* A target-only record under `deletes: soft`: the fields are set where they are not set yet. */
static enum ls_code plan_soft_delete(struct maker *m, const struct ls_difference *d,
                                     struct ls_error *err)
{
    const struct ls_job *job = m->job;
    bool changes = false;
    struct ls_arena mem;
    enum ls_code rc = LS_OK;

    ls_arena_init(&mem, 0);
    memcpy(m->after, d->target, job->layout.field_count * sizeof *m->after);
    for (size_t i = 0; i < job->soft_count && rc == LS_OK; i++) {
        const struct ls_soft *soft = &job->soft[i];
        struct ls_value *slot = &m->after[soft->position];

        if (slot->type != LS_T_NULL)
            continue; /* marked before */
        rc = ls_job_soft_value(job, soft, d->target, m->now_us, &mem, slot, err);
        changes = changes || slot->type != LS_T_NULL;
    }
    if (rc == LS_OK && changes) {
        const struct ls_change change = {LS_UPDATE, d->key, d->target, m->after};

        m->counts.updates++;
        rc = write_change(m, &change, err);
    } else if (rc == LS_OK) {
        m->counts.unchanged++;
    }
    ls_arena_done(&mem);
    return rc;
}

static enum ls_code plan_target_only(struct maker *m, const struct ls_difference *d,
                                     struct ls_error *err)
{
    const struct ls_change change = {LS_DELETE, d->key, d->target, NULL};

    if (m->job->deletes == LS_DELETES_KEEP || !m->job->owned) {
        m->counts.kept++;
        return LS_OK;
    }
    if (m->job->deletes == LS_DELETES_SOFT)
        return plan_soft_delete(m, d, err);
    m->counts.deletes++;
    return write_change(m, &change, err);
}

static enum ls_code plan_difference(void *ctx, const struct ls_difference *d, struct ls_error *err)
{
    struct maker *m = ctx;

    switch (d->status) {
    case LS_SOURCE_ONLY:
        m->counts.inserts++;
        return write_change(m, &(struct ls_change){LS_INSERT, d->key, NULL, d->source}, err);
    case LS_INCONSISTENT:
        m->counts.updates++;
        return write_change(m, &(struct ls_change){LS_UPDATE, d->key, d->target, d->source}, err);
    case LS_TARGET_ONLY:
        return plan_target_only(m, d, err);
    case LS_MOVING:
    case LS_CONFLICTED:
    case LS_IN_SYNC:
    case LS_STATUS_COUNT:
        break;
    }
    return LS_OK; /* what moves is left for the next run */
}

static enum ls_code hash_file(FILE *f, char out[LS_SHA256_HEX], struct ls_error *err)
{
    char block[65536];
    struct ls_sha256 sha;
    size_t n;

    ls_sha256_init(&sha);
    if (fflush(f) != 0 || fseeko(f, 0, SEEK_SET) != 0)
        return write_failed(err);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        ls_sha256_add(&sha, block, n);
    if (ferror(f))
        return ls_error_errno(err, errno, "read the plan back");
    ls_sha256_hex(&sha, out);
    return LS_OK;
}

/* Header over the room at the start, then the closing line. hashed: not for a spool. */
static enum ls_code finish(struct maker *m, bool hashed, struct ls_error *err)
{
    const uint64_t changes = m->counts.inserts + m->counts.updates + m->counts.deletes;
    char digest[LS_SHA256_HEX] = "";
    enum ls_code rc = LS_OK;

    end_header(m);
    if (m->header.failed)
        return ls_error_nomem(err);
    if (m->header.size != m->header_bytes)
        return ls_error_set(err, LS_INTERNAL, "the plan's header does not fit its room");
    if (fseeko(m->f, 0, SEEK_SET) != 0 || fwrite(m->header.data, m->header.size, 1, m->f) != 1)
        return write_failed(err);
    if (hashed)
        rc = hash_file(m->f, digest, err);
    if (rc != LS_OK)
        return rc;
    if (fseeko(m->f, 0, SEEK_END) != 0 ||
        fprintf(m->f, "{\"end\":%" PRIu64 ",\"sha256\":\"%s\"}\n", changes, digest) < 0 ||
        fflush(m->f) != 0)
        return write_failed(err);
    return LS_OK;
}

static enum ls_code make(struct maker *m, const struct ls_compare_options *options,
                         const struct ls_hooks *hooks, bool hashed,
                         struct ls_compare_result *ret_compare, struct ls_error *err)
{
    enum ls_code rc;

    begin_header(m);
    m->header_bytes = m->header.size + COUNTS_ROOM;
    if (m->header.failed)
        return ls_error_nomem(err);
    for (size_t i = 0; i < m->header_bytes; i++)
        if (putc(i + 1 < m->header_bytes ? ' ' : '\n', m->f) == EOF)
            return write_failed(err);
    rc = ls_compare(m->job, options, hooks, plan_difference, m, ret_compare, err);
    if (rc != LS_OK)
        return rc;
    m->counts.unchanged += ret_compare->count[LS_IN_SYNC];
    m->counts.moving = ret_compare->count[LS_MOVING];
    m->counts.source_count = ret_compare->source_count;
    m->counts.target_count = ret_compare->target_count;
    return finish(m, hashed, err);
}

enum ls_code ls_plan_make(struct ls_job *job, const struct ls_compare_options *options,
                          const struct ls_hooks *hooks, const char *path, FILE **ret_temp,
                          struct ls_plan_counts *ret_counts, struct ls_compare_result *ret_compare,
                          struct ls_error *err)
{
    struct ls_file_swap swap = {0};
    struct maker m = {.job = job, .now_us = ls_clock_now_us()};
    struct ls_arena mem;
    enum ls_code rc;

    ls_arena_init(&mem, 0);
    ls_buf_init(&m.line, 0);
    ls_buf_init(&m.header, 0);
    rc = path ? ls_file_swap_open(&swap, path, "plan", 0600, err) : ls_file_temp(&m.f, err);
    if (rc != LS_OK)
        goto done;
    if (path)
        m.f = swap.f;
    m.after = ls_arena_array(&mem, job->layout.field_count, sizeof *m.after);
    rc = m.after ? make(&m, options, hooks, path != NULL, ret_compare, err) : ls_error_nomem(err);
    if (rc == LS_OK && path)
        rc = ls_file_swap_commit(&swap, err);
    if (rc != LS_OK)
        goto done;
    *ret_counts = m.counts;
    if (!path) {
        *ret_temp = m.f;
        m.f = NULL;
    }
done:
    if (path)
        ls_file_swap_abort(&swap);
    else if (m.f)
        fclose(m.f);
    ls_buf_done(&m.header);
    ls_buf_done(&m.line);
    ls_arena_done(&mem);
    return rc;
}

/* ---- reading ---- */

struct ls_plan {
    struct ls_job *job;
    FILE *f;
    const char *shown;
    struct ls_arena mem; /* of the header */
    struct ls_plan_header header;
    char *line; /* getline's */
    size_t line_room;
    uint64_t read; /* changes so far */
    bool ended;    /* the closing line was read */
};

static enum ls_code damaged(struct ls_error *err, const char *shown, const char *why)
{
    return ls_error_set(err, LS_CORRUPT, "plan %s: %s. Nothing was applied; " TAKE_TEXT, shown,
                        why);
}

/* The last line's digest against all bytes before it. */
static enum ls_code check_digest(FILE *f, const char *shown, struct ls_error *err)
{
    char block[65536], tail[256] = "", digest[LS_SHA256_HEX];
    struct ls_sha256 sha;
    off_t size, body;
    char *last;
    json_t *json;
    const char *said;
    enum ls_code rc = LS_OK;

    if (fseeko(f, 0, SEEK_END) != 0 || (size = ftello(f)) < 0)
        return ls_error_errno(err, errno, "read plan %s", shown);
    body = size > 255 ? size - 255 : 0;
    if (fseeko(f, body, SEEK_SET) != 0)
        return ls_error_errno(err, errno, "read plan %s", shown);
    tail[fread(tail, 1, sizeof tail - 1, f)] = '\0';
    last = strstr(tail, "{\"end\":");
    if (!last || size == 0 || !strchr(last, '\n'))
        return damaged(err, shown, "its closing line is missing: the file was cut");
    body += last - tail;
    ls_sha256_init(&sha);
    rewind(f);
    for (off_t left = body; left > 0;) {
        const size_t want = left < (off_t)sizeof block ? (size_t)left : sizeof block;
        const size_t n = fread(block, 1, want, f);

        if (n == 0)
            return ls_error_errno(err, errno, "read plan %s", shown);
        ls_sha256_add(&sha, block, n);
        left -= (off_t)n;
    }
    ls_sha256_hex(&sha, digest);
    json = json_loads(last, JSON_DISABLE_EOF_CHECK, NULL);
    said = json_string_value(json_object_get(json, "sha256"));
    if (!said || strcmp(said, digest) != 0)
        rc = damaged(err, shown, "its digest does not fit: it was changed after it was made");
    json_decref(json);
    return rc;
}

static uint64_t count_member(const json_t *counts, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(counts, name));
}

static struct ls_plan_counts counts_from_json(const json_t *c)
{
    return (struct ls_plan_counts){
        .inserts = count_member(c, "inserts"),
        .updates = count_member(c, "updates"),
        .deletes = count_member(c, "deletes"),
        .kept = count_member(c, "kept"),
        .unchanged = count_member(c, "unchanged"),
        .moving = count_member(c, "moving"),
        .source_count = count_member(c, "source_count"),
        .target_count = count_member(c, "target_count"),
    };
}

static const char *header_text(const json_t *json, const char *name, struct ls_arena *mem)
{
    const char *text = json_string_value(json_object_get(json, name));

    return ls_arena_text(mem, text ? text : "");
}

static enum ls_code header_from_json(const json_t *json, const char *shown, struct ls_arena *mem,
                                     struct ls_plan_header *ret, struct ls_error *err)
{
    const char *kind = json_string_value(json_object_get(json, "lockstep"));
    char *config;

    if (!kind || strcmp(kind, "plan") != 0)
        return ls_error_set(
            err, LS_CORRUPT,
            "%s is not a plan file of lockstep. Make one with `lockstep plan -o FILE`", shown);
    if (json_integer_value(json_object_get(json, "format")) > PLAN_FORMAT)
        return ls_error_set(
            err, LS_VERSION,
            "plan %s was made by a newer lockstep. Apply it with that version, or " TAKE_TEXT,
            shown);
    ret->sync = header_text(json, "sync", mem);
    ret->source = header_text(json, "source", mem);
    ret->target = header_text(json, "target", mem);
    ret->made_at = header_text(json, "made_at", mem);
    ret->job = header_text(json, "job", mem);
    ret->fingerprint = header_text(json, "fingerprint", mem);
    ret->counts = counts_from_json(json_object_get(json, "counts"));
    config = json_dumps(json_object_get(json, "config"), JSON_COMPACT);
    ret->config_json = ls_arena_text(mem, config ? config : "{}");
    free(config);
    return ret->config_json ? LS_OK : ls_error_nomem(err);
}

enum ls_code ls_plan_read_header(FILE *f, const char *shown, struct ls_arena *mem,
                                 struct ls_plan_header *ret, struct ls_error *err)
{
    char *line = NULL;
    size_t room = 0;
    json_t *json = NULL;
    enum ls_code rc;

    rewind(f);
    if (getline(&line, &room, f) > 0)
        json = json_loads(line, 0, NULL);
    rc = header_from_json(json, shown, mem, ret, err);
    json_decref(json);
    free(line);
    return rc;
}

/* Is the plan still about this job? */
static enum ls_code check_job(const struct ls_plan *plan, struct ls_error *err)
{
    const struct ls_plan_header *h = &plan->header;
    const struct ls_job *job = plan->job;

    if (strcmp(h->source, job->source.identity) != 0)
        return ls_error_set(
            err, LS_CHANGED,
            "plan %s was made for the source %s, not %s. Nothing was applied; " TAKE_TEXT,
            plan->shown, h->source, job->source.identity);
    if (strcmp(h->target, job->target.identity) != 0)
        return ls_error_set(
            err, LS_CHANGED,
            "plan %s was made for the target %s, not %s. Nothing was applied; " TAKE_TEXT,
            plan->shown, h->target, job->target.identity);
    if (strcmp(h->job, job->digest) != 0 ||
        strcmp(h->fingerprint, job->fingerprint ? job->fingerprint : "") != 0)
        return ls_error_set(
            err, LS_CHANGED,
            "plan %s no longer fits: the key, the fields, a filter or a table of the sync "
            "changed since it was made (%s). Nothing was applied; " TAKE_TEXT,
            plan->shown, h->made_at);
    return LS_OK;
}

enum ls_code ls_plan_open(struct ls_job *job, FILE *f, const char *shown, struct ls_plan **ret,
                          struct ls_error *err)
{
    struct ls_plan *plan = calloc(1, sizeof *plan);
    enum ls_code rc = LS_OK;

    if (!plan) {
        fclose(f);
        return ls_error_nomem(err);
    }
    ls_arena_init(&plan->mem, 0);
    plan->job = job;
    plan->f = f;
    plan->shown = shown ? ls_arena_text(&plan->mem, shown) : "of this run";
    rc = ls_plan_read_header(f, plan->shown, &plan->mem, &plan->header, err);
    if (rc == LS_OK && shown) /* our own spool is not hashed */
        rc = check_digest(f, plan->shown, err);
    if (rc == LS_OK && shown)
        rc = check_job(plan, err);
    if (rc == LS_OK) {
        rewind(f);
        if (getline(&plan->line, &plan->line_room, f) < 0) /* past the header */
            rc = damaged(err, plan->shown, "it is empty");
    }
    if (rc == LS_OK)
        *ret = plan;
    else
        ls_plan_close(plan);
    return rc;
}

void ls_plan_close(struct ls_plan *plan)
{
    if (!plan)
        return;
    fclose(plan->f);
    free(plan->line);
    ls_arena_done(&plan->mem);
    free(plan);
}

const struct ls_plan_counts *ls_plan_counts(const struct ls_plan *plan)
{
    return &plan->header.counts;
}

static enum ls_code read_record(const json_t *json, const char *name,
                                const struct ls_layout *layout, struct ls_arena *mem,
                                const struct ls_value **ret, struct ls_error *err)
{
    const json_t *record = json_object_get(json, name);
    struct ls_value *values;

    *ret = NULL;
    if (!record)
        return LS_OK;
    values = ls_arena_array(mem, layout->field_count, sizeof *values);
    if (!values)
        return ls_error_nomem(err);
    *ret = values;
    return ls_record_from_json(record, layout->fields, NULL, layout->field_count, mem, values, err);
}

static bool kind_from_word(const char *word, enum ls_change_kind *ret)
{
    for (enum ls_change_kind k = LS_INSERT; word && k <= LS_DELETE; k++)
        if (strcmp(word, ls_change_word(k)) == 0) {
            *ret = k;
            return true;
        }
    return false;
}

static enum ls_code read_change(const struct ls_plan *plan, const json_t *json,
                                struct ls_arena *mem, struct ls_change *ret, struct ls_error *err)
{
    const struct ls_layout *layout = &plan->job->layout;
    struct ls_value *key = ls_arena_array(mem, layout->key_count, sizeof *key);
    enum ls_code rc;

    if (!key)
        return ls_error_nomem(err);
    if (!kind_from_word(json_string_value(json_object_get(json, "op")), &ret->kind))
        return damaged(err, plan->shown, "a line is no change");
    ret->key = key;
    rc = ls_record_from_json(json_object_get(json, "key"), layout->fields, layout->key,
                             layout->key_count, mem, key, err);
    if (rc == LS_OK)
        rc = read_record(json, "before", layout, mem, &ret->before, err);
    if (rc == LS_OK)
        rc = read_record(json, "after", layout, mem, &ret->after, err);
    if (rc == LS_OK &&
        (!ret->before != (ret->kind == LS_INSERT) || !ret->after != (ret->kind == LS_DELETE)))
        rc = damaged(err, plan->shown, "a change lacks its record");
    return rc;
}

/* One line: a change, or the end. */
static enum ls_code next_line(struct ls_plan *plan, struct ls_arena *mem, struct ls_change *ret,
                              size_t *ret_bytes, struct ls_error *err)
{
    const ssize_t n = getline(&plan->line, &plan->line_room, plan->f);
    json_t *json = n > 0 ? json_loadb(plan->line, (size_t)n, JSON_ALLOW_NUL, NULL) : NULL;
    const json_t *end = json_object_get(json, "end");
    enum ls_code rc = LS_OK;

    *ret_bytes = n > 0 ? (size_t)n : 0;
    plan->ended = end != NULL;
    if (!json)
        rc = damaged(err, plan->shown, "a line is not JSON");
    else if (!end)
        rc = read_change(plan, json, mem, ret, err);
    else if ((uint64_t)json_integer_value(end) != plan->read)
        rc = damaged(err, plan->shown, "changes are missing");
    json_decref(json);
    return rc;
}

enum ls_code ls_plan_next(struct ls_plan *plan, size_t max, struct ls_arena *mem,
                          struct ls_change **ret, size_t *ret_count, struct ls_error *err)
{
    struct ls_change *changes = ls_arena_array(mem, max, sizeof *changes);
    size_t n = 0, bytes = 0;

    if (!changes)
        return ls_error_nomem(err);
    while (n < max && bytes < NEXT_BYTES && !plan->ended) {
        size_t size = 0;
        enum ls_code rc = next_line(plan, mem, &changes[n], &size, err);

        if (rc != LS_OK)
            return rc;
        bytes += size;
        if (!plan->ended) {
            plan->read++;
            n++;
        }
    }
    *ret = changes;
    *ret_count = n;
    return LS_OK;
}
