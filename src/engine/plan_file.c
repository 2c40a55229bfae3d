/* SPDX-License-Identifier: Apache-2.0 */
/* plan_file.c - a plan as a file that people can read, keep, review and apply.
 *
 * The header stands first and holds the counts, which are known last: room for it is left at the
 * start (blanks are white space to JSON) and it is written over at the end. The closing line
 * holds the SHA-256 of every byte before it, so `head -n -1 FILE | sha256sum` checks a plan without us. The
 * whole file is checked before its first change is handed out: a plan that was cut or edited by accident must not
 * be carried out in part.
 *
 * Not done: no signature. Whoever may write the file may also write its digest. */
#include "engine/plan_file.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "engine/sync_config.h"
#include "model/json.h"
#include "model/jsonload.h"

#define PLAN_FORMAT 1
#define COUNTS_ROOM 400 /* bytes that the counts take at most, names included */
#define TAIL_BYTES 256  /* the closing line is shorter */
#define BEGINNING "{\"lockstep\":\"plan\","
#define TAKE_TEXT "make a new plan with `lockstep plan`"

/* ---- writing ---- */

static enum ls_code write_failed(const struct ls_plan_file_writer *w, struct ls_error *err)
{
    return ls_error_errno(err, errno, "cannot write the plan %s", w->path);
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
static enum ls_code begin_header(struct ls_plan_file_writer *w, int64_t now_us,
                                 struct ls_error *err)
{
    const struct ls_job *job = w->job;
    char now[25];

    ls_clock_iso(now_us, now);
    ls_buf_printf(&w->header, BEGINNING "\"format\":%d", PLAN_FORMAT);
    add_text_member(&w->header, "sync", job->name);
    add_text_member(&w->header, "source", job->source.place);
    add_text_member(&w->header, "target", job->target.place);
    add_text_member(&w->header, "made_at", now);
    add_text_member(&w->header, "job", job->digest);
    add_text_member(&w->header, "fingerprint", job->fingerprint ? job->fingerprint : "");
    ls_buf_printf(&w->header, ",\"config\":%s", job->config_json ? job->config_json : "{}");
    add_field_list(&w->header, &job->layout);
    w->header_bytes = w->header.size + COUNTS_ROOM;
    return w->header.failed ? ls_error_nomem(err) : LS_OK;
}

static void end_header(struct ls_plan_file_writer *w, const struct ls_plan_counts *c)
{
    ls_buf_printf(&w->header,
                  ",\"counts\":{\"inserts\":%" PRIu64 ",\"updates\":%" PRIu64
                  ",\"deletes\":%" PRIu64 ",\"soft\":%" PRIu64 ",\"kept\":%" PRIu64
                  ",\"unchanged\":%" PRIu64 ",\"moving\":%" PRIu64 ",\"source_count\":%" PRIu64
                  ",\"target_count\":%" PRIu64 "}}",
                  c->inserts, c->updates, c->deletes, c->soft, c->kept, c->unchanged, c->moving,
                  c->source_count, c->target_count);
    while (!w->header.failed && w->header.size + 1 < w->header_bytes)
        ls_buf_char(&w->header, ' ');
    ls_buf_char(&w->header, '\n');
}

static void add_record(struct ls_buf *out, const char *name, const struct ls_layout *layout,
                       const size_t *positions, const struct ls_value *values, size_t count)
{
    ls_buf_printf(out, ",\"%s\":", name);
    ls_record_to_json(out, layout->fields, positions, values, count);
}

enum ls_code ls_plan_file_put(void *writer, const struct ls_change *change, struct ls_error *err)
{
    struct ls_plan_file_writer *w = writer;
    const struct ls_layout *layout = &w->job->layout;

    ls_buf_reset(&w->line);
    ls_buf_printf(&w->line, "{\"op\":\"%s\"", ls_change_word(change->kind));
    add_record(&w->line, "key", layout, layout->key, change->key, layout->key_count);
    if (change->before)
        add_record(&w->line, "before", layout, NULL, change->before, layout->field_count);
    if (change->after)
        add_record(&w->line, "after", layout, NULL, change->after, layout->field_count);
    ls_buf_text(&w->line, "}\n");
    if (w->line.failed)
        return ls_error_nomem(err);
    if (fwrite(w->line.data, w->line.size, 1, w->swap.f) != 1)
        return write_failed(w, err);
    return LS_OK;
}

static enum ls_code hash_file(const struct ls_plan_file_writer *w, char out[LS_SHA256_HEX],
                              struct ls_error *err)
{
    char block[65536];
    struct ls_sha256 sha;
    size_t n;

    ls_sha256_init(&sha);
    if (fflush(w->swap.f) != 0 || fseeko(w->swap.f, 0, SEEK_SET) != 0)
        return write_failed(w, err);
    while ((n = fread(block, 1, sizeof block, w->swap.f)) > 0)
        ls_sha256_add(&sha, block, n);
    if (ferror(w->swap.f))
        return ls_error_errno(err, errno, "cannot read plan %s back", w->path);
    ls_sha256_hex(&sha, out);
    return LS_OK;
}

enum ls_code ls_plan_file_begin(struct ls_plan_file_writer *w, const struct ls_job *job,
                                const char *path, int64_t now_us, struct ls_error *err)
{
    enum ls_code rc;

    *w = (struct ls_plan_file_writer){.job = job, .path = path};
    ls_buf_init(&w->line, 0);
    ls_buf_init(&w->header, 0);
    rc = ls_file_swap_open(&w->swap, path, "plan", 0600, err);
    if (rc == LS_OK)
        rc = begin_header(w, now_us, err);
    for (size_t i = 0; i < w->header_bytes && rc == LS_OK; i++)
        if (putc(i + 1 < w->header_bytes ? ' ' : '\n', w->swap.f) == EOF)
            rc = write_failed(w, err);
    return rc;
}

/* Header over the room at the start, then the closing line. */
enum ls_code ls_plan_file_end(struct ls_plan_file_writer *w, const struct ls_plan_counts *counts,
                              struct ls_error *err)
{
    const uint64_t changes = counts->inserts + counts->updates + counts->deletes;
    char digest[LS_SHA256_HEX] = "";
    enum ls_code rc;

    end_header(w, counts);
    if (w->header.failed)
        return ls_error_nomem(err);
    if (w->header.size != w->header_bytes)
        return ls_error_set(err, LS_INTERNAL, "the plan's header does not fit its room");
    if (fseeko(w->swap.f, 0, SEEK_SET) != 0 ||
        fwrite(w->header.data, w->header.size, 1, w->swap.f) != 1)
        return write_failed(w, err);
    rc = hash_file(w, digest, err);
    if (rc != LS_OK)
        return rc;
    if (fseeko(w->swap.f, 0, SEEK_END) != 0 ||
        fprintf(w->swap.f, "{\"end\":%" PRIu64 ",\"sha256\":\"%s\"}\n", changes, digest) < 0 ||
        fflush(w->swap.f) != 0)
        return write_failed(w, err);
    return ls_file_swap_commit(&w->swap, err);
}

void ls_plan_file_done(struct ls_plan_file_writer *w)
{
    ls_file_swap_abort(&w->swap);
    ls_buf_done(&w->header);
    ls_buf_done(&w->line);
}

/* ---- reading ---- */

struct ls_plan_file {
    const struct ls_job *job;
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

/* The file's last line, which begins at *ret_body; "" when there is none that fits. */
static enum ls_code read_last_line(FILE *f, const char *shown, char tail[TAIL_BYTES],
                                   off_t *ret_body, struct ls_error *err)
{
    off_t size, from;
    size_t n, begin;

    if (fseeko(f, 0, SEEK_END) != 0 || (size = ftello(f)) < 0)
        return ls_error_errno(err, errno, "cannot read plan %s", shown);
    from = size > TAIL_BYTES - 1 ? size - (TAIL_BYTES - 1) : 0;
    if (fseeko(f, from, SEEK_SET) != 0)
        return ls_error_errno(err, errno, "cannot read plan %s", shown);
    n = fread(tail, 1, TAIL_BYTES - 1, f);
    for (begin = n ? n - 1 : 0; begin > 0 && tail[begin - 1] != '\n';)
        begin--;
    *ret_body = from + (off_t)begin;
    n -= begin;
    memmove(tail, tail + begin, n);
    tail[n] = '\0';
    if (n == 0 || tail[n - 1] != '\n')
        tail[0] = '\0'; /* cut inside of it */
    return LS_OK;
}

/* The SHA-256 of the file's first bytes. */
static enum ls_code hash_body(FILE *f, const char *shown, off_t size, char out[LS_SHA256_HEX],
                              struct ls_error *err)
{
    char block[65536];
    struct ls_sha256 sha;

    ls_sha256_init(&sha);
    rewind(f);
    while (size > 0) {
        const size_t want = size < (off_t)sizeof block ? (size_t)size : sizeof block;
        const size_t n = fread(block, 1, want, f);

        if (n == 0 && ferror(f))
            return ls_error_errno(err, errno, "cannot read plan %s", shown);
        if (n == 0)
            return damaged(err, shown, "it became shorter while it was read");
        ls_sha256_add(&sha, block, n);
        size -= (off_t)n;
    }
    ls_sha256_hex(&sha, out);
    return LS_OK;
}

/* The last line's digest against all bytes before it. */
static enum ls_code check_digest(FILE *f, const char *shown, struct ls_error *err)
{
    char tail[TAIL_BYTES] = "", digest[LS_SHA256_HEX];
    off_t body = 0;
    json_t *json;
    const char *said;
    enum ls_code rc = read_last_line(f, shown, tail, &body, err);

    if (rc == LS_OK)
        rc = hash_body(f, shown, body, digest, err);
    if (rc != LS_OK)
        return rc;
    rc = ls_json_load(tail, strlen(tail), 0, &json, err);
    if (rc != LS_OK)
        return rc;
    said = json_string_value(json_object_get(json, "sha256"));
    if (!said || !json_is_integer(json_object_get(json, "end")))
        rc = damaged(err, shown, "its closing line is missing: the file was cut");
    else if (strcmp(said, digest) != 0)
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
        .soft = count_member(c, "soft"),
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
    const json_int_t format = json_integer_value(json_object_get(json, "format"));
    char *config;

    if (format < 1)
        return damaged(err, shown, "its first line is damaged");
    if (format > PLAN_FORMAT)
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
    return ret->sync && ret->source && ret->target && ret->made_at && ret->job &&
                   ret->fingerprint && ret->config_json
               ? LS_OK
               : ls_error_nomem(err);
}

enum ls_code ls_plan_read_header(FILE *f, const char *shown, struct ls_arena *mem,
                                 struct ls_plan_header *ret, struct ls_error *err)
{
    char beginning[sizeof BEGINNING -
                   1]; /* looked at first: a foreign file may have no lines at all */
    char *line = NULL;
    size_t room = 0;
    json_t *json = NULL;
    enum ls_code rc;

    rewind(f);
    if (fread(beginning, sizeof beginning, 1, f) != 1 ||
        memcmp(beginning, BEGINNING, sizeof beginning) != 0)
        return ls_error_set(
            err, LS_CORRUPT,
            "%s is not a plan file of lockstep. Make one with `lockstep plan -o FILE`", shown);
    rewind(f);
    if (getline(&line, &room, f) < 0 && !feof(f)) {
        rc = ls_error_errno(err, errno, "cannot read plan %s", shown);
    } else {
        rc = ls_json_load(line, strlen(line), 0, &json, err);
        if (rc == LS_OK)
            rc = header_from_json(json, shown, mem, ret, err);
    }
    json_decref(json);
    free(line);
    return rc;
}

static enum ls_code check_side(const struct ls_plan_file *plan, const char *what, const char *then,
                               const struct ls_side *side, struct ls_error *err)
{
    if (strcmp(then, side->place) == 0)
        return LS_OK;
    return ls_error_set(err, LS_CHANGED,
                        "plan %s was made for the %s %s, not %s. Nothing was applied; " TAKE_TEXT,
                        plan->shown, what, then, side->place);
}

/* Is the plan still about this job? */
static enum ls_code check_job(const struct ls_plan_file *plan, struct ls_error *err)
{
    const struct ls_plan_header *h = &plan->header;
    const struct ls_job *job = plan->job;
    enum ls_code rc = check_side(plan, "source", h->source, &job->source, err);

    if (rc == LS_OK)
        rc = check_side(plan, "target", h->target, &job->target, err);
    if (rc == LS_OK && (strcmp(h->job, job->digest) != 0 ||
                        strcmp(h->fingerprint, job->fingerprint ? job->fingerprint : "") != 0))
        rc = ls_error_set(
            err, LS_CHANGED,
            "plan %s no longer fits: the key, the fields, a filter or a table of the sync "
            "changed since it was made (%s). Nothing was applied; " TAKE_TEXT,
            plan->shown, h->made_at);
    return rc;
}

enum ls_code ls_plan_file_open(const struct ls_job *job, FILE *f, const char *shown,
                               struct ls_plan_file **ret, struct ls_error *err)
{
    struct ls_plan_file *plan = calloc(1, sizeof *plan);
    enum ls_code rc;

    if (!plan) {
        fclose(f);
        return ls_error_nomem(err);
    }
    ls_arena_init(&plan->mem, 0);
    plan->job = job;
    plan->f = f;
    plan->shown = ls_arena_text(&plan->mem, shown);
    rc = plan->shown ? ls_plan_read_header(f, shown, &plan->mem, &plan->header, err)
                     : ls_error_nomem(err);
    if (rc == LS_OK)
        rc = check_digest(f, plan->shown, err);
    if (rc == LS_OK)
        rc = check_job(plan, err);
    if (rc == LS_OK) {
        rewind(f);
        if (getline(&plan->line, &plan->line_room, f) < 0) /* past the header */
            rc = feof(f) ? damaged(err, plan->shown, "it is empty")
                         : ls_error_errno(err, errno, "cannot read plan %s", plan->shown);
    }
    if (rc == LS_OK)
        *ret = plan;
    else
        ls_plan_file_close(plan);
    return rc;
}

void ls_plan_file_close(struct ls_plan_file *plan)
{
    if (!plan)
        return;
    fclose(plan->f);
    free(plan->line);
    ls_arena_done(&plan->mem);
    free(plan);
}

const struct ls_plan_counts *ls_plan_file_counts(const struct ls_plan_file *plan)
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

static enum ls_code read_change(const struct ls_plan_file *plan, const json_t *json,
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
        return damaged(err, plan->shown, "a change lacks its record");
    return rc == LS_OK || rc == LS_NOMEM ? rc : ls_error_wrap(err, "plan %s", plan->shown);
}

enum ls_code ls_plan_file_next(struct ls_plan_file *plan, struct ls_arena *mem,
                               struct ls_change *ret, size_t *ret_bytes, struct ls_error *err)
{
    const ssize_t n = plan->ended ? 0 : getline(&plan->line, &plan->line_room, plan->f);
    const int errnum = errno;
    json_t *json = NULL;
    const json_t *end;
    enum ls_code rc =
        n > 0 ? ls_json_load(plan->line, (size_t)n, JSON_ALLOW_NUL, &json, err) : LS_OK;

    *ret_bytes = 0;
    if (plan->ended || rc != LS_OK)
        return rc;
    end = json_object_get(json, "end");
    plan->ended = end != NULL;
    if (n < 0 && !feof(plan->f))
        rc = ls_error_errno(err, errnum, "cannot read plan %s", plan->shown);
    else if (!json)
        rc = damaged(err, plan->shown, "a line is not JSON");
    else if (!end)
        rc = read_change(plan, json, mem, ret, err);
    else if ((uint64_t)json_integer_value(end) != plan->read)
        rc = damaged(err, plan->shown, "changes are missing");
    if (rc == LS_OK && !end) {
        *ret_bytes = (size_t)n;
        plan->read++;
    }
    json_decref(json);
    return rc;
}
