/* SPDX-License-Identifier: Apache-2.0 */
/* findings.c - what `lockstep check` says of a sync before the first record moves.
 *
 * For each field pair whether its values make the round trip; for each side what would get in the
 * way of writing or of trusting its keys; and what we ourselves put into the databases. Levels:
 * OK is said only when there is nothing else to say of the fields, NOTE is worth knowing,
 * WARN may surprise (values can be refused, equality is coarser), ERROR will stop the sync.
 *
 * Reads no record. The target is opened once more, to find out whether it may be written. */
#include <string.h>

#include "engine/resolve.h"
#include "model/convert.h"

struct findings {
    struct ls_job *job;
    struct ls_arena *mem;
    struct ls_finding *list;
    size_t count, capacity;
    bool failed; /* out of memory */
};

static void add(struct findings *f, unsigned level, const char *what, const char *text)
{
    struct ls_finding *list = f->list;

    if (!what || !text) {
        f->failed = true;
        return;
    }
    if (f->count == f->capacity) {
        const size_t capacity = f->capacity ? 2 * f->capacity : 16;

        list = ls_arena_array(f->mem, capacity, sizeof *list);
        if (!list) {
            f->failed = true;
            return;
        }
        if (f->count)
            memcpy(list, f->list, f->count * sizeof *list);
        f->list = list;
        f->capacity = capacity;
    }
    list[f->count].what = what;
    list[f->count].text = text;
    list[f->count++].level = level;
}

static const char *side_what(struct findings *f, enum ls_side_name side)
{
    return ls_arena_printf(f->mem, "%s %s", ls_side_word(side),
                           ls_job_side(f->job, side)->schema->collection);
}

/* ---- fields ---- */

static bool in_key(const struct ls_job *job, size_t at)
{
    for (size_t i = 0; i < job->layout.key_count; i++) {
        if (job->layout.key[i] == at)
            return true;
    }
    return false;
}

static void check_pair(struct findings *f, size_t at, size_t *exact)
{
    static const unsigned levels[] = {
        [LS_TRIP_EXACT] = LS_FINDING_OK,
        [LS_TRIP_CHECKED] = LS_FINDING_NOTE,
        [LS_TRIP_LOSSY] = LS_FINDING_WARN,
        [LS_TRIP_NEVER] = LS_FINDING_ERROR,
    };
    const struct ls_map_field *map = &f->job->mapping->fields[at];
    const struct ls_field *to = &f->job->layout.fields[at];
    const struct ls_field *from = &f->job->source.schema->fields[map->source];
    const char *why = "";
    const enum ls_round_trip trip =
        ls_convert_check(from, to, map->zone, in_key(f->job, at), f->mem, &why);

    if (trip == LS_TRIP_EXACT && !*why) {
        (*exact)++;
        return;
    }
    add(f, trip == LS_TRIP_EXACT ? LS_FINDING_NOTE : levels[trip],
        ls_arena_printf(f->mem, "field %s", to->name), why);
}

static void check_fields(struct findings *f)
{
    const struct ls_mapping *mapping = f->job->mapping;
    size_t exact = 0;

    for (size_t i = 0; i < mapping->field_count; i++) {
        const struct ls_map_field *map = &mapping->fields[i];

        if (map->fixed)
            continue;
        if (!map->expr) {
            check_pair(f, i, &exact);
            continue;
        }
        add(f, LS_FINDING_NOTE, ls_arena_printf(f->mem, "field %s", f->job->layout.fields[i].name),
            ls_arena_printf(f->mem,
                            "is computed (%s); values that its type %s cannot hold are refused "
                            "one by one.",
                            map->text, f->job->layout.fields[i].native));
    }
    if (exact)
        add(f, LS_FINDING_OK, "fields",
            ls_arena_printf(f->mem, "%zu of %zu make the round trip exactly.", exact,
                            mapping->field_count));
}

/* Names the fields of one side that the sync leaves out, in one finding. */
static void check_left_out(struct findings *f, enum ls_side_name side)
{
    const struct ls_side *s = ls_job_side(f->job, side);
    struct ls_buf names;
    size_t count = 0;

    ls_buf_init(&names, 600);
    for (size_t i = 0; i < s->schema->field_count; i++) {
        bool used = false;

        for (size_t j = 0; j < s->field_count && !used; j++)
            used = s->fields[j] == i;
        if (used)
            continue;
        ls_buf_printf(&names, "%s%s%s", count++ ? ", " : "", s->schema->fields[i].name,
                      s->schema->fields[i].flags & LS_FIELD_GENERATED ? " (generated)" : "");
    }
    if (count)
        add(f, LS_FINDING_NOTE, side_what(f, side),
            ls_arena_printf(f->mem, "not compared: %s. Map them with fields: to include them.",
                            names.failed ? "many fields" : ls_buf_str(&names)));
    ls_buf_done(&names);
}

/* A field of the target that has to have a value and gets none makes every insert fail. */
static void check_required(struct findings *f)
{
    const struct ls_side *s = &f->job->target;

    for (size_t i = 0; i < s->schema->field_count; i++) {
        const struct ls_field *field = &s->schema->fields[i];
        const unsigned fills = LS_FIELD_GENERATED | LS_FIELD_IDENTITY | LS_FIELD_DEFAULT;
        bool mapped = false;

        for (size_t j = 0; j < f->job->layout.field_count && !mapped; j++)
            mapped = f->job->target_fields[j] == i;
        if (!mapped && (field->flags & LS_FIELD_NOT_NULL) && !(field->flags & fills))
            add(f, LS_FINDING_ERROR, ls_arena_printf(f->mem, "field %s", field->name),
                "must not be NULL in the target, has no default and is not mapped: inserts will "
                "fail. Map it with fields:, or give it a default.");
    }
}

/* ---- keys ---- */

static void check_key(struct findings *f)
{
    const struct ls_layout *layout = &f->job->layout;
    struct ls_buf names;

    ls_buf_init(&names, 600);
    for (size_t i = 0; i < layout->key_count; i++)
        ls_buf_printf(&names, "%s%s", i ? ", " : "", layout->fields[layout->key[i]].name);
    if (f->job->key_enforced)
        add(f, LS_FINDING_OK, "key",
            ls_arena_printf(f->mem, "%s: unique and never NULL on both sides.",
                            names.failed ? "many fields" : ls_buf_str(&names)));
    else if (f->job->key_unique)
        add(f, LS_FINDING_NOTE, "key",
            ls_arena_printf(f->mem,
                            "%s: unique on both sides, but may be NULL, and a record whose key is "
                            "ends a compare. Declare its fields NOT NULL on both sides.",
                            names.failed ? "many fields" : ls_buf_str(&names)));
    else
        add(f, LS_FINDING_NOTE, "key",
            ls_arena_printf(f->mem,
                            "%s: not enforced on both sides, so every compare reads all keys to "
                            "check it. A unique, not-null constraint on both sides makes compares "
                            "cheaper.",
                            names.failed ? "many fields" : ls_buf_str(&names)));
    ls_buf_done(&names);
}

/* ---- sides ---- */

static void check_flags(struct findings *f)
{
    static const struct {
        unsigned flag;
        unsigned level;
        const char *text;
    } texts[] = {
        {LS_SCHEMA_VIEW, LS_FINDING_ERROR,
         "is a view: it can be compared, not written. Name the table behind it."},
        {LS_SCHEMA_TRIGGERS, LS_FINDING_WARN,
         "triggers fire when it is written, and undo cannot take back what they do: a sync needs "
         "`cascades: accept`."},
        {LS_SCHEMA_CASCADES, LS_FINDING_WARN,
         "deletes reach other tables, and undo cannot take that back: a sync needs `cascades: "
         "accept` or `deletes: keep`."},
        {LS_SCHEMA_SELF_REF, LS_FINDING_NOTE,
         "references itself: records are written in an order that suits, or tried again at the "
         "end."},
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (f->job->target.schema->flags & texts[i].flag)
            add(f, texts[i].level, side_what(f, LS_SIDE_TARGET), texts[i].text);
    }
    if (f->job->source.schema->flags & LS_SCHEMA_VIEW)
        add(f, LS_FINDING_NOTE, side_what(f, LS_SIDE_SOURCE),
            "is a view: its key is checked by reading.");
}

/* false: it has been said which rights the role lacks, or that this cannot be told. */
static bool has_rights(struct findings *f, enum ls_side_name name, struct ls_store *store,
                       const struct ls_schema *schema, bool writes)
{
    const struct ls_side *side = ls_job_side(f->job, name);
    const char *grants = "";
    struct ls_error err = {0};

    if (ls_store_lacking(store, schema, side->field_count, side->fields, writes, f->mem, &grants,
                         &err) != LS_OK)
        add(f, LS_FINDING_WARN, side_what(f, name),
            ls_arena_printf(f->mem, "its rights cannot be told: %s.", err.text));
    else if (*grants)
        add(f, LS_FINDING_ERROR, side_what(f, name),
            ls_arena_printf(f->mem,
                            "%s, so that a sync will fail: the role lacks rights. As the owner "
                            "run: %s",
                            writes ? "may not be written" : "may not be read", grants));
    else
        return true;
    return false;
}

/* A session that only reads cannot tell whether another may write. */
static void check_access(struct findings *f)
{
    const struct ls_side *side = &f->job->target;
    struct ls_store_options options = side->options;
    const char *what = side_what(f, LS_SIDE_TARGET);
    struct ls_schema *schema = NULL;
    struct ls_store *writer = NULL;
    struct ls_error err = {0};
    enum ls_code rc;

    (void)has_rights(f, LS_SIDE_SOURCE, f->job->source.store, f->job->source.schema, false);
    options.writable = true;
    rc = ls_store_open(&side->url, &options, &writer, &err);
    if (rc == LS_OK)
        rc = ls_store_describe(writer, side->url.collection, f->mem, &schema, &err);
    if (rc != LS_OK)
        add(f, LS_FINDING_ERROR, what,
            ls_arena_printf(f->mem, "cannot be opened for writing: %s.", err.text));
    else if (has_rights(f, LS_SIDE_TARGET, writer, schema, true) &&
             schema->flags & LS_SCHEMA_READ_ONLY)
        add(f, LS_FINDING_ERROR, what,
            "may not be written, so that a sync to it will fail: it is a view, a file without the "
            "right to write it, or on a server that takes no changes.");
    ls_store_close(writer);
}

static void check_filters(struct findings *f)
{
    if (f->job->filtered && !f->job->owned)
        add(f, LS_FINDING_NOTE, "deletes",
            "where: is set and target_where: is not, so that records are never deleted. Say which "
            "records of the target the sync owns with target_where:");
}

/* What we put into the target besides its records. */
static void check_ours(struct findings *f)
{
    const char *leaves = f->job->target.store->ops->leaves;

    add(f, leaves ? LS_FINDING_NOTE : LS_FINDING_OK, side_what(f, LS_SIDE_TARGET),
        leaves ? leaves : "nothing but records is put into its database.");
}

enum ls_code ls_job_check(struct ls_job *job, struct ls_arena *mem, size_t *ret_count,
                          const struct ls_finding **ret, struct ls_error *err)
{
    struct findings f = {.job = job, .mem = mem};

    if (job->source.schema) {
        check_key(&f);
        check_fields(&f);
        check_required(&f);
        check_left_out(&f, LS_SIDE_SOURCE);
        check_left_out(&f, LS_SIDE_TARGET);
        check_filters(&f);
        check_flags(&f);
        check_access(&f);
    }
    check_ours(&f);
    if (f.failed)
        return ls_error_nomem(err);
    *ret_count = f.count;
    *ret = f.list;
    return LS_OK;
}
